package maildirout

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"mailferry/syncer/mailbox"
)

// Move gives a message another folder, and flags, of which it returns those
// that there is room for. Flush makes it durable. mailbox.ErrNotFound if it is
// gone, mailbox.ErrExists if the other folder has its key.
func (s *Store) Move(ctx context.Context, from mailbox.Name, key mailbox.Key, to mailbox.Name, flags mailbox.Flags) (mailbox.Flags, error) {
	held, err := s.move(ctx, from, key, to, flags)
	if errors.Is(err, fs.ErrExist) {
		err = fmt.Errorf("%w: %w", mailbox.ErrExists, err)
	}
	if err != nil {
		return mailbox.Flags{}, fmt.Errorf("move message %s of %s to %s: %w", key, from, to, err)
	}
	return held, nil
}

func (s *Store) move(ctx context.Context, from mailbox.Name, key mailbox.Key, to mailbox.Name, flags mailbox.Flags) (held mailbox.Flags, err error) {
	source, err := s.openFolder(from)
	if err != nil {
		return held, err
	}
	defer source.close()
	target, err := s.openFolder(to)
	if err != nil {
		return held, err
	}
	defer target.close()
	table, err := s.makeRoom(ctx, target, flags)
	if err != nil {
		return held, err
	}
	if _, err := s.find(ctx, target, key, true); !errors.Is(err, mailbox.ErrNotFound) {
		if err == nil {
			err = fs.ErrExist
		}
		return held, err
	}
	err = s.onFile(ctx, source, key, func(one file) error {
		letters, kept := table.letters("", flags)
		name := newFile(string(key), true)
		if _, tail := one.info(); letters != "" {
			name = newFile(messageName(string(key), letters, tail), false)
		}
		if err := s.moveFile(place{source, one.sub(), one.name}, place{target, name.sub(), name.name}); err != nil {
			return err
		}
		held = kept
		s.noteFile(target.name, name)
		s.touch(source.path.join(one.sub()), target.path.join(name.sub()))
		return nil
	})
	return held, err
}
