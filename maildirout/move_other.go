//go:build !linux

package maildirout

// moveFile renames a file and refuses to overwrite: fs.ErrExist.
// fs.ErrNotExist if it is not, or no longer, there.
func (s *Store) moveFile(from, to place) error { return moveChecked(s.root, from, to) }

// linkFile gives a file a second name, which must be new. fs.ErrNotExist if the
// file is not, or no longer, there.
func (s *Store) linkFile(from, to place) error { return s.root.Link(from.path(), to.path()) }
