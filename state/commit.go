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
	w := linkWriter{store: s, root: r, known: &k, flags: newFlagTexts(), waiting: map[int]bool{}}
	if commit.Unnumber {
		if err := w.unnumber(ctx); err != nil {
			return false, err
		}
	}
	if err := w.takeOut(ctx, commit, ids); err != nil {
		return false, err
	}
	if err := w.putIn(ctx, commit.Put, ids); err != nil {
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
