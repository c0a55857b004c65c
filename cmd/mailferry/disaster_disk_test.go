package main

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"mailferry/syncer/mailbox"
	"mailferry/syncer/synctest"
)

// bereave makes a world in step, with n messages in INBOX besides the usual.
func bereave(t *testing.T, server *synctest.Server, n int) (*world, *expectation) {
	t.Helper()
	w := newWorld(t, server, layoutFS)
	populate(onServer{w})
	for i := range n {
		onServer{w}.add(inbox, fmt.Sprintf("m%d", i))
	}
	w.sync().exits(exitDone)
	return w, expectationOf(t, w.same())
}

// intact checks that both sides have what they had, each message once, and
// that nothing is left to be done.
func (w *world) intact(want *expectation) {
	w.t.Helper()
	want.check(w.same())
	w.quiet()
	want.check(w.same())
}

// untouched checks that the server has what it had.
func (w *world) untouched(want *expectation) {
	w.t.Helper()
	want.check(w.user.Snapshot())
}

func removeFiles(t testing.TB, pattern string) {
	t.Helper()
	paths, err := filepath.Glob(pattern)
	if err != nil || len(paths) == 0 {
		t.Fatalf("nothing matches %s: %v", pattern, err)
	}
	for _, path := range paths {
		if err := os.RemoveAll(path); err != nil {
			t.Fatal(err)
		}
	}
}

func TestEmptiedStoreFolderIsAnUnmountedDisk(t *testing.T) {
	server := synctest.Dovecot(t, synctest.DovecotConfig{})
	for _, layout := range []string{layoutFS, layoutMaildirPP} {
		for _, removed := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s removed=%v", layout, removed), func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, server, layout)
				populate(onServer{w})
				w.sync().exits(exitDone)
				want := expectationOf(t, w.same())
				if err := os.RemoveAll(w.disk.Dir); err != nil {
					t.Fatal(err)
				}
				if !removed {
					if err := os.Mkdir(w.disk.Dir, 0o700); err != nil {
						t.Fatal(err)
					}
				}
				for _, command := range []string{"sync", "backup", "sync"} {
					w.transfer(command).refuses(guard{Reason: "marker-missing"}).deletesNothing().says("marker", "mounted", "--new-store")
				}
				w.untouched(want)
				if _, err := os.Stat(filepath.Join(w.disk.Dir, "INBOX")); err == nil {
					t.Error("the refused run made folders")
				}
				w.sync("--new-store").exits(exitDone).deletesNothing()
				w.intact(want)
			})
		}
	}
}

func TestAllFilesRemovedIsRefusedUntilConfirmed(t *testing.T) {
	server := synctest.Dovecot(t, synctest.DovecotConfig{})
	const n = 30
	lose := func(t *testing.T) (*world, *expectation) {
		w, want := bereave(t, server, n-5)
		removeFiles(t, filepath.Join(w.disk.Path(inbox), "*", "*"))
		for range 2 {
			w.sync().refuses(guard{inbox, "emptied", n, n}).deletesNothing()
		}
		w.untouched(want)
		return w, want
	}
	t.Run("backup puts back", func(t *testing.T) {
		t.Parallel()
		w, want := lose(t)
		if o := w.backup().exits(exitDone).deletesNothing(); o.summary.Downloaded != n {
			t.Errorf("%d messages put back", o.summary.Downloaded)
		}
		w.intact(want)
	})
	t.Run("allow-deletes", func(t *testing.T) {
		t.Parallel()
		w, want := lose(t)
		w.sync(fmt.Sprintf("--allow-deletes=%d", n-1)).refuses(guard{inbox, "emptied", n, n}).deletesNothing()
		w.untouched(want)
		if o := w.sync(fmt.Sprintf("--allow-deletes=%d", n)).exits(exitDone); o.summary.ExpungedRemote != n {
			t.Errorf("%d messages expunged", o.summary.ExpungedRemote)
		}
		want.clear(inbox)
		w.intact(want)
	})
	t.Run("the rest goes on", func(t *testing.T) {
		t.Parallel()
		w, want := lose(t)
		onServer{w}.add(work, "x")
		onDisk{w}.add(work, "y")
		onServer{w}.add(inbox, "z")
		o := w.sync().refuses(guard{inbox, "emptied", n, n}).deletesNothing()
		if o.summary.Downloaded != 2 || o.summary.Uploaded != 1 {
			t.Errorf("%+v", o.summary)
		}
		want.add(work, "x")
		want.add(work, "y")
		want.add(inbox, "z")
		w.untouched(want)
		w.backup().exits(exitDone)
		w.intact(want)
	})
}

func TestEveryFileInSmallMailboxesRemovedIsRefused(t *testing.T) {
	server := synctest.Dovecot(t, synctest.DovecotConfig{})
	w := newWorld(t, server, layoutFS)
	for i := range 6 {
		name := mailbox.Name(fmt.Sprintf("Box %d", i))
		w.user.Create(name)
		for j := range 4 {
			onServer{w}.add(name, fmt.Sprintf("m%d.%d", i, j))
		}
	}
	w.sync().exits(exitDone)
	want := expectationOf(t, w.same())
	removeFiles(t, filepath.Join(w.disk.Dir, "Box *", "*", "*.*"))
	o := w.sync().exits(exitGuarded).deletesNothing()
	if len(o.guards) != 6 || o.summary.Guarded != 24 {
		t.Errorf("guards %+v, %d deletions", o.guards, o.summary.Guarded)
	}
	w.untouched(want)
	removeFiles(t, filepath.Join(w.disk.Dir, "Box *"))
	w.sync().exits(exitGuarded).deletesNothing()
	w.untouched(want)
	w.backup().exits(exitDone)
	w.intact(want)
}

func TestSwappedStoresAreRefused(t *testing.T) {
	server := synctest.Dovecot(t, synctest.DovecotConfig{})
	w, want := bereave(t, server, 20)
	other, wantOther := bereave(t, server, 3)
	other.home, other.env = w.home, w.env // one machine with both accounts
	other.disk.Dir = filepath.Join(w.home, "other mail")
	other.sync().exits(exitDone)
	aside := filepath.Join(w.home, "aside")
	swap := func() {
		for _, rename := range [][2]string{{w.disk.Dir, aside}, {other.disk.Dir, w.disk.Dir}, {aside, other.disk.Dir}} {
			if err := os.Rename(rename[0], rename[1]); err != nil {
				t.Fatal(err)
			}
		}
	}
	swap()
	for range 2 {
		for _, each := range []*world{w, other} {
			if o := each.sync().deletesNothing(); o.code != exitGuarded && o.code != exitNotSetUp {
				t.Errorf("exit code %d: %s", o.code, o.stderr)
			}
		}
	}
	w.untouched(want)
	other.untouched(wantOther)
	swap()
	w.intact(want)
	other.intact(wantOther)
}

func TestAnotherAccountsURLOnAStoreIsRefused(t *testing.T) {
	server := synctest.Dovecot(t, synctest.DovecotConfig{})
	w, want := bereave(t, server, 5)
	other := newWorld(t, server, layoutFS)
	onServer{other}.add(inbox, "theirs")
	wantOther := expectationOf(t, other.user.Snapshot())
	intruder := *other
	intruder.home, intruder.disk = w.home, w.disk
	for _, command := range []string{"sync", "backup"} {
		o := intruder.transfer(command).deletesNothing()
		if o.code != exitGuarded && o.code != exitNotSetUp {
			t.Errorf("%s: exit code %d: %s", command, o.code, o.stderr)
		}
	}
	other.untouched(wantOther)
	w.intact(want)
}
