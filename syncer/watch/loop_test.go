package watch

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// account is one that is run under a clock that stands still until all wait.
type account struct {
	*Loop
	mu      sync.Mutex
	begun   time.Time
	runs    []time.Duration // when, after the beginning
	told    []Side
	outcome func(run int) Outcome
	takes   time.Duration
	done    int
}

// inFakeTime runs fn beside a Loop that ends when fn does.
func inFakeTime(t *testing.T, a *account, poll time.Duration, fn func()) {
	synctest.Test(t, func(t *testing.T) {
		a.begun = time.Now()
		a.Loop = New(Options{Poll: poll, Run: a.run, Lies: func(side Side) {
			a.mu.Lock()
			defer a.mu.Unlock()
			a.told = append(a.told, side)
		}})
		ctx, stop := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { a.Loop.Run(ctx) })
		fn()
		stop()
		running.Wait()
	})
}

func (a *account) run() Outcome {
	a.mu.Lock()
	a.runs = append(a.runs, time.Since(a.begun))
	n := len(a.runs)
	a.mu.Unlock()
	time.Sleep(a.takes)
	a.mu.Lock()
	a.done++
	a.mu.Unlock()
	if a.outcome == nil {
		return Outcome{}
	}
	return a.outcome(n)
}

// count is how many runs began so far.
func (a *account) count() int {
	synctest.Wait()
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.runs)
}

func (a *account) expect(t *testing.T, runs int, why string) {
	t.Helper()
	n := a.count()
	a.mu.Lock()
	defer a.mu.Unlock()
	if n != runs {
		t.Errorf("%s: %d runs at %v, want %d", why, n, a.runs, runs)
	}
}

func TestManyChangesAtOnceAreOneRun(t *testing.T) {
	a := &account{}
	inFakeTime(t, a, time.Hour, func() {
		time.Sleep(time.Minute)
		a.expect(t, 1, "at the start")
		for range 900 {
			a.Wake(Disk)
			time.Sleep(time.Millisecond)
		}
		a.expect(t, 1, "during the changes")
		time.Sleep(settle)
		a.expect(t, 2, "once it is quiet")
		time.Sleep(time.Minute)
		a.expect(t, 2, "later")
	})
}

func TestChangesThatDoNotEndAreNotWaitedForLong(t *testing.T) {
	a := &account{}
	inFakeTime(t, a, time.Hour, func() {
		time.Sleep(time.Minute)
		for begun := time.Now(); time.Since(begun) < settleMost+settleMost/2; {
			a.Wake(Server)
			time.Sleep(100 * time.Millisecond)
		}
		a.expect(t, 2, "during the changes")
	})
}

func TestAChangeIsLookedAtWithinASecond(t *testing.T) {
	a := &account{takes: 100 * time.Millisecond}
	changes := true
	a.outcome = func(int) Outcome {
		did := Outcome{Changed: changes}
		if changes = !changes; did.Changed {
			a.Wake(Disk) // what the run itself does
		}
		return did
	}
	inFakeTime(t, a, time.Hour, func() {
		for range 100 {
			time.Sleep(2 * time.Second)
			before := a.count()
			a.Wake(Server)
			time.Sleep(time.Second)
			a.expect(t, before+2, "a second after a change")
		}
	})
}

func TestChangesDuringARunAreOneMore(t *testing.T) {
	a := &account{takes: 10 * time.Second}
	inFakeTime(t, a, time.Hour, func() {
		for range 5 {
			time.Sleep(time.Second)
			a.Wake(Disk)
		}
		a.expect(t, 1, "during the run")
		time.Sleep(10 * time.Second)
		a.expect(t, 2, "behind it")
		time.Sleep(time.Minute)
		a.expect(t, 2, "later")
	})
}

func TestWhatARunDoesItselfIsLookedAtOnce(t *testing.T) {
	a := &account{takes: time.Second}
	changes := true
	a.outcome = func(int) Outcome {
		if !changes {
			return Outcome{}
		}
		changes = false
		a.Wake(Disk)
		a.Wake(Server)
		return Outcome{Changed: true}
	}
	inFakeTime(t, a, time.Hour, func() {
		time.Sleep(30 * time.Minute)
		a.expect(t, 2, "after a run that changed something")
	})
}

func TestNewsOfNothingAreSlowedDown(t *testing.T) {
	a := &account{takes: 100 * time.Millisecond}
	inFakeTime(t, a, 2*time.Hour, func() {
		for range 3600 / 5 {
			time.Sleep(5 * time.Second)
			a.Wake(Server)
		}
		if n := a.count(); n > 300 {
			t.Errorf("%d runs in an hour", n)
		}
	})
}

func TestARunThatWakesItselfForEverIsSlowedDown(t *testing.T) {
	for name, changed := range map[string]bool{"finding nothing": false, "changing something": true} {
		t.Run(name, func(t *testing.T) {
			a := &account{takes: 200 * time.Millisecond}
			a.outcome = func(int) Outcome {
				a.Wake(Disk)
				return Outcome{Changed: changed}
			}
			inFakeTime(t, a, time.Hour, func() {
				time.Sleep(time.Hour)
				if n := a.count(); n > 300 {
					t.Errorf("%d runs in an hour", n)
				}
			})
		})
	}
}

func TestAHeldStoreIsTriedAgainSoon(t *testing.T) {
	a := &account{outcome: func(run int) Outcome {
		if run < 4 {
			return Outcome{Result: Busy}
		}
		return Outcome{}
	}}
	inFakeTime(t, a, time.Hour, func() {
		time.Sleep(30 * time.Second)
		a.expect(t, 4, "after half a minute")
		time.Sleep(30 * time.Minute)
		a.expect(t, 4, "once it went well")
	})
}

func TestOfflineIsTriedLessAndLessOftenUntilTheServerSpeaks(t *testing.T) {
	var online atomic.Bool
	a := &account{outcome: func(int) Outcome {
		if !online.Load() {
			return Outcome{Result: Offline}
		}
		return Outcome{}
	}}
	inFakeTime(t, a, time.Hour, func() {
		for range 60 {
			time.Sleep(time.Minute)
			a.Wake(Disk)
		}
		if n := a.count(); n < 10 || n > 20 {
			t.Errorf("%d tries in an hour", n)
		}
		before := a.count()
		online.Store(true)
		a.Wake(Server)
		time.Sleep(time.Second)
		a.expect(t, before+1, "once the server is heard of")
	})
}

func TestWhatTheServerAsksForIsGranted(t *testing.T) {
	a := &account{outcome: func(int) Outcome { return Outcome{Result: Offline, Wait: time.Hour} }}
	inFakeTime(t, a, time.Minute, func() {
		time.Sleep(59 * time.Minute)
		a.expect(t, 1, "before the hour is over")
	})
}

func TestARefusedLoginIsSeldomTried(t *testing.T) {
	a := &account{outcome: func(int) Outcome { return Outcome{Result: Refused} }}
	inFakeTime(t, a, 15*time.Minute, func() {
		for range 24 * 60 {
			a.Wake(Disk)
			a.Wake(Server)
			time.Sleep(time.Minute)
		}
		if n := a.count(); n < 5 || n > 20 {
			t.Errorf("%d tries in a day", n)
		}
	})
}

func TestAFailureWaitsForNewsOrThePoll(t *testing.T) {
	a := &account{outcome: func(int) Outcome { return Outcome{Result: Failed} }}
	inFakeTime(t, a, 15*time.Minute, func() {
		time.Sleep(14 * time.Minute)
		a.expect(t, 1, "before the poll")
		a.Wake(Disk)
		time.Sleep(time.Second)
		a.expect(t, 2, "after news")
		time.Sleep(16 * time.Minute)
		a.expect(t, 3, "after the poll")
	})
}

func TestASideThatKeepsChangesToItselfIsPolledOftener(t *testing.T) {
	var honest atomic.Bool
	a := &account{outcome: func(int) Outcome {
		return Outcome{Changed: true, Found: [sides]bool{Server: !honest.Load()}}
	}}
	inFakeTime(t, a, 15*time.Minute, func() {
		time.Sleep(15*time.Minute + time.Second)
		a.expect(t, 2, "after the first poll")
		time.Sleep(15 * time.Minute)
		a.expect(t, 7, "every three minutes from then on")
		if !slices.Equal(a.told, []Side{Server}) {
			t.Errorf("told of %v", a.told)
		}
		honest.Store(true)
		time.Sleep(5 * time.Hour)
		before := a.count()
		time.Sleep(time.Hour)
		a.expect(t, before+4, "an hour, long after the side became honest")
	})
}

func TestLateNewsAreNoLie(t *testing.T) {
	a := &account{takes: time.Second}
	a.outcome = func(run int) Outcome {
		a.Wake(Server)
		return Outcome{Changed: true, Found: [sides]bool{Server: run%2 == 0}}
	}
	inFakeTime(t, a, 10*time.Minute, func() {
		time.Sleep(5 * time.Hour)
		if len(a.told) > 0 {
			t.Error("called a liar")
		}
	})
}

func TestAfterSleepItRunsAtOnce(t *testing.T) {
	a := &account{outcome: func(int) Outcome { return Outcome{Result: Refused} }}
	inFakeTime(t, a, time.Hour, func() {
		time.Sleep(time.Minute)
		a.Now()
		time.Sleep(time.Second)
		a.expect(t, 2, "behind the sleep")
	})
}

func TestLoopAnswersAndEndsAfterTheRunUnderWay(t *testing.T) {
	a := &account{takes: time.Hour}
	inFakeTime(t, a, time.Hour, func() {
		time.Sleep(time.Minute)
		if !a.IsAlive() {
			t.Error("does not answer during a run")
		}
	})
	if a.done != 1 {
		t.Error("ended before the run")
	}
}

func TestSleepIsNoticedByTheTimeOfDay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		slept, woke := time.Duration(0), 0
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		go Sleeps(ctx, func() time.Time {
			mu.Lock()
			defer mu.Unlock()
			return time.Now().Add(slept)
		}, func() { woke++ })
		time.Sleep(time.Hour)
		synctest.Wait()
		if woke > 0 {
			t.Errorf("woke %d times without a sleep", woke)
		}
		mu.Lock()
		slept = 8 * time.Hour
		mu.Unlock()
		time.Sleep(time.Minute)
		synctest.Wait()
		if woke != 1 {
			t.Errorf("woke %d times", woke)
		}
	})
}
