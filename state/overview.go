package state

import (
	"context"
	"fmt"
	"os"

	"mailferry/syncer/mailbox"
)

// Overview is the state for people.
type Overview struct {
	Marker Marker
	// Dir is the store's folder, Size the octets of the state's file.
	Dir  string
	Size int64
	// Version is the schema's, Generation counts the changes ever made.
	Version    int
	Generation int64
	Clean      bool
	Rebuilt    string
	Mailboxes  []MailboxOverview
	// Runs are the last ten, the latest first.
	Runs []Run
}

// MailboxOverview is a mailbox with its links counted by kind.
type MailboxOverview struct {
	mailbox.Known
	Kinds map[mailbox.LinkKind]int
}

// Overview reads the whole state and checks it on the way. ErrDamaged.
func (s *Store) Overview(ctx context.Context) (Overview, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := Overview{
		Marker: s.marker, Dir: s.dir, Version: s.root.version, Generation: s.root.generation,
		Clean: s.clean, Rebuilt: s.rebuilt,
	}
	if info, err := os.Stat(s.path()); err == nil {
		o.Size = info.Size()
	}
	mailboxes, err := s.readMailboxes(ctx)
	if err != nil {
		return o, fmt.Errorf("overview of the state: %w", err)
	}
	for _, k := range mailboxes {
		kinds := map[mailbox.LinkKind]int{}
		err := s.scanAll(ctx, k.ID, func(link *mailbox.Link) error {
			kinds[link.Kind]++
			return nil
		})
		if err != nil {
			return o, fmt.Errorf("overview of the state: %w", err)
		}
		o.Mailboxes = append(o.Mailboxes, MailboxOverview{k, kinds})
	}
	if o.Runs, err = s.readRuns(ctx, 10); err != nil {
		return o, fmt.Errorf("overview of the state: %w", err)
	}
	return o, nil
}
