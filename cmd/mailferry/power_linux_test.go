package main

import (
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"mailferry/syncer/synctest"
)

// powerSample is what is tried without MAILFERRY_LONG.
var powerSample = []string{"first pull", "pull", "push", "deletions from the server", "archive", "everything at once"}

// TestPowerCutAtAnyChangeOneRerunMakesItGood kills runs at any of their changes
// to disk, as the suite of kills does, and has the machine lose its power, too:
// of the changes that nobody waited for (with fsync or syncfs) some are gone,
// some cut in half, some zeros, and names come in any order that their folders
// allow. The server is as the killed run left it. One rerun has to leave on both
// sides what the run would have left. MAILFERRY_POINTS changes of each scenario
// are tried, chosen by MAILFERRY_SEED, with MAILFERRY_LONG all; each is tried
// with the images of powerFates and with MAILFERRY_IMAGES at random.
func TestPowerCutAtAnyChangeOneRerunMakesItGood(t *testing.T) {
	isLong := os.Getenv("MAILFERRY_LONG") != ""
	points, images := 2, 1
	if isLong {
		points, images = 1<<30, 4
	}
	points, images = crashNumber(t, "MAILFERRY_POINTS", points), crashNumber(t, "MAILFERRY_IMAGES", images)
	seed := crashNumber(t, "MAILFERRY_SEED", 1)
	var all verdicts
	t.Run("scenarios", func(t *testing.T) {
		for i, s := range crashScenarios() {
			if !isLong && !slices.Contains(powerSample, s.name) {
				continue
			}
			t.Run(s.name, func(t *testing.T) {
				t.Parallel()
				w := &powerWorld{crashWorld: newCrashWorld(t), random: rand.New(rand.NewPCG(uint64(seed), uint64(i))), all: &all}
				w.try(s, points, images, isLong)
				if t.Failed() {
					t.Logf("MAILFERRY_SEED=%d", seed)
				}
			})
		}
	})
	synctest.Report(t, "%v", &all)
}

// powerWorld is a crashWorld whose machine loses its power.
type powerWorld struct {
	*crashWorld
	random *rand.Rand
	all    *verdicts
	// barriers counts the syncfs calls that were seen.
	barriers int
}

func (w *powerWorld) try(s crashScenario, points, images int, isLong bool) {
	w.t.Helper()
	s.prepare(w.crashWorld)
	var whole crashRun
	w.mounted(func() { whole = w.run(atRest, s.command...) })
	if whole.code != exitDone {
		w.t.Fatalf("the run alone: exit code %d\n%s", whole.code, whole.output)
	}
	want := w.isThere()
	// The last one is after the run's end.
	at := w.random.Perm(whole.changes + 1)
	at = at[:min(points, len(at))]
	begun, before := time.Now(), w.all.tried.Load()
	tried := 0
	for _, k := range at {
		tried += w.cutAt(k+1, images, isLong, want, s.command)
		if w.t.Failed() {
			return
		}
	}
	w.t.Logf("%d changes, %d points with %d barriers, %d images, %.1f a second", whole.changes, len(at), w.barriers, tried,
		float64(w.all.tried.Load()-before)/time.Since(begun).Seconds())
}

// cutAt has the run killed at its k-th change and tries the images that the disk
// may have then. It returns how many.
func (w *powerWorld) cutAt(k, images int, isLong bool, want []string, args []string) (tried int) {
	w.t.Helper()
	w.reset()
	before, err := readDisk(filepath.Join(w.dir, "now", "disk"))
	w.ok(err)
	trace := &diskTrace{}
	w.strace = filepath.Join(w.dir, "strace")
	var first crashRun
	w.mounted(func() {
		w.disk.keepTrace(trace)
		first = w.run(func(d *crashDisk, kill func()) { d.arm(k, kill) }, args...)
		w.disk.keepTrace(nil)
	})
	calls, err := trace.addBarriers(w.strace)
	w.ok(err)
	w.barriers += calls
	w.strace = ""
	w.shell("rm -rf cut && mkdir cut && mv now/server now/other cut")
	cut := newPowerCut(trace.changes)
	seen := map[[sha256.Size]byte]bool{}
	for _, fates := range w.fates(len(trace.changes), images, isLong) {
		image := cut.image(before, fates.choose)
		if sum := image.sum(); seen[sum] {
			continue
		} else {
			seen[sum] = true
		}
		tried++
		w.rerun(image, fmt.Sprintf("power cut at change %d, %s", k, fates.name), want, args, first)
		if w.t.Failed() {
			break
		}
	}
	return tried
}

// powerFate says what becomes of everything that was not durable.
type powerFate struct {
	name   string
	choose func(i int, change *diskChange) fate
}

func allOf(name string, names, octets fate) powerFate {
	return powerFate{name, func(_ int, c *diskChange) fate {
		if c.kind.isName() {
			return names
		}
		return octets
	}}
}

var powerFates = []powerFate{
	allOf("everything else is lost", lost, lost),
	allOf("names without octets", survived, lost),
	allOf("names with zeros", survived, zeroed),
	allOf("names with halves", survived, halved),
	allOf("octets without names", lost, survived),
	allOf("everything is there", survived, survived),
}

// fates are what is tried at one point.
func (w *powerWorld) fates(changes, images int, isLong bool) []powerFate {
	fates := slices.Clone(powerFates)
	if !isLong {
		w.random.Shuffle(len(fates), func(i, j int) { fates[i], fates[j] = fates[j], fates[i] })
		fates = fates[:2]
	}
	for range images {
		fates = append(fates, w.atRandom(changes))
	}
	return fates
}

// atRandom keeps names up to a moment, or any; and of octets something of each.
func (w *powerWorld) atRandom(changes int) powerFate {
	seed, until, isOrdered := w.random.Uint64(), w.random.IntN(changes+1), w.random.IntN(2) == 0
	return powerFate{fmt.Sprintf("at random %d", seed), func(i int, c *diskChange) fate {
		r := rand.New(rand.NewPCG(seed, uint64(i)))
		switch {
		case c.kind.isName() && isOrdered && i < until, c.kind.isName() && !isOrdered && r.IntN(2) == 0:
			return survived
		case c.kind.isName():
			return lost
		}
		return []fate{lost, survived, halved, zeroed}[r.IntN(4)]
	}}
}

// rerun runs the program on an image, with the server as it was.
func (w *powerWorld) rerun(image *diskImage, label string, want, args []string, first crashRun) {
	w.t.Helper()
	w.shell("rm -rf now && mkdir now && cp -a cut/server cut/other now")
	disk := filepath.Join(w.dir, "now", "disk")
	w.ok(image.writeTo(disk))
	w.ok(syscall.Mount(disk, w.point, "", syscall.MS_BIND, ""))
	second := w.run(atRest, args...)
	w.ok(syscall.Unmount(w.point, 0))
	said := fmt.Sprintf("the first run said\n%s\nthe second\n%s", first.output, second.output)
	if d := w.all.judge(w.isThere(), want); d != "" {
		w.t.Errorf("%s, and a rerun later:%s\n%s", label, d, said)
	}
	if second.code != exitDone {
		w.all.stuck.Add(1)
		w.t.Errorf("%s: the rerun's exit code is %d\n%s", label, second.code, said)
	}
}

func (w *powerWorld) shell(script string) {
	w.t.Helper()
	cmd := exec.Command("sh", "-c", script)
	cmd.Dir = w.dir
	w.must(cmd)
}
