package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"mailferry/syncer/mailbox"
)

// watcher is a mailferry watch that is at work, with --json.
type watcher struct {
	*world
	cmd     *exec.Cmd
	manager *net.UnixConn // where it tells the service manager how it is
	ended   chan struct{}

	mu        sync.Mutex
	summaries []summary
	notices   []string
	stderr    bytes.Buffer
	told      strings.Builder
}

// watch starts mailferry watch and waits for its first run.
func (w *world) watch(args ...string) *watcher {
	w.t.Helper()
	x := w.startWatch(append(args, w.url(), w.disk.Dir)...)
	x.await("the first run", func() bool { return len(x.runs()) > 0 })
	return x
}

func (w *world) startWatch(args ...string) *watcher {
	w.t.Helper()
	x := &watcher{world: w, ended: make(chan struct{})}
	socket := filepath.Join(w.tmp, "notify")
	manager, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		w.t.Fatal(err)
	}
	x.manager = manager
	x.cmd = w.command(context.Background(), append([]string{"watch", "--json"}, args...)...)
	x.cmd.Env = append(x.cmd.Env, "NOTIFY_SOCKET="+socket, "WATCHDOG_USEC=400000")
	x.cmd.Stderr = lockedWriter{x}
	stdout, err := x.cmd.StdoutPipe()
	if err != nil {
		w.t.Fatal(err)
	}
	if err := x.cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	go x.hear()
	go func() {
		defer close(x.ended)
		for lines := bufio.NewScanner(stdout); lines.Scan(); {
			x.take(lines.Bytes())
		}
		_ = x.cmd.Wait()
	}()
	w.t.Cleanup(func() {
		_ = x.cmd.Process.Kill()
		<-x.ended
		_ = manager.Close()
		_ = os.Remove(socket)
		if w.t.Failed() {
			w.t.Logf("watch: %+v\n%s", x.runs(), x.errors())
		}
	})
	return x
}

// lockedWriter keeps stderr.
type lockedWriter struct{ x *watcher }

func (l lockedWriter) Write(p []byte) (int, error) {
	l.x.mu.Lock()
	defer l.x.mu.Unlock()
	return l.x.stderr.Write(p)
}

func (x *watcher) take(line []byte) {
	var object struct {
		Type, Text string
		summary
	}
	if err := json.Unmarshal(line, &object); err != nil {
		x.t.Errorf("watch writes %q: %v", line, err)
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	switch object.Type {
	case "summary":
		x.summaries = append(x.summaries, object.summary)
	case "notice":
		x.notices = append(x.notices, object.Text)
	}
}

func (x *watcher) runs() []summary {
	x.mu.Lock()
	defer x.mu.Unlock()
	return append([]summary(nil), x.summaries...)
}

func (x *watcher) errors() string {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.stderr.String()
}

func (x *watcher) noticed() []string {
	x.mu.Lock()
	defer x.mu.Unlock()
	return append([]string(nil), x.notices...)
}

// await waits until something is so, and returns how long it took.
func (x *watcher) await(what string, isSo func() bool) time.Duration {
	x.t.Helper()
	begun := time.Now()
	for !isSo() {
		if time.Since(begun) > time.Minute {
			x.t.Fatalf("not seen within a minute: %s", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
	return time.Since(begun)
}

// settle waits until no run has begun for a while.
func (x *watcher) settle() {
	for before := -1; before != len(x.runs()); {
		before = len(x.runs())
		time.Sleep(1500 * time.Millisecond)
	}
}

func (x *watcher) onDisk(name mailbox.Name, n int) func() bool {
	return func() bool {
		files, _ := filepath.Glob(filepath.Join(x.disk.Path(name), "[cn]*", "*"))
		return len(files) == n
	}
}

func (x *watcher) onServer(name mailbox.Name, n int) func() bool {
	path := x.user.Maildir
	if name != inbox {
		path = filepath.Join(path, "."+string(name))
	}
	// Asking the server would be news to it.
	return func() bool {
		files, _ := filepath.Glob(filepath.Join(path, "[cn]*", "*"))
		return len(files) == n
	}
}

// hear reads what the service manager is told, as one does.
func (x *watcher) hear() {
	buffer := make([]byte, 4096)
	for {
		n, err := x.manager.Read(buffer)
		if err != nil {
			return
		}
		x.mu.Lock()
		x.told.Write(append(buffer[:n], '\n'))
		x.mu.Unlock()
	}
}

func (x *watcher) toldManager() string {
	time.Sleep(50 * time.Millisecond)
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.told.String()
}

// stop sends a signal and returns the exit code.
func (x *watcher) stop(signal os.Signal) int {
	x.t.Helper()
	if err := x.cmd.Process.Signal(signal); err != nil {
		x.t.Fatal(err)
	}
	select {
	case <-x.ended:
	case <-time.After(20 * time.Second):
		x.t.Fatal("watch does not end")
	}
	return x.cmd.ProcessState.ExitCode()
}
