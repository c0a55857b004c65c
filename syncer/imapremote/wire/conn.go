package wire

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"mailferry/syncer/mailbox"
)

// chunkSize is how much is written under one deadline, so that a slow link
// shows progress.
const chunkSize = 16 << 10

// errKicked wakes the control plane's reader so that Raw can have the stream.
var errKicked = errors.New("the data plane wants the stream")

// farewellTime is how long a server that said BYE may take for what else it has
// to say, such as the answer to the command at hand. It should close then, and
// some do not. (RFC 3501, section 7.1.5)
const farewellTime = time.Second

// Conn is a stream to a server, shared by the control plane (a client library
// that uses it as a net.Conn) and the data plane (Raw).
//
// The control plane's reader spends its life in Read. While it waits there for
// the first octet of an answer it is parked: Raw wakes it with a deadline in
// the past, and it waits until Raw is over. It is never disturbed within an
// answer, and octets that were read stay in the reader that both planes share.
type Conn struct {
	addr     string
	base     net.Conn // closing it unblocks everything, also TLS
	stream   net.Conn // base, or TLS over it
	timeout  time.Duration
	limits   Limits
	limiter  func(int)
	greeting Greeting

	down, up, trips, selected atomic.Int64
	heard                     atomic.Bool  // the server spoke last
	progress                  atomic.Int64 // when an octet last moved, Unix nanoseconds
	waitedDown, waitedUp      atomic.Int64 // nanoseconds, see Waited
	done                      chan struct{}

	mu      sync.Mutex
	turn    *sync.Cond // something below changed
	err     error      // why the stream is closed
	bye     error      // the server said BYE to the control plane
	raw     bool       // the data plane has the stream
	reading bool       // the control plane's Read uses the reader
	parked  bool       // ... and waits for an answer to begin
	kicked  bool       // ... and must give up waiting
	writing bool       // the control plane's Write is at work
	control tracker    // what the control plane has in flight
	tell    func(Untagged)

	// The following belong to whoever has the stream.

	in     *reader
	parser parser
	packed *packed      // nil without COMPRESS
	shown  []byte       // checked answers that the control plane has not read yet
	exists uint32       // messages in the selected mailbox
	strays int          // unsolicited answers in a row
	log    *slog.Logger // nil: nothing is traced
	tags   int          // commands of the data plane so far
	flags  map[string]mailbox.Flags
}

func newConn(addr string, base, stream net.Conn, d Dialer) *Conn {
	c := &Conn{
		addr:    addr,
		base:    base,
		stream:  stream,
		timeout: d.Timeout,
		limits:  d.Limits.withDefaults(),
		limiter: d.Limiter,
		log:     d.Log,
		done:    make(chan struct{}),
		flags:   map[string]mailbox.Flags{},
	}
	if c.timeout <= 0 {
		c.timeout = 60 * time.Second
	}
	c.turn = sync.NewCond(&c.mu)
	c.in = newReader(receiver{c}, d.Buffer)
	c.parser = parser{
		in:           c.in,
		lineLimit:    c.limits.DataLine,
		literalLimit: c.limits.Literal,
		bodyLimit:    c.limits.Body,
		nesting:      c.limits.Nesting,
	}
	c.progress.Store(time.Now().UnixNano())
	return c
}

// Greeting returns the server's greeting.
func (c *Conn) Greeting() Greeting { return c.greeting }

// Traffic counts octets on the wire (without TLS' own), round trips and selections.
func (c *Conn) Traffic() mailbox.Traffic {
	return mailbox.Traffic{
		OctetsDown: c.down.Load(),
		OctetsUp:   c.up.Load(),
		RoundTrips: c.trips.Load(),
		Selected:   c.selected.Load(),
	}
}

// Waited tells for how long reading waited for octets, and writing for room:
// for the server, the line, or the limiter of a rate.
func (c *Conn) Waited() (down, up time.Duration) {
	return time.Duration(c.waitedDown.Load()), time.Duration(c.waitedUp.Load())
}

// Err says why the stream is unusable (lost, closed, BYE), nil if it is fine.
// The control plane loses causes on its way: ask here when it failed.
func (c *Conn) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.bye != nil {
		return c.bye
	}
	return c.err
}

// Done is closed when the stream is unusable; then Err says why.
func (c *Conn) Done() <-chan struct{} { return c.done }

// Close closes the socket and unblocks every call. It is not a LOGOUT.
func (c *Conn) Close() error {
	c.fail(fmt.Errorf("%s: %w: %w", c.addr, mailbox.ErrNetwork, net.ErrClosed))
	return nil
}

// fail closes the stream. The first reason stays, and is returned.
func (c *Conn) fail(err error) error {
	c.mu.Lock()
	if c.err == nil {
		c.err = err
		close(c.done)
		if socket, ok := c.base.(*net.TCPConn); ok && isTimeout(err) {
			// What a silent server has not got yet must not reach it later,
			// when other connections have sent it once more.
			_ = socket.SetLinger(0)
		}
	}
	err = c.err
	c.turn.Broadcast()
	c.mu.Unlock()
	c.base.Close()
	return err
}

// broken is fail for whatever an answer may have met.
func (c *Conn) broken(err error) error {
	err = asProtocol(err)
	if errors.Is(err, mailbox.ErrProtocol) {
		err = fmt.Errorf("%s: %w", c.addr, err)
	}
	return c.fail(err)
}

// OnUntagged sets a function that is told of unsolicited data in either plane,
// for instance during IDLE. It must not block nor call the Conn. nil: none.
func (c *Conn) OnUntagged(fn func(Untagged)) {
	c.mu.Lock()
	c.tell = fn
	c.mu.Unlock()
}

// Raw lends the stream to the data plane. It waits until the control plane has
// no command in flight (except IDLE, which is an error), and commands that the
// control plane writes meanwhile wait until fn returned. One fn runs at a time.
// Cancelling ctx closes the stream. The Exchange is valid only inside fn.
// If fn returns while an answer is outstanding the stream is closed.
func (c *Conn) Raw(ctx context.Context, fn func(*Exchange) error) error {
	stop := context.AfterFunc(ctx, func() {
		c.fail(fmt.Errorf("%s: %w", c.addr, context.Cause(ctx)))
	})
	defer stop()
	if err := c.takeTurn(); err != nil {
		return err
	}
	defer c.endTurn()
	x := newExchange(c)
	err := fn(x)
	if len(x.pending) > 0 {
		c.fail(fmt.Errorf("%s: %w: an answer was not awaited", c.addr, mailbox.ErrProtocol))
	}
	return err
}

// takeTurn waits until the control plane is idle and takes the stream from it.
func (c *Conn) takeTurn() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.err == nil && (c.raw || c.writing || c.control.busy()) {
		if c.control.idle() {
			return errors.New("the control plane is in IDLE")
		}
		c.turn.Wait()
	}
	if c.bye != nil {
		return c.bye
	}
	if c.err != nil {
		return c.err
	}
	c.raw = true
	if c.parked {
		c.kicked = true
		c.setReadDeadline(time.Unix(1, 0))
	}
	for c.reading && c.err == nil {
		c.turn.Wait()
	}
	c.kicked = false
	if c.err != nil {
		c.raw = false
		c.turn.Broadcast()
	}
	return c.err
}

func (c *Conn) endTurn() {
	c.mu.Lock()
	c.raw = false
	c.turn.Broadcast()
	c.mu.Unlock()
}

// receiver reads the stream under the progress timeout.
type receiver struct{ c *Conn }

func (r receiver) Read(p []byte) (int, error) {
	c := r.c
	if c.packed != nil {
		return c.packed.read(p)
	}
	for {
		if err := c.armRead(); err != nil {
			return 0, err
		}
		begun := time.Now()
		n, err := c.stream.Read(c.portion(p))
		if n > 0 {
			c.moved(&c.down, n)
			c.waitedDown.Add(int64(time.Since(begun)))
			c.heard.Store(true)
			return n, nil
		}
		if err == nil {
			continue
		}
		if isTimeout(err) && !c.stalled() {
			continue
		}
		return 0, c.fail(c.networkError("read", err))
	}
}

// armRead sets the deadline of the next read. It does so under the lock, so
// that it never overwrites a kick.
func (c *Conn) armRead() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	deadline, err := c.deadline()
	if err != nil {
		return err
	}
	c.setReadDeadline(deadline)
	return nil
}

// readDeadline is until when the next read may wait.
func (c *Conn) readDeadline() (time.Time, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.deadline()
}

// deadline is readDeadline with c.mu held.
func (c *Conn) deadline() (time.Time, error) {
	switch {
	case c.err != nil:
		return time.Time{}, c.err
	case c.kicked && c.parked:
		return time.Time{}, errKicked
	case c.parked && !c.control.awaited():
		return time.Time{}, nil
	}
	return time.Now().Add(c.patience()), nil
}

// patience is how long the server may be silent. c.mu is held.
func (c *Conn) patience() time.Duration {
	if c.bye != nil {
		return min(c.timeout, farewellTime)
	}
	return c.timeout
}

// setReadDeadline has a read that waits look again at how long it may. c.mu is
// held. A stream that has no deadlines any more says so when it is read.
func (c *Conn) setReadDeadline(deadline time.Time) {
	if c.packed == nil {
		_ = c.stream.SetReadDeadline(deadline)
		return
	}
	select {
	case c.packed.wake <- struct{}{}:
	default:
	}
}

// portion is as much of a buffer as may be filled at once.
func (c *Conn) portion(p []byte) []byte {
	if c.limiter == nil {
		return p
	}
	return p[:min(len(p), chunkSize)]
}

// stalled reports whether nothing moved for the progress timeout. A read may
// time out while the other direction is busy, or because of a kick.
func (c *Conn) stalled() bool {
	c.mu.Lock()
	waiting := c.parked && (c.kicked || !c.control.awaited())
	patience := c.patience()
	c.mu.Unlock()
	return !waiting && time.Since(time.Unix(0, c.progress.Load())) >= patience-patience/8
}

// transmit writes to the stream under the progress timeout.
func (c *Conn) transmit(p []byte) (int, error) {
	if len(p) > 0 && c.heard.Swap(false) {
		c.trips.Add(1)
	}
	if c.packed != nil {
		return c.packed.write(p)
	}
	return c.push(p)
}

// push writes to the stream itself.
func (c *Conn) push(p []byte) (int, error) {
	written := 0
	for written < len(p) {
		chunk := p[written:min(len(p), written+chunkSize)]
		begun := time.Now()
		c.stream.SetWriteDeadline(begun.Add(c.timeout))
		n, err := c.stream.Write(chunk)
		written += n
		c.moved(&c.up, n)
		c.waitedUp.Add(int64(time.Since(begun)))
		if err != nil {
			return written, c.fail(c.networkError("write", err))
		}
	}
	return written, nil
}

func (c *Conn) moved(counter *atomic.Int64, n int) {
	counter.Add(int64(n))
	if c.limiter != nil {
		c.limiter(n)
	}
	c.progress.Store(time.Now().UnixNano())
}

// networkError words a broken stream. An end of the stream is never expected.
func (c *Conn) networkError(op string, err error) error {
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	if isTimeout(err) {
		return fmt.Errorf("%s %s: %w: nothing moved for %v: %w", op, c.addr, mailbox.ErrNetwork, c.timeout, err)
	}
	return fmt.Errorf("%s %s: %w: %w", op, c.addr, mailbox.ErrNetwork, err)
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.Is(err, os.ErrDeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout()
}
