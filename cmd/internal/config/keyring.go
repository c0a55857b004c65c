package config

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/zalando/go-keyring"
)

// storeTimeout is how long a keyring may take to store a password: it may ask
// for its own first.
const storeTimeout = time.Minute

// OriginKeyring is what Origin says of the keyring.
const OriginKeyring = "the keyring"

// Origin returns the password that is there without asking anybody, and in words
// where it is from. Errors are those of Password.
func (s Secrets) Origin(ctx context.Context) (password, origin string, err error) {
	s.Prompt = nil
	return s.find(ctx)
}

// HasKeyring reports whether this machine seems to have a keyring.
func (s Secrets) HasKeyring() bool { return s.Keyring != nil || s.hasKeyring() }

// StorePassword puts the account's password into the keyring.
func (s Secrets) StorePassword(password string) error {
	if !s.hasKeyring() {
		return errors.New("this machine has no keyring")
	}
	stored := make(chan error, 1)
	go func() { stored <- keyring.Set(keyringService, s.Account.Name, password) }()
	select {
	case err := <-stored:
		if err != nil {
			return fmt.Errorf("keyring: %w", err)
		}
		return nil
	case <-time.After(storeTimeout):
		return errors.New("the keyring does not answer")
	}
}
