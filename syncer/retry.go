package syncer

import (
	"context"
	"errors"
	"fmt"
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

// reconnect waits until the server answers again. lost is what happened; it is
// returned as the reason if the server stays away.
func (r *run) reconnect(ctx context.Context, lost error) error {
	r.Log.Warn("connection trouble", "error", lost)
	var refused *mailbox.ServerError
	if errors.As(lost, &refused) && refused.Backoff > 0 {
		if err := sleep(ctx, min(refused.Backoff, backoffMax), r.Stop); err != nil {
			return err
		}
	}
	wait := backoff.NewExponentialBackOff()
	wait.InitialInterval, wait.MaxInterval = reconnectFirst, reconnectMax
	for range reconnectTries {
		_, err := r.Remote.Exists(ctx, mailbox.Inbox)
		if err == nil || !isPassing(err) {
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
