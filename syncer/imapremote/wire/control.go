package wire

import (
	"net"
	"strings"
	"time"
)

// The control plane's side of a Conn.

// Read hands over checked answers, each of them whole. It is called by one
// goroutine.
func (c *Conn) Read(p []byte) (int, error) {
	for len(c.shown) == 0 {
		if err := c.readAnswer(); err != nil {
			return 0, err
		}
	}
	n := copy(p, c.shown)
	c.shown = c.shown[n:]
	return n, nil
}

// readAnswer reads one answer, or gives way to the data plane.
func (c *Conn) readAnswer() error {
	c.mu.Lock()
	for c.raw && c.err == nil {
		c.turn.Wait()
	}
	if c.err != nil {
		defer c.mu.Unlock()
		return c.err
	}
	c.reading, c.parked = true, true
	c.mu.Unlock()

	err := c.in.wait()

	c.mu.Lock()
	c.parked = false
	c.mu.Unlock()
	if err == nil {
		err = c.filter()
	}
	if err == errKicked {
		err = nil
	}

	c.mu.Lock()
	c.reading = false
	c.turn.Broadcast()
	c.mu.Unlock()
	if err != nil {
		return c.broken(err)
	}
	return nil
}

// Write sends commands; while the data plane has the stream it waits.
func (c *Conn) Write(p []byte) (int, error) {
	c.mu.Lock()
	for c.raw && c.err == nil {
		c.turn.Wait()
	}
	if c.err != nil {
		defer c.mu.Unlock()
		return 0, c.err
	}
	c.writing = true
	c.control.sent(p)
	c.progress.Store(time.Now().UnixNano())
	if c.parked && c.control.awaited() {
		// The reader went to sleep without a deadline when nothing was awaited.
		c.setReadDeadline(time.Now().Add(c.patience()))
	}
	c.mu.Unlock()

	n, err := c.transmit(p)

	c.mu.Lock()
	c.writing = false
	c.turn.Broadcast()
	c.mu.Unlock()
	return n, err
}

// LocalAddr is the socket's.
func (c *Conn) LocalAddr() net.Addr { return c.base.LocalAddr() }

// RemoteAddr is the socket's.
func (c *Conn) RemoteAddr() net.Addr { return c.base.RemoteAddr() }

// SetDeadline does nothing: absolute deadlines do not fit large mail on slow
// links, and the progress timeout is always on. So do its siblings.
func (c *Conn) SetDeadline(time.Time) error { return nil }

// SetReadDeadline does nothing.
func (c *Conn) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline does nothing.
func (c *Conn) SetWriteDeadline(time.Time) error { return nil }

// tracker follows what the control plane writes, to know which commands are in
// flight. It keeps tags and names of commands, never arguments.
type tracker struct {
	inflight []trackedCommand
	// inLine says that a line was begun; head is the start of it, as far as
	// tag and command go; tail is its last octets.
	inLine bool
	head   []byte
	tail   []byte
	// literal is how many octets of a literal are still to come, and argument
	// says that the line goes on behind one.
	literal  int64
	argument bool
}

type trackedCommand struct {
	tag, name string
	// idling: IDLE before DONE; silence is what it is for. (RFC 2177)
	idling bool
}

const (
	trackedHead = 48
	trackedTail = 24
)

// sent takes note of octets that are about to be written.
func (t *tracker) sent(p []byte) {
	for len(p) > 0 {
		if t.literal > 0 {
			n := min(t.literal, int64(len(p)))
			t.literal -= n
			p = p[n:]
			continue
		}
		octet := p[0]
		p = p[1:]
		t.inLine = true
		if octet == '\n' {
			t.lineEnded()
			continue
		}
		if len(t.head) < trackedHead {
			t.head = append(t.head, octet)
		}
		if len(t.tail) == trackedTail {
			t.tail = append(t.tail[:0], t.tail[1:]...)
		}
		t.tail = append(t.tail, octet)
	}
}

func (t *tracker) lineEnded() {
	head, tail := string(t.head), strings.TrimSuffix(string(t.tail), "\r")
	clear(t.head)
	clear(t.tail)
	t.head, t.tail, t.inLine = t.head[:0], t.tail[:0], false
	if !t.argument {
		t.command(head)
	}
	t.argument = false
	if i := strings.LastIndexByte(tail, '{'); i >= 0 {
		if size, ok := trailingLiteral([]byte(tail[i:])); ok {
			t.literal, t.argument, t.inLine = size, true, true
		}
	}
}

// command registers a line that begins a command; SASL responses and DONE do
// not, as they have no tag and space.
func (t *tracker) command(head string) {
	line := strings.TrimSuffix(head, "\r")
	tag, rest, found := strings.Cut(line, " ")
	if !found {
		for i := range t.inflight {
			if strings.EqualFold(line, "DONE") {
				t.inflight[i].idling = false
			}
		}
		return
	}
	name, rest, _ := strings.Cut(rest, " ")
	name = strings.ToUpper(name)
	if name == "UID" {
		second, _, _ := strings.Cut(rest, " ")
		name += " " + strings.ToUpper(second)
	}
	t.inflight = append(t.inflight, trackedCommand{tag: tag, name: name, idling: name == "IDLE"})
}

// answered removes the command with that tag; false if there is none.
func (t *tracker) answered(tag string) bool {
	for i, command := range t.inflight {
		if command.tag == tag {
			t.inflight = append(t.inflight[:i], t.inflight[i+1:]...)
			// A literal that was refused will not be sent.
			t.literal, t.argument, t.inLine = 0, false, false
			return true
		}
	}
	return false
}

// busy reports whether the stream belongs to the control plane.
func (t *tracker) busy() bool { return t.inLine || len(t.inflight) > 0 }

// idle reports whether an IDLE is all that is in flight.
func (t *tracker) idle() bool { return len(t.inflight) == 1 && t.inflight[0].idling }

// awaited reports whether the server owes an answer.
func (t *tracker) awaited() bool { return t.busy() && !t.idle() }

// name is the oldest command in flight, for errors.
func (t *tracker) name() string {
	if len(t.inflight) == 0 {
		return "connection"
	}
	return t.inflight[0].name
}
