package main

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"mailferry/syncer/synctest"
)

// networkWorld is a crashWorld whose servers are reached through a bad network,
// and whose disk is good.
type networkWorld struct {
	*crashWorld
	proxy *proxy
	// forgives is text that makes no difference.
	forgives string
}

func (w *networkWorld) isThere() []string {
	w.t.Helper()
	lines := w.crashWorld.isThere()
	for i := range lines {
		lines[i] = strings.ReplaceAll(lines[i], cmp.Or(w.forgives, "\x00"), "")
	}
	slices.Sort(lines)
	return lines
}

func newNetworkWorld(t *testing.T) *networkWorld {
	t.Helper()
	w := &networkWorld{crashWorld: newServedWorld(t)}
	w.front = newMailFront(t, false, w.serverConfig)
	w.proxy = newProxy(t, w.front.addr)
	w.configure(func(server string) string { return `url = "imap+plain://` + server + "@" + w.proxy.addr + `"` })
	return w
}

// run runs the program, and waits until the servers have ended, too.
func (w *networkWorld) run(args ...string) crashRun {
	w.t.Helper()
	w.ended = w.proxy.hangUp
	return w.crashWorld.run(atRest, args...)
}

// sessions are the scenarios whose connections are cut.
var networkSessions = []string{
	"pull", "push", "flags both ways", "deletions from the server", "deletions from the disk",
	"archive", "restore", "moved on disk", "renamed on disk", "everything at once",
}

// verdicts count what came of it when a run was disturbed.
type verdicts struct{ tried, lost, duplicated, stuck, wrong atomic.Int64 }

func (v *verdicts) String() string {
	return fmt.Sprintf("%d tried: %d lost, %d duplicated, %d stuck, %d otherwise wrong",
		v.tried.Load(), v.lost.Load(), v.duplicated.Load(), v.stuck.Load(), v.wrong.Load())
}

// judge compares what there is with what there has to be.
func (v *verdicts) judge(got, want []string) string {
	v.tried.Add(1)
	text := difference(got, want)
	switch {
	case text == "":
	case strings.Contains(text, "missing:"):
		v.lost.Add(1)
	default:
		v.duplicated.Add(1)
	}
	return text
}

// TestCutAfterAnyOctetOneRerunMakesItGood cuts all connections of a run after
// one of its octets, in either direction, and asks that one rerun leaves on both
// sides what the run would have left; so does the run itself if it exits with 0.
// Some cuts last until the run has ended. MAILFERRY_CUTS octets of each session
// and direction are tried, chosen by MAILFERRY_SEED; with MAILFERRY_LONG 1,500,
// which are all of most sessions.
func TestCutAfterAnyOctetOneRerunMakesItGood(t *testing.T) {
	cuts := 1
	if os.Getenv("MAILFERRY_LONG") != "" {
		cuts = 1500
	}
	cuts = crashNumber(t, "MAILFERRY_CUTS", cuts)
	seed := crashNumber(t, "MAILFERRY_SEED", 1)
	var all verdicts
	t.Run("sessions", func(t *testing.T) {
		for i, s := range crashScenarios() {
			if !slices.Contains(networkSessions, s.name) {
				continue
			}
			for _, isUp := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s, upwards is %v", s.name, isUp), func(t *testing.T) {
					t.Parallel()
					random := rand.New(rand.NewPCG(uint64(seed), uint64(i)))
					tryCuts(t, s, isUp, cuts, random, &all)
					if t.Failed() {
						t.Logf("MAILFERRY_SEED=%d", seed)
					}
				})
			}
		}
	})
	synctest.Report(t, "%v", &all)
}

// staysDown is one of how many cuts that last: such a run waits before it gives up.
const staysDown = 40

func tryCuts(t *testing.T, s crashScenario, isUp bool, cuts int, random *rand.Rand, all *verdicts) {
	w := newNetworkWorld(t)
	down, up, _, want := w.whole(s)
	octets := down
	if isUp {
		octets = up
	}
	at := random.Perm(int(octets))
	at = at[:min(len(at), cuts)]
	begun := time.Now()
	for n, k := range at {
		w.cutAt(int64(k), isUp, n%staysDown == staysDown/2, want, s.command, all)
		if t.Failed() {
			return
		}
	}
	t.Logf("%d octets, %d cuts, %.1f a second", octets, len(at), float64(len(at))/time.Since(begun).Seconds())
}

// whole runs a scenario on a good network, and tells how many octets passed, how
// long it took, and what it left.
func (w *networkWorld) whole(s crashScenario) (down, up int64, took time.Duration, want []string) {
	w.t.Helper()
	s.prepare(w.crashWorld)
	w.front.rest()
	w.proxy.count()
	begun := time.Now()
	if r := w.run(s.command...); r.code != exitDone {
		w.t.Fatalf("the run alone: exit code %d\n%s", r.code, r.output)
	}
	took = time.Since(begun)
	down, up = w.proxy.count()
	if s.name == "moved on disk" {
		// The letter of a keyword means nothing in another folder, so that the
		// copy on the server is to lose the keyword. A cut before that keeps it.
		w.forgives = " alpha"
	}
	return down, up, took, w.isThere()
}

// cutAt runs the scenario, cuts it after so many octets, and runs it again.
func (w *networkWorld) cutAt(k int64, isUp, stays bool, want []string, args []string, all *verdicts) {
	w.t.Helper()
	w.disturb(k, isUp, hangsUp, stays, want, args, all)
}

// disturb runs the scenario on a network that goes bad after so many octets, and
// runs it again on a good one. It returns how the first run ended and how long
// it took.
func (w *networkWorld) disturb(k int64, isUp bool, how ending, stays bool, want []string, args []string, all *verdicts) (crashRun, time.Duration) {
	w.t.Helper()
	w.reset()
	down, up := k, int64(-1)
	if isUp {
		down, up = -1, k
	}
	w.proxy.arm(down, up)
	w.proxy.end(how, stays)
	begun := time.Now()
	first := w.run(args...)
	took := time.Since(begun)
	w.proxy.arm(-1, -1)
	w.proxy.end(hangsUp, false)
	label := fmt.Sprintf("%s after octet %d, upwards is %v, for good is %v: exit code %d", how, k, isUp, stays, first.code)
	switch first.code {
	case exitDone:
		if d := difference(w.isThere(), want); d != "" {
			all.wrong.Add(1)
			w.t.Errorf("%s, and yet%s\n%s", label, d, first.output)
		}
	case exitPartly, exitTemporary:
	default:
		all.wrong.Add(1)
		w.t.Errorf("%s\n%s", label, first.output)
	}
	second := w.run(args...)
	if d := all.judge(w.isThere(), want); d != "" {
		w.t.Errorf("%s; after a rerun:%s\nthe first run said\n%s\nthe second\n%s", label, d, first.output, second.output)
	}
	if second.code != exitDone {
		all.stuck.Add(1)
		w.t.Errorf("%s; the rerun's exit code is %d\n%s\nthe first run said\n%s", label, second.code, second.output, first.output)
	}
	return first, took
}

// TestSilentAndSlowNetworksEndInTime lets connections fall silent or dry up
// after one of their octets. No run may take longer than twice its timeout and
// what it takes on a good network; a slow one is no trouble at all. One of each
// is tried in two sessions, with MAILFERRY_LONG MAILFERRY_SILENCES of each in
// all of them, chosen by MAILFERRY_SEED.
func TestSilentAndSlowNetworksEndInTime(t *testing.T) {
	isLong := os.Getenv("MAILFERRY_LONG") != ""
	count := 1
	if isLong {
		count = crashNumber(t, "MAILFERRY_SILENCES", 25)
	}
	seed := crashNumber(t, "MAILFERRY_SEED", 1)
	var all verdicts
	var longest atomic.Int64
	t.Run("sessions", func(t *testing.T) {
		for i, s := range crashScenarios() {
			if !slices.Contains(networkSessions, s.name) || !isLong && !slices.Contains([]string{"pull", "push"}, s.name) {
				continue
			}
			t.Run(s.name, func(t *testing.T) {
				t.Parallel()
				random := rand.New(rand.NewPCG(uint64(seed), uint64(i)))
				w := newNetworkWorld(t)
				down, up, usual, want := w.whole(s)
				for range count {
					for _, c := range []struct {
						how   ending
						stays bool
					}{{fallsSilent, false}, {fallsSilent, true}, {dries, false}} {
						isUp, octets := random.IntN(2) == 0, down
						if isUp {
							octets = up
						}
						w.endsInTime(random.Int64N(octets), isUp, c.how, c.stays, usual, want, s.command, &all, &longest)
						if t.Failed() {
							t.Fatalf("MAILFERRY_SEED=%d", seed)
						}
					}
				}
			})
		}
	})
	synctest.Report(t, "%v; the longest run took %v with a timeout of %v", &all, time.Duration(longest.Load()).Round(time.Millisecond), shortTimeout)
}

// shortTimeout is these runs' own, and leeway what is granted beyond twice it,
// for other work on the machine and for uploads whose answer was lost: before
// they are sent again the mailbox has to be quiet for three times as long as it
// was silent (30 s at most), and twice if something arrives yet.
const (
	shortTimeout = 2 * time.Second
	leeway       = 2*3*shortTimeout + 6*time.Second
)

func (w *networkWorld) endsInTime(k int64, isUp bool, how ending, stays bool, usual time.Duration, want []string, args []string, all *verdicts, longest *atomic.Int64) {
	w.t.Helper()
	w.env = []string{"MAILFERRY_TIMEOUT=" + shortTimeout.String()}
	first, took := w.disturb(k, isUp, how, stays, want, args, all)
	label := fmt.Sprintf("%s after octet %d, upwards is %v, for good is %v: exit code %d", how, k, isUp, stays, first.code)
	if longest.Store(max(longest.Load(), int64(took))); took > 2*shortTimeout+usual+leeway {
		all.stuck.Add(1)
		w.t.Errorf("%s: took %v\n%s", label, took, first.output)
	}
	if how == dries && first.code != exitDone {
		all.wrong.Add(1)
		w.t.Errorf("%s\n%s", label, first.output)
	}
}
