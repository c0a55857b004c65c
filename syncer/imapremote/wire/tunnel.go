package wire

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os/exec"
	"strings"
	"sync"
	"time"
)

// complaintSize is how much of a tunnel's stderr is kept.
const complaintSize = 1 << 10

// tunnel is a command whose stdin and stdout are the server. An in-memory pipe
// stands between, because it knows deadlines on every system.
type tunnel struct {
	net.Conn
	command *exec.Cmd
	errors  *tail
	ended   chan struct{}
	once    sync.Once
}

// startTunnel runs the command; no shell looks at its arguments.
func startTunnel(argv []string) (*tunnel, error) {
	if len(argv) == 0 {
		return nil, errors.New("the tunnel has no command")
	}
	ours, theirs := net.Pipe()
	t := &tunnel{Conn: ours, command: exec.Command(argv[0], argv[1:]...), errors: &tail{}, ended: make(chan struct{})}
	t.command.Stderr = t.errors
	t.command.WaitDelay = time.Second
	stdin, err := t.command.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := t.command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := t.command.Start(); err != nil {
		return nil, fmt.Errorf("start the tunnel: %w", err)
	}
	go func() {
		io.Copy(stdin, theirs)
		stdin.Close()
	}()
	go func() {
		io.Copy(theirs, stdout)
		t.command.Wait()
		close(t.ended)
		theirs.Close()
	}()
	return t, nil
}

// Close ends the command: its stdin is closed, and after a moment it is killed.
func (t *tunnel) Close() error {
	t.once.Do(func() {
		t.Conn.Close()
		go func() {
			select {
			case <-t.ended:
			case <-time.After(2 * time.Second):
				t.command.Process.Kill()
			}
		}()
	})
	return nil
}

// complaint is what the command last said on stderr, on one line.
func (t *tunnel) complaint() string {
	select {
	case <-t.ended:
	case <-time.After(time.Second):
	}
	return strings.Join(strings.Fields(t.errors.String()), " ")
}

// tail keeps the last octets that were written to it.
type tail struct {
	mu  sync.Mutex
	buf []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf = append(t.buf, p...)
	if over := len(t.buf) - complaintSize; over > 0 {
		t.buf = append(t.buf[:0], t.buf[over:]...)
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(bytes.ToValidUTF8(t.buf, []byte("?")))
}
