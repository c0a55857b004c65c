package imapremote

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"

	"mailferry/syncer/mailbox"
)

// errClosed is returned by every method after Close.
var errClosed = errors.New("account is closed")

// How long after a refusal one more connection is tried: longer each time.
const (
	growAfter    = 30 * time.Second
	growAfterMax = 10 * time.Minute
)

// pool lends sessions, each to one caller at a time. It dials when none is
// idle, up to a limit that the server may lower: when it refuses a further
// connection while others live, callers wait for one of these. Later in the run
// one more is tried, and if that is let in, the next.
type pool struct {
	dial func(ctx context.Context) (*session, error)
	most int // the limit that was configured
	log  *slog.Logger

	mu    sync.Mutex
	idle  []*session // the last one was used last
	live  int        // sessions there are, those being dialled included
	limit int        // the limit in force, at least 1
	// growAt is when the limit may rise by one, zero for never, and pause how
	// long the next refusal puts that off.
	growAt time.Time
	pause  time.Duration
	closed bool
	wake   chan struct{} // closed when something above changed
}

func newPool(most int, log *slog.Logger, dial func(context.Context) (*session, error)) *pool {
	most = max(1, most)
	return &pool{dial: dial, most: most, limit: most, pause: growAfter, log: log, wake: make(chan struct{})}
}

// acquire lends a session, preferably one in which the mailbox wire is
// selected, and as fits: in a mode that allows writing or not.
func (p *pool) acquire(ctx context.Context, wire string, write bool) (*session, error) {
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		p.mu.Lock()
		if p.closed {
			p.mu.Unlock()
			return nil, errClosed
		}
		if s := p.takeIdle(wire, write); s != nil {
			p.mu.Unlock()
			if s.isAlive(ctx) {
				return s, nil
			}
			p.release(s)
			continue
		}
		if p.grow(); p.live < p.limit {
			p.live++
			p.mu.Unlock()
			s, err := p.dial(ctx)
			if err == nil {
				p.letIn()
				return s, nil
			}
			if !p.dialFailed(ctx, err) {
				return nil, err
			}
			continue
		}
		wake, later := p.wake, p.untilGrowth()
		p.mu.Unlock()
		select {
		case <-wake:
		case <-later:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// open dials in the background until there are n sessions or as many as the
// limit allows. What cannot be had is asked for when it is needed.
func (p *pool) open(ctx context.Context, n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for !p.closed && p.live < min(n, p.limit) {
		p.live++
		go func() {
			s, err := p.dial(ctx)
			if err != nil {
				p.dialFailed(ctx, err)
				return
			}
			p.letIn()
			p.release(s)
		}()
	}
}

// grow lifts the limit by one when it is time. p.mu is held.
func (p *pool) grow() {
	if p.limit < p.most && p.live >= p.limit && !p.growAt.IsZero() && !time.Now().Before(p.growAt) {
		p.limit = p.live + 1
		p.growAt = time.Now().Add(p.pause) // for others: this caller will tell
	}
}

// untilGrowth is closed, so to speak, when the limit may rise; nil if never.
// p.mu is held.
func (p *pool) untilGrowth() <-chan time.Time {
	if p.limit >= p.most || p.growAt.IsZero() {
		return nil
	}
	return time.After(time.Until(p.growAt))
}

// letIn takes note that a connection was let in: the next may be tried at once.
func (p *pool) letIn() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.limit < p.most {
		p.growAt = time.Now()
		p.changed()
	}
}

// takeIdle removes the best idle session, or returns nil. p.mu is held.
func (p *pool) takeIdle(wire string, write bool) *session {
	best, bestScore := -1, -1
	for i, s := range p.idle {
		if score := s.fits(wire, write); score >= bestScore {
			best, bestScore = i, score
		}
	}
	if best < 0 {
		return nil
	}
	s := p.idle[best]
	p.idle = slices.Delete(p.idle, best, best+1)
	return s
}

// dialFailed accounts for a connection that could not be had. It reports
// whether the caller may wait for another one instead.
func (p *pool) dialFailed(ctx context.Context, err error) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lost()
	if p.live == 0 || ctx.Err() != nil {
		return false
	}
	// Whatever the reason was, one connection less costs time and never mail.
	p.limit, p.growAt = p.live, time.Time{}
	if !errors.Is(err, mailbox.ErrAuth) { // who guesses passwords is locked out
		p.growAt = time.Now().Add(p.pause)
		p.pause = min(2*p.pause, growAfterMax)
	}
	p.log.Info("server refuses further connections", "connections", p.limit, "error", err)
	return true
}

// lost takes a session off the books. p.mu is held.
func (p *pool) lost() {
	p.live--
	if p.live == 0 {
		// Nobody is left to wait for, so what was refused is asked for anew.
		p.limit = p.most
	}
	p.changed()
}

// changed wakes those who wait. p.mu is held.
func (p *pool) changed() {
	close(p.wake)
	p.wake = make(chan struct{})
}

// release takes a session back. When it broke, the idle ones may be as dead
// (a laptop slept, a server restarted): they are asked before they are lent.
func (p *pool) release(s *session) {
	p.mu.Lock()
	broken := s.isBroken()
	var silent []*session
	switch {
	case broken && errors.Is(s.conn.Err(), os.ErrDeadlineExceeded):
		// To ask each would take as long again.
		silent, p.idle = p.idle, nil
		for range len(silent) + 1 {
			p.lost()
		}
	case broken:
		for _, other := range p.idle {
			other.suspect = true
		}
		p.lost()
	case p.closed || s.spent:
		p.lost()
	default:
		p.idle = append(p.idle, s)
		p.changed()
	}
	gone := broken || p.closed || s.spent
	p.mu.Unlock()
	if gone {
		s.abort()
	}
	for _, other := range silent {
		other.abort()
	}
}

// close refuses further callers and returns the idle sessions for their
// farewell. Those that are lent are closed when they come back.
func (p *pool) close() []*session {
	p.mu.Lock()
	defer p.mu.Unlock()
	idle := p.idle
	p.idle, p.closed = nil, true
	p.live -= len(idle)
	p.changed()
	return idle
}

// forgetSelected makes the idle sessions open their mailbox again before they
// work in it: its name may mean another one now.
func (p *pool) forgetSelected() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, s := range p.idle {
		s.selected = selection{}
	}
}

// takeOpen lends an idle session that has a mailbox open, nil if there is none.
func (p *pool) takeOpen(wire string) *session {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, s := range p.idle {
		if s.selected.wire == wire {
			p.idle = slices.Delete(p.idle, i, i+1)
			return s
		}
	}
	return nil
}
