package maildirout

import (
	"context"
	"fmt"

	"mailferry/syncer/mailbox"
)

// Redate gives a message's file the date of the message, as its mtime, and
// touches nothing else. An unknown date changes nothing. mailbox.ErrNotFound if
// the message is gone.
func (s *Store) Redate(ctx context.Context, name mailbox.Name, key mailbox.Key, date mailbox.Date) error {
	if !date.Known {
		return nil
	}
	f, err := s.openFolder(name)
	if err != nil {
		return err
	}
	defer f.close()
	when := date.Time()
	err = s.onFile(ctx, f, key, func(one file) error {
		return f.root.Chtimes(one.sub()+"/"+one.name, when, when)
	})
	if err != nil {
		return fmt.Errorf("date of message %s of %s: %w", key, name, err)
	}
	return nil
}
