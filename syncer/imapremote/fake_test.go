package imapremote

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// script answers a command: n counts connections from 1, line is the command
// without its tag. Lines that it returns are sent; "OK", "NO" and "BAD" at the
// start of one get the tag in front, and (TAG "@") gets it inside; "HANGUP"
// closes the connection. nil is the answer of a plain server without mail.
type script func(n int, line string) []string

// fake is a scripted server.
type fake struct {
	addr  string
	heard func(line string) // nil, or told of each line as it came
	mu    sync.Mutex
	lines []string // commands without tags
}

func (f *fake) commands() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]string(nil), f.lines...)
}

// count counts the commands that begin so.
func (f *fake) count(prefix string) int {
	n := 0
	for _, line := range f.commands() {
		if strings.HasPrefix(line, prefix) {
			n++
		}
	}
	return n
}

func startFake(t *testing.T, greeting string, answer script) *fake {
	t.Helper()
	f := &fake{}
	f.addr = listen(t, func(conn net.Conn, n int) { f.serve(conn, n, greeting, answer) })
	return f
}

// listen has all connections to an address served, the first with n 1.
func listen(t *testing.T, serve func(conn net.Conn, n int)) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for n := 1; ; n++ {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				serve(conn, n)
			}()
		}
	}()
	return l.Addr().String()
}

func (f *fake) serve(conn net.Conn, n int, greeting string, answer script) {
	fmt.Fprintf(conn, "%s\r\n", greeting)
	in := bufio.NewReader(conn)
	for {
		line, err := readCommand(in)
		if err != nil {
			return
		}
		tag, command, _ := strings.Cut(strings.TrimSpace(line), " ")
		if f.heard != nil {
			f.heard(line)
		}
		f.mu.Lock()
		f.lines = append(f.lines, command)
		f.mu.Unlock()
		lines := answer(n, command)
		if lines == nil {
			lines = plainAnswer(command)
		}
		for _, line := range lines {
			if line == "HANGUP" {
				return
			}
			status, _, _ := strings.Cut(line, " ")
			if status == "OK" || status == "NO" || status == "BAD" {
				line = tag + " " + line
			}
			line = strings.Replace(line, `(TAG "@")`, `(TAG "`+tag+`")`, 1)
			if _, err := io.WriteString(conn, line+"\r\n"); err != nil {
				return
			}
		}
	}
}

// readCommand reads a line and the literals in it, which must not wait.
func readCommand(in *bufio.Reader) (string, error) {
	var command strings.Builder
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return "", err
		}
		command.WriteString(line)
		at := strings.LastIndexByte(line, '{')
		size, found := strings.CutSuffix(strings.TrimSpace(line[max(at, 0):]), "+}")
		if at < 0 || !found {
			return command.String(), nil
		}
		octets, err := strconv.ParseInt(size[1:], 10, 64)
		if err != nil {
			return "", err
		}
		if _, err := io.CopyN(&command, in, octets); err != nil {
			return "", err
		}
	}
}

const fakeGreeting = "* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN SASL-IR] hello"

func plainAnswer(command string) []string {
	verb, _, _ := strings.Cut(command, " ")
	switch verb {
	case "CAPABILITY":
		return []string{"* CAPABILITY IMAP4rev1 AUTH=PLAIN SASL-IR", "OK done"}
	case "AUTHENTICATE", "LOGIN":
		return []string{"OK [CAPABILITY IMAP4rev1 UIDPLUS CONDSTORE ESEARCH] welcome"}
	case "LIST":
		return []string{`* LIST () "/" INBOX`, "OK done"}
	case "LOGOUT":
		return []string{"* BYE bye", "OK done", "HANGUP"}
	}
	return []string{"OK done"}
}
