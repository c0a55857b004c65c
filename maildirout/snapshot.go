package maildirout

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"time"

	"mailferry/syncer/mailbox"
)

// nameReader reads the names of the files (not folders, links, hidden files)
// in an open folder from its start. exact says that they were all there at one
// instant.
type nameReader func(dir *os.File) (names []string, exact bool, err error)

// granularity is how old a folder's mtime has to be before an unchanged one
// proves that nothing was renamed: the kernel's clock for it ticks slowly.
const granularity = 12 * time.Millisecond

// looks says how long to wait before each further look at a folder in which
// other programs rename files.
var looks = [...]time.Duration{0, granularity, granularity, 20e6, 20e6, 50e6, 50e6, 100e6, 100e6, 200e6, 200e6, 500e6, 500e6}

// snapshot lists cur or new as it was at one instant. readdir alone can miss a
// file that is renamed meanwhile, so either the system read the folder in one
// piece or its mtime proves that nothing happened. mailbox.ErrIncomplete when
// other programs leave the folder no moment of rest.
func (s *Store) snapshot(ctx context.Context, f *folder, sub string) ([]string, error) {
	for _, wait := range looks {
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(wait):
		}
		before, err := f.root.Lstat(sub)
		if err != nil {
			return nil, err
		}
		start := time.Now() // the system's clock, which made the mtime
		names, exact, err := s.readSub(f, sub)
		if err != nil {
			return nil, err
		}
		if exact {
			return names, nil
		}
		after, err := f.root.Lstat(sub)
		if err != nil {
			return nil, err
		}
		if before.ModTime().Equal(after.ModTime()) && before.ModTime().Before(start.Add(-granularity)) {
			return names, nil
		}
	}
	return nil, fmt.Errorf("%s keeps changing: %w", sub, mailbox.ErrIncomplete)
}

// readSub opens the folder anew: some file systems show what there was when it
// was opened.
func (s *Store) readSub(f *folder, sub string) ([]string, bool, error) {
	dir, err := openFile(f.root, sub)
	if err != nil {
		return nil, false, err
	}
	defer dir.Close()
	return s.read(dir)
}

// readNamesPlain is the nameReader of every system.
func readNamesPlain(dir *os.File) (names []string, exact bool, err error) {
	entries, err := dir.ReadDir(-1)
	for _, entry := range entries {
		if isMessageFile(entry.Name(), entry.Type()) {
			names = append(names, entry.Name())
		}
	}
	return names, false, err
}

func isMessageFile(name string, mode fs.FileMode) bool {
	return name != "" && name[0] != '.' && mode.IsRegular()
}
