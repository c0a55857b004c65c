package main

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"mailferry/syncer/synctest"
)

// memoryLimit is what a run may need however much mail there is. (DESIGN:
// memory grows neither with a message's size nor with the mailbox)
const memoryLimit = 64 << 20

// built is the program as it is released, built once. It lies beside the
// test's own copy, which testscript removes in the end.
var built = sync.OnceValues(func() (string, error) {
	beside, err := exec.LookPath("mailferry")
	if err != nil {
		return "", err
	}
	path := filepath.Join(filepath.Dir(beside), "mailferry-released")
	if output, err := exec.Command("go", "build", "-o", path, ".").CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, output)
	}
	return path, nil
})

// builtProgram is what these tests run: the test binary itself takes a second
// to start, and several times the memory, when it has the race detector.
func builtProgram(t testing.TB) string {
	t.Helper()
	path, err := built()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// watchMemory follows a process until it has ended and then tells its largest
// resident set. What wait4 tells would be the larger of it and of this test's
// own: Linux hands that on over exec.
func watchMemory(pid int) (peak func() int64) {
	ended := make(chan int64)
	go func() {
		largest := int64(0)
		for {
			status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
			_, rest, found := strings.Cut(string(status), "VmHWM:")
			if err != nil || !found { // gone, or a zombie
				break
			}
			var kib int64
			if n, _ := fmt.Sscan(rest, &kib); n == 1 {
				largest = max(largest, kib<<10)
			}
			time.Sleep(2 * time.Millisecond)
		}
		ended <- largest
	}()
	return func() int64 { return <-ended }
}

// plantFile writes a message into the server's own mail in one go.
func (w *world) plantFile(base string, write func(*bufio.Writer)) {
	w.t.Helper()
	folder := filepath.Join(w.user.Maildir, "cur")
	path := filepath.Join(folder, base)
	file, err := os.Create(path)
	if err != nil {
		w.t.Fatal(err)
	}
	buffered := bufio.NewWriterSize(file, 64<<10)
	write(buffered)
	if err := buffered.Flush(); err != nil {
		w.t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		w.t.Fatal(err)
	}
	if err := ownedLike(folder, path); err != nil {
		w.t.Fatal(err)
	}
}

func TestMemoryStaysSmall(t *testing.T) {
	server := synctest.Dovecot(t, synctest.DovecotConfig{})
	const messages = 20000
	for _, c := range []struct {
		name  string
		count int
		plant func(*world)
	}{
		{"20,000 messages", messages, func(w *world) {
			for i := range messages {
				w.plantFile(fmt.Sprintf("1784000000.%d.host:2,S", i), func(out *bufio.Writer) {
					fmt.Fprintf(out, "From: ann@example.org\nSubject: message %d\nMessage-ID: <%d@example.org>\n\nbody %d\n", i, i, i)
				})
			}
		}},
		{"one message of 200 MB", 1, func(w *world) {
			w.plantFile("1784000000.1.host:2,S", func(out *bufio.Writer) {
				fmt.Fprint(out, "From: ann@example.org\nSubject: huge\n\n")
				for i := range (200 << 20) / 64 {
					fmt.Fprintf(out, "%063d\n", i)
				}
			})
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, server, layoutFS)
			w.measures = true
			w.user.Do("STATUS INBOX (MESSAGES)")
			c.plant(w)
			o := w.backup().exits(exitDone)
			t.Logf("backup: %d MB, %d ms", o.peak>>20, o.summary.DurationMS)
			if o.summary.Downloaded != c.count {
				t.Errorf("%d messages downloaded, want %d", o.summary.Downloaded, c.count)
			}
			if o.peak > memoryLimit {
				t.Errorf("%d MB of memory, more than %d", o.peak>>20, memoryLimit>>20)
			}
			again := w.sync().isQuiet()
			t.Logf("second run: %d MB, %d ms", again.peak>>20, again.summary.DurationMS)
			if again.peak > memoryLimit {
				t.Errorf("a run without work needs %d MB", again.peak>>20)
			}
		})
	}
}
