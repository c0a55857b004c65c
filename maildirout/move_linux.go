package maildirout

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// moveFile renames a file and refuses to overwrite: fs.ErrExist.
// fs.ErrNotExist if it is not, or no longer, there.
func (s *Store) moveFile(from, to place) error {
	source, target, err := subs(from, to)
	if err != nil {
		return err
	}
	err = unix.Renameat2(int(source.Fd()), from.name, int(target.Fd()), to.name, unix.RENAME_NOREPLACE)
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) {
		return moveChecked(s.root, from, to) // NFS, for one, has no such rename
	}
	if err != nil {
		return &os.LinkError{Op: "rename", Old: from.path(), New: to.path(), Err: err}
	}
	return nil
}

// linkFile gives a file a second name, which must be new. A symbolic link is
// not followed: the new name is one, too. fs.ErrNotExist if the file is not, or
// no longer, there.
func (s *Store) linkFile(from, to place) error {
	source, target, err := subs(from, to)
	if err != nil {
		return err
	}
	if err := unix.Linkat(int(source.Fd()), from.name, int(target.Fd()), to.name, 0); err != nil {
		return &os.LinkError{Op: "link", Old: from.path(), New: to.path(), Err: err}
	}
	return nil
}

// subs are the opened directories of two places.
func subs(from, to place) (source, target *os.File, err error) {
	if source, err = from.folder.sub(from.sub); err != nil {
		return nil, nil, err
	}
	target, err = to.folder.sub(to.sub)
	return source, target, err
}
