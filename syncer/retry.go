package syncer

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"

	"mailferry/syncer/mailbox"
)

// How long a lost connection is sought again before the run gives up.
const (
	reconnectTries = 6
	reconnectFirst = 250 * time.Millisecond
	reconnectMax   = 10 * time.Second
	// backoffMax bounds the wait that a server may ask for.
	backoffMax = time.Minute
)

// stateError is trouble with the state: the whole run ends.
type stateError struct{ err error }

func (e *stateError) Error() string { return "state: " + e.err.Error() }
func (e *stateError) Unwrap() error { return e.err }

// diskError is trouble with writing the store: the whole run ends.
type diskError struct{ err error }

func (e *diskError) Error() string { return "store: " + e.err.Error() }
func (e *diskError) Unwrap() error { return e.err }

// offlineError says that the connection was lost and did not come back.
type offlineError struct{ err error }

func (e *offlineError) Error() string { return e.err.Error() }
func (e *offlineError) Unwrap() error { return e.err }

// isFatal reports whether an error ends the run rather than concern one
// mailbox or message.
func isFatal(err error) bool {
	var state *stateError
	var disk *diskError
	var offline *offlineError
	var alarm *AlarmError
	return errors.As(err, &alarm) || errors.As(err, &state) || errors.As(err, &disk) || errors.As(err, &offline) ||
		errors.Is(err, mailbox.ErrStopped) || errors.Is(err, mailbox.ErrAuth) || errors.Is(err, mailbox.ErrTLS) ||
		errors.Is(err, context.Canceled)
}

// isPassing reports whether the same may succeed on another connection or a
// little later.
func isPassing(err error) bool {
	return errors.Is(err, mailbox.ErrNetwork) || errors.Is(err, mailbox.ErrUnavailable) || errors.Is(err, mailbox.ErrProtocol)
}

// retry repeats what may be repeated: observing and reading, and changes that
// are the same when made twice.
func (r *run) retry(ctx context.Context, try func() error) error {
	const tries = 3
	for attempt := 1; ; attempt++ {
		err := try()
		if err == nil || isFatal(err) || !isPassing(err) || attempt == tries {
			return err
		}
		if err := r.reconnect(ctx, err); err != nil {
			return err
		}
	}
}

// silence is when the server last said nothing for so long that a connection
// was given up. Several connections fall silent together.
type silence struct {
	mu     sync.Mutex
	at     time.Time
	octets int64 // that the run had carried then
}

// hardlyAnything is so little that a server which sent or took no more of it
// between two silences cannot be worked with. It is more than it takes to log in
// and to look at a mailbox.
const hardlyAnything = 64 << 10

// isRepeated takes note of a silence, and reports whether hardly anything was
// carried since the one before.
func (s *silence) isRepeated(now time.Time, octets int64, patience time.Duration) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.at.IsZero() && now.Sub(s.at) < patience*3/4 {
		return false // it began before that one ended: another connection's
	}
	repeated := !s.at.IsZero() && octets-s.octets < hardlyAnything
	s.at, s.octets = now, octets
	return repeated
}

// reconnect waits until the server answers again. lost is what happened; it is
// returned as the reason if the server stays away for longer than the run's
// Patience, or falls silent once more.
func (r *run) reconnect(ctx context.Context, lost error) error {
	r.Log.Warn("connection trouble", "error", lost)
	if carried := r.Remote.Traffic(); errors.Is(lost, os.ErrDeadlineExceeded) &&
		r.silence.isRepeated(time.Now(), carried.OctetsDown+carried.OctetsUp, r.Patience) {
		return &offlineError{fmt.Errorf("the server fell silent again: %w", lost)}
	}
	var refused *mailbox.ServerError
	if errors.As(lost, &refused) && refused.Backoff > 0 {
		if err := sleep(ctx, min(refused.Backoff, backoffMax), r.Stop); err != nil {
			return err
		}
	}
	wait := backoff.NewExponentialBackOff()
	wait.InitialInterval, wait.MaxInterval = reconnectFirst, reconnectMax
	seek, cancel := context.WithTimeout(ctx, r.Patience)
	defer cancel()
	for range reconnectTries {
		_, err := r.Remote.Exists(seek, mailbox.Inbox)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case seek.Err() != nil:
			return &offlineError{fmt.Errorf("the server stays away: %w", lost)}
		case err == nil || !isPassing(err):
			return nil
		}
		lost = err
		if err := sleep(ctx, wait.NextBackOff(), r.Stop); err != nil {
			return err
		}
	}
	return &offlineError{fmt.Errorf("the server stays away: %w", lost)}
}

func sleep(ctx context.Context, d time.Duration, stop <-chan struct{}) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-stop:
		return mailbox.ErrStopped
	case <-ctx.Done():
		return ctx.Err()
	}
}
