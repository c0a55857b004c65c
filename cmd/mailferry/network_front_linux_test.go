package main

import (
	"bufio"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
)

// mailFront is a mail server on a socket that costs little: it answers the
// login itself and hands the connection to a standalone Dovecot, whose
// configuration is chosen by the user's name. It knows when all of them ended,
// so that their mail can be replaced.
type mailFront struct {
	addr   string
	isPOP3 bool
	config func(user string) string

	listener net.Listener
	running  sync.WaitGroup

	mu      sync.Mutex
	ended   *sync.Cond
	serving int
}

func newMailFront(t testing.TB, isPOP3 bool, config func(user string) string) *mailFront {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &mailFront{addr: listener.Addr().String(), isPOP3: isPOP3, config: config, listener: listener}
	f.ended = sync.NewCond(&f.mu)
	f.running.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			f.count(1)
			f.running.Go(func() {
				defer f.count(-1)
				f.serve(conn)
			})
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		f.running.Wait()
	})
	return f
}

func (f *mailFront) count(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.serving += n
	f.ended.Broadcast()
}

// rest waits until no server is at work.
func (f *mailFront) rest() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for f.serving > 0 {
		f.ended.Wait()
	}
}

func (f *mailFront) serve(conn net.Conn) {
	defer conn.Close()
	r := bufio.NewReader(conn)
	binary, letIn := standaloneIMAP, letInIMAP
	if f.isPOP3 {
		binary, letIn = standalonePOP3, letInPOP3
	}
	tag, user := letIn(conn, r)
	if user == "" {
		return
	}
	cmd := exec.Command(binary, "-c", f.config(user))
	cmd.Env = []string{"USER=" + user, "HOME=/nonexistent"}
	toServer, in, err := os.Pipe()
	if err != nil {
		return
	}
	out, fromServer, err := os.Pipe()
	if err != nil {
		return
	}
	cmd.Stdin, cmd.Stdout = toServer, fromServer
	err = cmd.Start()
	_, _ = toServer.Close(), fromServer.Close()
	defer out.Close()
	if err != nil {
		_ = in.Close()
		return
	}
	answers := bufio.NewReader(out)
	if f.isPOP3 {
		fmt.Fprint(conn, "+OK\r\n")
	} else {
		greeting, _ := answers.ReadString('\n')
		_, capabilities, _ := strings.Cut(greeting, "[")
		fmt.Fprintf(conn, "%s OK [%s", tag, capabilities)
	}
	var up sync.WaitGroup
	up.Go(func() {
		_, _ = io.Copy(in, r)
		_ = in.Close()
	})
	_, _ = io.Copy(conn, answers)
	// Whoever hung up gets no answers, but the commands that arrived are carried out.
	_, _ = io.Copy(io.Discard, answers)
	_ = conn.Close()
	up.Wait()
	_ = cmd.Wait()
}

// standalonePOP3 is to POP3 what standaloneIMAP is to IMAP.
const standalonePOP3 = "/usr/lib/dovecot/pop3"

// letInPOP3 answers what comes before a login.
func letInPOP3(conn net.Conn, r *bufio.Reader) (tag, user string) {
	fmt.Fprint(conn, "+OK ready\r\n")
	for {
		line, err := r.ReadString('\n')
		words := strings.Fields(line)
		if err != nil || len(words) == 0 {
			return "", ""
		}
		switch words[0] {
		case "CAPA":
			fmt.Fprint(conn, "+OK\r\nUSER\r\nUIDL\r\nTOP\r\nPIPELINING\r\n.\r\n")
		case "USER":
			user = words[len(words)-1]
			fmt.Fprint(conn, "+OK\r\n")
		case "PASS":
			return "", user
		default:
			fmt.Fprint(conn, "-ERR not now\r\n")
		}
	}
}

// letInIMAP answers what comes before a login, and returns the login's tag.
func letInIMAP(conn net.Conn, r *bufio.Reader) (tag, user string) {
	const before = "CAPABILITY IMAP4rev1 SASL-IR LOGIN-REFERRALS ID ENABLE IDLE LITERAL+ AUTH=PLAIN"
	fmt.Fprintf(conn, "* OK [%s] ready\r\n", before)
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return "", ""
		}
		words := strings.Fields(line)
		switch {
		case len(words) == 4 && words[1] == "AUTHENTICATE":
			text, _ := base64.StdEncoding.DecodeString(words[3])
			if parts := strings.Split(string(text), "\x00"); len(parts) == 3 {
				return words[0], parts[1]
			}
			return "", ""
		case len(words) == 4 && words[1] == "LOGIN":
			return words[0], strings.Trim(words[2], `"`)
		case len(words) == 2 && words[1] == "CAPABILITY":
			fmt.Fprintf(conn, "* %s\r\n%s OK done\r\n", before, words[0])
		case len(words) > 1 && words[1] == "ID":
			fmt.Fprintf(conn, "* ID NIL\r\n%s OK done\r\n", words[0])
		case len(words) > 1:
			fmt.Fprintf(conn, "%s BAD not now\r\n", words[0])
		default:
			return "", ""
		}
	}
}
