package merge

import (
	"bytes"
	"cmp"
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"mailferry/syncer"
	"mailferry/syncer/mailbox"
)

// Outbox is what the target lacks, in the form of a Maildir tree that the
// engine uploads: nothing is copied to disk on the way. It is read-only, and
// its keys are made of the messages' dates and hashes.
type Outbox struct {
	union *Union
	boxes map[mailbox.Name][]outgoing // sorted by key
	names []mailbox.Name
}

// outgoing is a message that is missing in one mailbox: by date, as servers
// number messages as they come, then by hash.
type outgoing struct {
	date  int64
	hash  [16]byte
	group int32
}

func (o outgoing) key() mailbox.Key { return mailbox.Key(fmt.Sprintf("%011d.%x", o.date, o.hash)) }

// compareOutgoing orders as the keys do.
func compareOutgoing(a, b outgoing) int {
	if c := cmp.Compare(a.date, b.date); c != 0 {
		return c
	}
	return bytes.Compare(a.hash[:], b.hash[:])
}

// parseKey is the inverse of outgoing.key; false for what is none.
func parseKey(key mailbox.Key) (o outgoing, ok bool) {
	date, digits, _ := strings.Cut(string(key), ".")
	hash, err := hex.DecodeString(digits)
	if err != nil || len(hash) != len(o.hash) {
		return o, false
	}
	copy(o.hash[:], hash)
	o.date, err = strconv.ParseInt(date, 10, 64)
	return o, err == nil
}

// Outbox plans what goes where.
func (u *Union) Outbox(mapping *Mapping) (*Outbox, error) {
	o := &Outbox{union: u, boxes: map[mailbox.Name][]outgoing{}}
	for i := range u.Len() {
		group := u.group(i)
		_, missing := u.places(group, mapping)
		if len(missing) == 0 {
			continue
		}
		_, record, err := u.record(u.best(group))
		if err != nil {
			return nil, err
		}
		date, _ := u.date(group)
		one := outgoing{date: min(max(date.Unix, 0), 99999999999), group: int32(i)}
		copy(one.hash[:], record.Same[:])
		for _, name := range missing {
			o.boxes[name] = append(o.boxes[name], one)
		}
	}
	for name, list := range o.boxes {
		slices.SortFunc(list, compareOutgoing)
		o.names = append(o.names, name)
	}
	slices.Sort(o.names)
	return o, nil
}

// Len counts the messages, those for two mailboxes twice.
func (o *Outbox) Len() int {
	n := 0
	for _, list := range o.boxes {
		n += len(list)
	}
	return n
}

// Selects reports whether anything goes to a mailbox.
func (o *Outbox) Selects(name mailbox.Name) bool { return len(o.boxes[name]) > 0 }

// Folders implements syncer.Local.
func (o *Outbox) Folders(context.Context) ([]mailbox.Name, error) { return slices.Clone(o.names), nil }

// Stamp implements syncer.Local; it never matches.
func (o *Outbox) Stamp(context.Context, mailbox.Name) (mailbox.Stamp, error) {
	return mailbox.Stamp{}, nil
}

// Tally implements syncer.Local.
func (o *Outbox) Tally(ctx context.Context, name mailbox.Name) (mailbox.Tally, mailbox.Stamp, error) {
	files, stamp, err := o.List(ctx, name)
	var tally mailbox.Tally
	for _, file := range files {
		tally.Add(file.Key, file.Flags)
	}
	return tally, stamp, err
}

// List implements syncer.Local.
func (o *Outbox) List(_ context.Context, name mailbox.Name) ([]mailbox.LocalFile, mailbox.Stamp, error) {
	messages := make([]mailbox.LocalFile, 0, len(o.boxes[name]))
	for _, one := range o.boxes[name] {
		messages = append(messages, mailbox.LocalFile{Key: one.key(), Flags: o.union.flags(o.union.group(int(one.group)))})
	}
	return messages, mailbox.Stamp{}, nil
}

// find returns a message's best copy, with the date it is to have.
func (o *Outbox) find(name mailbox.Name, key mailbox.Key) (*Scanned, Unit, Record, mailbox.Date, error) {
	list := o.boxes[name]
	wanted, ok := parseKey(key)
	i, found := slices.BinarySearchFunc(list, wanted, compareOutgoing)
	if !ok || !found {
		return nil, Unit{}, Record{}, mailbox.Date{}, fmt.Errorf("message %s of %s: %w", key, name, mailbox.ErrNotFound)
	}
	group := o.union.group(int(list[i].group))
	best := o.union.best(group)
	unit, record, err := o.union.record(best)
	date, _ := o.union.date(group)
	return o.union.sources[best.source], unit, record, date, err
}

// Inspect implements syncer.Local.
func (o *Outbox) Inspect(_ context.Context, name mailbox.Name, key mailbox.Key) (mailbox.Content, mailbox.Date, error) {
	_, _, record, date, err := o.find(name, key)
	return record.Content, date, err
}

// Open implements syncer.Local: the message is checked to be what was indexed.
func (o *Outbox) Open(ctx context.Context, name mailbox.Name, key mailbox.Key) (io.ReadCloser, error) {
	source, unit, record, _, err := o.find(name, key)
	if err != nil {
		return nil, err
	}
	body, err := source.Source.Open(ctx, unit, record)
	if err != nil {
		return nil, fmt.Errorf("%s, %s: %w", source.Source.Name(), unit.Key, err)
	}
	return body, nil
}

// Receive implements syncer.LocalDelivery; nothing comes back from the target.
func (o *Outbox) Receive(context.Context, mailbox.Name, int64, io.Reader) (mailbox.Draft, error) {
	return mailbox.Draft{}, errOneWay
}

var errOneWay = fmt.Errorf("receive into what is to be uploaded: %w", mailbox.ErrUnsupported)

// Seal implements syncer.LocalDelivery.
func (o *Outbox) Seal(context.Context, []mailbox.Draft) error { return errOneWay }

// Publish implements syncer.LocalDelivery.
func (o *Outbox) Publish(context.Context, []mailbox.Draft) error { return errOneWay }

// Discard implements syncer.LocalDelivery.
func (o *Outbox) Discard(context.Context, []mailbox.Draft) error { return nil }

// Keep implements syncer.LocalMessages.
func (o *Outbox) Keep(_ context.Context, _ mailbox.Name, flags mailbox.Flags) (mailbox.Flags, error) {
	return flags, nil
}

// ChangeFlags implements syncer.LocalMessages; sources are never changed.
func (o *Outbox) ChangeFlags(context.Context, mailbox.Name, mailbox.Key, mailbox.FlagChange) (mailbox.Flags, error) {
	return mailbox.Flags{}, errOneWay
}

// Remove implements syncer.LocalMessages; sources are never changed.
func (o *Outbox) Remove(context.Context, mailbox.Name, []mailbox.Key) error { return errOneWay }

// Move implements syncer.LocalMessages; sources are never changed.
func (o *Outbox) Move(context.Context, mailbox.Name, mailbox.Key, mailbox.Name, mailbox.Flags) (mailbox.Flags, error) {
	return mailbox.Flags{}, errOneWay
}

// Flush implements syncer.LocalMessages.
func (o *Outbox) Flush(context.Context) error { return nil }

// Persist implements syncer.LocalMessages.
func (o *Outbox) Persist(context.Context, mailbox.Name, []mailbox.Key) error { return nil }

// Create implements syncer.LocalFolders.
func (o *Outbox) Create(context.Context, mailbox.Name) error { return errOneWay }

// Rename implements syncer.LocalFolders.
func (o *Outbox) Rename(context.Context, mailbox.Name, mailbox.Name) error { return errOneWay }

// Delete implements syncer.LocalFolders.
func (o *Outbox) Delete(context.Context, mailbox.Name) error { return errOneWay }

// Sweep implements syncer.LocalFolders.
func (o *Outbox) Sweep(context.Context) error { return nil }

var (
	_ syncer.Local         = (*Outbox)(nil)
	_ syncer.LocalDelivery = (*Outbox)(nil)
	_ syncer.LocalMessages = (*Outbox)(nil)
	_ syncer.LocalFolders  = (*Outbox)(nil)
)
