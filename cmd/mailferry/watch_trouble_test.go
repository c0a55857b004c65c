package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gofrs/flock"

	"mailferry/syncer/mailbox"
	"mailferry/syncer/synctest"
)

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
