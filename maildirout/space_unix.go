//go:build unix

package maildirout

import "golang.org/x/sys/unix"

// freeSpace returns how many octets can still be written.
func freeSpace(dir string) (octets uint64, known bool) {
	var stat unix.Statfs_t
	if err := unix.Statfs(dir, &stat); err != nil {
		return 0, false
	}
	return uint64(max(stat.Bavail, 0)) * uint64(stat.Bsize), true
}

// checkWritable notices a disk that is mounted read-only and missing rights.
func checkWritable(dir string) error { return unix.Access(dir, unix.W_OK|unix.X_OK) }
