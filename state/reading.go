package state

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// openReading opens a state without changing anything on disk: the file itself
// where it is all there is, else a copy of it and of its log.
func (s *Store) openReading(ctx context.Context, isNew bool) error {
	if isNew {
		s.marker = Marker{}
		return s.openEmpty(ctx, root{clean: true})
	}
	if !s.options.Unlocked {
		var err error
		if s.lock, err = acquireReading(s.control); err != nil {
			return err
		}
	}
	err := s.loadReading(ctx)
	var damage *DamagedError
	if errors.As(err, &damage) {
		return s.rebuild(ctx, damage.Reason)
	}
	return err
}

// openEmpty opens a state in memory.
func (s *Store) openEmpty(ctx context.Context, r root) error {
	if err := s.dial(ctx, "", ""); err != nil {
		return err
	}
	return s.populate(ctx, r)
}

func (s *Store) loadReading(ctx context.Context) error {
	if err := checkHeader(s.path()); err != nil {
		return err
	}
	log, err := os.Stat(s.path() + "-wal")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if s.options.Unlocked || err == nil && log.Size() > 0 {
		return s.loadCopy(ctx)
	}
	// Immutable keeps SQLite from making its log and its shared memory.
	if err := s.dial(ctx, s.path(), "mode=ro&immutable=1"); err != nil {
		return err
	}
	if version, err := s.userVersion(ctx); err == nil && version < len(s.migrations) {
		if err := s.hangUp(); err != nil {
			return err
		}
		return s.loadCopy(ctx)
	}
	return s.check(ctx)
}

func (s *Store) loadCopy(ctx context.Context) error {
	var err error
	if s.temporary, err = os.MkdirTemp("", "mailferry-state-"); err != nil {
		return err
	}
	// A run at work beside may write meanwhile, and half of what it wrote
	// would be a damaged copy.
	const attempts = 20
	for attempt := range attempts {
		before := s.fingerprint()
		for _, suffix := range []string{"-wal", ""} {
			if err := copyFile(s.path()+suffix, filepath.Join(s.temporary, stateFile+suffix)); err != nil {
				return fault(err, false)
			}
		}
		if s.fingerprint() == before {
			break
		}
		if attempt == attempts-1 {
			return &LockedError{Path: s.dir}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
	if err := s.dial(ctx, filepath.Join(s.temporary, stateFile), "mode=rw"); err != nil {
		return err
	}
	return s.check(ctx)
}

// fingerprint changes whenever a run writes to the state.
func (s *Store) fingerprint() [4]int64 {
	var f [4]int64
	for i, suffix := range []string{"", "-wal"} {
		if info, err := os.Stat(s.path() + suffix); err == nil {
			f[2*i], f[2*i+1] = info.Size(), info.ModTime().UnixNano()
		}
	}
	return f
}

// copyFile copies a file, or removes the copy where there is no file.
func copyFile(from, to string) error {
	source, err := os.Open(from)
	if errors.Is(err, fs.ErrNotExist) {
		if err := os.Remove(to); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	}
	if err != nil {
		return err
	}
	defer source.Close()
	target, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(target, source)
	return errors.Join(err, target.Close())
}
