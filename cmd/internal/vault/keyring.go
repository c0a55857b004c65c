package vault

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/zalando/go-keyring"
)

// Service is the name under which our secrets are in the keyring.
const Service = "mailferry"

var (
	// ErrNotFound says that there is no such secret.
	ErrNotFound = errors.New("no such secret")
	// ErrNoKeyring says that no keyring can be reached from here.
	ErrNoKeyring = errors.New("no keyring can be reached")
)

// A keyring that asks for its own password may wait for ever; one that is not
// there may too. To store something a person may have to unlock it.
const (
	lookUp = 2 * time.Second
	change = time.Minute
)

// Keyring is that of the desktop. Values are secrets of one line or more.
type Keyring struct{}

// Desktop returns the keyring, or nil where there is none to be expected:
// without a session bus the library would try to start one.
func Desktop(env func(string) string) *Keyring {
	switch runtime.GOOS {
	case "darwin", "windows":
		return &Keyring{}
	}
	if env("DBUS_SESSION_BUS_ADDRESS") == "" {
		return nil
	}
	return &Keyring{}
}

// Get looks a secret up. Errors wrap ErrNotFound or ErrNoKeyring.
func (k *Keyring) Get(ctx context.Context, user string) (secret string, err error) {
	if k == nil {
		return "", ErrNoKeyring
	}
	found := make(chan string, 1)
	err = within(ctx, lookUp, func() error {
		secret, err := keyring.Get(Service, user)
		found <- secret
		return err
	})
	if err != nil {
		return "", err
	}
	return <-found, nil
}

// Set stores a secret in place of the one that is there. Errors wrap
// ErrNoKeyring.
func (k *Keyring) Set(ctx context.Context, user, secret string) error {
	if k == nil {
		return ErrNoKeyring
	}
	return within(ctx, change, func() error { return keyring.Set(Service, user, secret) })
}

// Delete removes a secret. Errors wrap ErrNotFound or ErrNoKeyring.
func (k *Keyring) Delete(ctx context.Context, user string) error {
	if k == nil {
		return ErrNoKeyring
	}
	return within(ctx, change, func() error { return keyring.Delete(Service, user) })
}

// within bounds what the library does not.
func within(ctx context.Context, limit time.Duration, do func() error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	done := make(chan error, 1)
	go func() { done <- do() }()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case err := <-done:
		switch {
		case errors.Is(err, keyring.ErrNotFound):
			return ErrNotFound
		case err != nil:
			return fmt.Errorf("%w: %w", ErrNoKeyring, err)
		}
		return nil
	case <-timer.C:
		return fmt.Errorf("%w: it does not answer", ErrNoKeyring)
	case <-ctx.Done():
		return ctx.Err()
	}
}
