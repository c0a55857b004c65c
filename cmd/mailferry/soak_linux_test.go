package main

import (
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"mailferry/cmd/internal/ui"
	"mailferry/syncer/mailbox"
	"mailferry/syncer/synctest"
)

// soakSize is how many runs of sync, and for how long watch, the soak takes:
// MAILFERRY_SOAK=RUNS/MINUTES, else a night's with MAILFERRY_LONG, else a sample.
func soakSize(t *testing.T) (runs int, watched time.Duration) {
	text := os.Getenv("MAILFERRY_SOAK")
	switch {
	case text != "":
	case os.Getenv("MAILFERRY_LONG") != "":
		text = "500/60"
	default:
		text = "4/0.05"
	}
	first, second, _ := strings.Cut(text, "/")
	runs, err := strconv.Atoi(first)
	if err != nil {
		t.Fatalf("MAILFERRY_SOAK=%s: %v", text, err)
	}
	minutes, err := strconv.ParseFloat(second, 64)
	if err != nil {
		t.Fatalf("MAILFERRY_SOAK=%s: %v", text, err)
	}
	return runs, time.Duration(minutes * float64(time.Minute))
}

// holding is what this process holds.
type holding struct {
	goroutines, descriptors int
	heap, resident          uint64
}

func (h holding) String() string {
	return fmt.Sprintf("%d goroutines, %d descriptors, %.1f MiB of heap, %.1f MiB resident",
		h.goroutines, h.descriptors, float64(h.heap)/(1<<20), float64(h.resident)/(1<<20))
}

func holds(t *testing.T) holding {
	t.Helper()
	debug.FreeOSMemory()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	status, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Fatal(err)
	}
	pages, err := strconv.ParseUint(strings.Fields(string(status))[1], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	return holding{runtime.NumGoroutine(), len(entries), memory.HeapAlloc, pages * uint64(os.Getpagesize())}
}

// commandLine is the heap that a run in this process takes for good: cobra never
// forgets the flags whose values it can complete. A program has one run.
func commandLine(t *testing.T) uint64 {
	t.Helper()
	const runs = 20
	before := holds(t).heap
	for range runs {
		newRootCommand(&app{console: ui.NewConsole(os.Stdout, os.Stderr), stdin: os.Stdin, env: os.Getenv, log: slog.New(slog.DiscardHandler)})
	}
	return (max(holds(t).heap, before) - before) / runs
}

// flat compares what is held after a beginning with what is held at the end;
// forgiven is heap that is known to be taken.
func flat(t *testing.T, what string, before, after holding, forgiven uint64) {
	t.Helper()
	synctest.Report(t, "%s: %v before, %v after", what, before, after)
	if after.goroutines > before.goroutines+3 {
		t.Errorf("%s: goroutines grow", what)
	}
	if after.descriptors > before.descriptors+3 {
		t.Errorf("%s: descriptors grow", what)
	}
	if after.heap > before.heap+before.heap/5+2<<20+forgiven {
		t.Errorf("%s: memory grows", what)
	}
}

// soakKept is how many messages there are before the oldest go: so many that the
// guard does not mind how many go between two runs.
const soakKept = 300

// stir changes mail on both sides, and keeps it from becoming more and more.
func stir(w *world, n int) {
	w.user.Append(inbox, mailbox.NewFlags(), someDate, letter(fmt.Sprint("server ", n)))
	w.disk.Deliver(inbox, mailbox.NewFlags(), someDate, letter(fmt.Sprint("disk ", n)))
	if n%2 == 0 {
		return // looking at messages wakes a watch, too
	}
	messages := w.user.Messages(inbox)
	if n%3 == 0 {
		w.user.Store(inbox, messages[0].UID, "+FLAGS", mailbox.NewFlags(seen))
	}
	for len(messages) > soakKept {
		w.user.Expunge(inbox, messages[0].UID)
		messages = messages[1:]
	}
}

// TestSoak runs the whole program in this process, over and over: what it holds
// does not grow.
func TestSoak(t *testing.T) {
	runs, watched := soakSize(t)
	w := newWorld(t, synctest.Dovecot(t, synctest.DovecotConfig{}), layoutFS)
	for _, pair := range w.environment() {
		name, value, _ := strings.Cut(pair, "=")
		t.Setenv(name, value)
	}
	if code := execute([]string{"sync", "-q", w.url(), w.disk.Dir}); code != exitDone {
		t.Fatalf("the first run: exit code %d", code)
	}
	var before holding
	early := min(runs/2, 50)
	for n := range runs {
		stir(w, n)
		if code := execute([]string{"sync", "-q", w.url(), w.disk.Dir}); code != exitDone {
			t.Fatalf("run %d: exit code %d", n, code)
		}
		if n == early {
			before = holds(t)
		}
	}
	after, kept := holds(t), commandLine(t)*uint64(runs-1-early)
	flat(t, fmt.Sprintf("%d runs of sync (cobra keeps %.1f MiB of their command lines)", runs, float64(kept)/(1<<20)), before, after, kept)

	ended := make(chan int, 1)
	go func() { ended <- execute([]string{"watch", "-q", "--poll", "1m", w.url(), w.disk.Dir}) }()
	rest := min(5*time.Second, watched/2)
	for i := range 3 {
		time.Sleep(rest)
		stir(w, runs+i)
	}
	time.Sleep(rest)
	before = holds(t)
	changes := 3
	for begun := time.Now(); time.Since(begun) < watched; changes++ {
		stir(w, runs+changes)
		time.Sleep(time.Second)
	}
	time.Sleep(rest)
	flat(t, fmt.Sprintf("%v of watch, %d changes", watched, changes), before, holds(t), 0)
	if err := syscall.Kill(os.Getpid(), syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case code := <-ended:
		if code != exitDone {
			t.Errorf("watch ends with exit code %d", code)
		}
	case <-time.After(time.Minute):
		t.Fatal("watch does not end")
	}
	if code := execute([]string{"sync", "-q", w.url(), w.disk.Dir}); code != exitDone {
		t.Errorf("the last run: exit code %d", code)
	}
	if server, disk := len(w.user.Messages(inbox)), len(w.disk.Files(inbox)); server != disk {
		t.Errorf("%d messages on the server, %d on disk", server, disk)
	}
}
