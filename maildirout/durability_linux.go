package maildirout

import (
	"errors"
	"io/fs"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

const syncOpenFlag = os.O_RDONLY

// syncDisk makes everything on the store's file system durable. done is false
// when that does not cover the files, because some are on another one.
// The store has been open since before they were written, so that an error in
// between is reported here. (syncfs(2), since Linux 5.8)
func (s *Store) syncDisk(files []string) (done bool, err error) {
	s.barrier.Lock()
	defer s.barrier.Unlock()
	if err := s.checkBroken(); err != nil {
		return true, err
	}
	device, err := deviceOf(s.disk)
	if err != nil {
		return false, nil
	}
	seen := map[path]bool{}
	for _, name := range files {
		folder := path(name).parent()
		if seen[folder] {
			continue
		}
		seen[folder] = true
		info, err := s.root.Lstat(folder.orDot())
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return true, err
		}
		if stat, ok := info.Sys().(*syscall.Stat_t); !ok || uint64(stat.Dev) != device {
			return false, nil
		}
	}
	if err := unix.Syncfs(int(s.disk.Fd())); err != nil {
		return true, s.fail(os.NewSyscallError("syncfs", err))
	}
	return true, nil
}

func deviceOf(file *os.File) (uint64, error) {
	var stat unix.Stat_t
	if err := unix.Fstat(int(file.Fd()), &stat); err != nil {
		return 0, err
	}
	return uint64(stat.Dev), nil
}
