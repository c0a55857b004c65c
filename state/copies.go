package state

import (
	"context"
	"fmt"

	"mailferry/syncer/mailbox"
)

// maxCopies is how many messages are returned for one Likeness: more than one,
// because the first may have been changed on disk.
const maxCopies = 4

// What Alike asks for. SQLite is told the indexes: it would rather read all.
const (
	alikeByContent = " INDEXED BY links_by_content WHERE kind = 0 AND content_id = ? AND size = ?"
	alikeByDate    = " INDEXED BY links_by_size WHERE kind = 0 AND size = ? AND date = ? AND dated = 1"
	alikeByHash    = " INDEXED BY links_by_size WHERE kind = 0 AND size = ? AND hash = ?"
)

// Alike returns messages that both sides have, in any mailbox, and that are
// like those asked for, a few for each.
func (s *Store) Alike(ctx context.Context, wanted []mailbox.Likeness) ([]mailbox.Copy, error) {
	if len(wanted) == 0 {
		return nil, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	boxes, err := s.readMailboxes(ctx)
	if err != nil {
		return nil, fmt.Errorf("mailboxes of the state: %w", err)
	}
	byID := make(map[int64]*mailbox.Known, len(boxes))
	for i := range boxes {
		byID[int64(boxes[i].ID)] = &boxes[i]
	}
	var found []mailbox.Copy
	flags := newFlagTexts()
	var check checksum
	for _, w := range wanted {
		from, args := queryOf(w)
		err := s.rows(ctx, "SELECT "+linkColumns+" FROM links"+from+fmt.Sprintf(" LIMIT %d", maxCopies), args, func(row []any) error {
			if _, ok := check.verify(row); !ok {
				return damaged("the checksum of a link does not match")
			}
			id, _ := row[0].(int64)
			link := readLink(row, flags)
			if !link.IsLike(w) || byID[id] == nil {
				return damaged("a link is not where the index has it")
			}
			found = append(found, mailbox.Copy{Mailbox: byID[id].Name, UIDValidity: byID[id].Remote.UIDValidity, Link: link})
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("copies in the state: %w", err)
		}
	}
	return found, nil
}

func queryOf(w mailbox.Likeness) (from string, args []any) {
	switch {
	case !w.Hash.IsZero():
		return alikeByHash, []any{w.Size, w.Hash[:]}
	case w.ContentID != 0:
		return alikeByContent, []any{int64(w.ContentID), w.Size}
	}
	return alikeByDate, []any{w.Size, w.Unix}
}
