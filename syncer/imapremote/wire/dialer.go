package wire

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"mailferry/syncer/mailbox"
)

// Security says what protects the stream.
type Security uint8

// The kinds of streams.
const (
	// TLS is implicit TLS, port 993. (RFC 8314, section 3.2)
	TLS Security = iota
	// StartTLS begins in the clear and requires STARTTLS. (RFC 9051, section 6.2.1)
	StartTLS
	// Plain is not protected at all.
	Plain
	// Tunnel is a command's stdin and stdout; the server may be PREAUTH.
	Tunnel
)

// Dialer says how a server is reached.
type Dialer struct {
	// Addr is host:port. With Tunnel it only names the server in errors.
	Addr     string
	Security Security
	// TLS has RootCAs, VerifyConnection (a pin) and so on set by the caller.
	// nil is the system's roots. ServerName defaults to Addr's host; less
	// than TLS 1.2 is never spoken.
	TLS *tls.Config
	// Tunnel is the command and its arguments; no shell is involved.
	Tunnel []string
	// Timeout is how long no octet may move in either direction while an
	// answer is awaited. 0: 60 s.
	Timeout time.Duration
	// ConnectTimeout bounds connecting, TLS and the greeting. 0: 30 s.
	ConnectTimeout time.Duration
	Limits         Limits
	// Limiter, if not nil, is told how many octets were read or written, and
	// may sleep to keep a rate. It is called from several goroutines.
	Limiter func(octets int)
	// ReadBuffer is how many octets the system may receive ahead of us, without
	// Limiter knowing. 0: as many as it likes.
	ReadBuffer int
	// Log, if not nil, is told each command of the data plane and its answer, at
	// slog.LevelDebug.
	Log *slog.Logger
	// Buffer is how much memory a connection reads into, in octets. 0: 256 KiB,
	// which suits bulk; one that waits for news needs no more than 4 KiB.
	Buffer int
}

// Limits caps what a server can make the client hold. Zero fields are the
// defaults.
type Limits struct {
	// Line caps a line that the control plane is shown, in octets. 64 KiB.
	Line int
	// DataLine caps a line of the data plane. 1 MiB, and 11 octets more for each
	// message of the selected mailbox (up to 6,000,000), for SEARCH.
	DataLine int
	// Literal caps a literal that is not a message's body. 1 MiB.
	Literal int64
	// Body caps a body's literal. 4 GiB less one, as the protocol does.
	Body int64
	// Nesting caps how deep lists may be nested. 100.
	Nesting int
	// Unsolicited caps answers that nobody asked for during one command.
	// 200,000.
	Unsolicited int
	// Mailboxes caps the rows of one LIST. 200,000.
	Mailboxes int
}

func (l Limits) withDefaults() Limits {
	l.Line = orDefault(l.Line, 64<<10)
	l.DataLine = orDefault(l.DataLine, 1<<20)
	l.Literal = orDefault(l.Literal, 1<<20)
	l.Body = orDefault(l.Body, 1<<32-1)
	l.Nesting = orDefault(l.Nesting, 100)
	l.Unsolicited = orDefault(l.Unsolicited, 200_000)
	l.Mailboxes = orDefault(l.Mailboxes, 200_000)
	return l
}

func orDefault[T int | int64](value, otherwise T) T {
	if value <= 0 {
		return otherwise
	}
	return value
}

// Dial connects, secures the stream and reads the greeting. Cancelling ctx
// afterwards has no effect on the Conn. Errors wrap mailbox.ErrNetwork (and the
// net package's cause), ErrTLS, ErrProtocol, or are a mailbox.ServerError.
func (d Dialer) Dial(ctx context.Context) (c *Conn, err error) {
	err = d.establish(ctx, func(ctx context.Context, base net.Conn) (err error) {
		c, err = d.open(ctx, base)
		return err
	})
	if err != nil {
		return nil, err
	}
	return c, nil
}

// establish connects, and lets open bring the connection to where the login
// begins; together they take at most ConnectTimeout.
func (d Dialer) establish(ctx context.Context, open func(ctx context.Context, base net.Conn) error) error {
	limit := d.ConnectTimeout
	if limit <= 0 {
		limit = 30 * time.Second
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	base, err := d.connect(ctx)
	if err != nil {
		return d.networkError(ctx, err)
	}
	// Whatever blocks below, the end of ctx unblocks it.
	stop := context.AfterFunc(ctx, func() { base.Close() })
	err = open(ctx, base)
	if !stop() && err == nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		base.Close()
		return d.explain(ctx, base, err)
	}
	return nil
}

func (d Dialer) connect(ctx context.Context) (net.Conn, error) {
	if d.Security == Tunnel {
		return startTunnel(d.Tunnel)
	}
	var dialer net.Dialer
	base, err := dialer.DialContext(ctx, "tcp", d.Addr)
	if socket, ok := base.(*net.TCPConn); ok && d.ReadBuffer > 0 {
		// A system that does not care keeps the rate less evenly.
		_ = socket.SetReadBuffer(d.ReadBuffer)
	}
	return base, err
}

// open goes from a connected socket to a greeted Conn.
func (d Dialer) open(ctx context.Context, base net.Conn) (*Conn, error) {
	switch d.Security {
	case TLS:
		stream, err := d.handshake(ctx, base)
		if err != nil {
			return nil, err
		}
		c := newConn(d.Addr, base, stream, d)
		return c, c.greet(false)
	case StartTLS:
		c := newConn(d.Addr, base, base, d)
		if err := c.greet(false); err != nil {
			return nil, err
		}
		if err := c.startTLS(); err != nil {
			return nil, err
		}
		stream, err := d.handshake(ctx, base)
		if err != nil {
			return nil, err
		}
		secure := newConn(d.Addr, base, stream, d)
		secure.carryOver(c)
		return secure, nil
	case Tunnel:
		c := newConn(d.Addr, base, base, d)
		return c, c.greet(true)
	case Plain:
		c := newConn(d.Addr, base, base, d)
		return c, c.greet(false)
	}
	return nil, fmt.Errorf("%w: unknown security %d", mailbox.ErrUnsupported, d.Security)
}

// networkError words why there is no connection.
func (d Dialer) networkError(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, context.DeadlineExceeded) {
		return fmt.Errorf("connect %s: %w", d.Addr, cause)
	}
	if errors.Is(err, mailbox.ErrNetwork) {
		return err
	}
	return fmt.Errorf("connect %s: %w: %w", d.Addr, mailbox.ErrNetwork, err)
}

// explain says why a connection did not come to a greeting: the user's
// interruption, the time limit, or the command of a tunnel, rather than the
// closed socket that these leave behind.
func (d Dialer) explain(ctx context.Context, base net.Conn, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return d.networkError(ctx, fmt.Errorf("no greeting in time: %w", cause))
	}
	if t, ok := base.(*tunnel); ok {
		if text := t.complaint(); text != "" {
			return fmt.Errorf("%w (%s says: %s)", err, d.Tunnel[0], text)
		}
	}
	return err
}
