package watch

import "time"

const (
	// settle is how long it has to be quiet before a run, and settleMost how
	// long that is waited for.
	settle     = 200 * time.Millisecond
	settleMost = time.Second
	// chained is how soon after a run another one may be its doing, and
	// chainedMost how many such there may be before they are put apart.
	chained     = 1500 * time.Millisecond
	chainedMost = 20
	// futileNear and futileMost are the same for runs that find nothing to do:
	// something may wake us for nothing again and again.
	futileNear = 10 * time.Second
	futileMost = 2
	// apartMost is how far runs are put apart.
	apartMost = 15 * time.Second
	// How long after a run it is tried again: at first, and at most.
	busyAfter, busyMost       = 3 * time.Second, time.Minute
	offlineAfter, offlineMost = 10 * time.Second, 5 * time.Minute
	refusedAfter, refusedMost = 15 * time.Minute, 2 * time.Hour
	// oftener is how many times as often a side is looked at that does not tell
	// all; pollLeast is the least time between.
	oftener   = 5
	pollLeast = time.Minute
	// trusted is after how many polls that found nothing there are fewer.
	trusted = 12
)

// pace reckons when the next run is due.
type pace struct {
	opts    Options
	running bool
	polling bool // the run under way was not asked for
	hurried bool // ... and is because the machine slept

	// What was heard since the last run began.
	first, last time.Time
	heardOf     [sides]bool

	end      time.Time // of the last run; zero: none yet
	result   Result
	chain    int // runs in a row that followed the one before closely
	futile   int // runs in a row that were asked for and found nothing to do
	attempts int // runs in a row that were Busy, Offline or Refused
	// retry is when to try again without being asked, zero for never, and
	// closed until when not to try at all.
	retry, closed time.Time

	every time.Duration // how often to poll
	poll  time.Time     // when next
	lies  [sides]int
	clean int // polls in a row that found nothing
}

func newPace(now time.Time, opts Options) *pace {
	return &pace{opts: opts, every: opts.Poll, poll: now}
}

// next is when a run is due; false while one is under way.
func (p *pace) next() (time.Time, bool) {
	if p.running {
		return time.Time{}, false
	}
	due := p.poll
	if p.isWaiting() {
		quiet := earlier(p.last.Add(settle), p.first.Add(settleMost))
		due = earlier(due, later(quiet, p.end.Add(p.apart())))
	}
	if !p.retry.IsZero() {
		due = earlier(due, p.retry)
	}
	return later(due, p.closed), true
}

func (p *pace) isWaiting() bool { return !p.first.IsZero() }

// apart is how long a run that was asked for waits after the last one.
func (p *pace) apart() time.Duration {
	return max(doubled(time.Second, (p.chain-chainedMost+2)/3, apartMost), doubled(time.Second, p.futile-futileMost, apartMost))
}

// doubled is 0 for the 0th time and before, then first, twice first and so on.
func doubled(first time.Duration, nth int, most time.Duration) time.Duration {
	if nth <= 0 {
		return 0
	}
	return min(first<<min(nth-1, 20), most)
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// heard takes note that something happened.
func (p *pace) heard(now time.Time, side Side) {
	if !p.isWaiting() {
		p.first = now
	}
	p.last = now
	p.heardOf[side] = true
	if side == Server && p.result == Offline {
		// It can be reached again.
		p.closed = time.Time{}
	}
}

// hurry makes a run due now.
func (p *pace) hurry(now time.Time) {
	p.poll, p.closed, p.hurried = now, time.Time{}, true
	p.attempts, p.chain, p.futile = 0, 0, 0
}

// begin takes note that a run begins.
func (p *pace) begin(now time.Time) {
	p.running = true
	p.polling = !p.isWaiting()
	gap, apart := now.Sub(p.end), p.apart()
	if gap > max(chained, 2*apart) {
		p.chain = 0
	}
	if gap > max(futileNear, 2*apart) {
		p.futile = 0
	}
	p.first, p.last, p.heardOf = time.Time{}, time.Time{}, [sides]bool{}
}

// ended takes note of how the run went.
func (p *pace) ended(now time.Time, outcome Outcome) {
	p.running = false
	p.chain++
	switch {
	case outcome.Changed:
		p.futile = 0
	case !p.polling:
		p.futile++
	}
	// A run after one that failed finds what nobody was there to tell of.
	if p.polling && !p.hurried && outcome.Result == Done && p.result == Done && !p.end.IsZero() {
		p.polled(outcome)
	}
	p.hurried = false
	interval := p.every
	if p.opts.Jitter != nil {
		interval = p.opts.Jitter(interval)
	}
	p.end, p.result, p.poll = now, outcome.Result, now.Add(interval)
	p.again(outcome)
}

// again decides when it is tried again after a run that did not do all.
func (p *pace) again(outcome Outcome) {
	p.retry, p.closed = time.Time{}, time.Time{}
	first, most := time.Duration(0), time.Duration(0)
	switch outcome.Result {
	case Busy:
		first, most = busyAfter, busyMost
	case Offline:
		first, most = offlineAfter, offlineMost
	case Refused:
		first, most = refusedAfter, refusedMost
	default:
		p.attempts = 0
		return
	}
	p.attempts++
	wait := max(doubled(first, p.attempts, most), outcome.Wait)
	p.retry = p.end.Add(wait)
	p.closed = p.retry
}

// polled learns from a run that nobody asked for whether the sides tell all.
// What one of them told meanwhile was only late.
func (p *pace) polled(outcome Outcome) {
	found := false
	for side := range sides {
		if !outcome.Found[side] || p.heardOf[side] {
			continue
		}
		found = true
		if p.lies[side]++; p.lies[side] == 2 && p.opts.Lies != nil {
			p.opts.Lies(side)
		}
	}
	if found {
		p.clean = 0
		p.every = max(p.opts.Poll/oftener, min(p.opts.Poll, pollLeast))
		return
	}
	if p.clean++; p.clean >= trusted {
		p.clean = 0
		p.every = min(2*p.every, p.opts.Poll)
	}
}
