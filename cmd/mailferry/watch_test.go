package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/gofrs/flock"

	"mailferry/cmd/internal/ui"
	"mailferry/syncer/mailbox"
	"mailferry/syncer/synctest"
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

func TestWatchCarriesChangesBothWaysAndComesToRest(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		config synctest.DovecotConfig
	}{
		{"NOTIFY", synctest.DovecotConfig{}},
		{"IDLE", synctest.DovecotConfig{Capability: "IMAP4rev1 IDLE LITERAL+ UIDPLUS UNSELECT CONDSTORE ENABLE ESEARCH LIST-STATUS LIST-EXTENDED MOVE NAMESPACE"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, synctest.Dovecot(t, c.config), layoutFS)
			x := w.watch()
			x.settle()
			uid := w.user.Append(inbox, mailbox.NewFlags(), someDate, letter("from the server"))
			took := x.await("a message of the server on disk", x.onDisk(inbox, 1))
			w.disk.Deliver(inbox, mailbox.NewFlags(), someDate, letter("from the disk"))
			tookUp := x.await("a message of the disk on the server", x.onServer(inbox, 2))
			t.Logf("to disk after %v, to the server after %v", took, tookUp)
			w.user.Store(inbox, uid, "+FLAGS", mailbox.NewFlags(`\Flagged`))
			x.await("a flag on disk", func() bool {
				files, _ := filepath.Glob(filepath.Join(w.disk.Path(inbox), "cur", "*:2,*F*"))
				return len(files) == 1
			})
			w.user.Expunge(inbox, uid)
			x.await("a deletion on disk", x.onDisk(inbox, 1))
			for _, file := range w.disk.Files(inbox) {
				w.disk.Unlink(inbox, file.Key)
			}
			x.await("a deletion on the server", x.onServer(inbox, 0))
			for _, sub := range []string{"cur", "new", "tmp"} {
				if err := os.MkdirAll(filepath.Join(w.disk.Dir, "Made", sub), 0o700); err != nil {
					t.Fatal(err)
				}
			}
			x.await("a folder on the server", func() bool { return strings.Contains(fmt.Sprint(w.user.Mailboxes()), "Made") })
			x.settle()
			before := len(x.runs())
			time.Sleep(3 * time.Second)
			if after := len(x.runs()); after != before {
				t.Errorf("%d runs though nothing happened", after-before)
			}
			if before > 30 {
				t.Errorf("%d runs for six changes", before)
			}
			if code := x.stop(os.Interrupt); code != exitInterrupted {
				t.Errorf("exit code %d after SIGINT", code)
			}
			told := x.toldManager()
			for _, line := range []string{"READY=1", "WATCHDOG=1", "STATUS=watching 1 accounts", "STOPPING=1"} {
				if !strings.Contains(told, line) {
					t.Errorf("the service manager was not told %s: %q", line, told)
				}
			}
			if text := x.errors(); text != "" {
				t.Errorf("stderr: %s", text)
			}
		})
	}
}

func TestWatchHearsOfAllMailboxesWhereTheServerCanTell(t *testing.T) {
	t.Parallel()
	w := newWorld(t, synctest.Dovecot(t, synctest.DovecotConfig{}), layoutMaildirPP)
	w.user.Create(work)
	x := w.watch("--mailbox", "!Junk")
	x.settle()
	w.user.Append(work, mailbox.NewFlags(), someDate, letter("deep"))
	x.await("a message in another mailbox", x.onDisk(work, 1))
	w.user.Create("New")
	w.user.Append("New", mailbox.NewFlags(), someDate, letter("new"))
	x.await("a message in a new mailbox", x.onDisk("New", 1))
	w.disk.Deliver("New", mailbox.NewFlags(), someDate, letter("up"))
	x.await("a message in a new folder", x.onServer("New", 2))
	w.user.Create("Junk")
	x.settle()
	before := len(x.runs())
	for range 8 {
		w.user.Append("Junk", mailbox.NewFlags(), someDate, letter("junk"))
		time.Sleep(time.Second)
	}
	// One may be late: runs that find nothing are put apart.
	if after := len(x.runs()); after > before+1 {
		t.Errorf("%d runs for a mailbox that takes no part", after-before)
	}
	if code := x.stop(syscall.SIGTERM); code != exitDone {
		t.Errorf("exit code %d after SIGTERM", code)
	}
}

func TestWatchIdlesOnMailboxesThatAreMadeLater(t *testing.T) {
	t.Parallel()
	server := synctest.Dovecot(t, synctest.DovecotConfig{Capability: "IMAP4rev1 IDLE LITERAL+ UIDPLUS UNSELECT CONDSTORE ENABLE ESEARCH"})
	w := newWorld(t, server, layoutFS)
	x := w.watch("--idle", "*")
	x.settle()
	w.user.Create("Lists")
	w.user.Append(inbox, mailbox.NewFlags(), someDate, letter("what makes it look"))
	x.await("a message", x.onDisk(inbox, 1))
	x.settle()
	w.user.Append("Lists", mailbox.NewFlags(), someDate, letter("to the list"))
	x.await("a message in the mailbox that was made", x.onDisk("Lists", 1))
	if text := x.errors(); text != "" {
		t.Errorf("stderr: %s", text)
	}
}

func TestAStreakOfFailuresIsToldOnce(t *testing.T) {
	offline := ui.Summary{ExitCode: exitTemporary}
	refused := ui.Summary{ExitCode: exitGuarded}
	refused.Guarded = 30
	more := refused
	more.Guarded = 40
	locked := ui.Summary{ExitCode: exitLocked}
	var s streak
	for i, step := range []struct {
		end    ui.Summary
		isNews bool
	}{
		{offline, true}, {offline, false}, {locked, false}, {offline, false}, {refused, true}, {refused, false}, {more, true},
		{ui.Summary{}, true}, {locked, false}, {offline, true},
	} {
		if news := s.isNews(step.end); news != step.isNews {
			t.Errorf("run %d: news: %v", i, news)
		}
		s.add(step.end, time.Now())
	}
}

func TestWatchTakesManyFilesAtOnceInOneRun(t *testing.T) {
	t.Parallel()
	w := newWorld(t, synctest.Dovecot(t, synctest.DovecotConfig{}), layoutFS)
	x := w.watch()
	x.settle()
	for i := range 300 {
		w.disk.Deliver(inbox, mailbox.NewFlags(), someDate, letter(fmt.Sprint(i)))
	}
	x.await("all messages on the server", x.onServer(inbox, 300))
	x.settle()
	uploads := 0
	for _, run := range x.runs() {
		if run.Uploaded > 0 {
			uploads++
		}
	}
	if uploads > 2 {
		t.Errorf("%d runs uploaded 300 messages", uploads)
	}
}

func TestWatchLeavesTheStoreToOthers(t *testing.T) {
	t.Parallel()
	w := newWorld(t, synctest.Dovecot(t, synctest.DovecotConfig{}), layoutFS)
	x := w.watch()
	x.settle()
	w.sync().exits(exitDone)
	lock := flock.New(filepath.Join(w.disk.Dir, ".mailferry", "lock"))
	if held, err := lock.TryLock(); err != nil || !held {
		t.Fatalf("lock: %v, %v", held, err)
	}
	w.user.Append(inbox, mailbox.NewFlags(), someDate, letter("while the store is in use"))
	x.await("a run that finds the store in use", func() bool {
		runs := x.runs()
		return runs[len(runs)-1].ExitCode == exitLocked
	})
	if err := lock.Unlock(); err != nil {
		t.Fatal(err)
	}
	x.await("the message once the store is free", x.onDisk(inbox, 1))
	if text := x.errors(); text != "" {
		t.Errorf("it is not quiet about the lock: %s", text)
	}
}

func TestWatchDeletesNothingWhenTheStoreIsNotMounted(t *testing.T) {
	t.Parallel()
	w := newWorld(t, synctest.Dovecot(t, synctest.DovecotConfig{}), layoutFS)
	for i := range 5 {
		w.user.Append(inbox, mailbox.NewFlags(), someDate, letter(fmt.Sprint(i)))
	}
	x := w.watch("--poll", "1s")
	x.await("all messages on disk", x.onDisk(inbox, 5))
	n := len(x.runs())
	x.await("another run", func() bool { return len(x.runs()) > n })
	away := w.disk.Dir + ".away"
	if err := os.Rename(w.disk.Dir, away); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(w.disk.Dir, 0o700); err != nil { // an empty mount point
		t.Fatal(err)
	}
	guarded := func() (n int) {
		for _, run := range x.runs() {
			if run.ExitCode == exitGuarded {
				n++
			}
		}
		return n
	}
	x.await("several refused runs", func() bool { return guarded() > 3 })
	if n := strings.Count(x.errors(), "mailferry: error:"); n != 1 {
		t.Errorf("told %d times:\n%s", n, x.errors())
	}
	if n := len(w.user.Messages(inbox)); n != 5 {
		t.Fatalf("%d messages are left on the server", n)
	}
	if err := os.Remove(w.disk.Dir); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(away, w.disk.Dir); err != nil {
		t.Fatal(err)
	}
	w.user.Append(inbox, mailbox.NewFlags(), someDate, letter("later"))
	x.await("a message once the store is back", x.onDisk(inbox, 6))
	w.disk.Deliver(inbox, mailbox.NewFlags(), someDate, letter("up"))
	x.await("a message of the disk that is back", x.onServer(inbox, 7))
	x.await("that it works again", func() bool { return strings.Contains(fmt.Sprint(x.noticed()), "works again") })
}

func TestWatchOneAccountsFailureKeepsNoOtherFromGoingOn(t *testing.T) {
	t.Parallel()
	server := synctest.Dovecot(t, synctest.DovecotConfig{})
	w, other := newWorld(t, server, layoutFS), newWorld(t, server, layoutFS)
	network := newProxy(t, server.Addr)
	config := filepath.Join(w.home, "config.toml")
	text := fmt.Sprintf("[accounts.bad]\nurl = %q\nstore = %q\n[accounts.good]\nurl = %q\nstore = %q\n[accounts.good.hooks]\npost_sync = [\"touch\", %q]\n",
		strings.Replace(other.url(), server.Addr, network.addr, 1), other.disk.Dir, w.url(), w.disk.Dir, filepath.Join(w.home, "hooked"))
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	x := w.startWatch("--config", config, "--poll", "1s")
	x.await("both accounts' runs", func() bool { return len(x.runs()) > 4 })
	network.refuse(true)
	network.arm(0, 0)
	w.user.Append(inbox, mailbox.NewFlags(), someDate, letter("good"))
	x.await("a message of the good account", x.onDisk(inbox, 1))
	x.await("its hook", func() bool { _, err := os.Stat(filepath.Join(w.home, "hooked")); return err == nil })
	x.await("a failure of the bad account", func() bool { return strings.Contains(x.errors(), "bad: ") })
	other.user.Append(inbox, mailbox.NewFlags(), someDate, letter("bad"))
	time.Sleep(12 * time.Second) // the failure repeats
	if n := strings.Count(x.errors(), "mailferry: error:"); n != 1 {
		t.Errorf("told %d times:\n%s", n, x.errors())
	}
	network.arm(-1, -1)
	network.refuse(false)
	x.await("a message of the account that was bad", func() bool {
		files, _ := filepath.Glob(filepath.Join(other.disk.Path(inbox), "[cn]*", "*"))
		return len(files) == 1
	})
}

func TestWatchConnectsAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t, synctest.Dovecot(t, synctest.DovecotConfig{}), layoutFS)
	network := newProxy(t, w.addr)
	w.addr = network.addr
	x := w.watch()
	x.settle()
	for i := range 3 {
		network.hangUp()
		time.Sleep(200 * time.Millisecond)
		w.user.Append(inbox, mailbox.NewFlags(), someDate, letter(fmt.Sprint(i)))
		x.await("a message after the connection was cut", x.onDisk(inbox, i+1))
	}
	if text := x.errors(); text != "" {
		t.Errorf("it tells of cuts that it mended: %s", text)
	}
}

func TestWatchEndsWhereOnlyAPersonCanHelp(t *testing.T) {
	t.Parallel()
	w := newWorld(t, synctest.Dovecot(t, synctest.DovecotConfig{}), layoutFS)
	w.env = append(w.env, "MAILFERRY_PASSWORD=wrong")
	x := w.startWatch(w.url(), w.disk.Dir)
	select {
	case <-x.ended:
	case <-time.After(time.Minute):
		t.Fatal("watch goes on with a wrong password")
	}
	if code := x.cmd.ProcessState.ExitCode(); code != exitAuth {
		t.Errorf("exit code %d", code)
	}
	if n := strings.Count(x.errors(), "mailferry: error:"); n != 1 {
		t.Errorf("told %d times:\n%s", n, x.errors())
	}
}

func TestWatchPollsOftenerWhereTheServerDoesNotTellAll(t *testing.T) {
	t.Parallel()
	w := newWorld(t, synctest.Dovecot(t, synctest.DovecotConfig{}), layoutFS)
	w.user.Create(work)
	network := newProxy(t, w.addr)
	w.addr = network.addr
	network.setLine(func(line string) (string, bool) {
		// What NOTIFY tells; the answer to our own question has no UNSEEN.
		if strings.HasPrefix(line, "* STATUS ") && strings.Contains(line, "UNSEEN") {
			return "", false
		}
		return line, false
	})
	x := w.watch("--poll", "2s")
	for i := range 3 {
		n := len(x.runs())
		x.await("polls that find nothing", func() bool { return len(x.runs()) > n+1 })
		w.user.Append(work, mailbox.NewFlags(), someDate, letter(fmt.Sprint(i)))
		x.await("a message of which the server did not tell", x.onDisk(work, i+1))
	}
	x.await("that the server does not tell", func() bool { return len(x.noticed()) > 0 })
	if notices := x.noticed(); len(notices) != 1 || !strings.Contains(notices[0], "does not tell of all changes") {
		t.Errorf("notices: %q", notices)
	}
}

func TestWatchOfABackupStaysABackup(t *testing.T) {
	t.Parallel()
	w := newWorld(t, synctest.Dovecot(t, synctest.DovecotConfig{}), layoutFS)
	w.user.Append(inbox, mailbox.NewFlags(), someDate, letter("kept"))
	w.backup().exits(exitDone)
	x := w.watch()
	x.settle()
	for _, file := range w.disk.Files(inbox) {
		w.disk.Unlink(inbox, file.Key)
	}
	w.user.Append(inbox, mailbox.NewFlags(), someDate, letter("more"))
	x.await("the new message", x.onDisk(inbox, 2)) // a backup brings back what is missing
	if n := len(w.user.Messages(inbox)); n != 2 {
		t.Errorf("%d messages are left on the server", n)
	}
}

func BenchmarkWatchLatency(b *testing.B) {
	w := newWorld(b, synctest.Dovecot(b, synctest.DovecotConfig{}), layoutFS)
	x := w.watch()
	x.settle()
	var down, up time.Duration
	n := 0
	for b.Loop() {
		begun := time.Now()
		w.user.Append(inbox, mailbox.NewFlags(), someDate, letter(fmt.Sprint("down ", n)))
		x.await("on disk", x.onDisk(inbox, 2*n+1))
		down = max(down, time.Since(begun))
		time.Sleep(2 * time.Second)
		begun = time.Now()
		w.disk.Deliver(inbox, mailbox.NewFlags(), someDate, letter(fmt.Sprint("up ", n)))
		x.await("on the server", x.onServer(inbox, 2*n+2))
		up = max(up, time.Since(begun))
		time.Sleep(2 * time.Second)
		n++
	}
	b.ReportMetric(down.Seconds(), "max-s-to-disk")
	b.ReportMetric(up.Seconds(), "max-s-to-server")
}
