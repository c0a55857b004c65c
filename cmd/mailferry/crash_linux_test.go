package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"mailferry/syncer/mailbox"
	"mailferry/syncer/synctest"
)

// crashScenario is a run with something to do. Before it, both sides were
// synced with a few messages (crashWorld.populate).
type crashScenario struct {
	name    string
	command []string
	change  func(w *crashWorld)
	// fresh: there was no run before it.
	fresh bool
	// pop3: the server speaks POP3, so that it was backed up before.
	pop3 bool
}

func (w *crashWorld) deliver(m *synctest.Maildir, name mailbox.Name, label string, flags ...string) {
	w.t.Helper()
	m.Deliver(name, mailbox.NewFlags(flags...), someDate, letter(label))
}

// populate makes the mail that both sides know.
func (w *crashWorld) populate() {
	w.folder(w.server, mailbox.Inbox)
	w.folder(w.server, "Work")
	w.folder(w.server, "Old Mail")
	for i := range 6 {
		w.deliver(w.server, mailbox.Inbox, fmt.Sprintf("in %d", i), [][]string{nil, {seen}, {flagged, "alpha"}}[i%3]...)
		w.deliver(w.server, "Work", fmt.Sprintf("work %d", i), seen)
	}
	w.deliver(w.server, mailbox.Inbox, "long")
	w.deliver(w.server, mailbox.Inbox, "twin")
	w.deliver(w.server, mailbox.Inbox, "twin")
	w.ownServer()
}

// pick returns the key of the message with that label.
func (w *crashWorld) pick(m *synctest.Maildir, name mailbox.Name, label string) mailbox.Key {
	w.t.Helper()
	for _, f := range m.Files(name) {
		if labelOf(f.Octets) == label {
			return f.Key
		}
	}
	w.t.Fatalf("%s has no %q", name, label)
	return ""
}

// shift moves a message's file to another folder under its own name.
func (w *crashWorld) shift(m *synctest.Maildir, from mailbox.Name, label string, to mailbox.Name) {
	w.t.Helper()
	key := w.pick(m, from, label)
	for _, sub := range []string{"cur", "new"} {
		found, _ := filepath.Glob(filepath.Join(m.Path(from), sub, string(key)+"*"))
		for _, path := range found {
			if err := os.Rename(path, filepath.Join(m.Path(to), sub, filepath.Base(path))); err != nil {
				w.t.Fatal(err)
			}
		}
	}
}

var syncHome = []string{"sync", "--json", "--allow-deletes=100", "home"}

func crashScenarios() []crashScenario {
	return []crashScenario{
		{name: "first pull", command: syncHome, fresh: true, change: func(*crashWorld) {}},
		{name: "first backup", command: []string{"backup", "--json", "home"}, fresh: true, change: func(*crashWorld) {}},
		{name: "pull", command: syncHome, change: func(w *crashWorld) {
			for i := range 5 {
				w.deliver(w.server, mailbox.Inbox, fmt.Sprintf("new %d", i), flagged)
				w.deliver(w.server, "Work", fmt.Sprintf("long %d", i))
			}
		}},
		{name: "push", command: syncHome, change: func(w *crashWorld) {
			for i := range 5 {
				w.deliver(w.reader, mailbox.Inbox, fmt.Sprintf("mine %d", i), seen, "beta")
				w.deliver(w.reader, "Work", fmt.Sprintf("long mine %d", i))
			}
			w.deliver(w.reader, "Work", "twin")
			w.deliver(w.reader, "Work", "twin")
		}},
		{name: "flags from the server", command: syncHome, change: func(w *crashWorld) {
			for i := range 3 {
				w.server.SetFlags(mailbox.Inbox, w.pick(w.server, mailbox.Inbox, fmt.Sprintf("in %d", i)), mailbox.NewFlags(answered, "gamma"))
			}
		}},
		{name: "flags from the disk", command: syncHome, change: func(w *crashWorld) {
			for i := range 3 {
				w.reader.SetFlags(mailbox.Inbox, w.pick(w.reader, mailbox.Inbox, fmt.Sprintf("in %d", i)), mailbox.NewFlags(answered, "gamma"))
			}
		}},
		{name: "flags both ways", command: syncHome, change: func(w *crashWorld) {
			w.server.SetFlags(mailbox.Inbox, w.pick(w.server, mailbox.Inbox, "in 1"), mailbox.NewFlags(seen, answered))
			w.reader.SetFlags(mailbox.Inbox, w.pick(w.reader, mailbox.Inbox, "in 1"), mailbox.NewFlags(flagged))
		}},
		{name: "deletions from the server", command: syncHome, change: func(w *crashWorld) {
			for i := range 3 {
				w.server.Unlink("Work", w.pick(w.server, "Work", fmt.Sprintf("work %d", i)))
			}
		}},
		{name: "deletions from the disk", command: syncHome, change: func(w *crashWorld) {
			for i := range 3 {
				w.reader.Unlink("Work", w.pick(w.reader, "Work", fmt.Sprintf("work %d", i)))
			}
			w.reader.Unlink(mailbox.Inbox, w.pick(w.reader, mailbox.Inbox, "twin"))
		}},
		{name: "moved on the server", command: syncHome, change: func(w *crashWorld) {
			for i := range 3 {
				w.shift(w.server, mailbox.Inbox, fmt.Sprintf("in %d", i), "Old Mail")
			}
		}},
		{name: "moved on disk", command: syncHome, change: func(w *crashWorld) {
			for i := range 3 {
				w.shift(w.reader, mailbox.Inbox, fmt.Sprintf("in %d", i), "Old Mail")
			}
		}},
		{name: "renamed on the server", command: syncHome, change: func(w *crashWorld) {
			w.rename(w.server, "Work", "Labour")
		}},
		{name: "renamed on disk", command: syncHome, change: func(w *crashWorld) {
			w.rename(w.reader, "Work", "Labour")
		}},
		{name: "new mailboxes both ways", command: syncHome, change: func(w *crashWorld) {
			w.folder(w.server, "There")
			w.folder(w.server, "There/Below")
			w.deliver(w.server, "There/Below", "deep")
			w.folder(w.reader, "Here")
			w.folder(w.reader, "Here/Below")
			w.deliver(w.reader, "Here/Below", "deep too")
		}},
		{name: "mailbox deleted on the server", command: syncHome, change: func(w *crashWorld) {
			w.ok(os.RemoveAll(w.server.Path("Work")))
		}},
		{name: "mailbox deleted on disk", command: syncHome, change: func(w *crashWorld) {
			w.ok(os.RemoveAll(w.reader.Path("Work")))
		}},
		{name: "numbers changed", command: syncHome, change: func(w *crashWorld) {
			w.renumber(mailbox.Inbox)
			w.deliver(w.server, mailbox.Inbox, "new")
			w.reader.Unlink("Work", w.pick(w.reader, "Work", "work 1"))
		}},
		{name: "state lost", command: syncHome, change: func(w *crashWorld) {
			state, _ := filepath.Glob(filepath.Join(w.dir, "now", "disk", "mail", ".mailferry", "state.db*"))
			for _, path := range state {
				w.ok(os.Remove(path))
			}
			w.deliver(w.server, mailbox.Inbox, "new")
			w.deliver(w.reader, "Work", "mine")
		}},
		{name: "state cut short", command: syncHome, change: func(w *crashWorld) {
			w.ok(os.Truncate(filepath.Join(w.dir, "now", "disk", "mail", ".mailferry", "state.db"), 5000))
			w.deliver(w.server, mailbox.Inbox, "new")
		}},
		{name: "backup", command: []string{"backup", "--json", "home"}, change: func(w *crashWorld) {
			w.deliver(w.server, mailbox.Inbox, "new")
			w.server.Unlink("Work", w.pick(w.server, "Work", "work 1"))
			w.reader.Unlink("Work", w.pick(w.reader, "Work", "work 2"))
		}},
		{name: "mirror", command: []string{"backup", "--mirror", "--json", "--allow-deletes=100", "home"}, change: func(w *crashWorld) {
			w.deliver(w.server, mailbox.Inbox, "new")
			w.server.Unlink("Work", w.pick(w.server, "Work", "work 1"))
		}},
		{name: "archive", command: []string{"archive", "--json", "--keep-latest=2", "home"}, change: func(w *crashWorld) {
			w.deliver(w.server, mailbox.Inbox, "new")
			w.reader.Unlink("Work", w.pick(w.reader, "Work", "work 2"))
		}},
		{name: "restore", command: []string{"restore", "--json", "home", "--to", "other"}, change: func(w *crashWorld) {
			w.deliver(w.other, mailbox.Inbox, "in 1") // it is there already
		}},
		{name: "archive from POP3", command: []string{"archive", "--json", "--keep-latest=2", "home"}, pop3: true, change: func(w *crashWorld) {
			w.deliver(w.server, mailbox.Inbox, "new")
			w.reader.Unlink(mailbox.Inbox, w.pick(w.reader, mailbox.Inbox, "in 2"))
		}},
		{name: "merge to the server", command: []string{"merge", "--json", "--yes", "DISK/pile", "other", "--into", "home"}, change: func(w *crashWorld) {
			w.pile()
		}},
		{name: "merge to a folder", command: []string{"merge", "--json", "--yes", "DISK/pile", "other", "--into", "DISK/mail"}, fresh: true, change: func(w *crashWorld) {
			w.pile()
		}},
		{name: "everything at once", command: syncHome, change: func(w *crashWorld) {
			w.deliver(w.server, mailbox.Inbox, "new")
			w.deliver(w.reader, "Work", "mine")
			w.shift(w.server, mailbox.Inbox, "in 0", "Work")
			w.reader.Unlink("Work", w.pick(w.reader, "Work", "work 1"))
			w.server.Unlink("Work", w.pick(w.server, "Work", "work 2"))
			w.reader.SetFlags("Work", w.pick(w.reader, "Work", "work 3"), mailbox.NewFlags(flagged))
			w.folder(w.server, "There")
		}},
	}
}

// pile makes what is merged: a Maildir beside the store and mail on the other
// server, some of it in several places.
func (w *crashWorld) pile() {
	w.t.Helper()
	pile := synctest.NewMaildir(w.t, filepath.Join(w.dir, "now", "disk", "pile"), false)
	w.folder(pile, mailbox.Inbox)
	w.folder(pile, "Work")
	for i := range 3 {
		w.deliver(pile, mailbox.Inbox, fmt.Sprintf("merged %d", i), seen)
		w.deliver(w.other, mailbox.Inbox, fmt.Sprintf("merged %d", i+1), flagged)
	}
	w.deliver(pile, "Work", "long merged")
	w.deliver(pile, mailbox.Inbox, "in 1") // it is there already
	w.deliver(pile, mailbox.Inbox, "twin")
}

func (w *crashWorld) ok(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *crashWorld) rename(m *synctest.Maildir, from, to mailbox.Name) {
	w.t.Helper()
	w.ok(os.Rename(m.Path(from), m.Path(to)))
}

// renumber takes the server's list of UIDs away: it makes a new one. Its
// UIDVALIDITY is the time of day, so it may by chance be the old one.
func (w *crashWorld) renumber(name mailbox.Name) {
	w.t.Helper()
	found, _ := filepath.Glob(filepath.Join(w.server.Path(name), "dovecot*"))
	for _, path := range found {
		if filepath.Base(path) != "dovecot-keywords" {
			w.ok(os.RemoveAll(path))
		}
	}
}

// prepare brings a scenario to where its run begins.
func (s crashScenario) prepare(w *crashWorld) {
	w.t.Helper()
	w.folder(w.other, mailbox.Inbox)
	w.populate()
	before := syncHome
	if s.pop3 {
		w.usePOP3()
		before = []string{"backup", "--json", "home"}
	}
	w.mounted(func() {
		if !s.fresh {
			if r := w.run(atRest, before...); r.code != exitDone {
				w.t.Fatalf("the sync before it: exit code %d\n%s", r.code, r.output)
			}
		}
		s.change(w)
		w.ownServer()
	})
	w.keep()
}

// number reads a variable, or else takes what is given.
func crashNumber(t *testing.T, name string, otherwise int) int {
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestKilledAtAnyChangeOneRerunMakesItGood kills runs at their first, second,
// third ... change to disk and asks that one rerun leaves on both sides what
// the run would have left. MAILFERRY_LONG tries every change, and otherwise
// MAILFERRY_POINTS of each scenario, chosen by MAILFERRY_SEED.
func TestKilledAtAnyChangeOneRerunMakesItGood(t *testing.T) {
	points := crashNumber(t, "MAILFERRY_POINTS", 3)
	seed := crashNumber(t, "MAILFERRY_SEED", 1)
	var all verdicts
	t.Run("scenarios", func(t *testing.T) { killScenarios(t, points, seed, &all) })
	synctest.Report(t, "%v", &all)
}

func killScenarios(t *testing.T, points, seed int, all *verdicts) {
	for i, s := range crashScenarios() {
		for _, connections := range []int{1, 4} {
			t.Run(fmt.Sprintf("%s over %d connections", s.name, connections), func(t *testing.T) {
				t.Parallel()
				w := newCrashWorld(t)
				s.prepare(w)
				args := append([]string{s.command[0], fmt.Sprintf("--connections=%d", connections)}, s.command[1:]...)
				var whole crashRun
				w.mounted(func() { whole = w.run(atRest, args...) })
				if whole.code != exitDone {
					t.Fatalf("the run alone: exit code %d\n%s", whole.code, whole.output)
				}
				want := w.isThere()
				random := rand.New(rand.NewPCG(uint64(seed), uint64(i)))
				at := random.Perm(whole.changes)
				if os.Getenv("MAILFERRY_LONG") == "" {
					at = at[:min(points, len(at))]
				}
				killed := 0
				for _, k := range at {
					if w.killAt(k+1, want, args, all) {
						killed++
					}
					if t.Failed() {
						t.Fatalf("MAILFERRY_SEED=%d", seed)
					}
				}
				t.Logf("%d changes, %d tried, %d killed", whole.changes, len(at), killed)
				if killed < len(at)/2 {
					t.Errorf("only %d of %d runs were killed", killed, len(at))
				}
			})
		}
	}
}

// killAt runs the scenario, kills it at its k-th change, and runs it again.
func (w *crashWorld) killAt(k int, want []string, args []string, all *verdicts) (killed bool) {
	w.t.Helper()
	w.reset()
	var first, second crashRun
	w.mounted(func() {
		first = w.run(func(d *crashDisk, kill func()) { d.arm(k, kill) }, args...)
	})
	// Mounted anew: the kernel remembers what could not be written.
	w.mounted(func() { second = w.run(atRest, args...) })
	killed = first.code < 0
	d := all.judge(w.isThere(), want)
	if second.code != exitDone {
		all.stuck.Add(1)
		w.t.Errorf("killed at change %d (%v): the rerun's exit code is %d\n%s\nthe first run said\n%s", k, killed, second.code, second.output, first.output)
		return killed
	}
	if d != "" {
		w.t.Errorf("killed at change %d (%v), and a rerun later:%s\nthe first run said\n%s\nthe second\n%s", k, killed, d, first.output, second.output)
	}
	return killed
}
