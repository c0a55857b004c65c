package synctest

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// Step is one turn of a scripted server.
type Step struct {
	// Expect is a regular expression for the client's command without its
	// tag, literals inlined; "" expects nothing and speaks at once. A command
	// that no step at hand expects is answered by Script.Otherwise.
	Expect string
	// Send is what is answered, to the octet. "{tag}" stands for the tag.
	Send string
	// Repeat sends Send so often; 0 is once. With Every a pause lies between.
	Repeat int
	Every  time.Duration
	// CutAfter, if above 0, sends only so many octets and then hangs up.
	CutAfter int
	// Close hangs up after Send, Stall is silent from then on.
	Close, Stall bool
	// GoAhead answers the literals of the command with "+" as they come; it
	// is the rule, and NoGoAhead leaves the client waiting.
	NoGoAhead bool
	// Call is called when the step is reached.
	Call func()
}

// Script is what a scripted server does on each connection.
type Script struct {
	// Greeting is sent first, to the octet; "" is "* OK ready\r\n".
	Greeting string
	// Steps are taken in order. A connection starts at the first again,
	// unless Continue is set.
	Steps    []Step
	Continue bool
	// Otherwise answers, by the command's first word or two ("LOGIN", "UID
	// FETCH"), what no step expects; "{tag}" stands for the tag. What is not
	// even there is answered with OK, so that a script need only tell what
	// is odd. "CAPABILITY" is answered from Capability.
	Otherwise map[string]string
	// Capability is what the server says it can do; "" is "IMAP4rev1".
	Capability string
}

// ScriptedServer plays a Script. It is for showing how a client takes what no
// honest server would send.
type ScriptedServer struct {
	Addr string

	script   Script
	listener net.Listener
	handlers sync.WaitGroup

	mu       sync.Mutex
	next     int
	commands []string
	conns    map[net.Conn]struct{}
	closed   chan struct{}
}

// Scripted starts a scripted server for one test.
func Scripted(tb testing.TB, script Script) *ScriptedServer {
	tb.Helper()
	for _, step := range script.Steps {
		if _, err := regexp.Compile(step.Expect); err != nil {
			tb.Fatal(err)
		}
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	s := &ScriptedServer{
		Addr: listener.Addr().String(), script: script, listener: listener,
		conns: map[net.Conn]struct{}{}, closed: make(chan struct{}),
	}
	s.handlers.Go(s.accept)
	tb.Cleanup(s.stop)
	return s
}

// Commands lists what clients sent so far, without tags.
func (s *ScriptedServer) Commands() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.commands...)
}

func (s *ScriptedServer) stop() {
	close(s.closed)
	_ = s.listener.Close()
	s.mu.Lock()
	for conn := range s.conns {
		_ = conn.Close()
	}
	s.mu.Unlock()
	s.handlers.Wait()
}

func (s *ScriptedServer) accept() {
	for {
		conn, err := s.listener.Accept()
		if err != nil {
			return
		}
		s.mu.Lock()
		s.conns[conn] = struct{}{}
		s.mu.Unlock()
		s.handlers.Go(func() { s.serve(conn) })
	}
}

// serve plays the script on one connection. Errors end it: the client hung up.
func (s *ScriptedServer) serve(conn net.Conn) {
	defer conn.Close()
	greeting := s.script.Greeting
	if greeting == "" {
		greeting = "* OK ready\r\n"
	}
	if _, err := io.WriteString(conn, greeting); err != nil {
		return
	}
	r := bufio.NewReader(conn)
	position := 0
	for {
		if step, at := s.step(position); step != nil && step.Expect == "" {
			position = s.advance(at)
			if !s.play(conn, step, "*") {
				return
			}
			continue
		}
		tag, command, err := s.readCommand(conn, r, position)
		if err != nil {
			return
		}
		step, at := s.step(position)
		if step == nil || !regexp.MustCompile("(?is)^(?:"+step.Expect+")").MatchString(command) {
			step = &Step{Send: s.otherwise(command)}
		} else {
			position = s.advance(at)
		}
		if !s.play(conn, step, tag) {
			return
		}
	}
}

// step returns the step that comes next, nil behind the last one.
func (s *ScriptedServer) step(position int) (*Step, int) {
	if s.script.Continue {
		s.mu.Lock()
		position = s.next
		s.mu.Unlock()
	}
	if position >= len(s.script.Steps) {
		return nil, position
	}
	return &s.script.Steps[position], position
}

func (s *ScriptedServer) advance(position int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.next = position + 1
	return position + 1
}

// readCommand reads a command with its literals, which it bids the client send.
func (s *ScriptedServer) readCommand(conn net.Conn, r *bufio.Reader, position int) (tag, command string, err error) {
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return "", "", err
		}
		command += strings.TrimRight(line, "\r\n")
		size, wait, found := literalAtEnd(command)
		if !found {
			break
		}
		if step, _ := s.step(position); wait && (step == nil || !step.NoGoAhead) {
			if _, err := io.WriteString(conn, "+ go ahead\r\n"); err != nil {
				return "", "", err
			}
		}
		octets := make([]byte, size)
		if _, err := io.ReadFull(r, octets); err != nil {
			return "", "", err
		}
		command += "\r\n" + string(octets)
	}
	tag, command, _ = strings.Cut(command, " ")
	s.mu.Lock()
	defer s.mu.Unlock()
	s.commands = append(s.commands, command)
	return tag, command, nil
}

// literalAtEnd reads the "{n}" or "{n+}" that a line ends with.
func literalAtEnd(line string) (size int, wait, found bool) {
	open := strings.LastIndexByte(line, '{')
	if open < 0 || !strings.HasSuffix(line, "}") {
		return 0, false, false
	}
	digits := line[open+1 : len(line)-1]
	size, err := strconv.Atoi(strings.TrimSuffix(digits, "+"))
	return size, !strings.HasSuffix(digits, "+"), err == nil && size >= 0 && size <= 64<<20
}

func (s *ScriptedServer) otherwise(command string) string {
	words := strings.Fields(strings.ToUpper(command))
	for n := min(2, len(words)); n > 0; n-- {
		if answer, found := s.script.Otherwise[strings.Join(words[:n], " ")]; found {
			return answer
		}
	}
	if len(words) > 0 && words[0] == "CAPABILITY" {
		capability := s.script.Capability
		if capability == "" {
			capability = "IMAP4rev1"
		}
		return fmt.Sprintf("* CAPABILITY %s\r\n{tag} OK done\r\n", capability)
	}
	return "{tag} OK done\r\n"
}

// play sends a step's answer; false ends the connection.
func (s *ScriptedServer) play(conn net.Conn, step *Step, tag string) bool {
	if step.Call != nil {
		step.Call()
	}
	text := strings.ReplaceAll(step.Send, "{tag}", tag)
	if step.CutAfter > 0 && step.CutAfter < len(text) {
		text = text[:step.CutAfter]
	}
	for range max(step.Repeat, 1) {
		if _, err := io.WriteString(conn, text); err != nil {
			return false
		}
		if step.Every > 0 {
			select {
			case <-time.After(step.Every):
			case <-s.closed:
				return false
			}
		}
	}
	if step.Stall {
		<-s.closed
		return false
	}
	return !step.Close && step.CutAfter == 0
}
