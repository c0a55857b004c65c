package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"syscall"
	"testing"

	"mailferry/syncer/synctest"
)

// TestFailingDiskLosesNothing lets one change to disk fail, or all from one on,
// as full, broken and read-only disks do, or write less than was asked. A run that could not do everything
// must not say that it did, and the next run on a disk that works must leave
// what the run would have left. MAILFERRY_FAULTS faults are tried in each
// scenario, 190 with MAILFERRY_LONG; MAILFERRY_SEED chooses them.
func TestFailingDiskLosesNothing(t *testing.T) {
	otherwise := 1
	if os.Getenv("MAILFERRY_LONG") != "" {
		otherwise = 190
	}
	faults := crashNumber(t, "MAILFERRY_FAULTS", otherwise)
	seed := crashNumber(t, "MAILFERRY_SEED", 1)
	var all verdicts
	t.Run("scenarios", func(t *testing.T) { failScenarios(t, faults, seed, &all) })
	synctest.Report(t, "%v", &all)
}

func failScenarios(t *testing.T, faults, seed int, all *verdicts) {
	errnos := []syscall.Errno{syscall.EIO, syscall.ENOSPC, syscall.EDQUOT, syscall.EROFS, shortWrite}
	for i, s := range crashScenarios() {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			random := rand.New(rand.NewPCG(uint64(seed), uint64(i)))
			w := newCrashWorld(t)
			s.prepare(w)
			var whole crashRun
			w.mounted(func() { whole = w.run(atRest, s.command...) })
			if whole.code != exitDone {
				t.Fatalf("the run alone: exit code %d\n%s", whole.code, whole.output)
			}
			want := w.isThere()
			for range faults {
				at, errno, once := 1+random.IntN(whole.changes), errnos[random.IntN(len(errnos))], random.IntN(2) == 0
				w.failAt(at, errno, once, want, s.command, all)
				if t.Failed() {
					t.Fatalf("MAILFERRY_SEED=%d", seed)
				}
			}
		})
	}
}

// failAt runs the scenario with a fault, and again without.
func (w *crashWorld) failAt(at int, errno syscall.Errno, once bool, want []string, args []string, all *verdicts) {
	w.t.Helper()
	w.reset()
	var first, second crashRun
	w.mounted(func() {
		first = w.run(func(d *crashDisk, _ func()) { d.fail(at, errno, once) }, args...)
	})
	label := fmt.Sprintf("change %d fails with %v, once is %v: exit code %d", at, errno, once, first.code)
	if first.code == exitDone {
		if d := difference(w.isThere(), want); d != "" {
			all.wrong.Add(1)
			w.t.Errorf("%s, and yet%s\n%s", label, d, first.output)
		}
	}
	w.mounted(func() { second = w.run(atRest, args...) })
	d := all.judge(w.isThere(), want)
	if second.code != exitDone {
		all.stuck.Add(1)
		w.t.Errorf("%s; the next run's exit code is %d\n%s\nthe first run said\n%s", label, second.code, second.output, first.output)
		return
	}
	if d != "" {
		w.t.Errorf("%s; after the next run:%s\nthe first run said\n%s\nthe second\n%s", label, d, first.output, second.output)
	}
}
