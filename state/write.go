package state

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"mailferry/syncer/mailbox"
)

// linkWriter writes the links of one mailbox and keeps its sums right.
type linkWriter struct {
	store *Store
	root  *root
	known *known
	flags flagTexts
	check checksum
	// waiting are links, by their place in the commit, that had no UID and get
	// one once those that give up theirs have done so.
	waiting map[int]bool
}

// Where columns of a link are in its row.
const (
	uidColumn    = 3
	keyColumn    = 4
	agreedColumn = 5
	localColumn  = 7
)

// columnNames are linkColumns, one by one.
var columnNames = strings.Fields(strings.ReplaceAll(linkColumns, ",", " "))

// takeOut deletes the links that go, and changes in place those that keep their
// UID or give it up. Those that had none wait. Others are deleted and put anew,
// as two links may exchange theirs: it sets the ids only of those that need not
// be put.
func (w *linkWriter) takeOut(ctx context.Context, commit mailbox.Commit, ids []mailbox.LinkID) error {
	for _, id := range commit.Forget {
		old, err := w.read(ctx, id)
		if err == nil {
			err = w.delete(ctx, id, old)
		}
		if err != nil {
			return err
		}
	}
	for i, l := range commit.Put {
		if l.ID == 0 {
			continue
		}
		old, err := w.read(ctx, l.ID)
		switch {
		case err != nil:
		case l.UID == 0 || old[uidColumn] == int64(l.UID):
			ids[i] = l.ID
			err = w.update(ctx, l, old)
		case old[uidColumn] == int64(0):
			w.waiting[i] = true
		default:
			err = w.delete(ctx, l.ID, old)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// read returns a link's row as it is. mailbox.ErrNotFound if there is none.
func (w *linkWriter) read(ctx context.Context, id mailbox.LinkID) ([]any, error) {
	var old []any
	err := w.store.rows(ctx, "SELECT "+linkColumns+" FROM links WHERE mailbox = ? AND id = ?", []any{int64(w.known.ID), int64(id)}, func(row []any) error {
		if _, ok := w.check.verify(row); !ok {
			return damaged("the checksum of link %d does not match", id)
		}
		old = row
		return nil
	})
	if err == nil && old == nil {
		err = fmt.Errorf("link %d: %w", id, mailbox.ErrNotFound)
	}
	return old, err
}

func (w *linkWriter) delete(ctx context.Context, id mailbox.LinkID, old []any) error {
	w.count(old, -1)
	return w.store.exec(ctx, "DELETE FROM links WHERE mailbox = ? AND id = ?", int64(w.known.ID), int64(id))
}

// update writes only the columns that changed: each index costs as much as the
// row itself.
func (w *linkWriter) update(ctx context.Context, l *mailbox.Link, old []any) error {
	row := linkRow(w.known.ID, l, w.flags)
	w.check.seal(row)
	var set []string
	var args []any
	for i := range row {
		if !isSame(row[i], old[i]) {
			set, args = append(set, columnNames[i]+" = ?"), append(args, row[i])
		}
	}
	if len(set) == 0 {
		return nil
	}
	w.count(old, -1)
	w.count(row, 1)
	err := w.store.exec(ctx, "UPDATE links SET "+strings.Join(set, ", ")+" WHERE mailbox = ? AND id = ?", append(args, int64(w.known.ID), int64(l.ID))...)
	if err != nil {
		return fmt.Errorf("link of uid %d: %w", l.UID, err)
	}
	return nil
}

func isSame(a, b any) bool {
	x, isBlob := a.([]byte)
	y, isOther := b.([]byte)
	if isBlob || isOther {
		return isBlob && isOther && slices.Equal(x, y)
	}
	return a == b
}

// unnumber takes the UIDs from all links, some at a time: each has a checksum.
func (w *linkWriter) unnumber(ctx context.Context) error {
	const atOnce = 500
	for last := mailbox.LinkID(0); ; {
		var links []mailbox.Link
		var olds [][]any
		err := w.store.scanRows(ctx, linksAfter, []any{int64(w.known.ID), int64(last), int64(atOnce)}, func(link *mailbox.Link, row []any) error {
			links, olds = append(links, *link), append(olds, slices.Clone(row))
			return nil
		})
		if err != nil || len(links) == 0 {
			return err
		}
		for i := range links {
			last = links[i].ID
			links[i].Unnumber()
			if err := w.update(ctx, &links[i], olds[i]); err != nil {
				return err
			}
		}
	}
}

// putIn inserts the links that takeOut left, and changes those that wait.
func (w *linkWriter) putIn(ctx context.Context, put []*mailbox.Link, ids []mailbox.LinkID) error {
	for i, l := range put {
		if ids[i] != 0 {
			continue
		}
		if w.waiting[i] {
			old, err := w.read(ctx, l.ID)
			if err == nil {
				err = w.update(ctx, l, old)
			}
			if err != nil {
				return err
			}
			ids[i] = l.ID
			continue
		}
		stored := *l
		if stored.ID == 0 {
			w.root.lastLink++
			stored.ID = mailbox.LinkID(w.root.lastLink)
		}
		ids[i] = stored.ID
		row := linkRow(w.known.ID, &stored, w.flags)
		w.check.seal(row)
		w.count(row, 1)
		if err := w.store.exec(ctx, "INSERT INTO links ("+linkColumns+") VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)", row...); err != nil {
			return fmt.Errorf("link of uid %d: %w", l.UID, err)
		}
	}
	return nil
}

// count adds a sealed row to the mailbox's sums, or takes it out.
func (w *linkWriter) count(row []any, sign int) {
	sum, _ := row[len(row)-1].(int64)
	w.known.digest += uint64(sign) * uint64(sum)
	w.known.Links += sign
	key, _ := row[keyColumn].(string)
	if key == "" {
		return
	}
	local, differs := row[localColumn].(string)
	if !differs {
		local, _ = row[agreedColumn].(string)
	}
	if sign < 0 {
		w.known.Tally.Remove(mailbox.Key(key), w.flags.parse(local))
	} else {
		w.known.Tally.Add(mailbox.Key(key), w.flags.parse(local))
	}
}
