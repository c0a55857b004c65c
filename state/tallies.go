package state

import (
	"context"
	"strings"

	"mailferry/syncer/mailbox"
)

// talliedSince is the version of the schema that brought tallies.
const talliedSince = 3

// tallyAll gives the mailboxes of an older state their tallies, and the
// checksums that cover these.
func (s *Store) tallyAll(ctx context.Context, r *root) error {
	columns := strings.Replace(mailboxColumns, "files, names, ", "", 1)
	var list []known
	var check checksum
	err := s.rows(ctx, "SELECT "+columns+" FROM mailboxes", nil, func(row []any) error {
		sum, ok := check.verify(row)
		if !ok {
			return damaged("the checksum of a mailbox does not match")
		}
		last := len(row) - 1
		wide := append(append([]any{}, row[:last]...), int64(0), int64(0), row[last])
		list = append(list, readKnown(wide, sum))
		return nil
	})
	if err != nil {
		return err
	}
	for _, k := range list {
		err := s.scan(ctx, allLinks, []any{int64(k.ID)}, func(link *mailbox.Link, _ uint64) error {
			if link.Key != "" {
				k.Tally.Add(link.Key, link.Local)
			}
			return nil
		})
		if err != nil {
			return err
		}
		if err := s.putMailbox(ctx, r, k); err != nil {
			return err
		}
	}
	return nil
}
