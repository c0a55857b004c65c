package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"mailferry/syncer/mailbox"
	"mailferry/syncer/synctest"
)

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
