package oauth

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"mailferry/cmd/internal/vault"
	"mailferry/syncer/mailbox"
)

// ErrNotSignedIn says that the user has to sign in first.
var ErrNotSignedIn = fmt.Errorf("%w: not signed in", mailbox.ErrAuth)

// Source returns access tokens for logins.
type Source struct {
	Client Client
	Store  Store
	Log    *slog.Logger
}

// Token returns an access token and when it expires, zero for unknown. refused
// is one that the mail server has just refused, or "". Errors are those of
// Renew and Store, or wrap ErrNotSignedIn.
func (s Source) Token(ctx context.Context, refused string) (string, time.Time, error) {
	t, _, err := s.load(ctx)
	if err != nil {
		return "", time.Time{}, err
	}
	if t.isFresh(time.Now()) && t.Access != refused {
		return t.Access, t.Expiry, nil
	}
	t, err = s.renew(ctx, refused)
	return t.Access, t.Expiry, err
}

func (s Source) load(ctx context.Context) (Token, Place, error) {
	t, place, err := s.Store.Load(ctx)
	switch {
	case errors.Is(err, vault.ErrNoKeyring):
		return Token{}, "", fmt.Errorf("%w, as far as can be seen from here: %w", ErrNotSignedIn, vault.ErrNoKeyring)
	case errors.Is(err, vault.ErrNotFound):
		return Token{}, "", ErrNotSignedIn
	case err != nil:
		return Token{}, "", err
	case !t.IsOf(s.Client):
		return Token{}, "", fmt.Errorf("%w with this client ID and this authorization server", ErrNotSignedIn)
	}
	return t, place, nil
}

// renew exchanges the refresh token, one process at a time: whoever waited for
// the lock finds what the other one stored.
func (s Source) renew(ctx context.Context, refused string) (Token, error) {
	unlock, err := s.Store.Lock(ctx)
	if err != nil {
		return Token{}, err
	}
	defer unlock()
	old, place, err := s.load(ctx)
	if err != nil {
		return Token{}, err
	}
	now := time.Now()
	switch {
	case old.isFresh(now) && old.Access != refused:
		return old, nil
	case old.Refresh == "":
		return Token{}, fmt.Errorf("%w any more: the token has ended, and the authorization server gave none to renew it with", ErrNotSignedIn)
	}
	// A token that cannot be stored must not be renewed: the server may take
	// the old one only once.
	interrupted := old.Renewing
	old.Renewing = now
	if place, err = s.Store.Save(ctx, old, place); err != nil {
		return Token{}, err
	}
	fresh, err := s.Client.Renew(ctx, old)
	if err != nil {
		return s.notRenewed(ctx, old, place, interrupted, refused, err)
	}
	// From here on the old one may be void: the new one is stored even when the
	// user has cancelled.
	if _, err := s.Store.Save(context.WithoutCancel(ctx), fresh, place); err != nil {
		s.Log.Error("the renewed token cannot be stored: sign in anew when this run has ended", "error", err)
	}
	s.Log.Debug("token renewed", "expires", fresh.Expiry)
	return fresh, nil
}

// notRenewed notes why, so that status can tell. An answer that never came
// leaves it open what the server did.
func (s Source) notRenewed(ctx context.Context, old Token, place Place, interrupted time.Time, refused string, err error) (Token, error) {
	var no *Refusal
	if !errors.As(err, &no) {
		if ctx.Err() == nil && errors.Is(err, mailbox.ErrUnavailable) {
			old.Renewing = interrupted
			_, _ = s.Store.Save(ctx, old, place) // the mark alone is wrong
		}
		if old.Access != refused && !old.Expiry.IsZero() && time.Now().Before(old.Expiry) {
			return old, nil
		}
		return Token{}, err
	}
	no.Interrupted = interrupted
	old.Renewing = interrupted
	if no.Code == "invalid_grant" {
		old.Refused, old.Reason = no.Code, no.Description
	}
	if _, saveErr := s.Store.Save(ctx, old, place); saveErr != nil {
		err = errors.Join(err, saveErr)
	}
	return Token{}, err
}
