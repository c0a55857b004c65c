//go:build !linux

package maildirout

// moveFile renames a file and refuses to overwrite: fs.ErrExist.
// fs.ErrNotExist if it is not, or no longer, there.
func (s *Store) moveFile(from, to place) error { return moveChecked(s.root, from, to) }
