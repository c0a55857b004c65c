package verify

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"golang.org/x/sync/errgroup"

	"mailferry/syncer/mailbox"
)

// Store is the side on disk: what the folders hold, with what the state knows
// about it.
type Store struct {
	Disk Local
	// Base may be nil: then only the files speak.
	Base Base
	// Readers is how many files are read at once, at least 1.
	Readers int
}

// Mailboxes lists the folders, and the mailboxes of the state whose folders
// are gone: their messages are missing, not unknown.
func (s *Store) Mailboxes(ctx context.Context) ([]mailbox.Name, error) {
	names, err := s.Disk.Folders(ctx)
	if err != nil || s.Base == nil {
		return names, err
	}
	known, err := s.Base.Mailboxes(ctx)
	if err != nil {
		return nil, err
	}
	for _, k := range known {
		if k.Links > 0 {
			names = append(names, k.Name)
		}
	}
	return distinct(names), nil
}

// List joins the folder's files with the state's links. A link whose file is
// gone is a message with Trouble ErrNotFound.
func (s *Store) List(ctx context.Context, name mailbox.Name) ([]Message, mailbox.UIDValidity, error) {
	links, validity, err := s.links(ctx, name)
	if err != nil {
		return nil, 0, err
	}
	files, _, err := s.Disk.List(ctx, name)
	if err != nil && !errors.Is(err, mailbox.ErrNotFound) && !errors.Is(err, fs.ErrNotExist) {
		return nil, 0, err
	}
	byKey := make(map[mailbox.Key]*mailbox.Link, len(links))
	for i := range links {
		if links[i].Key != "" {
			byKey[links[i].Key] = &links[i]
		}
	}
	messages := make([]Message, 0, max(len(files), len(links)))
	for _, file := range files {
		m := Message{Key: file.Key, Flags: file.Flags, Size: -1}
		if link := byKey[file.Key]; link != nil {
			m.describe(link)
			delete(byKey, file.Key)
		}
		messages = append(messages, m)
	}
	for i := range links {
		link := &links[i]
		if link.Key != "" && byKey[link.Key] != link {
			continue // its file is there
		}
		if link.Kind == mailbox.PendingUpload || link.Kind == mailbox.PendingDownload {
			continue // was never agreed on
		}
		m := Message{Key: link.Key, Flags: link.Local, Trouble: mailbox.ErrNotFound}
		m.describe(link)
		messages = append(messages, m)
	}
	return messages, validity, nil
}

func (m *Message) describe(link *mailbox.Link) {
	m.Link, m.Size, m.Recorded = link, link.Content.Size, link.Content.Hash
	if link.Date.Known {
		m.Date = link.Date
	}
	if link.Kind == mailbox.Linked || link.Kind == mailbox.KeptRemote || link.Kind == mailbox.Skipped {
		m.UID = link.UID
	}
}

func (s *Store) links(ctx context.Context, name mailbox.Name) ([]mailbox.Link, mailbox.UIDValidity, error) {
	if s.Base == nil {
		return nil, 0, nil
	}
	known, err := s.Base.Mailboxes(ctx)
	if err != nil {
		return nil, 0, err
	}
	for _, k := range known {
		if k.Name == name {
			links, err := s.Base.Links(ctx, k.ID)
			return links, k.Remote.UIDValidity, err
		}
	}
	return nil, 0, nil
}

// Hash reads the files anew: what the state remembers proves nothing about the
// disk.
func (s *Store) Hash(ctx context.Context, ref mailbox.Ref, messages []*Message, read func(int64)) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(max(s.Readers, 1))
	for _, m := range messages {
		if m.Trouble != nil {
			continue
		}
		group.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			content, date, err := s.Disk.Inspect(ctx, ref.Name, m.Key)
			if err != nil {
				m.Trouble = fmt.Errorf("%s: %w", m.Key, err)
				return ctx.Err()
			}
			m.Hash, m.Size = content.Hash, content.Size
			if !m.Date.Known {
				m.Date = date
			}
			read(content.Size)
			return nil
		})
	}
	return group.Wait()
}

// Canonical reads files for what servers leave alone.
func (s *Store) Canonical(ctx context.Context, ref mailbox.Ref, messages []*Message) (map[*Message]Canonical, error) {
	found := make(map[*Message]Canonical, len(messages))
	for _, m := range messages {
		if m.Trouble != nil {
			continue
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		file, err := s.Disk.Open(ctx, ref.Name, m.Key)
		if err != nil {
			continue // Hash has told
		}
		c, err := Canonicalize(file)
		file.Close()
		if err == nil {
			found[m] = c
		}
	}
	return found, nil
}

// Header reads the beginning of a file.
func (s *Store) Header(ctx context.Context, ref mailbox.Ref, _ mailbox.UID, key mailbox.Key) ([]byte, error) {
	if key == "" {
		return nil, nil
	}
	file, err := s.Disk.Open(ctx, ref.Name, key)
	if errors.Is(err, mailbox.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return io.ReadAll(io.LimitReader(file, headerOctets))
}
