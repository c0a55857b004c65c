package maildirout

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"mailferry/syncer/mailbox"
)

// folder is a folder that is open: a directory with cur, new and tmp, none of
// which was a symbolic link when it was opened.
type folder struct {
	name mailbox.Name
	path path
	root *os.Root
	subs map[string]*os.File
}

// openFolder opens a mailbox's folder. mailbox.ErrNotFound if there is none.
func (s *Store) openFolder(name mailbox.Name) (*folder, error) {
	s.mu.Lock()
	p, known := s.paths[name]
	s.mu.Unlock()
	if known {
		if f, err := s.openFolderAt(name, p); err == nil || !isMissing(err) {
			return f, err
		}
	}
	p, err := s.locate(name)
	if err == nil {
		f, err := s.openFolderAt(name, p)
		if err == nil {
			s.mu.Lock()
			s.paths[name] = p
			s.mu.Unlock()
		}
		return f, err
	}
	s.forget(name)
	if errors.Is(err, fs.ErrNotExist) {
		err = mailbox.ErrNotFound
	}
	return nil, fmt.Errorf("folder %s: %w", name, err)
}

func isMissing(err error) bool {
	return errors.Is(err, mailbox.ErrNotFound) || errors.Is(err, fs.ErrNotExist)
}

// forget drops what is remembered of a folder.
func (s *Store) forget(name mailbox.Name) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.paths, name)
	delete(s.listings, name)
}

// openFolderAt opens the folder at p and makes new and tmp when they are
// missing, as some programs leave out what is empty.
func (s *Store) openFolderAt(name mailbox.Name, p path) (*folder, error) {
	root, err := openPath(s.root, p)
	if errors.Is(err, fs.ErrNotExist) {
		err = mailbox.ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("folder %s: %w", name, err)
	}
	f := &folder{name: name, path: p, root: root, subs: map[string]*os.File{}}
	if err := f.check(); err != nil {
		root.Close()
		return nil, fmt.Errorf("folder %s: %w", name, err)
	}
	return f, nil
}

func (f *folder) check() error {
	for _, sub := range []string{"cur", "new", "tmp"} {
		info, err := f.root.Lstat(sub)
		if errors.Is(err, fs.ErrNotExist) {
			if sub == "cur" {
				return mailbox.ErrNotFound
			}
			if err = makeDir(f.root, sub); err == nil {
				continue
			}
		}
		if err != nil {
			return err
		}
		if err := mustBeDir(info, sub); err != nil {
			return err
		}
	}
	return nil
}

// close releases the folder.
func (f *folder) close() {
	for _, sub := range f.subs {
		sub.Close()
	}
	f.root.Close()
}

// sub returns cur, new or tmp opened; the folder keeps it. "." is the folder.
func (f *folder) sub(name string) (*os.File, error) {
	if open := f.subs[name]; open != nil {
		return open, nil
	}
	open, err := openFile(f.root, name)
	if err == nil {
		f.subs[name] = open
	}
	return open, err
}

// modified returns a file's mtime in nanoseconds, 0 if there is none.
func (f *folder) modified(name string) (int64, error) {
	info, err := f.root.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return info.ModTime().UnixNano(), nil
}

// stamp returns the folder's stamp without Taken.
func (f *folder) stamp() (mailbox.Stamp, error) {
	var stamp mailbox.Stamp
	var err error
	if stamp.Cur, err = f.modified("cur"); err != nil {
		return stamp, err
	}
	if stamp.New, err = f.modified("new"); err != nil {
		return stamp, err
	}
	stamp.Keywords, err = f.modified(keywordsFile)
	return stamp, err
}

// place is a file in one of a folder's parts.
type place struct {
	folder *folder
	sub    string
	name   string
}

func (p place) path() string { return p.folder.path.under(p.sub, p.name) }

// moveChecked is moveFile for systems that cannot refuse to overwrite by
// themselves. Names in folders are ours or carry a key that is unique, so that
// the gap between the two steps is one of theory.
func moveChecked(store *os.Root, from, to place) error {
	if _, err := store.Lstat(to.path()); err == nil {
		return &os.LinkError{Op: "rename", Old: from.path(), New: to.path(), Err: fs.ErrExist}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return store.Rename(from.path(), to.path())
}
