package oauth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"mailferry/cmd/internal/vault"
)

// Place is where a token is kept; "" is nowhere.
type Place string

// The places.
const (
	InKeyring Place = "keyring"
	InFile    Place = "file"
)

// Store keeps one account's token.
type Store struct {
	Account string
	// Keyring may be nil: there is none.
	Keyring *vault.Keyring
	Folder  vault.Folder
}

// user is the account's name in the keyring; passwords have the bare one.
func (s Store) user() string { return s.Account + "/oauth2" }

// Load returns the token and where it is. Where keyring and file have one, the
// later counts. Errors wrap vault.ErrNotFound, or are the file's.
func (s Store) Load(ctx context.Context) (Token, Place, error) {
	var best Token
	place := Place("")
	text, err := s.Folder.Get(s.Account)
	switch {
	case err == nil:
		if best, err = decode(text); err != nil {
			return Token{}, "", fmt.Errorf("the token's file: %w", err)
		}
		place = InFile
	case !errors.Is(err, vault.ErrNotFound):
		return Token{}, "", err
	}
	text, err = s.Keyring.Get(ctx, s.user())
	switch {
	case ctx.Err() != nil:
		return Token{}, "", ctx.Err()
	case err == nil:
		if t, err := decode(text); err == nil && (place == "" || t.Issued.After(best.Issued)) {
			best, place = t, InKeyring
		}
	case place == "":
		return Token{}, "", errors.Join(vault.ErrNotFound, err)
	}
	if place == "" {
		return Token{}, "", vault.ErrNotFound
	}
	return best, place, nil
}

func decode(text string) (Token, error) {
	var t Token
	if err := json.Unmarshal([]byte(text), &t); err != nil {
		// The library's error quotes.
		return Token{}, errors.New("is damaged")
	}
	return t, nil
}

// Save stores the token at the place, or in the file where the keyring does not
// take it: some take 2,560 octets only. It returns where it is now.
func (s Store) Save(ctx context.Context, t Token, at Place) (Place, error) {
	text, err := json.Marshal(t)
	if err != nil {
		return "", err
	}
	if at == InKeyring && s.Keyring.Set(ctx, s.user(), string(text)) == nil {
		return InKeyring, nil
	}
	if ctx.Err() != nil {
		return "", ctx.Err()
	}
	if err := s.Folder.Set(s.Account, string(text)); err != nil {
		return "", fmt.Errorf("store the token: %w", err)
	}
	return InFile, nil
}

// Tidy removes what an earlier sign-in left in the other place. It is older,
// and would lose anyhow.
func (s Store) Tidy(ctx context.Context, keep Place) {
	if keep == InKeyring {
		_ = s.Folder.Delete(s.Account)
	} else {
		_ = s.Keyring.Delete(ctx, s.user())
	}
}

// Delete removes the token everywhere. It reports whether there was one.
func (s Store) Delete(ctx context.Context) (bool, error) {
	found := s.Keyring.Delete(ctx, s.user()) == nil
	err := s.Folder.Delete(s.Account)
	if errors.Is(err, vault.ErrNotFound) {
		return found, nil
	}
	return found || err == nil, err
}

// Lock keeps other processes from renewing the account's token.
func (s Store) Lock(ctx context.Context) (unlock func(), err error) {
	unlock, err = s.Folder.Lock(ctx, s.Account)
	if err != nil {
		return nil, fmt.Errorf("lock the token: %w", err)
	}
	return unlock, nil
}
