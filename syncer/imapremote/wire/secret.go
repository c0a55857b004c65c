package wire

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"mailferry/syncer/mailbox"
)

// Secret is a password or token that is asked for when it is first needed, by
// one session at a time, and kept in memory.
type Secret struct {
	// Ask returns it; nil: there is none.
	Ask func(ctx context.Context) (string, error)
	// Expires says that it is a token, which a server may refuse one day though
	// it took it before. A password that was taken stays right: what a further
	// connection is refused for is something else, whatever the server says.
	Expires bool

	mu    sync.Mutex
	value string
	known bool
	// worked says that the server took it once.
	worked bool
}

// Get returns the secret. Errors are Ask's, or mailbox.ErrAuth without one.
func (s *Secret) Get(ctx context.Context) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.known {
		return s.value, nil
	}
	if s.Ask == nil {
		return "", fmt.Errorf("%w: there is no password or token for this account", mailbox.ErrAuth)
	}
	value, err := s.Ask(ctx)
	if err != nil {
		return "", err
	}
	s.value, s.known = value, true
	return value, nil
}

// Settle notes whether the server took the secret; one that is wrong is
// forgotten. It reports whether asking for another one may help: a token that
// worked before has expired.
func (s *Secret) Settle(err error) (expired bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil {
		s.worked = s.known
		return false
	}
	if !errors.Is(err, mailbox.ErrAuth) || s.worked && !s.Expires {
		return false
	}
	expired = s.worked
	s.value, s.known, s.worked = "", false, false
	return expired
}
