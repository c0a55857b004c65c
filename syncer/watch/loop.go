// Package watch decides when an account runs; it knows neither servers nor disks.
//
// It is told that something happened, waits until it is quiet, and runs. What
// happens during a run is looked at by one more: that one finds what the run
// itself did, which is nothing new, and so it ends. Runs that follow each other
// without an end are put further and further apart. Now and then it runs
// unasked, for sides that do not tell all.
package watch

import (
	"context"
	"sync"
	"time"
)

// Side is where something happened.
type Side int

// The sides.
const (
	Server Side = iota
	Disk
	sides
)

// Result says how a run ended, as far as the time of the next one goes.
type Result int

const (
	// Done: there is nothing to do until something happens.
	Done Result = iota
	// Busy: somebody else is at work; it is soon tried again.
	Busy
	// Offline: the server cannot be reached; it is tried again, less and less
	// often, whatever happens on the disk.
	Offline
	// Refused: trying often makes it worse.
	Refused
	// Failed: trying again is no use before something happens.
	Failed
)

// Outcome is what a run tells.
type Outcome struct {
	Result Result
	// Changed says that the run changed something on either side.
	Changed bool
	// Found says of each side that a change was found of which its watcher,
	// which is at work, should have told.
	Found [sides]bool
	// Wait is how long the server asked to be left alone, 0 if it did not.
	Wait time.Duration
}

// Options is what a Loop needs.
type Options struct {
	// Run runs the account. It is called by one goroutine at a time.
	Run func() Outcome
	// Poll is how often it runs unasked.
	Poll time.Duration
	// Jitter varies Poll, so that many accounts do not run all at once. nil:
	// it is not varied.
	Jitter func(time.Duration) time.Duration
	// Lies is told once of a side that kept changes to itself. nil: nobody is.
	Lies func(Side)
}

// Loop runs an account when it is time to. Wake, Now and IsAlive may be called
// from several goroutines.
type Loop struct {
	opts Options
	news [sides]chan struct{}
	now  chan struct{}
	ping chan struct{}
}

// New makes a Loop.
func New(opts Options) *Loop {
	l := &Loop{opts: opts, now: make(chan struct{}, 1), ping: make(chan struct{})}
	for side := range l.news {
		l.news[side] = make(chan struct{}, 1)
	}
	return l
}

// Wake tells that something happened on a side.
func (l *Loop) Wake(side Side) { signal(l.news[side]) }

// Now has it run at once, whatever it waited for: the machine slept.
func (l *Loop) Now() { signal(l.now) }

func signal(to chan struct{}) {
	select {
	case to <- struct{}{}:
	default:
	}
}

// IsAlive reports whether Run answers.
func (l *Loop) IsAlive() bool {
	patience := time.NewTimer(5 * time.Second)
	defer patience.Stop()
	select {
	case l.ping <- struct{}{}:
		return true
	case <-patience.C:
		return false
	}
}

// Run runs the account at once, and then when it is time to, until ctx ends. It
// waits for a run that is under way.
func (l *Loop) Run(ctx context.Context) {
	var running sync.WaitGroup
	defer running.Wait()
	ended := make(chan Outcome, 1)
	pace := newPace(time.Now(), l.opts)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		if at, ready := pace.next(); ready {
			timer.Reset(time.Until(at))
		} else {
			timer.Stop()
		}
		select {
		case <-ctx.Done():
			return
		case <-l.ping:
		case <-l.news[Server]:
			pace.heard(time.Now(), Server)
		case <-l.news[Disk]:
			pace.heard(time.Now(), Disk)
		case <-l.now:
			pace.hurry(time.Now())
		case outcome := <-ended:
			pace.ended(time.Now(), outcome)
		case <-timer.C:
			pace.begin(time.Now())
			running.Go(func() { ended <- l.opts.Run() })
		}
	}
}
