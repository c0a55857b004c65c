package state

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// damagedKept is how many damaged states stay in the control folder.
const damagedKept = 3

// Rebuild moves a state that turned out damaged aside and starts with an empty
// one; a run that is recorded as under way stays so. Reason is for people.
func (s *Store) Rebuild(ctx context.Context, reason string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.db == nil {
		return errClosed
	}
	return s.rebuild(ctx, reason)
}

func (s *Store) rebuild(ctx context.Context, reason string) error {
	highest, err := s.highestGeneration()
	if err != nil {
		return err
	}
	next := root{generation: max(highest, s.root.generation) + 1}
	// What closing a damaged database has to say does not matter any more.
	_ = s.hangUp()
	s.rebuilt = reason
	if s.options.ReadOnly {
		return s.openEmpty(ctx, next)
	}
	if err := s.moveAside(); err != nil {
		return err
	}
	if err := s.createDatabase(ctx, next); err != nil {
		return err
	}
	if err := s.load(ctx); err != nil {
		return err
	}
	if s.running == nil {
		return nil
	}
	return s.write(ctx, func(ctx context.Context, _ *root) (bool, error) {
		return false, s.putRun(ctx, *s.running)
	})
}

// load opens the database and checks all that is cheap to check.
func (s *Store) load(ctx context.Context) error {
	if err := checkHeader(s.path()); err != nil {
		return err
	}
	err := s.dial(ctx, s.path(), "mode=rw")
	if err == nil {
		err = s.check(ctx)
	}
	if err != nil {
		// Some damage lets SQLite fail at closing as well.
		_ = s.hangUp()
	}
	return err
}

// checkHeader looks at what SQLite would take for another kind of file, make
// anew, or open for reading only. (SQLite database file format, section 1.3)
func checkHeader(path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return damaged("%s is missing", stateFile)
	case err != nil:
		return err
	case !info.Mode().IsRegular():
		return damaged("%s is not a file", stateFile)
	}
	file, err := os.Open(path)
	if err != nil {
		return fault(err, true)
	}
	defer file.Close()
	header := make([]byte, 100)
	if n, _ := file.ReadAt(header, 0); n < len(header) {
		return damaged("%s is cut short", stateFile)
	}
	isLegacy, isWAL := header[18] == 1 && header[19] == 1, header[18] == 2 && header[19] == 2
	if string(header[:16]) != "SQLite format 3\x00" || !isLegacy && !isWAL {
		return damaged("%s is not a database", stateFile)
	}
	return nil
}

// check reads everything but the links.
func (s *Store) check(ctx context.Context) error {
	version, err := s.userVersion(ctx)
	if err != nil {
		return err
	}
	highest := len(s.migrations)
	r, err := s.readRoot(ctx, highest)
	switch {
	case err != nil:
		return err
	case r.version != version:
		return damaged("its schema is version %d in one place and %d in another", version, r.version)
	case version > highest:
		return &NewerVersionError{s.dir, version, highest}
	case r.uuid != s.marker.UUID:
		return damaged("it belongs to another store")
	}
	atLeast, err := s.highestGeneration()
	if err != nil {
		return err
	}
	if r.generation < atLeast {
		return damaged("it is older than the store: restored from a backup?")
	}
	if sum, err := s.schemaSum(ctx); err != nil {
		return err
	} else if sum != r.schema {
		return damaged("its tables are not those that were made")
	}
	s.root, s.clean = r, r.clean
	if version < highest {
		if err := s.upgrade(ctx, version); err != nil {
			return err
		}
	}
	if _, err := s.readMailboxes(ctx); err != nil {
		return err
	}
	if s.root.version >= numberedSince {
		if _, err := s.readNumbering(ctx); err != nil {
			return err
		}
	}
	_, err = s.readRuns(ctx, runsKept+2)
	return err
}

// upgrade brings an older schema up to date.
func (s *Store) upgrade(ctx context.Context, version int) error {
	return s.transact(ctx, func(next *root) error {
		err := s.migrate(ctx, version)
		if err == nil && 0 < version && version < talliedSince {
			err = s.tallyAll(ctx, next)
		}
		if err == nil {
			next.schema, err = s.schemaSum(ctx)
		}
		next.version = len(s.migrations)
		return err
	})
}

// highestGeneration is the highest that is known to have been durable.
func (s *Store) highestGeneration() (int64, error) {
	highest, err := readGeneration(s.control)
	if err != nil {
		return 0, err
	}
	if s.noted != nil && s.noted.UUID == s.marker.UUID {
		highest = max(highest, s.noted.Generation)
	}
	return highest, nil
}

// createDatabase makes an empty state under another name and renames it, so
// that the file is there in full or not at all.
func (s *Store) createDatabase(ctx context.Context, r root) error {
	path := s.path() + ".new"
	for _, suffix := range []string{"", "-wal", "-shm", "-journal"} {
		if err := os.Remove(path + suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fault(err, false)
		}
	}
	// SQLite gives its other files the mode of this one.
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fault(err, false)
	}
	if err := file.Close(); err != nil {
		return err
	}
	if err := s.dial(ctx, path, "mode=rw"); err != nil {
		return err
	}
	err = s.exec(ctx, "PRAGMA journal_mode = WAL")
	if err == nil {
		err = s.populate(ctx, r)
	}
	// Closing the last connection brings the log into the file.
	if err = errors.Join(err, s.hangUp()); err != nil {
		return fmt.Errorf("create state: %w", err)
	}
	if err := os.Rename(path, s.path()); err != nil {
		return fault(err, false)
	}
	return fault(syncFolder(s.control), false)
}

// populate makes the tables of an empty state.
func (s *Store) populate(ctx context.Context, r root) error {
	r.uuid = s.marker.UUID
	s.root, s.clean = r, r.clean
	return s.upgrade(ctx, 0)
}

// moveAside renames whatever is where the state is to be made.
func (s *Store) moveAside() error {
	stamp := s.options.Now().UTC()
	name := func() string { return s.path() + ".damaged-" + stamp.Format("20060102T150405.000000000Z") }
	for exists(name()) {
		stamp = stamp.Add(time.Nanosecond)
	}
	for _, suffix := range []string{"", "-wal"} {
		if err := os.Rename(s.path()+suffix, name()+suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fault(err, false)
		}
	}
	if err := os.Remove(s.path() + "-shm"); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fault(err, false)
	}
	return s.pruneDamaged()
}

func (s *Store) pruneDamaged() error {
	entries, err := os.ReadDir(s.control)
	if err != nil {
		return err
	}
	var names []string
	for _, entry := range entries {
		if strings.HasPrefix(entry.Name(), stateFile+".damaged-") && strings.HasSuffix(entry.Name(), "Z") {
			names = append(names, entry.Name())
		}
	}
	slices.Sort(names)
	for _, name := range names[:max(0, len(names)-damagedKept)] {
		path := filepath.Join(s.control, name)
		if err := errors.Join(os.RemoveAll(path+"-wal"), os.RemoveAll(path)); err != nil {
			return fault(err, false)
		}
	}
	return nil
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}
