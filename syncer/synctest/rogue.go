package synctest

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// RogueCapability is what a Rogue says it can do unless told otherwise.
const RogueCapability = "IMAP4rev1 AUTH=PLAIN SASL-IR LITERAL+ UIDPLUS CONDSTORE ENABLE ESEARCH LIST-EXTENDED LIST-STATUS SPECIAL-USE NAMESPACE UNSELECT MOVE ID"

// Call is one command and its answer. A Twist may change everything that is
// sent.
type Call struct {
	// Conn counts connections, Nth calls of this verb on all of them; from 1.
	Conn, Nth int
	// Secure says that the command came through TLS.
	Secure bool
	// Verb is in capitals and with its UID: "UID FETCH". Args are behind it,
	// literals inlined behind their headers.
	Tag, Verb, Args string
	// Mailbox is the selected one, "" if there is none.
	Mailbox string
	// Answer are the lines that are sent, each with its CRLF and the literals
	// in it. The last is the tagged one of an honest server.
	Answer []string
	// Opens, if not "", is the mailbox that is selected from then on.
	Opens string
	// First, if not nil, is sent before Answer.
	First func(w io.Writer) error
	// Pace, if not 0, passes after each octet of Answer.
	Pace time.Duration
	// HangUp ends the connection behind Answer; Stall is silent from then on.
	HangUp, Stall bool
}

// Asks reports whether the command has this verb and its arguments this text.
func (c *Call) Asks(verb, text string) bool { return c.Verb == verb && strings.Contains(c.Args, text) }

// Insert puts lines before the tagged one.
func (c *Call) Insert(lines ...string) {
	tagged := c.Answer[len(c.Answer)-1]
	c.Answer = append(append(c.Answer[:len(c.Answer)-1:len(c.Answer)-1], lines...), tagged)
}

// Refuse answers nothing but this, such as "NO [LIMIT] later".
func (c *Call) Refuse(text string) { c.Answer = []string{c.Tag + " " + text + "\r\n"} }

// Edit has each line of the answer changed; "" leaves it out.
func (c *Call) Edit(change func(line string) string) {
	kept := c.Answer[:0]
	for _, line := range c.Answer {
		if line = change(line); line != "" {
			kept = append(kept, line)
		}
	}
	c.Answer = kept
}

// Twist is what makes a Rogue one. It is not called twice at once.
type Twist func(c *Call)

// Rogue is an IMAP server that is honest but for what a Twist makes of its
// answers, and that remembers every command.
type Rogue struct {
	Addr string

	config   RogueConfig
	listener net.Listener
	handlers sync.WaitGroup

	mu     sync.Mutex
	boxes  map[string]*RogueMailbox
	twist  Twist
	deaf   func(c *Call) bool
	calls  []Call
	counts map[string]int
	conns  map[net.Conn]struct{}
	opened int
	closed chan struct{}
}

// RogueConfig is how a Rogue begins.
type RogueConfig struct {
	// Addr is where to listen; "" is some port of 127.0.0.1.
	Addr string
	// Greeting, to the octet; "" is "* OK ready\r\n".
	Greeting string
	// TLS is for STARTTLS or, if Implicit, for the connection from its start.
	TLS      *tls.Config
	Implicit bool
}

// StartRogue starts one for the time of a test.
func StartRogue(tb testing.TB, config RogueConfig) *Rogue {
	tb.Helper()
	if config.Addr == "" {
		config.Addr = "127.0.0.1:0"
	}
	listener, err := net.Listen("tcp", config.Addr)
	if err != nil {
		tb.Fatal(err)
	}
	r := &Rogue{Addr: listener.Addr().String(), config: config, listener: listener}
	r.Reset(nil, nil)
	r.handlers.Go(r.accept)
	tb.Cleanup(func() {
		_ = listener.Close()
		r.Reset(nil, nil)
		r.handlers.Wait()
	})
	return r
}

// Reset hangs up, forgets the commands, and gives the server other mail and
// another twist.
func (r *Rogue) Reset(boxes map[string]*RogueMailbox, twist Twist) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed != nil {
		close(r.closed)
	}
	for conn := range r.conns {
		_ = conn.Close()
	}
	r.boxes, r.twist = map[string]*RogueMailbox{}, twist
	for name, box := range boxes {
		r.boxes[name] = box.clone()
	}
	r.calls, r.counts, r.conns, r.closed = nil, map[string]int{}, map[net.Conn]struct{}{}, make(chan struct{})
	r.opened, r.deaf = 0, nil
}

// SetTwist replaces the twist.
func (r *Rogue) SetTwist(twist Twist) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.twist = twist
}

// Ignore has commands answered as if they were done, and not done; nil: none.
func (r *Rogue) Ignore(deaf func(c *Call) bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.deaf = deaf
}

// Calls lists the commands that came, with the honest answers' first lines.
func (r *Rogue) Calls() []Call {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]Call(nil), r.calls...)
}

// Mailboxes returns a copy of all mail.
func (r *Rogue) Mailboxes() map[string]*RogueMailbox {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.copyBoxes()
}

func (r *Rogue) copyBoxes() map[string]*RogueMailbox {
	boxes := map[string]*RogueMailbox{}
	for name, box := range r.boxes {
		boxes[name] = box.clone()
	}
	return boxes
}

func (r *Rogue) accept() {
	for {
		conn, err := r.listener.Accept()
		if err != nil {
			return
		}
		r.mu.Lock()
		r.opened++
		s := &rogueSession{r: r, conn: conn, number: r.opened, closed: r.closed, socket: conn}
		r.conns[conn] = struct{}{}
		r.mu.Unlock()
		r.handlers.Go(s.serve)
	}
}

// rogueSession is one connection.
type rogueSession struct {
	r        *Rogue
	socket   net.Conn
	conn     net.Conn // the socket, or TLS over it
	in       *bufio.Reader
	number   int
	secure   bool
	selected string
	closed   chan struct{}
}

// serve ends on any error: the client hung up.
func (s *rogueSession) serve() {
	defer s.socket.Close()
	if s.r.config.Implicit {
		s.startTLS()
	}
	greeting := s.r.config.Greeting
	if greeting == "" {
		greeting = "* OK ready\r\n"
	}
	s.in = bufio.NewReader(s.conn)
	if _, err := io.WriteString(s.conn, greeting); err != nil {
		return
	}
	for {
		call, err := s.readCall()
		if err != nil || !s.play(call) {
			return
		}
		if call.Verb == "STARTTLS" && s.r.config.TLS != nil && !s.secure {
			s.startTLS()
			s.in = bufio.NewReader(s.conn)
		}
	}
}

func (s *rogueSession) startTLS() {
	s.conn, s.secure = tls.Server(s.conn, s.r.config.TLS), true
}

// readCall reads a command with its literals, which it bids the client send,
// and works out the answer.
func (s *rogueSession) readCall() (*Call, error) {
	command := ""
	for {
		line, err := s.in.ReadString('\n')
		if err != nil {
			return nil, err
		}
		command += strings.TrimRight(line, "\r\n")
		size, waits, found := literalAtEnd(command)
		if !found {
			break
		}
		if waits {
			if _, err := io.WriteString(s.conn, "+ go ahead\r\n"); err != nil {
				return nil, err
			}
		}
		octets := make([]byte, size)
		if _, err := io.ReadFull(s.in, octets); err != nil {
			return nil, err
		}
		command += "\r\n" + string(octets)
	}
	call := &Call{Conn: s.number, Secure: s.secure}
	call.Tag, call.Args, _ = strings.Cut(command, " ")
	call.Verb, call.Args, _ = strings.Cut(call.Args, " ")
	call.Verb = strings.ToUpper(call.Verb)
	if call.Verb == "UID" {
		verb, args, _ := strings.Cut(call.Args, " ")
		call.Verb, call.Args = "UID "+strings.ToUpper(verb), args
	}
	if call.Verb == "AUTHENTICATE" && len(strings.Fields(call.Args)) == 1 {
		if _, err := io.WriteString(s.conn, "+ \r\n"); err != nil {
			return nil, err
		}
		line, err := s.in.ReadString('\n')
		if err != nil {
			return nil, err
		}
		call.Args += " " + strings.TrimSpace(line)
	}
	return call, nil
}

// literalAtEnd reads the "{n}" or "{n+}" that a line ends with.
func literalAtEnd(line string) (size int, waits, found bool) {
	open := strings.LastIndexByte(line, '{')
	if open < 0 || !strings.HasSuffix(line, "}") {
		return 0, false, false
	}
	digits := line[open+1 : len(line)-1]
	size, err := strconv.Atoi(strings.TrimSuffix(digits, "+"))
	return size, !strings.HasSuffix(digits, "+"), err == nil && size >= 0 && size <= 64<<20
}

// play sends a call's answer; false ends the connection.
func (s *rogueSession) play(call *Call) bool {
	s.r.mu.Lock()
	s.r.counts[call.Verb]++
	call.Nth = s.r.counts[call.Verb]
	var before map[string]*RogueMailbox
	call.Mailbox = s.selected
	if s.r.deaf != nil && s.r.deaf(call) {
		before = s.r.copyBoxes()
	}
	s.answer(call)
	if before != nil {
		s.r.boxes = before
	}
	call.Mailbox = s.selected
	kept := *call
	kept.Answer = nil
	s.r.calls = append(s.r.calls, kept)
	if s.r.twist != nil {
		s.r.twist(call)
	}
	if call.Opens != "" {
		s.selected = call.Opens
	}
	s.r.mu.Unlock()
	if call.First != nil && call.First(s.conn) != nil {
		return false
	}
	if !s.send(strings.Join(call.Answer, ""), call.Pace) {
		return false
	}
	if call.Stall {
		<-s.closed
	}
	return !call.Stall && !call.HangUp && call.Verb != "LOGOUT"
}

func (s *rogueSession) send(text string, pace time.Duration) bool {
	if pace == 0 {
		_, err := io.WriteString(s.conn, text)
		return err == nil
	}
	for i := range len(text) {
		if _, err := io.WriteString(s.conn, text[i:i+1]); err != nil {
			return false
		}
		select {
		case <-time.After(pace):
		case <-s.closed:
			return false
		}
	}
	return true
}

// Pour makes a Call.First that sends a text so often.
func Pour(head, piece string, times int) func(io.Writer) error {
	return func(w io.Writer) error {
		if _, err := io.WriteString(w, head); err != nil {
			return err
		}
		block := strings.Repeat(piece, max(1, min(times, 64<<10/max(len(piece), 1))))
		for sent := 0; sent < times; sent += len(block) / len(piece) {
			if _, err := io.WriteString(w, block); err != nil {
				return err
			}
		}
		return nil
	}
}

// quoteWire writes a mailbox name as a server sends it.
func quoteWire(name string) string {
	if strings.ContainsAny(name, "\r\n\x00") {
		return fmt.Sprintf("{%d}\r\n%s", len(name), name)
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(name) + `"`
}
