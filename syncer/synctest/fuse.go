package synctest

import (
	"errors"
	"sync"
)

// ErrKilled is what the model answers after its process was killed.
var ErrKilled = errors.New("model: the process was killed")

// Fuse kills the process under test between two effects. Every port of the
// model that shares a Fuse counts an effect (a message appended, a file
// renamed, a transaction committed) just before and just after it happens; at
// the count that was set the fuse blows, and from then on nothing has any
// effect and every call returns ErrKilled, as if nobody were there to make it.
// That is a crash as the world sees it; unlike a panic it also works where the
// code under test has several goroutines. A nil Fuse never blows.
type Fuse struct {
	mu    sync.Mutex
	count int
	at    int
	blown bool
}

// Arm starts counting anew; the fuse will blow at count at, or never if 0.
func (f *Fuse) Arm(at int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.count, f.at, f.blown = 0, at, false
}

// Count tells how many points a run has passed: those where it can be killed.
func (f *Fuse) Count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.count
}

// Blown reports whether the process was killed.
func (f *Fuse) Blown() bool { return f.dead() != nil }

// dead returns ErrKilled once the fuse has blown.
func (f *Fuse) dead() error {
	if f == nil {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.blown {
		return ErrKilled
	}
	return nil
}

// pass counts one point and returns ErrKilled if the process ends there.
func (f *Fuse) pass() error {
	if f == nil {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.blown {
		return ErrKilled
	}
	f.count++
	if f.at > 0 && f.count >= f.at {
		f.blown = true
		return ErrKilled
	}
	return nil
}

// around does effect between two points.
func (f *Fuse) around(effect func()) error {
	if err := f.pass(); err != nil {
		return err
	}
	effect()
	return f.pass()
}
