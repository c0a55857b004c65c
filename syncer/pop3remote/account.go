package pop3remote

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"mailferry/syncer/imapremote/wire"
	"mailferry/syncer/mailbox"
)

// farewell is how long QUIT may take when nothing is at stake.
const farewell = 2 * time.Second

// Options says which account is opened, and how.
type Options struct {
	// Dialer reaches the server. Security StartTLS means STLS.
	Dialer wire.Dialer
	User   string
	// Auth is one of the Auth constants; "" is AuthAuto.
	Auth string
	// Password is asked when it is first needed, and again only after the
	// server refused what it returned.
	Password func(ctx context.Context) (string, error)
	// Token returns an OAuth2 access token and when it expires, zero for
	// unknown. It is asked again when that time comes, and when the server
	// refused a token: refused is that one, "" for none.
	Token func(ctx context.Context, refused string) (token string, until time.Time, err error)
	// Numbers remembers the UIDs; nil: nobody does.
	Numbers Numbers
	// DryRun reads Numbers and writes nothing to it.
	DryRun bool
	// ReadOnly refuses to delete.
	ReadOnly bool
	// Log is told of oddities; nil: nobody is.
	Log *slog.Logger
	// Now is the clock; nil: the system's.
	Now func() time.Time
}

// Account is a POP3 account. Its methods may be called from several goroutines;
// they take turns on its one connection.
type Account struct {
	opts            Options
	log             *slog.Logger
	password, token *wire.Secret
	numbers         Numbers
	turn            chan struct{} // holds a token while nobody has the turn

	// The following belong to whoever has the turn.

	session *session
	rows    map[mailbox.UID]mailbox.Numbered // the messages that are there
	closed  bool

	mu      sync.Mutex
	current *wire.Stream
	retired mailbox.Traffic
}

// Open connects and logs in. Errors wrap ErrAuth, ErrTLS, ErrNetwork,
// ErrProtocol or ErrUnavailable, or are those of Options.Password and Token.
func Open(ctx context.Context, opts Options) (*Account, error) {
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	a := &Account{
		opts:     opts,
		log:      opts.Log,
		password: wire.Password(opts.Password),
		token:    wire.Token(opts.Token),
		numbers:  opts.Numbers,
		turn:     make(chan struct{}, 1),
	}
	if a.numbers == nil {
		a.numbers = &memory{validity: validityAt(opts.Now())}
	}
	a.turn <- struct{}{}
	if err := a.with(ctx, func(*session) error { return nil }); err != nil {
		return nil, err
	}
	return a, nil
}

// errClosed is returned by every method after Close.
var errClosed = errors.New("account is closed")

// with runs fn with a session that is logged in. Cancelling ctx closes it.
func (a *Account) with(ctx context.Context, fn func(*session) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case <-a.turn:
		defer func() { a.turn <- struct{}{} }()
	case <-ctx.Done():
		return ctx.Err()
	}
	if a.closed {
		return errClosed
	}
	if a.session == nil || a.session.err != nil {
		if err := a.connect(ctx); err != nil {
			return err
		}
	}
	s := a.session
	stop := context.AfterFunc(ctx, func() { s.stream.Close() })
	err := fn(s)
	if !stop() {
		s.fail(context.Cause(ctx))
		if err != nil {
			err = ctx.Err()
		}
	}
	if s.err != nil {
		a.retire()
	}
	return err
}

// connect makes a session. A token may have expired or been revoked since it
// was issued: then another one is asked for, once.
func (a *Account) connect(ctx context.Context) error {
	again, err := a.dial(ctx)
	if again {
		_, err = a.dial(ctx)
	}
	return err
}

func (a *Account) dial(ctx context.Context) (again bool, err error) {
	var s *session
	stream, err := a.opts.Dialer.DialStream(ctx, func(ctx context.Context, stream *wire.Stream) (err error) {
		s, err = greet(ctx, stream)
		return err
	})
	if err != nil {
		return false, err
	}
	a.mu.Lock()
	a.current = stream
	a.mu.Unlock()
	a.session, s.began = s, a.opts.Now()
	stop := context.AfterFunc(ctx, func() { stream.Close() })
	again, err = a.login(ctx, s)
	if err == nil && !s.knowsAll() {
		// Some servers tell more once they know who asks.
		err = s.capa()
	}
	if !stop() && err != nil {
		err = ctx.Err()
	}
	if err != nil {
		s.fail(err)
		a.retire()
		return again, err
	}
	if s.caps["EXPIRE"] == "0" {
		a.log.Warn("the server says that it deletes messages once they were read (EXPIRE 0)")
	}
	return false, nil
}

// knowsAll reports whether the capabilities tell all that is of use.
func (s *session) knowsAll() bool {
	return s.caps == nil || s.caps.has("UIDL") && s.caps.has("TOP") && s.caps.has("PIPELINING")
}

// retire keeps the traffic of a session that has ended.
func (a *Account) retire() {
	a.session = nil
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.current != nil {
		a.retired, a.current = a.total(), nil
	}
}

func (a *Account) total() mailbox.Traffic {
	total := a.retired
	if a.current != nil {
		now := a.current.Traffic()
		total.OctetsDown += now.OctetsDown
		total.OctetsUp += now.OctetsUp
		total.RoundTrips += now.RoundTrips
		total.Selected++ // a session opens its one mailbox
	}
	return total
}

// Capabilities lists the first words of what CAPA tells, sorted; nil where the
// server does not know CAPA. (RFC 2449, section 5)
func (a *Account) Capabilities(ctx context.Context) (names []string, err error) {
	err = a.with(ctx, func(s *session) error {
		names = slices.Sorted(maps.Keys(s.caps))
		return nil
	})
	return names, err
}

// Traffic tells what was carried so far.
func (a *Account) Traffic() mailbox.Traffic {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.total()
}

// Close says goodbye. Nothing is ever left marked for deletion, so that QUIT
// deletes nothing and its answer makes no difference. A session at work is cut
// off.
func (a *Account) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), farewell)
	defer cancel()
	select {
	case <-a.turn:
	default:
		a.mu.Lock()
		if a.current != nil {
			a.current.Close()
		}
		a.mu.Unlock()
		<-a.turn
	}
	defer func() { a.turn <- struct{}{} }()
	if s := a.session; s != nil && s.err == nil {
		stop := context.AfterFunc(ctx, func() { s.stream.Close() })
		_ = s.quit()
		stop()
	}
	a.closed = true
	a.retire()
	return nil
}

// List returns INBOX, which is all that there is.
func (a *Account) List(ctx context.Context) ([]mailbox.Listed, error) {
	if err := a.with(ctx, func(*session) error { return nil }); err != nil {
		return nil, err
	}
	return []mailbox.Listed{{Name: mailbox.Inbox}}, nil
}

// Exists reports whether a mailbox is INBOX, and asks the server for a sign of
// life.
func (a *Account) Exists(ctx context.Context, name mailbox.Name) (bool, error) {
	err := a.with(ctx, func(s *session) error {
		_, err := s.do("NOOP")
		return err
	})
	return err == nil && name == mailbox.Inbox, err
}

// Observe tells which messages there are. All are handed over each time: what
// is known of them is their UID and how large they may be.
func (a *Account) Observe(ctx context.Context, name mailbox.Name, since mailbox.Since, each func(mailbox.RemoteMessage) error) (mailbox.Observation, error) {
	var rows []mailbox.RemoteMessage
	var seen mailbox.Observation
	if err := a.renew(ctx); err != nil {
		return mailbox.Observation{}, err
	}
	err := a.onInbox(ctx, name, func(s *session) error {
		s.observed = true
		// What was numbered is read anew: the state may have been rebuilt.
		if err := a.number(ctx, s); err != nil {
			return err
		}
		rows, seen = a.describe(s.drop)
		return nil
	})
	if err != nil {
		return mailbox.Observation{}, err
	}
	if now, then := seen.Status.UIDValidity, since.Remote.UIDValidity; !since.Only.IsEmpty() && now != then {
		return mailbox.Observation{}, fmt.Errorf("%s: %w: UIDVALIDITY %d is now %d", name, mailbox.ErrUIDValidity, then, now)
	}
	for _, row := range rows {
		if err := each(row); err != nil {
			return mailbox.Observation{}, err
		}
	}
	return seen, nil
}

// staleAfter is how old a session may be that tells what there is.
const staleAfter = 30 * time.Second

// renew ends a session that has told what it sees, or began long ago: it would
// never see anything else. (RFC 1939, section 3)
func (a *Account) renew(ctx context.Context) error {
	return a.with(ctx, func(s *session) error {
		if s.observed || a.opts.Now().Sub(s.began) > staleAfter {
			_ = s.quit() // nothing is marked: its answer makes no difference
		}
		return nil
	})
}

// onInbox runs fn with a session that has listed its mailbox and knows its
// messages' UIDs.
func (a *Account) onInbox(ctx context.Context, name mailbox.Name, fn func(*session) error) error {
	err := a.with(ctx, func(s *session) error {
		if name != mailbox.Inbox {
			return fmt.Errorf("%w: POP3 has INBOX alone", mailbox.ErrNotFound)
		}
		if s.drop == nil {
			if err := s.list(); err != nil {
				return err
			}
			if err := s.identify(); err != nil {
				s.drop = nil
				return err
			}
		}
		if !s.drop.numbered {
			if err := a.number(ctx, s); err != nil {
				return err
			}
		}
		return fn(s)
	})
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}
