package main

import (
	"bufio"
	"cmp"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
)

// tattler is an IMAP server that says what it is told to: by the first word of
// a command, with {tag} for its tag. What is not listed is answered with OK.
type tattler struct {
	greeting, capability string
	says                 map[string]string
	// hangsUp has the commands after whose answer the connection ends; stalls
	// is called when a command is left without an answer: stallsAt.
	hangsUp  string
	stallsAt string
	stalls   func()
}

// start returns the server's address.
func (s tattler) start(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var open []net.Conn
	t.Cleanup(func() {
		listener.Close()
		mu.Lock()
		defer mu.Unlock()
		for _, conn := range open {
			conn.Close()
		}
	})
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			open = append(open, conn)
			mu.Unlock()
			go s.serve(conn)
		}
	}()
	return listener.Addr().String()
}

func (s tattler) serve(conn net.Conn) {
	defer conn.Close()
	if _, err := io.WriteString(conn, cmp.Or(s.greeting, "* OK ready\r\n")); err != nil || s.greeting != "" {
		return
	}
	lines := bufio.NewScanner(conn)
	for lines.Scan() {
		tag, rest, _ := strings.Cut(lines.Text(), " ")
		command, _, _ := strings.Cut(rest, " ")
		answer, listed := s.says[command]
		switch {
		case s.stallsAt == command:
			s.stalls()
			_, _ = io.Copy(io.Discard, conn)
			return
		case listed:
		case command == "CAPABILITY":
			answer = "* CAPABILITY " + cmp.Or(s.capability, "IMAP4rev1") + "\r\n{tag} OK done\r\n"
		default:
			answer = "{tag} OK done\r\n"
		}
		if _, err := io.WriteString(conn, strings.ReplaceAll(answer, "{tag}", tag)); err != nil || s.hangsUp == command {
			return
		}
	}
}
