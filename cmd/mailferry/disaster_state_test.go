package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mailferry/syncer/synctest"
)

// control is the store's control folder.
func (w *world) control() string {
	if w.disk.PlusPlus {
		return filepath.Join(w.disk.Dir, "mailferry")
	}
	return filepath.Join(w.disk.Dir, ".mailferry")
}

func (w *world) statePath() string { return filepath.Join(w.control(), "state.db") }

// damage is one way to hurt a store's state.
type damage struct {
	name string
	hurt func(t *testing.T, w *world)
	// noticed says that the user has to read that the state was built anew.
	noticed bool
}

func truncated(share float64) damage {
	return damage{fmt.Sprintf("truncated to %.0f %%", share*100), func(t *testing.T, w *world) {
		stat, err := os.Stat(w.statePath())
		if err == nil {
			err = os.Truncate(w.statePath(), int64(float64(stat.Size())*share))
		}
		if err != nil {
			t.Fatal(err)
		}
	}, true}
}

// flipped flips octets all over the file. What lies in a free page hurts
// nobody, so that not every flip must be noticed.
func flipped(seed uint64, count int) damage {
	return damage{fmt.Sprintf("%d octets flipped, seed %d", count, seed), func(t *testing.T, w *world) {
		octets, err := os.ReadFile(w.statePath())
		if err != nil {
			t.Fatal(err)
		}
		random := rand.New(rand.NewPCG(seed, 1))
		for range count {
			octets[random.IntN(len(octets))] ^= byte(1 + random.IntN(255))
		}
		if err := os.WriteFile(w.statePath(), octets, 0o600); err != nil {
			t.Fatal(err)
		}
	}, false}
}

func overwritten(name, content string) damage {
	return damage{name, func(t *testing.T, w *world) {
		if err := os.WriteFile(w.statePath(), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}, true}
}

func damages() []damage {
	list := []damage{
		{"deleted", func(t *testing.T, w *world) { removeFiles(t, w.statePath()+"*") }, true},
		{"an older copy put back", func(t *testing.T, w *world) {
			octets, err := os.ReadFile(filepath.Join(w.home, "older"))
			if err == nil {
				removeFiles(t, w.statePath()+"*")
				err = os.WriteFile(w.statePath(), octets, 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
		}, true},
		truncated(0), truncated(0.01), truncated(0.3), truncated(0.5), truncated(0.9),
		overwritten("text instead", "this is no database\n"),
		overwritten("zeros instead", strings.Repeat("\x00", 16384)),
		{"all of the control folder but marker and lock deleted", func(t *testing.T, w *world) {
			entries, err := os.ReadDir(w.control())
			if err != nil {
				t.Fatal(err)
			}
			for _, entry := range entries {
				if name := entry.Name(); name != "store.json" && name != "lock" && name != "trash" {
					removeFiles(t, filepath.Join(w.control(), name))
				}
			}
		}, false},
	}
	for seed := range uint64(6) {
		list = append(list, flipped(seed, 1+int(seed)*8))
	}
	return list
}

// aged makes a world in step whose state has seen more than the copy of it
// that lies aside.
func aged(t *testing.T, server *synctest.Server) (*world, *expectation) {
	w, _ := bereave(t, server, 15)
	octets, err := os.ReadFile(w.statePath())
	if err == nil {
		err = os.WriteFile(filepath.Join(w.home, "older"), octets, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	onServer{w}.add(inbox, "x", seen)
	onServer{w}.expunge(inbox, "m1", "m2")
	onDisk{w}.add(work, "y", flagged)
	onDisk{w}.remove(inbox, "m3")
	onServer{w}.add(sub, "s1") // identical to another
	w.sync().exits(exitDone)
	return w, expectationOf(t, w.same())
}

func TestDamagedStateIsBuiltAnewWithoutLoss(t *testing.T) {
	server := synctest.Dovecot(t, synctest.DovecotConfig{})
	for _, d := range damages() {
		t.Run(d.name, func(t *testing.T) {
			t.Parallel()
			w, want := aged(t, server)
			d.hurt(t, w)
			o := w.sync().exits(exitDone).deletesNothing()
			if o.summary.Downloaded+o.summary.Uploaded > 0 {
				t.Errorf("messages were carried that both sides have: %+v", o.summary)
			}
			if d.noticed && !strings.Contains(strings.Join(o.notices, "\n"), "anew") {
				t.Errorf("nobody is told that the state was built anew: %q", o.notices)
			}
			w.intact(want)
		})
	}
}

func TestDamagedStateAndChangesOnBothSidesLoseNothing(t *testing.T) {
	server := synctest.Dovecot(t, synctest.DovecotConfig{})
	for _, d := range damages()[:2] {
		t.Run(d.name, func(t *testing.T) {
			t.Parallel()
			w, want := aged(t, server)
			onServer{w}.flag(inbox, "m5", "+", flagged)
			onServer{w}.add(inbox, "new there")
			onDisk{w}.add(inbox, "new here")
			onDisk{w}.flag(inbox, "m6", seen, answered)
			d.hurt(t, w)
			w.sync().exits(exitDone).deletesNothing()
			want.flagged(inbox, "m5", flagged)
			want.flagged(inbox, "m6", seen, answered)
			want.add(inbox, "new there")
			want.add(inbox, "new here")
			w.intact(want)
		})
	}
}

func TestLostWriteAheadLogIsNoticed(t *testing.T) {
	server := synctest.Dovecot(t, synctest.DovecotConfig{})
	random := rand.New(rand.NewPCG(4, 2))
	for round := range 6 {
		t.Run(fmt.Sprint("round ", round), func(t *testing.T) {
			w, _ := bereave(t, server, 3)
			for i := range 60 {
				onServer{w}.add(inbox, fmt.Sprintf("later %d", i))
			}
			onDisk{w}.add(work, "y")
			want := expectationOf(t, w.user.Snapshot())
			want.add(work, "y")
			w.killed(random, "sync")
			if matches, _ := filepath.Glob(w.statePath() + "-*"); len(matches) > 0 {
				removeFiles(t, w.statePath()+"-*")
			}
			w.sync().exits(exitDone).deletesNothing()
			w.intact(want)
		})
	}
}
