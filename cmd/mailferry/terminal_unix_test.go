//go:build unix

package main

import (
	"bytes"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/creack/pty"

	"mailferry/cmd/internal/discover"
	"mailferry/cmd/internal/ui"
)

// terminal is a command that talks to us over a pseudo terminal of the dumbest
// kind, as a person would see it.
type terminal struct {
	t       *testing.T
	master  *os.File
	mu      sync.Mutex
	shown   bytes.Buffer
	read    int // how much of shown was expected already
	changed chan struct{}
	code    chan int
	stop    chan struct{}
}

// endMark is written behind all that a command wrote.
const endMark = "\x00the end\x00"

// talk runs a command line on a terminal.
func talk(t *testing.T, env map[string]string, finder discover.Finder, args ...string) *terminal {
	t.Helper()
	master, slave, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	term := &terminal{t: t, master: master, changed: make(chan struct{}, 1), code: make(chan int, 1), stop: make(chan struct{})}
	a := &app{
		console: ui.NewConsole(slave, slave), stdin: slave, env: func(name string) string { return env[name] },
		log: slog.New(slog.DiscardHandler), stop: term.stop, finder: finder,
	}
	go io.Copy(term, master)
	go func() {
		root := newRootCommand(a)
		root.SetArgs(args)
		err := root.ExecuteContext(t.Context())
		if err != nil && !a.parsed {
			err = usageError{err}
		}
		code := a.conclude(err)
		io.WriteString(slave, endMark)
		term.code <- code
	}()
	t.Cleanup(func() { slave.Close(); master.Close() })
	return term
}

func (term *terminal) Write(p []byte) (int, error) {
	term.mu.Lock()
	defer term.mu.Unlock()
	term.shown.Write(p)
	select {
	case term.changed <- struct{}{}:
	default:
	}
	return len(p), nil
}

// screen is all that was shown.
func (term *terminal) screen() string {
	term.mu.Lock()
	defer term.mu.Unlock()
	return strings.TrimSuffix(term.shown.String(), endMark)
}

// sees waits for text, after what was seen before, and returns what came
// before it.
func (term *terminal) sees(text string) string {
	term.t.Helper()
	timeout := time.After(20 * time.Second)
	for {
		unread := term.screen()[term.read:]
		if before, _, found := strings.Cut(unread, text); found {
			term.read += len(before) + len(text)
			return before
		}
		select {
		case <-term.changed:
		case <-timeout:
			term.t.Fatalf("%q does not appear:\n%s", text, term.screen())
		}
	}
}

// types types a line.
func (term *terminal) types(line string) {
	term.t.Helper()
	if _, err := io.WriteString(term.master, line+"\n"); err != nil {
		term.t.Fatal(err)
	}
}

// answers is sees, then types.
func (term *terminal) answers(question, line string) {
	term.t.Helper()
	term.sees(question)
	term.types(line)
}

// exits waits for the command's end.
func (term *terminal) exits(want int) {
	term.t.Helper()
	select {
	case got := <-term.code:
		for term.awaitsEnd() {
			<-term.changed
		}
		if got != want {
			term.t.Fatalf("exit code %d, want %d:\n%s", got, want, term.screen())
		}
	case <-time.After(20 * time.Second):
		term.t.Fatalf("no end:\n%s", term.screen())
	}
}

// awaitsEnd reports whether some of the command's output is still on its way.
func (term *terminal) awaitsEnd() bool {
	term.mu.Lock()
	defer term.mu.Unlock()
	return !bytes.HasSuffix(term.shown.Bytes(), []byte(endMark))
}
