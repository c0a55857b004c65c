package pop3remote_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"mailferry/syncer/imapremote/wire"
	"mailferry/syncer/pop3remote"
)

// letter is a message on the scripted server.
type letter struct {
	unique, text string
	// size is what LIST tells; 0: the truth.
	size int
}

// pop3Server is a POP3 server that errs as it is told to. Zero fields behave.
type pop3Server struct {
	// greeting and capa are sent instead of the usual; capa "-" refuses CAPA.
	greeting, capa string
	// answer, if it returns ok, is sent instead of the answer to a command;
	// session counts from 1. "" as the text hangs up.
	answer func(session int, command string) (text string, ok bool)
	// cut is after how many octets a session hangs up, 0: never.
	cut func(session int) int
	// list and unique change what LIST and UIDL tell.
	list   func(session, number int, of letter) string
	unique func(session, number int, of letter) string
	// login judges the words of a login; nil takes all.
	login func(command string, more func(challenge string) string) bool
	tls   *tls.Config

	addr string

	mu       sync.Mutex
	letters  []letter
	sessions int
	commands []string
	deleted  []string // texts, in the order of their deletion
}

func start(t testing.TB, s *pop3Server) *pop3Server {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.addr = listener.Addr().String()
	var handlers sync.WaitGroup
	t.Cleanup(func() {
		listener.Close()
		handlers.Wait()
	})
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	handlers.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			handlers.Go(func() {
				stop := context.AfterFunc(ctx, func() { conn.Close() })
				defer stop()
				defer conn.Close()
				s.serve(conn)
			})
		}
	})
	return s
}

// options reach the server in the clear.
func (s *pop3Server) options() pop3remote.Options {
	return pop3remote.Options{
		Dialer:   wire.Dialer{Addr: s.addr, Security: wire.Plain, Timeout: 10 * time.Second},
		User:     "me",
		Password: func(context.Context) (string, error) { return "secret", nil },
	}
}

func (s *pop3Server) add(letters ...letter) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.letters = append(s.letters, letters...)
}

// texts are what is on the server, sorted.
func (s *pop3Server) texts() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var texts []string
	for _, l := range s.letters {
		texts = append(texts, l.text)
	}
	slices.Sort(texts)
	return texts
}

func (s *pop3Server) sent(prefix string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, command := range s.commands {
		if strings.HasPrefix(command, prefix) {
			n++
		}
	}
	return n
}

// limited hangs up after some octets.
type limited struct {
	net.Conn
	left int
}

func (l *limited) Write(p []byte) (int, error) {
	if l.left < 0 {
		return l.Conn.Write(p)
	}
	n, err := l.Conn.Write(p[:min(len(p), l.left)])
	if l.left -= n; l.left == 0 && err == nil {
		l.left = 0
		l.Conn.Close()
		err = io.ErrClosedPipe
	}
	return n, err
}

// pop3Session is one connection.
type pop3Session struct {
	*pop3Server
	number int
	conn   net.Conn
	in     *bufio.Reader
	drop   []letter
	marked map[int]bool
}

func (s *pop3Server) serve(conn net.Conn) {
	s.mu.Lock()
	s.sessions++
	session := &pop3Session{pop3Server: s, number: s.sessions, marked: map[int]bool{}}
	s.mu.Unlock()
	if s.cut != nil {
		if n := s.cut(session.number); n > 0 {
			conn = &limited{conn, n}
		}
	}
	session.conn, session.in = conn, bufio.NewReader(conn)
	greeting := s.greeting
	if greeting == "" {
		greeting = "+OK ready\r\n"
	}
	if !session.send(greeting) {
		return
	}
	for session.next() {
	}
}

func (s *pop3Session) send(text string) bool {
	_, err := io.WriteString(s.conn, text)
	return err == nil
}

func (s *pop3Session) read() (string, bool) {
	line, err := s.in.ReadString('\n')
	return strings.TrimSuffix(line, "\r\n"), err == nil
}

// next answers one command; false ends the session.
func (s *pop3Session) next() bool {
	command, ok := s.read()
	if !ok {
		return false
	}
	s.mu.Lock()
	s.commands = append(s.commands, command)
	s.mu.Unlock()
	if s.answer != nil {
		if text, ok := s.answer(s.number, command); ok {
			return text != "" && s.send(text)
		}
	}
	verb, argument, _ := strings.Cut(command, " ")
	switch verb {
	case "CAPA":
		return s.send(s.capabilities())
	case "STLS":
		if !s.send("+OK go on\r\n") {
			return false
		}
		s.conn = tls.Server(s.conn, s.tls)
		s.in = bufio.NewReader(s.conn)
		return true
	case "AUTH", "APOP", "USER", "PASS":
		return s.authenticate(verb, command)
	case "QUIT":
		s.commit()
		s.send("+OK bye\r\n")
		return false
	case "NOOP":
		return s.send("+OK\r\n")
	}
	return s.send(s.transaction(verb, argument))
}

func (s *pop3Session) capabilities() string {
	switch s.capa {
	case "":
		return "+OK\r\nUIDL\r\nTOP\r\nPIPELINING\r\nUSER\r\nSASL PLAIN LOGIN\r\nRESP-CODES\r\n.\r\n"
	case "-":
		return "-ERR what?\r\n"
	}
	return "+OK\r\n" + s.capa + ".\r\n"
}

func (s *pop3Session) authenticate(verb, command string) bool {
	more := func(challenge string) string {
		s.send("+ " + challenge + "\r\n")
		line, _ := s.read()
		return line
	}
	if verb != "USER" {
		if s.login != nil && !s.login(command, more) {
			return s.send("-ERR [AUTH] no\r\n")
		}
		s.mu.Lock()
		s.drop = slices.Clone(s.letters)
		s.mu.Unlock()
	}
	return s.send("+OK\r\n")
}

// commit deletes what is marked. (RFC 1939, section 6)
func (s *pop3Session) commit() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for n := range s.marked {
		gone := s.drop[n-1]
		if i := slices.Index(s.letters, gone); i >= 0 {
			s.letters = slices.Delete(s.letters, i, i+1)
			s.deleted = append(s.deleted, gone.text)
		}
	}
}

func (s *pop3Session) transaction(verb, argument string) string {
	word, _, _ := strings.Cut(argument, " ")
	n, _ := strconv.Atoi(word)
	isThere := n >= 1 && n <= len(s.drop) && !s.marked[n]
	switch {
	case verb == "STAT":
		return fmt.Sprintf("+OK %d 4711\r\n", len(s.drop)-len(s.marked))
	case verb == "LIST" || verb == "UIDL":
		if argument != "" && !isThere {
			return "-ERR no such message\r\n"
		}
		if argument != "" {
			return "+OK " + s.row(verb, n)
		}
		var b bytes.Buffer
		b.WriteString("+OK\r\n")
		for n := range s.drop {
			if !s.marked[n+1] {
				b.WriteString(s.row(verb, n+1))
			}
		}
		return b.String() + ".\r\n"
	case !isThere:
		return "-ERR no such message\r\n"
	case verb == "RETR":
		return "+OK\r\n" + stuffed(s.drop[n-1].text) + ".\r\n"
	case verb == "TOP":
		header, _, _ := strings.Cut(s.drop[n-1].text, "\r\n\r\n")
		return "+OK\r\n" + stuffed(header+"\r\n\r\n") + ".\r\n"
	case verb == "DELE":
		s.marked[n] = true
		return "+OK\r\n"
	}
	return "-ERR what?\r\n"
}

func (s *pop3Session) row(verb string, n int) string {
	of := s.drop[n-1]
	text := of.unique
	switch {
	case verb == "UIDL" && s.unique != nil:
		text = s.unique(s.number, n, of)
	case verb == "LIST" && s.list != nil:
		text = s.list(s.number, n, of)
	case verb == "LIST" && of.size > 0:
		text = strconv.Itoa(of.size)
	case verb == "LIST":
		text = strconv.Itoa(len(of.text))
	}
	return fmt.Sprintf("%d %s\r\n", n, text)
}

func stuffed(text string) string {
	var b strings.Builder
	for line := range strings.SplitAfterSeq(text, "\r\n") {
		if strings.HasPrefix(line, ".") {
			b.WriteByte('.')
		}
		b.WriteString(line)
	}
	return b.String()
}

// mail makes a message that is like no other number's; some of its lines begin
// with dots.
func mail(n int) letter {
	return letter{
		unique: fmt.Sprintf("u%08d", n),
		text: fmt.Sprintf("Received: from a by b; Fri, 5 Apr 2024 10:%02d:00 +0200\r\nMessage-ID: <%d@example.org>\r\nSubject: %d\r\n\r\n.\r\n..\r\nbody %d\r\n.%d\r\n",
			n%60, n, n, n, n),
	}
}

func mails(from, to int) []letter {
	var list []letter
	for n := from; n <= to; n++ {
		list = append(list, mail(n))
	}
	return list
}
