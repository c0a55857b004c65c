package state

import (
	"context"
	"fmt"

	"mailferry/syncer/mailbox"
)

// Volume counts the messages that are on disk and their octets on the wire.
func (s *Store) Volume(ctx context.Context) (messages int, octets int64, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	const query = `SELECT COUNT(*), COALESCE(SUM(size), 0) FROM links WHERE key <> '' AND kind <> ?`
	err = s.rows(ctx, query, []any{int64(mailbox.PendingDownload)}, func(row []any) error {
		n, _ := row[0].(int64)
		messages = int(n)
		octets, _ = row[1].(int64)
		return nil
	})
	if err != nil {
		return 0, 0, fmt.Errorf("volume of the state: %w", err)
	}
	return messages, octets, nil
}
