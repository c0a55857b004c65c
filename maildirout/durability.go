package maildirout

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"slices"
	"sync"
)

// manyFiles is from how many files on one barrier for the whole disk is
// cheaper than one fsync each.
const manyFiles = 8

// fail remembers that something could not be made durable. From then on
// nothing of this store counts as durable: which writes were lost the system
// does not say, and it says that there were any only once.
func (s *Store) fail(err error) error {
	s.broken.CompareAndSwap(nil, &err)
	return err
}

func (s *Store) checkBroken() error {
	if err := s.broken.Load(); err != nil {
		return fmt.Errorf("an earlier write did not reach the disk: %w", *err)
	}
	return nil
}

// syncAll makes files durable, with all their octets and dates.
func (s *Store) syncAll(ctx context.Context, files []string) error {
	if err := s.checkBroken(); err != nil {
		return err
	}
	if len(files) > manyFiles {
		if done, err := s.syncDisk(files); done {
			return err
		}
	}
	return s.syncEach(ctx, files)
}

// syncEach fsyncs files, several at a time, as a disk can write them together.
func (s *Store) syncEach(ctx context.Context, files []string) error {
	var group sync.WaitGroup
	errs := make([]error, len(files))
	slots := make(chan struct{}, 8)
	for i, name := range files {
		slots <- struct{}{}
		group.Go(func() {
			errs[i] = s.syncOne(name)
			<-slots
		})
	}
	group.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	return ctx.Err()
}

func (s *Store) syncOne(name string) error {
	file, err := s.root.OpenFile(name, syncOpenFlag, 0)
	if err != nil {
		return err
	}
	defer file.Close()
	if err := file.Sync(); err != nil {
		return s.fail(err)
	}
	return nil
}

// syncFolder makes the names in one part of a folder durable.
func (s *Store) syncFolder(f *folder, sub string) error {
	if err := s.checkBroken(); err != nil {
		return err
	}
	if runtime.GOOS == "windows" {
		return nil // folders cannot be flushed; NTFS keeps a journal of names
	}
	dir, err := f.sub(sub)
	if err != nil {
		return err
	}
	if err := dir.Sync(); err != nil {
		return s.fail(err)
	}
	return nil
}

// touch notes folders whose names Flush makes durable.
func (s *Store) touch(paths ...path) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range paths {
		s.dirty[p] = struct{}{}
	}
}

// Flush makes flag changes and removals durable.
func (s *Store) Flush(ctx context.Context) error {
	s.mu.Lock()
	paths := make([]string, 0, len(s.dirty))
	for p := range s.dirty {
		paths = append(paths, string(p))
	}
	clear(s.dirty)
	s.mu.Unlock()
	if err := s.checkBroken(); err != nil {
		return fmt.Errorf("flush: %w", err)
	}
	if len(paths) == 0 || runtime.GOOS == "windows" {
		return ctx.Err()
	}
	slices.Sort(paths)
	if len(paths) > manyFiles {
		if done, err := s.syncDisk(paths); done {
			return err
		}
	}
	for _, p := range paths {
		if err := s.syncPath(path(p)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("flush: %w", s.fail(err))
		}
	}
	return nil
}

// syncPath makes the names in a folder durable.
func (s *Store) syncPath(p path) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	dir, err := openPath(s.root, p)
	if err != nil {
		return err
	}
	defer dir.Close()
	file, err := dir.Open(".")
	if err != nil {
		return err
	}
	defer file.Close()
	return file.Sync()
}
