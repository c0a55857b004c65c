package state

import (
	"context"
	"fmt"

	"mailferry/syncer/mailbox"
)

const numberedColumns = "uid, id, size, header, seen, gone, sum"

func numberedRow(n mailbox.Numbered) []any {
	var header any
	if !n.Header.IsZero() {
		header = n.Header[:]
	}
	return []any{int64(n.UID), n.ID, n.Size, header, n.Seen, n.Gone, nil}
}

// readNumbered takes a row apart whose checksum is right.
func readNumbered(row []any) mailbox.Numbered {
	i := func(i int) int64 { v, _ := row[i].(int64); return v }
	n := mailbox.Numbered{UID: mailbox.UID(i(0)), Size: i(2), Seen: i(4), Gone: i(5)}
	n.ID, _ = row[1].(string)
	header, _ := row[3].([]byte)
	copy(n.Header[:], header)
	return n
}

// Numbering returns the UIDs that were given to messages of a server that has
// none, sorted by UID. ErrDamaged.
func (s *Store) Numbering(ctx context.Context) (mailbox.Numbering, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n, err := s.readNumbering(ctx)
	if err != nil {
		return mailbox.Numbering{}, fmt.Errorf("numbering of the state: %w", err)
	}
	return n, nil
}

func (s *Store) readNumbering(ctx context.Context) (mailbox.Numbering, error) {
	n := mailbox.Numbering{UIDValidity: mailbox.UIDValidity(s.root.validity), Next: mailbox.UID(s.root.lastUID) + 1}
	var digest uint64
	var check checksum
	err := s.rows(ctx, "SELECT "+numberedColumns+" FROM numbered ORDER BY uid", nil, func(row []any) error {
		sum, ok := check.verify(row)
		if !ok {
			return damaged("the checksum of a numbered message does not match")
		}
		digest += sum
		n.Messages = append(n.Messages, readNumbered(row))
		return nil
	})
	if err == nil && (int64(len(n.Messages)) != s.root.numbered || digest != s.root.numberedDigest) {
		err = damaged("the numbered messages are not those that were written")
	}
	return n, err
}

// Number writes the messages of put, new ones or others in place of those with
// their UIDs, and removes the UIDs of forget. The first call of all chooses the
// UIDValidity. A UID is never given twice: what Numbering called Next moves on.
func (s *Store) Number(ctx context.Context, put []mailbox.Numbered, forget []mailbox.UID) error {
	if len(put) == 0 && len(forget) == 0 {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	err := s.write(ctx, func(ctx context.Context, r *root) (bool, error) {
		if r.validity == 0 {
			r.validity = max(s.options.Now().Unix()&(1<<32-1), 1)
		}
		for _, uid := range forget {
			if err := s.dropNumbered(ctx, r, uid); err != nil {
				return false, err
			}
		}
		for _, n := range put {
			if err := s.putNumbered(ctx, r, n); err != nil {
				return false, err
			}
		}
		return true, nil
	})
	if err != nil {
		return fmt.Errorf("number messages in the state: %w", err)
	}
	return nil
}

func (s *Store) putNumbered(ctx context.Context, r *root, n mailbox.Numbered) error {
	if err := s.dropNumbered(ctx, r, n.UID); err != nil {
		return err
	}
	var check checksum
	row := numberedRow(n)
	r.numberedDigest += check.seal(row)
	r.numbered++
	r.lastUID = max(r.lastUID, int64(n.UID))
	return s.exec(ctx, "INSERT INTO numbered ("+numberedColumns+") VALUES (?,?,?,?,?,?,?)", row...)
}

// dropNumbered removes a row; one that is not there is fine.
func (s *Store) dropNumbered(ctx context.Context, r *root, uid mailbox.UID) error {
	return s.rows(ctx, "DELETE FROM numbered WHERE uid = ? RETURNING sum", []any{int64(uid)}, func(row []any) error {
		sum, isNumber := row[0].(int64)
		if !isNumber {
			return damaged("the checksum of a numbered message is not a number")
		}
		r.numberedDigest -= uint64(sum)
		r.numbered--
		return nil
	})
}
