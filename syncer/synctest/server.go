package synctest

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"
	"text/template"
	"time"
)

// Server is a mail server of our own on loopback.
type Server struct {
	// Product is "dovecot", "cyrus" or "memory".
	Product string
	// Addr is IMAP without TLS (Dovecot: with STARTTLS), TLSAddr IMAP inside
	// TLS, POP3Addr POP3 without TLS. "" where there is none.
	Addr, TLSAddr, POP3Addr string
	// CAFile is the certificate that vouches for the server's, in PEM.
	CAFile string
	// Separator and Prefix make names of levels, as NAMESPACE would tell.
	Separator byte
	Prefix    string
	// Dir is the server's work folder.
	Dir string

	users   atomic.Int64
	addUser func(name string) error
	maildir func(name string) string
	stop    func() error
}

// User makes a fresh account for one test.
func (s *Server) User(tb testing.TB) *User {
	tb.Helper()
	name := fmt.Sprintf("u%d", s.users.Add(1))
	if s.addUser != nil {
		if err := s.addUser(name); err != nil {
			tb.Fatalf("%s: user %s: %v", s.Product, name, err)
		}
	}
	u := &User{Name: name, Password: Password, Server: s, tb: tb}
	if s.maildir != nil {
		u.Maildir = s.maildir(name)
	}
	return u
}

// Stop ends the server, and only this one, and removes its work folder if the
// server made it.
func (s *Server) Stop() error { return s.stop() }

// moduleRoot is the folder with go.mod, above the folder tests run in.
func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("no go.mod above the working folder")
		}
		dir = parent
	}
}

// writeTemplate fills a template of testdata into a file.
func writeTemplate(source, target string, data any) error {
	root, err := moduleRoot()
	if err != nil {
		return err
	}
	t, err := template.ParseFiles(filepath.Join(root, "testdata", filepath.FromSlash(source)))
	if err != nil {
		return err
	}
	var b bytes.Buffer
	if err := t.Option("missingkey=error").Execute(&b, data); err != nil {
		return err
	}
	return os.WriteFile(target, b.Bytes(), 0o644)
}

// freePorts finds ports that nobody listens on. Another process may take one
// before the server does, so starting a server is tried again.
func freePorts(n int) ([]int, error) {
	var ports []int
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer l.Close()
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	return ports, nil
}

// daemon is a server's main process, our child.
type daemon struct {
	cmd    *exec.Cmd
	output bytes.Buffer
	exited chan struct{}
}

func startDaemon(cmd *exec.Cmd) (*daemon, error) {
	d := &daemon{cmd: cmd, exited: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = &d.output, &d.output
	// Servers' children outlive them for a moment and hold the pipe.
	cmd.WaitDelay = time.Second
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		_ = cmd.Wait()
		close(d.exited)
	}()
	return d, nil
}

// awaitGreeting waits until addr greets as an IMAP server does.
func (d *daemon) awaitGreeting(addr string) error {
	deadline := time.Now().Add(15 * time.Second)
	for {
		err := greets(addr)
		if err == nil {
			return nil
		}
		select {
		case <-d.exited:
			return fmt.Errorf("ended at once: %s", bytes.TrimSpace(d.output.Bytes()))
		case <-time.After(10 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("does not answer: %w", err)
		}
	}
}

func greets(addr string) error {
	conn, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
	greeting := make([]byte, 4)
	if _, err := conn.Read(greeting); err != nil {
		return err
	}
	if string(greeting) != "* OK" {
		return fmt.Errorf("greets with %q", greeting)
	}
	return nil
}

// stop asks the process to end and, if it does not, makes it.
func (d *daemon) stop() error {
	_ = d.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-d.exited:
		return nil
	case <-time.After(5 * time.Second):
	}
	if err := d.cmd.Process.Kill(); err != nil {
		return err
	}
	<-d.exited
	return nil
}

// started is Fatal's other half: it stops the server with the test.
func started(tb testing.TB, s *Server, err error) *Server {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := s.Stop(); err != nil {
			tb.Errorf("stop %s: %v", s.Product, err)
		}
	})
	return s
}
