package state

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"mailferry/syncer/mailbox"
)

const linkColumns = `mailbox, id, kind, uid, key, agreed, remote, local,
	size, hash, header, verbatim, date, zone, dated, since, content_id, unproven, sum`

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
	var contentID any
	if l.ContentID != 0 {
		contentID = int64(l.ContentID)
	}
	var unproven any
	if l.Unproven {
		unproven = int64(1)
	}
	return []any{
		int64(id), int64(l.ID), int64(l.Kind), int64(l.UID), string(l.Key),
		flags.text(l.Agreed), side(l.Remote), side(l.Local),
		l.Content.Size, hash(&l.Content.Hash), hash(&l.Content.Header), truth(l.Content.Verbatim),
		l.Date.Unix, int64(l.Date.Offset), truth(l.Date.Known), int64(l.Since), contentID, unproven, nil,
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

		ContentID: mailbox.ContentID(n(16)),
		Unproven:  n(17) != 0,
		Date:      mailbox.Date{Unix: n(12), Offset: int32(n(13)), Known: n(14) != 0},
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
	var list []mailbox.Link
	err := s.Scan(ctx, id, mailbox.Some{}, func(link *mailbox.Link) error {
		list = append(list, *link)
		return nil
	})
	if err != nil {
		return nil, err
	}
	order := func(a, b mailbox.Link) int {
		return cmp.Or(cmp.Compare(a.UID, b.UID), cmp.Compare(a.Key, b.Key), cmp.Compare(a.ID, b.ID))
	}
	if !slices.IsSortedFunc(list, order) {
		slices.SortFunc(list, order)
	}
	return list, nil
}

// Scan hands over the links that some asks for, each once, in no order. The
// link is good until each returns; each must not use the store. All links are
// exactly those that were committed, or the error is ErrDamaged. Of a part each
// one is; that none is missing is what the index says.
func (s *Store) Scan(ctx context.Context, id mailbox.ID, some mailbox.Some, each func(*mailbox.Link) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	scan := s.scanAll
	if !some.IsAll() {
		scan = func(ctx context.Context, id mailbox.ID, each func(*mailbox.Link) error) error {
			return s.scanSome(ctx, id, some, each)
		}
	}
	if err := scan(ctx, id, each); err != nil {
		return fmt.Errorf("links of mailbox %d: %w", id, err)
	}
	return nil
}

func (s *Store) scanAll(ctx context.Context, id mailbox.ID, each func(*mailbox.Link) error) error {
	k, err := s.readMailbox(ctx, id)
	if err != nil {
		return err
	}
	n, digest := 0, uint64(0)
	err = s.scan(ctx, allLinks, []any{int64(id)}, func(link *mailbox.Link, sum uint64) error {
		n++
		digest += sum
		return each(link)
	})
	if err != nil {
		return err
	}
	if n != k.Links || digest != k.digest {
		return damaged("the links of %s are not those that were written: %d instead of %d", k.Name, n, k.Links)
	}
	return nil
}

// What scanSome asks for. SQLite is told the indexes: it would rather read all.
// A range is read downwards and left at its lower end: as a second lower bound
// beside "uid > 0", which the index cannot do without, SQLite would not use it
// and begin each lookup at the first UID.
const (
	allLinks   = " WHERE mailbox = ?"
	linksAfter = " WHERE mailbox = ? AND id > ? ORDER BY id LIMIT ?"
	oddLinks   = " INDEXED BY links_odd WHERE mailbox = ? AND (kind <> 0 OR uid = 0)"
	namedLink  = " WHERE mailbox = ? AND id = ?"
	linksTo    = " INDEXED BY links_by_uid WHERE mailbox = ? AND uid > 0 AND uid <= ? ORDER BY uid DESC"
)

// errBelow ends the reading of a range.
var errBelow = errors.New("below the range")

// scanSome asks the indexes. A link that fits twice is handed over once.
func (s *Store) scanSome(ctx context.Context, id mailbox.ID, some mailbox.Some, each func(*mailbox.Link) error) error {
	if _, err := s.readMailbox(ctx, id); err != nil {
		return err
	}
	seen := mailbox.Some{}
	give := func(link *mailbox.Link, fits bool) error {
		if !fits {
			return damaged("a link is not where the index has it")
		}
		if !seen.IsAll() && seen.Fits(link) {
			return nil
		}
		return each(link)
	}
	between := func(first, last mailbox.UID) error {
		err := s.scan(ctx, linksTo, []any{int64(id), int64(last)}, func(link *mailbox.Link, _ uint64) error {
			if link.UID < first {
				return errBelow
			}
			return give(link, link.UID <= last)
		})
		if errors.Is(err, errBelow) {
			return nil
		}
		return err
	}
	if some.Odd {
		err := s.scan(ctx, oddLinks, []any{int64(id)}, func(link *mailbox.Link, _ uint64) error { return give(link, link.IsOdd()) })
		if err != nil {
			return err
		}
		seen.Odd = true
	}
	if some.From != 0 {
		if err := between(some.From, mailbox.MaxUID); err != nil {
			return err
		}
		seen.From = some.From
	}
	for _, link := range some.IDs {
		err := s.scan(ctx, namedLink, []any{int64(id), int64(link)}, func(l *mailbox.Link, _ uint64) error { return give(l, l.ID == link) })
		if err != nil {
			return err
		}
	}
	seen.IDs = some.IDs
	for _, r := range some.UIDs {
		if err := between(r.First, r.Last); err != nil {
			return err
		}
	}
	return nil
}

// scan hands over the links of a query, each with its checksum, which is right.
func (s *Store) scan(ctx context.Context, from string, args []any, each func(link *mailbox.Link, sum uint64) error) error {
	return s.scanRows(ctx, from, args, func(link *mailbox.Link, row []any) error {
		sum, _ := row[len(row)-1].(int64)
		return each(link, uint64(sum))
	})
}

// scanRows hands over the links of a query, each with its row.
func (s *Store) scanRows(ctx context.Context, from string, args []any, each func(link *mailbox.Link, row []any) error) error {
	flags := newFlagTexts()
	var check checksum
	var link mailbox.Link
	return s.rows(ctx, "SELECT "+linkColumns+" FROM links"+from, args, func(row []any) error {
		_, ok := check.verify(row)
		if !ok {
			return damaged("the checksum of a link does not match")
		}
		link = readLink(row, flags)
		return each(&link, row)
	})
}

// UIDs returns the UIDs of a mailbox's links on the server, those of uploads
// that no listing has confirmed left out.
func (s *Store) UIDs(ctx context.Context, id mailbox.ID) (mailbox.UIDSet, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var uids, unconfirmed mailbox.UIDSet
	err := s.rows(ctx, "SELECT uid FROM links INDEXED BY links_by_uid WHERE mailbox = ? AND uid > 0 ORDER BY uid", []any{int64(id)}, func(row []any) error {
		uid, isNumber := row[0].(int64)
		if !isNumber || uid <= 0 || uid > int64(mailbox.MaxUID) || mailbox.UID(uid) <= uids.Max() {
			return damaged("the index of UIDs is out of order")
		}
		uids = uids.Append(mailbox.UID(uid))
		return nil
	})
	if err == nil {
		err = s.scanSome(ctx, id, mailbox.Some{Odd: true}, func(link *mailbox.Link) error {
			if link.Kind == mailbox.PendingUpload && link.UID != 0 {
				unconfirmed = unconfirmed.Union(mailbox.UIDs(link.UID))
			}
			return nil
		})
	}
	if err != nil {
		return nil, fmt.Errorf("uids of mailbox %d: %w", id, err)
	}
	return uids.Minus(unconfirmed), nil
}
