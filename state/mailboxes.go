package state

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"mailferry/syncer/mailbox"
)

// known is a row of the table of mailboxes.
type known struct {
	mailbox.Known
	// digest adds up the checksums of the links.
	digest uint64
	// sum is the row's own checksum as it is stored.
	sum uint64
}

const mailboxColumns = `id, name, remote_messages, uid_next, uid_validity, highest_modseq,
	local_cur, local_new, local_keywords, local_taken, has_remote, has_local, links, digest, files, names, sum`

// row is what is stored; the last column is left for the checksum.
func (k *known) row() []any {
	return []any{
		int64(k.ID), string(k.Name),
		int64(k.Remote.Messages), int64(k.Remote.UIDNext), int64(k.Remote.UIDValidity), int64(k.Remote.HighestModSeq),
		k.Local.Cur, k.Local.New, k.Local.Keywords, k.Local.Taken,
		presence(k.HasRemote, k.Leaving == mailbox.LeavingServer), presence(k.HasLocal, k.Leaving == mailbox.LeavingDisk), int64(k.Links), int64(k.digest),
		k.Tally.Files, int64(k.Tally.Sum), nil,
	}
}

// readKnown takes a row apart whose checksum is right.
func readKnown(row []any, sum uint64) known {
	n := func(i int) int64 { v, _ := row[i].(int64); return v }
	name, _ := row[1].(string)
	return known{
		Known: mailbox.Known{
			ID:   mailbox.ID(n(0)),
			Name: mailbox.Name(name),
			Remote: mailbox.Status{
				Messages:      uint32(n(2)),
				UIDNext:       mailbox.UID(n(3)),
				UIDValidity:   mailbox.UIDValidity(n(4)),
				HighestModSeq: mailbox.ModSeq(n(5)),
			},
			Local:     mailbox.Stamp{Cur: n(6), New: n(7), Keywords: n(8), Taken: n(9)},
			HasRemote: n(10) != 0,
			HasLocal:  n(11) != 0,
			Leaving:   leaving(n(10), n(11)),
			Links:     int(n(12)),
			Tally:     mailbox.Tally{Files: n(14), Sum: uint64(n(15))},
		},
		digest: uint64(n(13)),
		sum:    sum,
	}
}

// What has_remote and has_local hold besides 0, which is absent.
const (
	isPresent = 1
	isLeaving = 2
)

func presence(has, leaves bool) int64 {
	switch {
	case leaves:
		return isLeaving
	case has:
		return isPresent
	}
	return 0
}

func leaving(hasRemote, hasLocal int64) mailbox.Leaving {
	switch {
	case hasRemote == isLeaving:
		return mailbox.LeavingServer
	case hasLocal == isLeaving:
		return mailbox.LeavingDisk
	}
	return mailbox.Staying
}

// Mailboxes lists the known mailboxes, sorted by name. ErrDamaged.
func (s *Store) Mailboxes(ctx context.Context) ([]mailbox.Known, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	list, err := s.readMailboxes(ctx)
	if err != nil {
		return nil, fmt.Errorf("mailboxes of the state: %w", err)
	}
	return list, nil
}

func (s *Store) readMailboxes(ctx context.Context) ([]mailbox.Known, error) {
	var list []mailbox.Known
	var digest uint64
	var check checksum
	err := s.rows(ctx, "SELECT "+mailboxColumns+" FROM mailboxes", nil, func(row []any) error {
		sum, ok := check.verify(row)
		if !ok {
			return damaged("the checksum of a mailbox does not match")
		}
		list = append(list, readKnown(row, sum).Known)
		digest += sum
		return nil
	})
	if err != nil {
		return nil, err
	}
	if int64(len(list)) != s.root.mailboxes || digest != s.root.digest {
		return nil, damaged("the mailboxes are not those that were written")
	}
	slices.SortFunc(list, func(a, b mailbox.Known) int { return cmp.Compare(a.Name, b.Name) })
	return list, nil
}

// readMailbox reads one row. ErrNotFound, ErrDamaged.
func (s *Store) readMailbox(ctx context.Context, id mailbox.ID) (known, error) {
	var k known
	var check checksum
	err := s.rows(ctx, "SELECT "+mailboxColumns+" FROM mailboxes WHERE id = ?", []any{int64(id)}, func(row []any) error {
		sum, ok := check.verify(row)
		if !ok || row[0] != int64(id) {
			return damaged("the checksum of a mailbox does not match")
		}
		k = readKnown(row, sum)
		return nil
	})
	if err == nil && k.ID == 0 {
		err = mailbox.ErrNotFound
	}
	return k, err
}

// putMailbox writes one row, a new one where sum is 0, and keeps the root's
// digest of them right.
func (s *Store) putMailbox(ctx context.Context, r *root, k known) error {
	var check checksum
	row := k.row()
	sum := check.seal(row)
	r.digest += sum - k.sum
	return s.exec(ctx, "INSERT OR REPLACE INTO mailboxes ("+mailboxColumns+") VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)", row...)
}

// nameIsFree compares with every name, as the index may be what is damaged.
func (s *Store) nameIsFree(ctx context.Context, name mailbox.Name) error {
	list, err := s.readMailboxes(ctx)
	if err != nil {
		return err
	}
	for _, k := range list {
		if k.Name == name {
			return mailbox.ErrExists
		}
	}
	return nil
}

// Add makes a mailbox known and returns its ID, which was never another's.
// ErrExists if the name is known.
func (s *Store) Add(ctx context.Context, name mailbox.Name) (mailbox.ID, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var id mailbox.ID
	err := s.write(ctx, func(ctx context.Context, r *root) (bool, error) {
		if err := s.nameIsFree(ctx, name); err != nil {
			return false, err
		}
		r.lastMailbox++
		r.mailboxes++
		id = mailbox.ID(r.lastMailbox)
		return true, s.putMailbox(ctx, r, known{Known: mailbox.Known{ID: id, Name: name}})
	})
	if err != nil {
		return 0, fmt.Errorf("add %s to the state: %w", name, err)
	}
	return id, nil
}

// Rename gives a known mailbox another name. ErrNotFound, ErrExists.
func (s *Store) Rename(ctx context.Context, id mailbox.ID, to mailbox.Name) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	err := s.write(ctx, func(ctx context.Context, r *root) (bool, error) {
		k, err := s.readMailbox(ctx, id)
		if err != nil || k.Name == to {
			return false, err
		}
		if err := s.nameIsFree(ctx, to); err != nil {
			return false, err
		}
		k.Name = to
		return true, s.putMailbox(ctx, r, k)
	})
	if err != nil {
		return fmt.Errorf("rename mailbox %d to %s in the state: %w", id, to, err)
	}
	return nil
}

// Forget removes a mailbox and its links. A mailbox that is not known is
// already forgotten.
func (s *Store) Forget(ctx context.Context, id mailbox.ID) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	err := s.write(ctx, func(ctx context.Context, r *root) (bool, error) {
		k, err := s.readMailbox(ctx, id)
		if errors.Is(err, mailbox.ErrNotFound) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		r.mailboxes--
		r.digest -= k.sum
		if err := s.exec(ctx, "DELETE FROM links WHERE mailbox = ?", int64(id)); err != nil {
			return false, err
		}
		return true, s.exec(ctx, "DELETE FROM mailboxes WHERE id = ?", int64(id))
	})
	if err != nil {
		return fmt.Errorf("forget mailbox %d in the state: %w", id, err)
	}
	return nil
}
