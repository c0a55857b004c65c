package maildirout

import (
	"encoding/binary"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

const (
	minListing = 64 << 10
	maxListing = 256 << 20
)

// readNames reads the whole folder with one call where the file system holds
// the folder's lock for its length, so that no rename comes in between.
func readNames(dir *os.File) (names []string, exact bool, err error) {
	fd := int(dir.Fd())
	var stat unix.Stat_t
	if err := unix.Fstat(fd, &stat); err != nil {
		return nil, false, os.NewSyscallError("fstat", err)
	}
	if !locksWhileReading(fd) {
		return readNamesPlain(dir)
	}
	for size := min(max(2*stat.Size, minListing), maxListing); ; size *= 4 {
		buf := make([]byte, size)
		n, all, err := readEntries(fd, buf)
		if err != nil {
			return nil, false, err
		}
		if all {
			names, err := parseEntries(dir, buf[:n])
			return names, true, err
		}
		if _, err := unix.Seek(fd, 0, unix.SEEK_SET); err != nil {
			return nil, false, os.NewSyscallError("lseek", err)
		}
		if 4*size > maxListing {
			return readNamesPlain(dir)
		}
	}
}

// piecesOf reads a folder piece by piece; the last comes with io.EOF. The names
// of a piece share its memory.
func piecesOf(dir *os.File) func() ([]string, error) {
	buf := make([]byte, 4*minListing)
	return func() ([]string, error) {
		n, err := getdents(int(dir.Fd()), buf)
		if err != nil {
			return nil, err
		}
		if n == 0 {
			return nil, io.EOF
		}
		return parseEntries(dir, buf[:n])
	}
}

// locksWhileReading names the file systems for which that was looked up.
// btrfs and tmpfs show what there was at open, which a rename outdates.
func locksWhileReading(fd int) bool {
	var stat unix.Statfs_t
	if unix.Fstatfs(fd, &stat) != nil {
		return false
	}
	return stat.Type == unix.EXT4_SUPER_MAGIC || stat.Type == unix.XFS_SUPER_MAGIC
}

// readEntries fills buf with one call. all is false unless a second one proves
// that the first got everything.
func readEntries(fd int, buf []byte) (n int, all bool, err error) {
	if n, err = getdents(fd, buf); err != nil || n == 0 {
		return n, err == nil, err
	}
	var more [1024]byte
	rest, err := getdents(fd, more[:])
	return n, err == nil && rest == 0, err
}

func getdents(fd int, buf []byte) (int, error) {
	for {
		n, err := unix.Getdents(fd, buf)
		if err != unix.EINTR {
			return n, os.NewSyscallError("getdents64", err)
		}
	}
}

// parseEntries reads struct linux_dirent64: inode and offset of 8 octets each,
// the record's length in 2, the type in 1, the name with a NUL. All names
// share one piece of memory. (getdents64(2))
func parseEntries(dir *os.File, buf []byte) ([]string, error) {
	text := make([]byte, 0, len(buf)/2)
	var ends []int
	for len(buf) >= 20 {
		length := int(binary.NativeEndian.Uint16(buf[16:]))
		record := buf[:length]
		buf = buf[length:]
		name := record[19:]
		for i, c := range name {
			if c == 0 {
				name = name[:i]
				break
			}
		}
		if name[0] == '.' || !isRegular(dir, record[18], name) {
			continue
		}
		text = append(text, name...)
		ends = append(ends, len(text))
	}
	all := string(text)
	names := make([]string, len(ends))
	start := 0
	for i, end := range ends {
		names[i], start = all[start:end], end
	}
	return names, nil
}

// isRegular asks the file where the folder does not tell its type.
func isRegular(dir *os.File, kind byte, name []byte) bool {
	if kind != unix.DT_UNKNOWN {
		return kind == unix.DT_REG
	}
	var stat unix.Stat_t
	err := unix.Fstatat(int(dir.Fd()), string(name), &stat, unix.AT_SYMLINK_NOFOLLOW)
	return err == nil && stat.Mode&unix.S_IFMT == unix.S_IFREG
}
