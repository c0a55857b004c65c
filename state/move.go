package state

import (
	"context"
	"errors"
	"fmt"

	"mailferry/syncer/mailbox"
)

// ErrMoving: the store is on its way to another server, and that was
// interrupted; nothing else may be done with it before it has arrived.
var ErrMoving = errors.New("the store's move to another server was interrupted")

// MovingError says where the store is moving.
type MovingError struct{ Path, URL string }

func (e *MovingError) Error() string { return fmt.Sprintf("%s: %v: to %s", e.Path, ErrMoving, e.URL) }

// Unwrap returns ErrMoving.
func (e *MovingError) Unwrap() error { return ErrMoving }

// BeginMove makes the store that of another server, and of the account of that
// name. Until EndMove only Open with Options.Moving opens it. Moving once more
// to where it is moving already changes nothing.
func (s *Store) BeginMove(url, account string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	marker := s.marker
	if marker.URL != url {
		marker.MovedFrom = marker.URL
	}
	marker.URL, marker.Account, marker.Moving = url, account, true
	return s.rewriteMarker(marker)
}

// EndMove says that the store has arrived.
func (s *Store) EndMove() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	marker := s.marker
	marker.Moving = false
	if err := s.rewriteMarker(marker); err != nil {
		return err
	}
	return s.publish()
}

func (s *Store) rewriteMarker(marker Marker) error {
	if s.options.ReadOnly {
		return ErrReadOnly
	}
	if marker == s.marker {
		return nil
	}
	if err := writeMarker(s.control, marker); err != nil {
		return fault(err, false)
	}
	s.marker = marker
	return nil
}

// Adopt takes another state's mailboxes and links for its own, instead of
// those that it has. With lookAgain only the UIDVALIDITY stays of what is known
// of the server, so that the next run looks at all of it. edit, if not nil, may
// change a link on the way. A run that is killed in the middle leaves a part;
// Adopt again makes it whole.
func (s *Store) Adopt(ctx context.Context, other *Store, lookAgain bool, edit func(mailbox.Name, *mailbox.Link) error) error {
	const together = 10_000
	if err := s.forgetAll(ctx); err != nil {
		return err
	}
	mailboxes, err := other.Mailboxes(ctx)
	if err != nil {
		return err
	}
	for _, known := range mailboxes {
		links, err := other.Links(ctx, known.ID)
		if err != nil {
			return err
		}
		id, err := s.Add(ctx, known.Name)
		if err != nil {
			return err
		}
		commit := mailbox.Commit{Mailbox: id}
		for i := range links {
			link := &links[i]
			link.ID = 0
			if edit != nil {
				if err := edit(known.Name, link); err != nil {
					return err
				}
			}
			if commit.Put = append(commit.Put, link); len(commit.Put) == together {
				if err := s.Commit(ctx, commit); err != nil {
					return err
				}
				commit.Put = nil
			}
		}
		commit.Checkpoint = &mailbox.Checkpoint{Remote: known.Remote, Local: known.Local, HasRemote: known.HasRemote, HasLocal: known.HasLocal, Leaving: known.Leaving}
		if lookAgain {
			commit.Checkpoint.Remote = mailbox.Status{UIDValidity: known.Remote.UIDValidity}
		}
		if err := s.Commit(ctx, commit); err != nil {
			return fmt.Errorf("adopt %s: %w", known.Name, err)
		}
	}
	return nil
}

func (s *Store) forgetAll(ctx context.Context) error {
	mailboxes, err := s.Mailboxes(ctx)
	if err != nil {
		return err
	}
	for _, known := range mailboxes {
		if err := s.Forget(ctx, known.ID); err != nil {
			return err
		}
	}
	return nil
}
