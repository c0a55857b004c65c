package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"

	"mailferry/syncer/mailbox"
	"mailferry/syncer/synctest"
)

// expungeLetters expunges messages m<from> to m<to-1> from INBOX in one go.
func (w *world) expungeLetters(from, to int) {
	w.t.Helper()
	var uids []mailbox.UID
	for _, m := range w.user.Messages(inbox) {
		for i := from; i < to; i++ {
			if labelOf(m.Octets) == fmt.Sprintf("m%d", i) {
				uids = append(uids, m.UID)
			}
		}
	}
	w.user.Expunge(inbox, uids...)
}

// fileCount counts message files on disk.
func (w *world) fileCount() int {
	w.t.Helper()
	n := 0
	for _, name := range w.disk.Names() {
		n += len(w.disk.Files(name))
	}
	return n
}

func TestManyDeletionsOnTheServerAreRefusedUntilConfirmed(t *testing.T) {
	server := synctest.Dovecot(t, synctest.DovecotConfig{})
	for _, c := range []struct {
		name       string
		gone, n    int
		wantReason string
	}{
		{"a mailbox emptied", 30, 30, "emptied"},
		{"11 of 20", 11, 20, "too-many-deletions"},
		{"10 of 20 are usual", 10, 20, ""},
		{"20 % of 60 are usual", 12, 60, ""},
		{"more than 20 % of 60", 13, 60, "too-many-deletions"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, server, layoutFS)
			w.user.Create(work)
			onServer{w}.add(work, "w")
			for i := range c.n {
				onServer{w}.add(inbox, fmt.Sprintf("m%d", i))
			}
			w.sync().exits(exitDone)
			w.expungeLetters(0, c.gone)
			want := expectationOf(t, w.user.Snapshot())
			if c.wantReason != "" {
				for range 2 {
					w.sync().refuses(guard{inbox, c.wantReason, c.gone, c.n}).deletesNothing().says(fmt.Sprint("--allow-deletes ", c.gone))
				}
				w.sync(fmt.Sprint("--allow-deletes=", c.gone-1)).exits(exitGuarded).deletesNothing()
				if got := w.fileCount(); got != c.n+1 {
					t.Errorf("%d files are left", got)
				}
				w.sync(fmt.Sprint("--allow-deletes=", c.gone)).exits(exitDone)
			} else {
				w.sync().exits(exitDone)
			}
			w.intact(want)
		})
	}
}

func TestDeletedMailboxWithManyMessagesIsRefused(t *testing.T) {
	server := synctest.Dovecot(t, synctest.DovecotConfig{})
	const n = 30
	make30 := func(t *testing.T) *world {
		w := newWorld(t, server, layoutFS)
		w.user.Create(work)
		for i := range n {
			onServer{w}.add(work, fmt.Sprintf("m%d", i))
			onServer{w}.add(inbox, fmt.Sprintf("i%d", i))
		}
		w.sync().exits(exitDone)
		return w
	}
	t.Run("on the server", func(t *testing.T) {
		t.Parallel()
		w := make30(t)
		w.user.Delete(work)
		for range 2 {
			w.sync().refuses(guard{work, "emptied", n, n}).deletesNothing()
		}
		if got := len(w.disk.Files(work)); got != n {
			t.Errorf("%d files are left", got)
		}
		w.sync(fmt.Sprint("--allow-deletes=", n)).exits(exitDone)
		w.intact(expectationOf(t, w.user.Snapshot()))
	})
	t.Run("on disk", func(t *testing.T) {
		t.Parallel()
		w := make30(t)
		want := expectationOf(t, w.user.Snapshot())
		onDisk{w}.drop(work)
		for range 2 {
			w.sync().refuses(guard{work, "emptied", n, n}).deletesNothing()
		}
		w.untouched(want)
		w.backup().exits(exitDone)
		w.intact(want)
	})
}

func TestRenumberedMailboxLosesAndDoublesNothing(t *testing.T) {
	server := synctest.Dovecot(t, synctest.DovecotConfig{})
	const n = 25
	for _, c := range []struct {
		name string
		// renumber gives INBOX or Work new UIDs; want tells what must be.
		renumber func(*world)
		want     func(*expectation)
	}{
		{"the same UIDs under another UIDVALIDITY", func(w *world) {
			path := filepath.Join(w.user.Maildir, "dovecot-uidlist")
			text, err := os.ReadFile(path)
			if err != nil {
				w.t.Fatal(err)
			}
			validity := regexp.MustCompile(`V\d+`).FindString(string(text))
			if err := os.WriteFile(path, bytes.Replace(text, []byte(validity), []byte("V17"), 1), 0o600); err != nil {
				w.t.Fatal(err)
			}
			w.user.Messages(inbox)
		}, func(*expectation) {}},
		{"made anew with the same messages", func(w *world) { w.makeAnew(0) }, func(*expectation) {}},
		{"made anew with some missing: they come back", func(w *world) { w.makeAnew(4) }, func(*expectation) {}},
		{"made anew in the opposite order with another message", func(w *world) {
			messages := w.user.Messages(work)
			w.makeAnew(len(messages))
			for i := range messages {
				m := messages[len(messages)-1-i]
				w.user.Append(work, m.Flags, m.Date, m.Octets)
			}
			onServer{w}.add(work, "x")
		}, func(e *expectation) { e.add(work, "x") }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, server, layoutFS)
			populate(onServer{w})
			for i := range n {
				onServer{w}.add(inbox, fmt.Sprintf("i%d", i))
				onServer{w}.add(work, fmt.Sprintf("m%d", i))
			}
			onServer{w}.add(work, "m0") // two identical messages
			w.sync().exits(exitDone)
			want := expectationOf(t, w.same())
			c.renumber(w)
			o := w.sync().exits(exitDone).deletesNothing()
			if o.summary.Downloaded > 1 {
				t.Errorf("%d messages were downloaded that the disk has", o.summary.Downloaded)
			}
			c.want(want)
			w.intact(want)
		})
	}
}

func TestNewUIDsWithoutNewUIDValidityLoseAndDoubleNothing(t *testing.T) {
	// Dovecot does this when its list of UIDs is lost and its index is not.
	server := synctest.Dovecot(t, synctest.DovecotConfig{})
	w, want := bereave(t, server, 25)
	removeFiles(t, filepath.Join(w.user.Maildir, "dovecot-uidlist*"))
	w.untouched(want)
	if o := w.sync().deletesNothing(); o.code == exitGuarded {
		w.sync("--allow-deletes=30").exits(exitDone)
	}
	w.intact(want)
}

// makeAnew deletes Work and makes it again without its first messages.
func (w *world) makeAnew(missing int) {
	w.t.Helper()
	messages, below := w.user.Messages(work), w.user.Messages(sub)
	w.user.Delete(sub)
	w.user.Delete(work)
	w.user.Create(work)
	w.user.Create(sub)
	for _, m := range messages[missing:] {
		w.user.Append(work, m.Flags, m.Date, m.Octets)
	}
	for _, m := range below {
		w.user.Append(sub, m.Flags, m.Date, m.Octets)
	}
}

func TestListThatOmitsAMailboxDeletesNothing(t *testing.T) {
	server := synctest.Dovecot(t, synctest.DovecotConfig{})
	for _, c := range []struct {
		name string
		line func() func(string) (string, bool)
	}{
		{"the line is missing", func() func(string) (string, bool) {
			return func(line string) (string, bool) {
				if strings.HasPrefix(line, "* LIST") && strings.Contains(line, "Work") {
					return "", false
				}
				return line, false
			}
		}},
		{"the list and the status are missing", func() func(string) (string, bool) {
			return func(line string) (string, bool) {
				if (strings.HasPrefix(line, "* LIST") || strings.HasPrefix(line, "* STATUS")) && strings.Contains(line, "Work") {
					return "", false
				}
				return line, false
			}
		}},
		{"the list is cut short", func() func(string) (string, bool) {
			var lists atomic.Int32
			return func(line string) (string, bool) {
				if strings.HasPrefix(line, "* LIST") && lists.Add(1)%3 == 0 {
					return line[:len(line)/2], true
				}
				return line, false
			}
		}},
		{"the list is refused", func() func(string) (string, bool) {
			return func(line string) (string, bool) {
				if strings.HasPrefix(line, "* LIST") {
					return "", false
				}
				if tag, rest, _ := strings.Cut(line, " "); strings.HasPrefix(rest, "OK List completed") {
					return tag + " NO [UNAVAILABLE] later\r\n", false
				}
				return line, false
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, server, layoutFS)
			p := newProxy(t, server.Addr)
			w.addr = p.addr // the URL must stay the same for the store
			populate(onServer{w})
			w.sync().exits(exitDone)
			want := expectationOf(t, w.same())
			p.setLine(c.line())
			for range 2 {
				o := w.sync().deletesNothing()
				if s := o.summary; s.Guarded != 0 {
					t.Errorf("deletions were even planned: %s", o.stdout)
				}
			}
			p.setLine(nil)
			w.intact(want)
			if _, err := os.Stat(filepath.Join(w.disk.Path(work), "cur")); err != nil {
				t.Error(err)
			}
		})
	}
}
