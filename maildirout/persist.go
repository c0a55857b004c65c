package maildirout

import (
	"context"
	"errors"
	"fmt"

	"mailferry/syncer/mailbox"
)

// Persist makes messages durable that others wrote, with the names that they
// have now, and the names of all others in the folder. Keys that are not there
// are left out.
func (s *Store) Persist(ctx context.Context, name mailbox.Name, keys []mailbox.Key) error {
	f, err := s.openFolder(name)
	if err != nil {
		return err
	}
	defer f.close()
	if err := s.persistFiles(ctx, f, keys); err != nil {
		return fmt.Errorf("folder %s: %w", name, s.explain(err))
	}
	for _, sub := range []string{"new", "cur"} {
		if err := s.syncFolder(f, sub); err != nil {
			return fmt.Errorf("folder %s: %w", name, err)
		}
	}
	return nil
}

// persistFiles flushes files that may be renamed at any time: many with one
// barrier, which needs no names.
func (s *Store) persistFiles(ctx context.Context, f *folder, keys []mailbox.Key) error {
	if err := s.checkBroken(); err != nil {
		return err
	}
	if len(keys) > manyFiles {
		if done, err := s.syncDisk([]string{f.path.under("cur", "any"), f.path.under("new", "any")}); done {
			return err
		}
	}
	for _, key := range keys {
		err := s.onFile(ctx, f, key, func(one file) error { return s.syncOne(f.path.under(one.sub(), one.name)) })
		if err != nil && !errors.Is(err, mailbox.ErrNotFound) {
			return err
		}
	}
	return nil
}
