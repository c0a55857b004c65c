package imapremote

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"

	"mailferry/syncer/imapremote/wire"
	"mailferry/syncer/mailbox"
)

const (
	defaultConnections = 4
	// farewell is how long LOGOUT may take.
	farewell = 2 * time.Second
)

// Options says which account is opened, and how.
type Options struct {
	// Dialer reaches the server.
	Dialer wire.Dialer
	User   string
	// Auth is one of the Auth constants; "" is AuthAuto: PLAIN where it is
	// offered, else the LOGIN command.
	Auth string
	// Password is asked when it is first needed, and again only after the
	// server refused what it returned.
	Password func(ctx context.Context) (string, error)
	// Token returns an OAuth2 access token and when it expires, zero for
	// unknown. It is asked again when that time comes, and when the server
	// refused a token: refused is that one, "" for none.
	Token func(ctx context.Context, refused string) (token string, until time.Time, err error)
	// Connections is the most there are at once. 0 is 4.
	Connections int
	// ReadOnly refuses every method that writes, and opens mailboxes with
	// EXAMINE only.
	ReadOnly bool
	// DisableID keeps the client's name from servers that choke on ID.
	DisableID bool
	// Without hides capabilities of the server, by their names.
	Without []string
	// Log is told of oddities; nil: nobody is.
	Log *slog.Logger
}

// Account is an IMAP account. Its methods may be called from several
// goroutines; each uses a session of its own and waits when all are at work.
type Account struct {
	opts            Options
	log             *slog.Logger
	pool            *pool
	password, token *wire.Secret
	names           *names
	caps            capabilities // of the first session
	down, up        *squeeze

	mu       sync.Mutex
	sessions map[*session]struct{}
	retired  mailbox.Traffic
}

// errReadOnly is returned by methods that write.
var errReadOnly = fmt.Errorf("account is opened for reading only: writing is %w", mailbox.ErrUnsupported)

// Open connects and logs in. Errors wrap ErrAuth, ErrTLS, ErrNetwork,
// ErrProtocol or ErrUnavailable, or are those of Options.Password and Token.
func Open(ctx context.Context, opts Options) (*Account, error) {
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	if opts.Connections <= 0 {
		opts.Connections = defaultConnections
	}
	a := &Account{
		opts:     opts,
		log:      opts.Log,
		password: wire.Password(opts.Password),
		token:    wire.Token(opts.Token),
		sessions: map[*session]struct{}{},
	}
	a.down = &squeeze{log: opts.Log, direction: "down", carried: func() int64 { return a.Traffic().OctetsDown }}
	a.up = &squeeze{log: opts.Log, direction: "up", carried: func() int64 { return a.Traffic().OctetsUp }}
	a.pool = newPool(opts.Connections, opts.Log, a.dial)
	err := a.with(ctx, "", false, func(s *session) error {
		namespaces, err := s.namespaces(ctx)
		if err != nil {
			return err
		}
		a.caps, a.names = s.caps, newNames(namespaces)
		return nil
	})
	if err != nil {
		a.Close()
		return nil, err
	}
	return a, nil
}

// Capabilities lists what the server says it can do, in capitals and sorted.
func (a *Account) Capabilities() []string { return a.caps.names() }

// Traffic tells what all connections carried so far, closed ones included.
func (a *Account) Traffic() mailbox.Traffic {
	a.mu.Lock()
	defer a.mu.Unlock()
	total := a.retired
	for s := range a.sessions {
		total = sum(total, s.conn.Traffic())
	}
	return total
}

func sum(a, b mailbox.Traffic) mailbox.Traffic {
	return mailbox.Traffic{
		OctetsDown: a.OctetsDown + b.OctetsDown,
		OctetsUp:   a.OctetsUp + b.OctetsUp,
		RoundTrips: a.RoundTrips + b.RoundTrips,
		Selected:   a.Selected + b.Selected,
	}
}

// Close logs out. Sessions that are still at work are cut off; a server that
// does not answer is not waited for.
func (a *Account) Close() error {
	idle := a.pool.close()
	ctx, cancel := context.WithTimeout(context.Background(), farewell)
	defer cancel()
	var farewells sync.WaitGroup
	for _, s := range idle {
		farewells.Go(func() {
			s.logout(ctx)
			s.abort()
		})
	}
	farewells.Wait()
	a.mu.Lock()
	var busy []*session
	for s := range a.sessions {
		busy = append(busy, s)
	}
	a.mu.Unlock()
	for _, s := range busy {
		s.abort()
	}
	return nil
}

// with lends fn a session, see pool.acquire.
func (a *Account) with(ctx context.Context, wireName string, write bool, fn func(*session) error) error {
	s, err := a.pool.acquire(ctx, wireName, write)
	if err != nil {
		return err
	}
	defer a.pool.release(s)
	return fn(s)
}

// Prepare opens connections in the background that will be needed soon: until
// there are n, or as many as there may be. It is over when ctx is.
func (a *Account) Prepare(ctx context.Context, n int) { a.pool.open(ctx, n) }

// dial returns a session that is logged in. A token may have expired or been
// revoked since it was issued: then another one is asked for, once.
func (a *Account) dial(ctx context.Context) (*session, error) {
	s, again, err := a.connect(ctx)
	if again {
		s, _, err = a.connect(ctx)
	}
	return s, err
}

func (a *Account) connect(ctx context.Context) (s *session, again bool, err error) {
	conn, err := a.opts.Dialer.Dial(ctx)
	if err != nil {
		return nil, false, err
	}
	s = newSession(conn)
	s.end = func() { a.retire(s) }
	a.mu.Lock()
	a.sessions[s] = struct{}{}
	a.mu.Unlock()
	again, err = a.greet(ctx, s)
	if err != nil {
		s.abort()
		return nil, again, err
	}
	return s, false, nil
}

// retire keeps a closed session's traffic.
func (a *Account) retire(s *session) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if _, found := a.sessions[s]; found {
		a.retired = sum(a.retired, s.conn.Traffic())
		delete(a.sessions, s)
	}
}

// greet logs in, learns the capabilities and introduces us. again says that
// another login may succeed.
func (a *Account) greet(ctx context.Context, s *session) (again bool, err error) {
	before, err := s.offered(ctx)
	if err != nil {
		return false, err
	}
	if !s.conn.Greeting().PreAuth {
		if again, err := a.login(ctx, s, before); err != nil {
			return again, err
		}
	}
	if s.caps, err = s.capabilities(ctx, a.opts.Without); err != nil {
		return false, err
	}
	return false, a.introduce(ctx, s)
}

// introduce says the client's name. The account's first session asks for the
// namespaces in the same round trip.
func (a *Account) introduce(ctx context.Context, s *session) error {
	var spaces *imapclient.NamespaceCommand
	if a.names == nil && s.caps.has("NAMESPACE") {
		spaces = s.client.Namespace()
	}
	if s.caps.has("ID") && !a.opts.DisableID {
		err := s.control(ctx, "ID", func() error {
			_, err := s.client.ID(&imap.IDData{Name: "mailferry"}).Wait()
			return err
		})
		if isRefusal(err) {
			a.log.Debug("server refuses ID", "error", err)
		} else if err != nil {
			return err
		}
	}
	if spaces == nil {
		return nil
	}
	err := s.control(ctx, "NAMESPACE", func() (err error) {
		s.spaces, err = spaces.Wait()
		return err
	})
	if isRefusal(err) {
		return nil
	}
	return err
}

// isRefusal reports whether a command was refused and the session goes on.
func isRefusal(err error) bool {
	var refused *mailbox.ServerError
	return errors.As(err, &refused) && refused.Status != "BYE"
}
