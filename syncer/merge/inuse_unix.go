//go:build unix

package merge

import (
	"os"

	"golang.org/x/sys/unix"
)

// isLocked reports whether another process holds a lock on a file.
func isLocked(at string) bool {
	file, err := os.Open(at)
	if err != nil {
		return false
	}
	defer file.Close()
	lock := unix.Flock_t{Type: unix.F_WRLCK}
	if err := unix.FcntlFlock(file.Fd(), unix.F_GETLK, &lock); err != nil {
		return false
	}
	return lock.Type != unix.F_UNLCK
}
