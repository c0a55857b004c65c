package maildirout

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"mailferry/syncer/mailbox"
)

// errNotShared says that a message's file cannot be another's, too.
var errNotShared = errors.New("the file cannot be shared")

// Duplicate makes a draft of a message that another folder has, or the same
// one. Where the file system has hard links and the message's file has the date
// that the draft is to have, both are one file from then on: the flags are in
// the names, and everything else is the same. Otherwise the octets are copied.
// Content is what was read after that, so that a file that changes meanwhile is
// noticed. mailbox.ErrNotFound if the message or the folder is gone.
func (s *Store) Duplicate(ctx context.Context, from mailbox.Name, key mailbox.Key, to mailbox.Name, date mailbox.Date) (mailbox.Draft, error) {
	draft, err := s.share(ctx, from, key, to, date)
	if errors.Is(err, errNotShared) {
		draft, err = s.copyOctets(ctx, from, key, to)
	}
	if err != nil {
		return mailbox.Draft{}, fmt.Errorf("duplicate message %s of %s: %w", key, from, err)
	}
	return draft, nil
}

// share makes the draft a second name of the message's file.
func (s *Store) share(ctx context.Context, from mailbox.Name, key mailbox.Key, to mailbox.Name, date mailbox.Date) (mailbox.Draft, error) {
	if !date.Known {
		return mailbox.Draft{}, errNotShared
	}
	source, err := s.openFolder(from)
	if err != nil {
		return mailbox.Draft{}, err
	}
	defer source.close()
	target, err := s.openFolder(to)
	if err != nil {
		return mailbox.Draft{}, err
	}
	defer target.close()
	draft := mailbox.Draft{Name: to}
	if draft.Key, err = s.keys.next(); err != nil {
		return mailbox.Draft{}, err
	}
	s.holdDraft(draft.Key)
	name := draftName(draft.Key)
	err = s.onFile(ctx, source, key, func(one file) error {
		err := s.linkFile(place{source, one.sub(), one.name}, place{target, "tmp", name})
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%w: %w", errNotShared, err)
		}
		return err
	})
	if err != nil {
		s.dropDraft(draft.Key)
		return mailbox.Draft{}, err
	}
	if draft.Content, err = s.readShared(target, "tmp/"+name, isMarked(key), date); err != nil {
		target.root.Remove("tmp/" + name)
		s.dropDraft(draft.Key)
		return mailbox.Draft{}, err
	}
	if draft.Content.Verbatim {
		draft.Key += verbatimMark
	}
	return draft, nil
}

// readShared reads a file that has two names by now. Its date must be right
// already: it is that of the other message, too.
func (s *Store) readShared(f *folder, name string, marked bool, date mailbox.Date) (mailbox.Content, error) {
	open, err := openFile(f.root, name)
	if err != nil {
		return mailbox.Content{}, err
	}
	defer open.Close()
	info, err := open.Stat()
	if err != nil {
		return mailbox.Content{}, err
	}
	if !info.Mode().IsRegular() || !info.ModTime().Equal(time.Unix(date.Unix, 0)) {
		return mailbox.Content{}, errNotShared
	}
	b := s.buffers.Get().(*buffers)
	defer s.buffers.Put(b)
	return contentOf(open, marked, b)
}

func (s *Store) copyOctets(ctx context.Context, from mailbox.Name, key mailbox.Key, to mailbox.Name) (mailbox.Draft, error) {
	body, err := s.Open(ctx, from, key)
	if err != nil {
		return mailbox.Draft{}, err
	}
	defer body.Close()
	return s.Receive(ctx, to, mailbox.UnknownSize, body)
}
