package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"mailferry/syncer/mailbox"
	"mailferry/syncer/synctest"
)

// killed starts a command on the store and kills it, as killedAt does.
func (w *world) killed(random *rand.Rand, command string, flags ...string) bool {
	w.t.Helper()
	return w.killedAt(random, append(append([]string{command, "--json"}, flags...), w.url(), w.disk.Dir)...)
}

// killedAt starts the program and kills it at a random moment. It reports
// whether the program had not ended before. How long runs take is learned on
// the way, so that kills fall on all of their moments.
func (w *world) killedAt(random *rand.Rand, args ...string) bool {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	cmd := w.command(ctx, args...)
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	if w.usualRun == 0 {
		w.usualRun = 60 * time.Millisecond
	}
	time.Sleep(time.Duration(random.Int64N(int64(w.usualRun))))
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	isKilled := cmd.ProcessState.ExitCode() < 0
	if isKilled {
		w.usualRun += w.usualRun / 16
	} else {
		w.usualRun -= w.usualRun / 8
	}
	return isKilled
}

// tide is a stream of changes on both sides, and what they must come to.
type tide struct {
	w      *world
	random *rand.Rand
	want   *expectation
	labels int
	// pushes says that changes on disk count, too.
	pushes bool
}

func newTide(w *world, seed uint64, pushes bool) *tide {
	populate(onServer{w})
	w.transfer("sync").exits(exitDone)
	return &tide{w: w, random: rand.New(rand.NewPCG(seed, seed)), want: expectationOf(w.t, w.same()), pushes: pushes}
}

// label makes a new one; every third message is long enough to be torn.
func (d *tide) label() string {
	d.labels++
	if d.labels%3 == 0 {
		return fmt.Sprintf("long %d", d.labels)
	}
	return fmt.Sprintf("t%d", d.labels)
}

func (d *tide) box() mailbox.Name { return []mailbox.Name{inbox, work, sub, empty}[d.random.IntN(4)] }

// rise changes a few things on both sides.
func (d *tide) rise(newMessages int) {
	server, disk := onServer{d.w}, onDisk{d.w}
	for range newMessages {
		name, label := d.box(), d.label()
		server.add(name, label, seen)
		d.want.add(name, label, seen)
	}
	if !d.pushes {
		return
	}
	for range newMessages {
		name, label := d.box(), d.label()
		disk.add(name, label, flagged)
		d.want.add(name, label, flagged)
	}
	// Of what both sides have, one message is flagged and one deleted on each.
	touched := map[string]bool{} // what changes on both sides is another test's
	for i := range 4 {
		name := []mailbox.Name{inbox, work}[i%2]
		settled := slices.DeleteFunc(d.onBoth(name), func(label string) bool { return touched[label] })
		if len(settled) < 2 {
			continue
		}
		d.random.Shuffle(len(settled), func(i, j int) { settled[i], settled[j] = settled[j], settled[i] })
		victim, marked := settled[0], settled[1]
		touched[victim], touched[marked] = true, true
		flags := d.want.mailboxes[name][d.want.index(name, marked)].flags.Union(mailbox.NewFlags(answered))
		d.want.gone(name, victim)
		d.want.flagged(name, marked, flags.Names()...)
		if i < 2 {
			server.expunge(name, victim)
			server.flag(name, marked, "+", answered)
		} else {
			disk.remove(name, victim)
			disk.flag(name, marked, flags.Names()...)
		}
	}
}

// onBoth lists the messages that both sides have now.
func (d *tide) onBoth(name mailbox.Name) []string {
	var there, both []string
	for _, m := range d.w.user.Messages(name) {
		there = append(there, labelOf(m.Octets))
	}
	for _, f := range d.w.disk.Files(name) {
		if label := labelOf(f.Octets); slices.Contains(there, label) {
			both = append(both, label)
		}
	}
	return both
}

// settled checks that one rerun brought everything in order.
func (d *tide) settled() {
	d.w.t.Helper()
	d.want.check(d.w.same())
	for _, name := range d.w.disk.Names() {
		if n := d.w.disk.Drafts(name); n != 0 {
			d.w.t.Errorf("%s: %d files are left in tmp", name, n)
		}
	}
}

func TestKilledRunIsMadeGoodByOneRerun(t *testing.T) {
	server := synctest.Dovecot(t, synctest.DovecotConfig{})
	rounds := 50
	if testing.Short() {
		rounds = 5
	}
	for _, c := range []struct {
		command     string
		connections int
	}{{"sync", 1}, {"sync", 4}, {"backup", 1}, {"backup", 4}} {
		t.Run(fmt.Sprintf("%s over %d connections", c.command, c.connections), func(t *testing.T) {
			t.Parallel()
			d := newTide(newWorld(t, server, layoutFS), uint64(c.connections), c.command == "sync")
			connections := fmt.Sprint("--connections=", c.connections)
			killed, deadline := 0, time.Now().Add(time.Minute)
			for round := 0; round < rounds && time.Now().Before(deadline); round++ {
				d.rise(6)
				if d.w.killed(d.random, c.command, connections) {
					killed++
				}
				o := d.w.transfer(c.command, connections).exits(exitDone)
				if o.summary.Failed+o.summary.Guarded != 0 {
					t.Fatalf("round %d: %s", round, o.stdout)
				}
				if d.settled(); t.Failed() {
					t.Fatalf("in round %d", round)
				}
			}
			t.Logf("%d runs were killed", killed)
			if killed < rounds/4 {
				t.Errorf("only %d of %d runs were killed before they ended", killed, rounds)
			}
			d.w.quiet()
			d.settled()
		})
	}
}

func TestFirstRunKilledAgainAndAgainCompletes(t *testing.T) {
	server := synctest.Dovecot(t, synctest.DovecotConfig{})
	for _, command := range []string{"sync", "backup"} {
		t.Run(command, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, server, layoutFS)
			random := rand.New(rand.NewPCG(7, 7))
			populate(onServer{w})
			for i := range 150 {
				onServer{w}.add([]mailbox.Name{inbox, work, sub}[i%3], fmt.Sprintf("m%d", i))
			}
			want := expectationOf(t, w.user.Snapshot())
			if command == "sync" {
				onDisk{w}.create("Alt")
				for i := range 50 {
					onDisk{w}.add("Alt", fmt.Sprintf("old %d", i), seen)
					want.add("Alt", fmt.Sprintf("old %d", i), seen)
				}
			}
			for range 12 {
				w.killed(random, command, "--new-store")
			}
			w.transfer(command, "--new-store").exits(exitDone).deletesNothing()
			want.check(w.same())
			if left, _ := filepath.Glob(filepath.Join(w.tmp, "*")); len(left) > 0 {
				t.Errorf("temporary files are left: %q", left)
			}
			if _, err := os.Stat(w.statePath()); err != nil {
				t.Error(err)
			}
			w.quiet()
		})
	}
}
