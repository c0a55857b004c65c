package synctest

import (
	"context"
	"fmt"
	"sync"

	"mailferry/syncer/mailbox"
)

// Fault is something that goes wrong once in a port of the model, while the
// process lives. Disk and State know only Refused.
type Fault struct {
	// Op is the port's method, such as "Observe"; "" is any.
	Op string
	// Skip lets that many calls of Op pass first.
	Skip int
	// After is how many messages are dealt with before it happens. -1, of
	// Expunge that is Lost: all are marked \Deleted and none is expunged.
	After int
	// Kind says what happens.
	Kind FaultKind
	// Err is returned; nil is mailbox.ErrNetwork.
	Err error
}

// FaultKind says what a Fault does.
type FaultKind uint8

// The kinds of faults.
const (
	// Refused: nothing happens but the error.
	Refused FaultKind = iota
	// Lost: of a change, After messages are dealt with and answered, the next
	// one takes effect but its answer is lost, and the rest is not done. Of
	// Observe and Fetch, After messages are handed over; Fetch breaks off
	// within the body of the next one.
	Lost
	// Incomplete: Observe hands over only After messages, and says so. The
	// other methods answer as always.
	Incomplete
)

func (f *Fault) error() error {
	if f.Err != nil {
		return f.Err
	}
	return fmt.Errorf("model: %s: %w", f.Op, mailbox.ErrNetwork)
}

// faults are those that were armed and have not happened.
type faults struct {
	mu    sync.Mutex
	armed []*Fault
}

// Inject arms a fault. Several may be armed; each happens once.
func (l *faults) Inject(f Fault) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.armed = append(l.armed, &f)
}

// Heal disarms all faults that have not happened.
func (l *faults) Heal() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.armed = nil
}

// take returns the fault that happens in this call of op, if any.
func (l *faults) take(op string) *Fault {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, f := range l.armed {
		if f.Op != "" && f.Op != op {
			continue
		}
		if f.Skip > 0 {
			f.Skip--
			continue
		}
		l.armed = append(l.armed[:i:i], l.armed[i+1:]...)
		taken := *f
		taken.Op = op
		return &taken
	}
	return nil
}

// port is what all ports of the model have in common.
type port struct {
	faults
	fuse      *Fuse
	interrupt func(op string)
}

// Interrupt has f called at the start of each call of a port, so that others
// can act in the middle of a run. It is set before the run.
func (p *port) Interrupt(f func(op string)) { p.interrupt = f }

// begin is the start of each call: it looks for what prevents it, and returns
// the fault that is to happen later.
func (p *port) begin(ctx context.Context, op string) (*Fault, error) {
	if p.interrupt != nil {
		p.interrupt(op)
	}
	if err := p.fuse.dead(); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	fault := p.take(op)
	if fault != nil && fault.Kind == Refused {
		return nil, fault.error()
	}
	return fault, nil
}
