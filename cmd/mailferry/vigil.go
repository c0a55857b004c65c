package main

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cenkalti/backoff/v5"

	"mailferry/cmd/internal/config"
	"mailferry/cmd/internal/ui"
	"mailferry/maildirout"
	"mailferry/state"
	"mailferry/syncer/imapremote"
	"mailferry/syncer/mailbox"
	"mailferry/syncer/watch"
)

const (
	// listenBuffer is enough to read news into.
	listenBuffer = 4 << 10
	// How long after a connection broke the next one is tried, and after how
	// long a life it is taken for a good one.
	reconnectAfter, reconnectMost = time.Second, 5 * time.Minute
	goodLife                      = time.Minute
)

// vigil is the watch over one account: its loop runs it, and two others tell
// the loop of changes.
type vigil struct {
	*sentry
	name string // the account's

	mu  sync.Mutex
	job job // see current
	// arg is how the target was given, to look it up again; "" where that makes
	// no difference.
	arg  string
	loop *watch.Loop
	// server listens to the server; nil: nobody does.
	server atomic.Pointer[imapremote.Watcher]
	// relisten has the listener choose its mailboxes anew; nil: it does not listen.
	relisten atomic.Pointer[context.CancelFunc]
	// reached is signalled when a run has reached the server, or the machine
	// woke: the time to connect.
	reached chan struct{}
	streak  streak
	// code is how the last run ended.
	code atomic.Int64
}

func newVigil(k *sentry, j job, arg string) *vigil {
	v := &vigil{sentry: k, name: j.target.account.Name, job: j, arg: arg, reached: make(chan struct{}, 1)}
	v.code.Store(-1)
	v.loop = watch.New(watch.Options{
		Run: v.run, Poll: k.flags.poll, Jitter: jitter, Lies: v.tellLie,
	})
	return v
}

// current is what a run does now.
func (v *vigil) current() job {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.job
}

// change changes what the next runs do.
func (v *vigil) change(fn func(*job)) {
	v.mu.Lock()
	defer v.mu.Unlock()
	fn(&v.job)
}

// keep watches until ctx ends.
func (v *vigil) keep(ctx context.Context) {
	j := v.current()
	account := j.account()
	if j.command == config.ModeSync {
		disk := maildirout.NewWatcher(account.Store, maildirout.Layout(account.Layout),
			func() { v.loop.Wake(watch.Disk) }, v.tellUntold, v.app.log.With("account", account.Name))
		v.tasks.Go(func() { disk.Watch(ctx) })
	}
	if account.Server.Protocol != pop3 {
		v.tasks.Go(func() { v.listen(ctx) })
	}
	v.loop.Run(ctx)
}

// listen keeps a connection that waits for news, once a run has shown that the
// server lets us in: there is no second one that tries a wrong password.
func (v *vigil) listen(ctx context.Context) {
	pause := backoff.NewExponentialBackOff()
	pause.InitialInterval, pause.MaxInterval, pause.Multiplier = reconnectAfter, reconnectMost, 2
	var again <-chan time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case <-v.reached:
		case <-again:
		}
		begun := time.Now()
		err := v.listenOnce(ctx)
		if ctx.Err() != nil {
			return
		}
		if time.Since(begun) >= goodLife {
			pause.Reset()
		}
		again = nil
		log := v.app.log.With("account", v.name)
		switch {
		case errors.Is(err, mailbox.ErrUnsupported):
			log.Info("the server does not tell of changes by itself", "error", err)
			return
		case errors.Is(err, mailbox.ErrNetwork), errors.Is(err, mailbox.ErrUnavailable), errors.Is(err, mailbox.ErrProtocol):
			wait := max(pause.NextBackOff(), suggestedWait(err))
			again = time.After(wait)
			log.Info("the connection that waits for news ended", "error", err, "again", wait)
		default: // a run will tell, and tell when it is over
			log.Info("the connection that waits for news ended", "error", err)
		}
	}
}

func (v *vigil) listenOnce(ctx context.Context) error {
	account := v.current().account()
	options, err := v.app.imapOptions(ctx, account)
	if err != nil {
		return err
	}
	options.Dialer.Buffer = listenBuffer
	options.Connections = max(1, account.Connections-1)
	patterns := account.Watch
	if len(v.flags.idlePatterns) > 0 {
		patterns = v.flags.idlePatterns
	}
	server := imapremote.NewWatcher(options, imapremote.WatchOptions{
		Selects: func(name mailbox.Name) bool { return account.Mailboxes.Selects(name) && patterns.Selects(name) },
		News: func(name mailbox.Name) {
			if name == "" || account.Mailboxes.Selects(name) {
				v.loop.Wake(watch.Server)
			}
		},
	})
	ctx, again := context.WithCancel(ctx)
	defer again()
	v.server.Store(server)
	v.relisten.Store(&again)
	defer func() {
		v.server.Store(nil)
		v.relisten.Store(nil)
	}()
	return server.Watch(ctx)
}

// suggestedWait is how long the server asked to be left alone.
func suggestedWait(err error) time.Duration {
	var refused *mailbox.ServerError
	if errors.As(err, &refused) {
		return refused.Backoff
	}
	return 0
}

// run runs the account once, as mailferry run does.
func (v *vigil) run() watch.Outcome {
	if !v.enter() {
		return watch.Outcome{Result: watch.Busy}
	}
	defer v.leave()
	v.lookUpAgain()
	j := v.current()
	account := j.account()
	if server := v.server.Load(); server != nil {
		// Both together stay within what the account allows.
		idle, all := server.Covered()
		if all {
			idle = 1
		}
		j.flags.connections = max(1, account.Connections-idle)
	}
	heard := &hearer{vigil: v}
	j.hears = heard.over
	code := v.app.runJob(v.ctx, j)
	outcome := heard.outcome(code)
	v.code.Store(int64(code))
	if code == exitAuth {
		v.app.answers.forget()
	}
	if outcome.Result == watch.Done || outcome.Result == watch.Failed {
		// What was confirmed was meant for what was there to be seen.
		v.change(func(j *job) { j.flags.allowDeletes, j.flags.newStore = 0, false })
	}
	if outcome.Result == watch.Done || outcome.Result == watch.Failed {
		v.tendListener(heard.summary)
	}
	v.tellManager()
	return outcome
}

// tendListener has the listener connect if it does not listen, and choose anew
// if there are other mailboxes now than it chose from.
func (v *vigil) tendListener(s ui.Summary) {
	server := v.server.Load()
	if server != nil && s.MailboxesCreated+s.MailboxesDeleted+s.MailboxesRenamed > 0 {
		if _, all := server.Covered(); !all {
			if again := v.relisten.Load(); again != nil {
				(*again)()
			}
			server = nil
		}
	}
	if server == nil {
		v.reach()
	}
}

// lookUpAgain finds out whether a store that was not there is there now.
func (v *vigil) lookUpAgain() {
	was := v.current()
	if v.arg == "" || !errors.Is(was.target.err, state.ErrMarkerMissing) {
		return
	}
	loaded, err := v.app.loadConfig()
	if err != nil {
		return
	}
	if t, err := v.app.target(v.ctx, loaded, v.arg); err == nil && t.err == nil {
		now := v.app.watchJob(v.ctx, t, was.flags)
		v.change(func(j *job) { *j = now })
	}
}

// reach has the listener connect.
func (v *vigil) reach() {
	select {
	case v.reached <- struct{}{}:
	default:
	}
}

// woke has everything looked at: connections may have died in the machine's sleep.
func (v *vigil) woke() {
	if server := v.server.Load(); server != nil {
		server.Check()
	} else {
		v.reach()
	}
	v.loop.Now()
}
