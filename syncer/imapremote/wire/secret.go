package wire

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"mailferry/syncer/mailbox"
)

// tokenMargin is how long a token has to be good for when a login begins.
const tokenMargin = time.Minute

// Secret is a password or token that is asked for when it is first needed, by
// one session at a time, and kept in memory.
type Secret struct {
	// ask returns it and until when it is good, zero for ever. refused is what
	// the server refused last, "" at first. nil: there is none.
	ask func(ctx context.Context, refused string) (value string, until time.Time, err error)
	// expires says that it is a token, which a server may refuse one day though
	// it took it before. A password that was taken stays right: what a further
	// connection is refused for is something else, whatever the server says.
	expires bool

	mu      sync.Mutex
	value   string
	until   time.Time
	known   bool
	worked  bool   // the server took it once
	refused string // what it refused last, and
	cause   error  // what it said then
}

// Password is a secret that is asked for once, and again only after the server
// refused it.
func Password(ask func(ctx context.Context) (string, error)) *Secret {
	s := &Secret{}
	if ask != nil {
		s.ask = func(ctx context.Context, _ string) (string, time.Time, error) {
			value, err := ask(ctx)
			return value, time.Time{}, err
		}
	}
	return s
}

// Token is an OAuth2 access token. It is asked for anew shortly before it
// expires, and in place of one that the server refused, which ask is told.
func Token(ask func(ctx context.Context, refused string) (value string, until time.Time, err error)) *Secret {
	return &Secret{ask: ask, expires: true}
}

// Get returns the secret. Errors are those of asking, or wrap mailbox.ErrAuth
// when there is none, or none but the token that was refused.
func (s *Secret) Get(ctx context.Context) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.known && (s.until.IsZero() || time.Until(s.until) > tokenMargin) {
		return s.value, nil
	}
	if s.ask == nil {
		return "", fmt.Errorf("%w: there is no password or token for this account", mailbox.ErrAuth)
	}
	value, until, err := s.ask(ctx, s.refused)
	if err != nil {
		return "", err
	}
	if s.expires && s.refused != "" && value == s.refused {
		// The next one who asks may try it again: servers have bad moments.
		s.refused = ""
		return "", s.cause
	}
	s.value, s.until, s.known = value, until, true
	return value, nil
}

// Settle notes whether the server took value; one that is wrong is forgotten.
// It reports whether another login may succeed: with another token.
func (s *Secret) Settle(value string, err error) (again bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case err == nil:
		if s.known && value == s.value {
			s.worked = true
		}
		return false
	case !errors.Is(err, mailbox.ErrAuth):
		return false
	case s.expires && (!s.known || value != s.value):
		return true // another session has noted it already
	case s.worked && !s.expires:
		return false
	}
	if s.expires {
		s.refused, s.cause = value, err
	}
	s.value, s.known, s.worked = "", false, false
	return s.expires
}
