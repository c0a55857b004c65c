package maildirout

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"mailferry/syncer/mailbox"
)

// Inspect reads one message for its Content and Date, the file's mtime.
// mailbox.ErrNotFound if it is gone.
func (s *Store) Inspect(ctx context.Context, name mailbox.Name, key mailbox.Key) (mailbox.Content, mailbox.Date, error) {
	file, err := s.openMessage(ctx, name, key)
	if err != nil {
		return mailbox.Content{}, mailbox.Date{}, err
	}
	defer file.Close()
	b := s.buffers.Get().(*buffers)
	defer s.buffers.Put(b)
	content, err := contentOf(file, isMarked(key), b)
	if err != nil {
		return mailbox.Content{}, mailbox.Date{}, fmt.Errorf("read message %s of %s: %w", key, name, err)
	}
	info, err := file.Stat()
	if err != nil {
		return mailbox.Content{}, mailbox.Date{}, fmt.Errorf("read message %s of %s: %w", key, name, err)
	}
	return content, mailbox.DateOf(info.ModTime()), nil
}

// Open returns a message's wire form. mailbox.ErrNotFound if it is gone.
func (s *Store) Open(ctx context.Context, name mailbox.Name, key mailbox.Key) (io.ReadCloser, error) {
	file, err := s.openMessage(ctx, name, key)
	if err != nil {
		return nil, err
	}
	reader, err := newWireReader(file, isMarked(key), &s.buffers)
	if err != nil {
		file.Close()
		return nil, fmt.Errorf("read message %s of %s: %w", key, name, err)
	}
	return reader, nil
}

// openMessage opens a message's file. That a folder which was open already lacks
// it proves nothing: it may have another name by now.
func (s *Store) openMessage(ctx context.Context, name mailbox.Name, key mailbox.Key) (*os.File, error) {
	for start := time.Now(); ; {
		d, err := s.takeDesk(name)
		if err != nil {
			return nil, err
		}
		var open *os.File
		err = s.onFile(ctx, d.folder, key, func(one file) (err error) {
			open, err = openFile(d.part(one), one.name)
			return err
		})
		s.giveBack(d)
		switch {
		case err == nil:
			return open, nil
		case !d.opened.Before(start) || !isMissing(err):
			return nil, fmt.Errorf("message %s of %s: %w", key, name, err)
		}
		s.clearDesks()
	}
}

// ChangeFlags changes a message's flags, whatever a mail reader made of its
// name meanwhile, and returns those the file now has. Letters whose meaning is
// not known stay. mailbox.ErrNotFound if the message is gone.
func (s *Store) ChangeFlags(ctx context.Context, name mailbox.Name, key mailbox.Key, change mailbox.FlagChange) (mailbox.Flags, error) {
	f, err := s.openFolder(name)
	if err != nil {
		return mailbox.Flags{}, err
	}
	defer f.close()
	table, err := s.makeRoom(ctx, f, change.Add)
	if err != nil {
		return mailbox.Flags{}, fmt.Errorf("folder %s: %w", name, err)
	}
	var held mailbox.Flags
	err = s.onFile(ctx, f, key, func(one file) error {
		held, err = s.rename(f, one, table, change)
		return err
	})
	if err != nil {
		return mailbox.Flags{}, fmt.Errorf("change flags of message %s of %s: %w", key, name, err)
	}
	return held, nil
}

// rename gives a file the flags it should have.
func (s *Store) rename(f *folder, one file, table *keywordTable, change mailbox.FlagChange) (mailbox.Flags, error) {
	old, tail := one.info()
	before := table.flags(old)
	letters, held := table.letters(old, change.Apply(before))
	if held.Equal(before) {
		_, err := f.root.Lstat(one.sub() + "/" + one.name)
		return held, err
	}
	to := newFile(messageName(one.keyText(), letters, tail), false)
	err := s.moveFile(place{f, one.sub(), one.name}, place{f, to.sub(), to.name})
	if err != nil {
		return mailbox.Flags{}, err
	}
	s.noteFile(f.name, to)
	s.touch(f.path.join("cur"))
	if one.inNew {
		s.touch(f.path.join("new"))
	}
	return held, nil
}
