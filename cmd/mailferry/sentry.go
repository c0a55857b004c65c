package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"strings"
	"sync"
	"syscall"
	"time"

	"mailferry/cmd/internal/ui"
	"mailferry/syncer/watch"
)

const (
	// runsAtOnce bounds how many accounts run at the same time.
	runsAtOnce = 4
	// tidyAfter is how long after a run the memory that it needed is given back.
	tidyAfter = 2 * time.Second
)

// sentry watches over all accounts.
type sentry struct {
	app     *app
	flags   watchFlags
	ctx     context.Context // of runs: it outlives a first wish to stop
	slots   chan struct{}
	tasks   sync.WaitGroup
	manager *serviceManager
	vigils  []*vigil

	mu      sync.Mutex
	running int
	tidy    *time.Timer
}

// watch watches over the accounts until the user asks to stop.
func (a *app) watch(ctx context.Context, jobs []job, args []string, flags watchFlags) error {
	k := &sentry{app: a, flags: flags, ctx: ctx, slots: make(chan struct{}, runsAtOnce), manager: newServiceManager(a.env)}
	defer k.manager.close()
	k.tidy = time.AfterFunc(time.Hour, k.giveBack)
	defer k.tidy.Stop()
	a.answers = &answers{given: map[string]string{}}
	for i, j := range jobs {
		arg := ""
		if len(args) == len(jobs) {
			arg = args[i]
		}
		k.vigils = append(k.vigils, newVigil(k, j, arg))
	}
	stopping, stop := context.WithCancel(ctx)
	defer stop()
	for _, v := range k.vigils {
		k.tasks.Go(func() { v.keep(stopping) })
	}
	k.tasks.Go(func() { watch.Sleeps(stopping, time.Now, k.woke) })
	k.tasks.Go(func() { k.manager.watchdog(stopping, k.isAlive) })
	k.greet()
	hopeless := k.await(stopping)
	k.manager.tell("STOPPING=1")
	stop()
	k.tasks.Wait()
	switch {
	case hopeless != exitDone:
		return status(hopeless)
	case a.stopSignal == syscall.SIGTERM:
		return nil // asked for by whoever manages us
	}
	return status(exitInterrupted)
}

// greet tells that the watch has begun.
func (k *sentry) greet() {
	k.manager.tell("READY=1")
	if k.app.flags.json || k.app.flags.quiet || !k.app.console.IsTerminal() {
		return
	}
	names := make([]string, len(k.vigils))
	for i, v := range k.vigils {
		names[i] = ui.Escape(v.name) + " (" + v.current().command + ")"
	}
	fmt.Fprintf(k.app.console.Err(), "mailferry: watching %s; Ctrl-C ends it\n", strings.Join(names, ", "))
}

// await waits until the user asks to stop, or the first run of every account
// has shown that only a person can help; then it returns the exit code.
func (k *sentry) await(ctx context.Context) int {
	looked := time.NewTicker(200 * time.Millisecond)
	defer looked.Stop()
	for {
		select {
		case <-k.app.stop:
			return exitDone
		case <-ctx.Done():
			return exitDone
		case <-looked.C:
		}
		code, known := k.hopeless()
		if code != exitDone {
			return code
		}
		if known {
			looked.Stop()
		}
	}
}

// hopeless is the exit code if no account can do without a person; known says
// that every account was run.
func (k *sentry) hopeless() (code int, known bool) {
	hope := false
	for _, v := range k.vigils {
		switch last := int(v.code.Load()); last {
		case -1:
			return exitDone, false
		case exitUsage, exitNotSetUp, exitAuth:
			code = worse(code, last)
		default:
			hope = true
		}
	}
	if hope {
		code = exitDone
	}
	return code, true
}

// enter waits for a turn; false: the user asks to stop.
func (k *sentry) enter() bool {
	select {
	case k.slots <- struct{}{}:
	case <-k.app.stop:
		return false
	}
	k.mu.Lock()
	k.running++
	k.mu.Unlock()
	return true
}

func (k *sentry) leave() {
	k.mu.Lock()
	k.running--
	k.tidy.Reset(tidyAfter)
	k.mu.Unlock()
	<-k.slots
}

// giveBack returns memory to the system while nothing runs.
func (k *sentry) giveBack() {
	k.mu.Lock()
	idle := k.running == 0
	k.mu.Unlock()
	if idle {
		debug.FreeOSMemory()
	}
}

func (k *sentry) woke() {
	k.app.log.Info("the machine slept")
	for _, v := range k.vigils {
		v.woke()
	}
}

func (k *sentry) isAlive() bool {
	for _, v := range k.vigils {
		if !v.loop.IsAlive() {
			return false
		}
	}
	return true
}

// tellManager tells the service manager how all are doing.
func (k *sentry) tellManager() {
	failing, first := 0, ""
	for _, v := range k.vigils {
		if code := int(v.code.Load()); code > exitDone {
			if failing++; first == "" {
				first = fmt.Sprintf("%s: exit code %d", v.name, code)
			}
		}
	}
	text := fmt.Sprintf("watching %d accounts", len(k.vigils))
	if failing > 0 {
		text += fmt.Sprintf("; %d failing (%s)", failing, first)
	}
	k.manager.tell("STATUS=" + text)
}

// jitter keeps many accounts, and many machines, from asking all at once.
func jitter(d time.Duration) time.Duration {
	return d - d/10 + time.Duration(rand.Int64N(int64(d/5)+1))
}
