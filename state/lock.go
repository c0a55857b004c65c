package state

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/gofrs/flock"
)

const lockFile = "lock"

// acquire takes the store's lock without waiting: ErrLocked. The file stays
// when the lock is released, as removing it would let two runs hold two locks.
func acquire(control string) (*flock.Flock, error) {
	path := filepath.Join(control, lockFile)
	lock := flock.New(path, flock.SetFlag(os.O_CREATE|os.O_RDWR), flock.SetPermissions(0o600))
	if err := tryLock(lock, path); err != nil {
		return nil, err
	}
	// The number only helps people to find the other run; where the system
	// locks the content too, there is none.
	_ = os.WriteFile(path, fmt.Appendf(nil, "%d\n", os.Getpid()), 0o600)
	return lock, nil
}

// acquireReading takes the lock of a store that is only read: nil where the
// lock's file is not there, as it is not to be made.
func acquireReading(control string) (*flock.Flock, error) {
	path := filepath.Join(control, lockFile)
	lock := flock.New(path, flock.SetFlag(os.O_RDONLY))
	err := tryLock(lock, path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return lock, nil
}

// Holder looks whether a run holds the lock of the store whose control folder this
// is: a LockedError then, nil if none does. Nothing is changed, and nobody is kept
// waiting.
func Holder(control string) error {
	lock, err := acquireReading(control)
	if lock == nil {
		return err
	}
	return lock.Close()
}

func tryLock(lock *flock.Flock, path string) error {
	if info, err := os.Lstat(path); err == nil && !info.Mode().IsRegular() {
		return fmt.Errorf("%s: is not a file", path)
	}
	held, err := lock.TryLock()
	if err != nil {
		return fault(err, false)
	}
	if !held {
		text, _ := os.ReadFile(path)
		pid, _ := strconv.Atoi(strings.TrimSpace(string(text)))
		return &LockedError{Path: filepath.Dir(filepath.Dir(path)), PID: max(pid, 0)}
	}
	return nil
}
