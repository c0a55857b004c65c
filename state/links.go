package state

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"mailferry/syncer/mailbox"
)

const linkColumns = `mailbox, id, kind, uid, key, agreed, remote, local,
	size, hash, header, verbatim, date, zone, dated, since, sum`

// flagTexts translates flags to their text and back, each spelling once.
type flagTexts struct {
	texts map[mailbox.Flags]string
	flags map[string]mailbox.Flags
}

func newFlagTexts() flagTexts {
	return flagTexts{map[mailbox.Flags]string{}, map[string]mailbox.Flags{}}
}

func (f flagTexts) text(flags mailbox.Flags) string {
	text, known := f.texts[flags]
	if !known {
		text = flags.String()
		f.texts[flags] = text
	}
	return text
}

func (f flagTexts) parse(text string) mailbox.Flags {
	flags, known := f.flags[text]
	if !known {
		flags = mailbox.NewFlags(strings.Fields(text)...)
		f.flags[text] = flags
	}
	return flags
}

// linkRow is what is stored; the last column is left for the checksum.
func linkRow(id mailbox.ID, l *mailbox.Link, flags flagTexts) []any {
	side := func(f mailbox.Flags) any {
		if f == l.Agreed {
			return nil
		}
		return flags.text(f)
	}
	hash := func(h *mailbox.Hash) any {
		if h.IsZero() {
			return nil
		}
		return h[:]
	}
	return []any{
		int64(id), int64(l.ID), int64(l.Kind), int64(l.UID), string(l.Key),
		flags.text(l.Agreed), side(l.Remote), side(l.Local),
		l.Content.Size, hash(&l.Content.Hash), hash(&l.Content.Header), truth(l.Content.Verbatim),
		l.Date.Unix, int64(l.Date.Offset), truth(l.Date.Known), int64(l.Since), nil,
	}
}

// readLink takes a row apart whose checksum is right.
func readLink(row []any, flags flagTexts) mailbox.Link {
	n := func(i int) int64 { v, _ := row[i].(int64); return v }
	l := mailbox.Link{
		ID:    mailbox.LinkID(n(1)),
		Kind:  mailbox.LinkKind(n(2)),
		UID:   mailbox.UID(n(3)),
		Since: mailbox.UID(n(15)),
		Date:  mailbox.Date{Unix: n(12), Offset: int32(n(13)), Known: n(14) != 0},
	}
	key, _ := row[4].(string)
	l.Key = mailbox.Key(key)
	agreed, _ := row[5].(string)
	l.Agreed = flags.parse(agreed)
	l.Remote, l.Local = l.Agreed, l.Agreed
	if text, differs := row[6].(string); differs {
		l.Remote = flags.parse(text)
	}
	if text, differs := row[7].(string); differs {
		l.Local = flags.parse(text)
	}
	l.Content.Size, l.Content.Verbatim = n(8), n(11) != 0
	hash, _ := row[9].([]byte)
	copy(l.Content.Hash[:], hash)
	header, _ := row[10].([]byte)
	copy(l.Content.Header[:], header)
	return l
}

// Links lists a mailbox's links, sorted by UID, then Key. They are exactly
// those that were committed, or the error is ErrDamaged.
func (s *Store) Links(ctx context.Context, id mailbox.ID) ([]mailbox.Link, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	list, err := s.readLinks(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("links of mailbox %d: %w", id, err)
	}
	order := func(a, b mailbox.Link) int {
		return cmp.Or(cmp.Compare(a.UID, b.UID), cmp.Compare(a.Key, b.Key), cmp.Compare(a.ID, b.ID))
	}
	if !slices.IsSortedFunc(list, order) {
		slices.SortFunc(list, order)
	}
	return list, nil
}

func (s *Store) readLinks(ctx context.Context, id mailbox.ID) ([]mailbox.Link, error) {
	k, err := s.readMailbox(ctx, id)
	if err != nil {
		return nil, err
	}
	// The count is covered by a checksum; the bound is against a bug.
	list := make([]mailbox.Link, 0, min(max(k.Links, 0), 1<<24))
	flags := newFlagTexts()
	var check checksum
	var digest uint64
	err = s.rows(ctx, "SELECT "+linkColumns+" FROM links WHERE mailbox = ?", []any{int64(id)}, func(row []any) error {
		sum, ok := check.verify(row)
		if !ok {
			return damaged("the checksum of a link does not match")
		}
		digest += sum
		list = append(list, readLink(row, flags))
		return nil
	})
	if err != nil {
		return nil, err
	}
	if len(list) != k.Links || digest != k.digest {
		return nil, damaged("the links of %s are not those that were written: %d instead of %d", k.Name, len(list), k.Links)
	}
	return list, nil
}
