package state

import (
	"context"
	"fmt"

	"mailferry/syncer/mailbox"
)

// Commit writes all of commits in one transaction; when it returns nil it is
// durable, else nothing of it happened. IDs are set only then. A transaction
// that changes nothing writes nothing.
//
// Errors: ErrNotFound for a mailbox or a link that is not there, ErrDuplicate,
// ErrDamaged, ErrFull, ErrReadOnly.
func (s *Store) Commit(ctx context.Context, commits ...mailbox.Commit) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	ids := make([][]mailbox.LinkID, len(commits))
	err := s.write(ctx, func(ctx context.Context, r *root) (changed bool, err error) {
		for i, commit := range commits {
			ids[i] = make([]mailbox.LinkID, len(commit.Put))
			did, err := s.writeCommit(ctx, r, commit, ids[i])
			if err != nil {
				return false, fmt.Errorf("commit mailbox %d: %w", commit.Mailbox, err)
			}
			changed = changed || did
		}
		return changed, nil
	})
	if isConstraint(err) {
		err = s.explainConstraint(ctx, err)
	}
	if err != nil {
		return err
	}
	for i, commit := range commits {
		for j, l := range commit.Put {
			l.ID = ids[i][j]
		}
	}
	return nil
}

// writeCommit writes one mailbox's part of a transaction.
func (s *Store) writeCommit(ctx context.Context, r *root, commit mailbox.Commit, ids []mailbox.LinkID) (changed bool, err error) {
	k, err := s.readMailbox(ctx, commit.Mailbox)
	if err != nil {
		return false, err
	}
	before := k
	if err := s.takeOut(ctx, &k, commit); err != nil {
		return false, err
	}
	if err := s.putIn(ctx, r, &k, commit.Put, ids); err != nil {
		return false, err
	}
	if c := commit.Checkpoint; c != nil {
		k.Remote, k.Local, k.HasRemote, k.HasLocal, k.Leaving = c.Remote, c.Local, c.HasRemote, c.HasLocal, c.Leaving
	}
	if k == before {
		return false, nil
	}
	return true, s.putMailbox(ctx, r, k)
}

// takeOut deletes the links that go and those that are put anew: an update in
// place would trip over UIDs that two links exchange.
func (s *Store) takeOut(ctx context.Context, k *known, commit mailbox.Commit) error {
	flags := newFlagTexts()
	for _, id := range commit.Forget {
		if err := s.deleteLink(ctx, k, id, flags); err != nil {
			return err
		}
	}
	for _, l := range commit.Put {
		if l.ID == 0 {
			continue
		}
		if err := s.deleteLink(ctx, k, l.ID, flags); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) deleteLink(ctx context.Context, k *known, id mailbox.LinkID, flags flagTexts) error {
	statement, err := s.prepare(ctx, "DELETE FROM links WHERE mailbox = ? AND id = ? RETURNING sum, key, coalesce(local, agreed)")
	if err != nil {
		return err
	}
	rows, err := statement.QueryContext(ctx, int64(k.ID), int64(id))
	if err != nil {
		return fault(err, true)
	}
	defer rows.Close()
	var sum int64
	var key, local string
	if !rows.Next() {
		if err := rows.Err(); err != nil {
			return fault(err, true)
		}
		return fmt.Errorf("link %d: %w", id, mailbox.ErrNotFound)
	}
	if err := rows.Scan(&sum, &key, &local); err != nil {
		return damaged("the checksum of link %d is not a number", id)
	}
	k.digest -= uint64(sum)
	k.Links--
	if key != "" {
		k.Tally.Remove(mailbox.Key(key), flags.parse(local))
	}
	return fault(rows.Close(), true)
}

func (s *Store) putIn(ctx context.Context, r *root, k *known, put []*mailbox.Link, ids []mailbox.LinkID) error {
	flags := newFlagTexts()
	var check checksum
	for i, l := range put {
		stored := *l
		if stored.ID == 0 {
			r.lastLink++
			stored.ID = mailbox.LinkID(r.lastLink)
		}
		ids[i] = stored.ID
		row := linkRow(k.ID, &stored, flags)
		k.digest += check.seal(row)
		k.Links++
		if l.Key != "" {
			k.Tally.Add(l.Key, l.Local)
		}
		if err := s.exec(ctx, "INSERT INTO links ("+linkColumns+") VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)", row...); err != nil {
			return fmt.Errorf("link of uid %d: %w", l.UID, err)
		}
	}
	return nil
}

// explainConstraint tells two links for one UID from an index that lies: the
// latter would fail every run.
func (s *Store) explainConstraint(ctx context.Context, err error) error {
	verdict := ""
	check := s.rows(ctx, "PRAGMA integrity_check(1)", nil, func(row []any) error {
		verdict, _ = row[0].(string)
		return nil
	})
	switch {
	case check != nil:
		return check
	case verdict != "ok":
		return damaged("%s", verdict)
	}
	return fmt.Errorf("%w: %w", ErrDuplicate, err)
}
