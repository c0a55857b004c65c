package main

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mailferry/syncer/mailbox"
	"mailferry/syncer/synctest"
)

// fillFormer puts mail on the server, lets the other program bring it to disk,
// has both sides change, and lets it work once more.
func fillFormer(w *world, p formerProgram) {
	w.t.Helper()
	server, disk := onServer{w}, onDisk{w}
	for _, name := range []mailbox.Name{work, sub, empty, "Entwürfe"} {
		w.user.Create(name)
	}
	for at, label := range []string{"a", "b", "c", "d", "e", "f"} {
		addDated(w, inbox, label, at, seen)
	}
	addDated(w, inbox, "new", 7)
	addDated(w, inbox, "twin", 8)
	addDated(w, inbox, "twin", 8)
	addDated(w, work, "w1", 1, seen, flagged)
	addDated(w, work, "w2", 2)
	addDated(w, sub, "s1", 1, answered)
	addDated(w, "Entwürfe", "ü", 3, draft)
	p.run(w)
	server.expunge(inbox, "b")
	server.flag(inbox, "a", "+", flagged)
	if p.tool == "mbsync" {
		// A message that goes up gets a field on the server that the file lacks.
		disk.add(inbox, "sent", seen)
	}
	p.run(w)
}

func TestImportStateGoesOnWhereTheOtherProgramStopped(t *testing.T) {
	server := synctest.Dovecot(t, synctest.DovecotConfig{})
	t.Run("programs", func(t *testing.T) {
		for _, p := range formerPrograms {
			t.Run(p.name, func(t *testing.T) {
				t.Parallel()
				goesOn(t, newWorld(t, server, p.layout), p)
			})
		}
	})
}

func goesOn(t *testing.T, w *world, p formerProgram) {
	fillFormer(w, p)
	before := treeOf(t, w.home)
	o := p.importState(w, "--dry-run").exits(exitDone)
	after := treeOf(t, w.home)
	for path := range after {
		if strings.HasPrefix(path, filepath.Join(w.home, "config")) || path == w.home {
			delete(before, path)
			delete(after, path)
		}
	}
	if !maps.Equal(before, after) {
		t.Errorf("a dry run changed something\n%s", o.stdout)
	}
	if !strings.Contains(o.stdout, "would be known") || !strings.Contains(o.stdout, "nothing was changed") {
		t.Errorf("the dry run says\n%s", o.stdout)
	}

	p.importState(w).exits(exitDone)
	w.sync().isQuiet()
	w.quiet()
	agree(w)
	p.importState(w).exits(exitUsage).says("is a store of mailferry already")

	// Both sides change: the store is one like any other.
	server, disk := onServer{w}, onDisk{w}
	server.expunge(inbox, "c")
	server.flag(inbox, "d", "+", flagged)
	server.add(work, "from server")
	removeFile(w, inbox, "e")
	flagFile(w, inbox, "f", answered)
	disk.add(work, "from disk", seen)
	s := w.sync().exits(exitDone).summary
	if s.Downloaded != 1 || s.Uploaded != 1 || s.RemovedLocal != 1 || s.ExpungedRemote != 1 || s.FlagsLocal != 1 || s.FlagsRemote != 1 {
		t.Errorf("after changes on both sides: %+v", s)
	}
	want := agree(w)
	w.quiet()

	// Not even without the state is anything taken for new. Nor with new UIDs.
	if err := os.Remove(w.statePath()); err != nil {
		t.Fatal(err)
	}
	w.sync().isQuiet()
	w.makeAnew(0)
	w.sync().exits(exitDone).deletesNothing()
	w.quiet()
	if s := agree(w); len(s.mailboxes[work]) != len(want.mailboxes[work]) {
		t.Errorf("%s has %d messages, not %d", work, len(s.mailboxes[work]), len(want.mailboxes[work]))
	}
}

// TestImportStateBelievesNothingThatIsNotThere: what changed since the other
// program's last run is found out, and no message on the server is deleted for
// what its records say.
func TestImportStateBelievesNothingThatIsNotThere(t *testing.T) {
	server := synctest.Dovecot(t, synctest.DovecotConfig{})
	t.Run("programs", func(t *testing.T) {
		for _, p := range []formerProgram{formerPrograms[0], formerPrograms[6]} {
			t.Run(p.tool, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, server, p.layout)
				fillFormer(w, p)
				onServer, onDisk := onServer{w}, onDisk{w}
				removeFile(w, inbox, "d")
				flagFile(w, inbox, "e", seen, flagged)
				onDisk.add(inbox, "x", seen)
				onServer.expunge(inbox, "c")
				onServer.add(inbox, "y")
				p.importState(w).exits(exitDone)
				s := w.sync().exits(exitDone).summary
				if s.Downloaded != 2 || s.Uploaded != 1 || s.RemovedLocal != 1 || s.ExpungedRemote != 0 || s.FlagsRemote != 1 {
					t.Errorf("%+v", s)
				}
				agree(w)
				w.quiet()
			})
		}
	})
}

func TestImportStateOfARenumberedMailboxComparesByContent(t *testing.T) {
	server := synctest.Dovecot(t, synctest.DovecotConfig{})
	t.Run("programs", func(t *testing.T) {
		for _, p := range []formerProgram{formerPrograms[0], formerPrograms[6]} {
			t.Run(p.tool, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, server, p.layout)
				fillFormer(w, p)
				w.makeAnew(0)
				o := p.importState(w).exits(exitDone)
				if !strings.Contains(o.stdout, "renumbered its messages") {
					t.Errorf("it says\n%s", o.stdout)
				}
				w.sync().isQuiet()
				agree(w)
			})
		}
	})
}

func TestImportStateRefusesWhatItCannotTakeOver(t *testing.T) {
	server := synctest.Dovecot(t, synctest.DovecotConfig{})
	type odd struct {
		name string
		// file, below the home, with this text is what is odd; "": all is as it was.
		file, text string
		says       []string
		// unmapped: without --map.
		unmapped bool
	}
	for _, c := range []struct {
		p    formerProgram
		odds []odd
	}{
		{formerPrograms[0], []odd{
			{"mbsync was interrupted", "mail/Work/.mbsyncstate.journal", "4\n", []string{"was interrupted", "mbsync all"}, false},
			{"a state file cut short", "mail/Work/.mbsyncstate", "FarUidValidity 1\nNearUidValidity 1\n\n1 1 S\n2 2", []string{"cut short"}, false},
			{"numbers in a database", "mail/Work/.isyncuidmap.db", "", []string{"AltMap", "mdconvert -n"}, false},
		}},
		{formerPrograms[8], []odd{
			{"offlineimap was interrupted", "metadata/Account-all/LocalStatus-sqlite/INBOX-journal", "", []string{"was interrupted", "offlineimap -o"}, false},
			{"names changed, and not told how", "", "", []string{"nametrans", "--map"}, true},
		}},
	} {
		w := newWorld(t, server, c.p.layout)
		fillFormer(w, c.p)
		for _, o := range c.odds {
			t.Run(o.name, func(t *testing.T) {
				p := c.p
				if o.unmapped {
					p.flags = nil
				}
				w.oddly(o.file, o.text, func() {
					before := treeOf(t, w.disk.Dir)
					if run := p.importState(w).says(o.says...); run.code == exitDone {
						t.Errorf("it is taken over\n%s", run.stdout)
					}
					if !maps.Equal(before, treeOf(t, w.disk.Dir)) {
						t.Error("the Maildir was changed")
					}
				})
			})
		}
	}
}

// oddly does something while a file has another text.
func (w *world) oddly(file, text string, do func()) {
	w.t.Helper()
	if file == "" {
		do()
		return
	}
	path := filepath.Join(w.home, filepath.FromSlash(file))
	old, missing := os.ReadFile(path)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		w.t.Fatal(err)
	}
	do()
	restore := func() error { return os.WriteFile(path, old, 0o600) }
	if missing != nil {
		restore = func() error { return os.Remove(path) }
	}
	if err := restore(); err != nil {
		w.t.Fatal(err)
	}
}

// TestImportStateKeepsWhatMbsyncKeptOffTheDisk: messages that mbsync took off
// the disk for their number stay on the server only; one that was too large for
// it is brought whole, and what it put in its place is never uploaded.
func TestImportStateKeepsWhatMbsyncKeptOffTheDisk(t *testing.T) {
	server := synctest.Dovecot(t, synctest.DovecotConfig{})
	p := formerPrograms[0]
	p.config += "MaxMessages 4\nExpireUnread yes\n"
	p.config = strings.Replace(p.config, "SubFolders Verbatim", "SubFolders Verbatim\nMaxSize 4k", 1)
	w := newWorld(t, server, p.layout)
	for at, label := range []string{"a", "b", "c"} {
		addDated(w, inbox, label, at, seen)
	}
	p.run(w)
	for at, label := range []string{"d", "e", "long one", "f"} {
		addDated(w, inbox, label, 3+at, seen)
	}
	p.run(w)
	onDisk := len(w.disk.Files(inbox))
	o := p.importState(w).exits(exitDone)
	if !strings.Contains(o.stdout, "stay on the server only") || !strings.Contains(o.stdout, "placeholders") {
		t.Errorf("it says\n%s", o.stdout)
	}
	s := w.sync().exits(exitDone).summary
	if s.Downloaded != 1 || s.Uploaded+s.RemovedLocal+s.ExpungedRemote != 0 {
		t.Errorf("%+v", s)
	}
	w.sync().isQuiet()
	if n := len(w.user.Messages(inbox)); n != 7 {
		t.Errorf("the server has %d messages, not 7", n)
	}
	if n := len(w.disk.Files(inbox)); n != onDisk+1 {
		t.Errorf("the disk has %d messages, not %d", n, onDisk+1)
	}
	// A backup brings the others.
	if s := w.backup().exits(exitDone).summary; s.Downloaded != 3 {
		t.Errorf("a backup downloads %d, not the 3 that the disk lacks", s.Downloaded)
	}
}
