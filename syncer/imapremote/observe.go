package imapremote

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"mailferry/syncer/imapremote/wire"
	"mailferry/syncer/mailbox"
)

// searches is how often the list of UIDs is asked for when messages come and
// go meanwhile.
const searches = 3

// Observe opens a mailbox and hands over what is new or changed since. With
// CONDSTORE and a checkpoint that still holds it asks for the changes only, in
// the same round trip (RFC 7162, section 3.1.4.1); else it lists all messages.
//
// An account for reading only is opened with EXAMINE. Otherwise it is SELECT,
// because servers answer EXAMINE with PERMANENTFLAGS (), and what the mailbox
// can keep has to be known before flags are pushed. Neither changes a message.
//
// What is handed over may be slightly newer than the returned status, never
// older.
func (a *Account) Observe(ctx context.Context, name mailbox.Name, since mailbox.Since, each func(mailbox.RemoteMessage) error) (mailbox.Observation, error) {
	wireName, err := a.names.toWire(name)
	if err != nil {
		return mailbox.Observation{}, err
	}
	var v *survey
	err = a.with(ctx, wireName, !a.opts.ReadOnly, func(s *session) error {
		return s.raw(ctx, func(x *wire.Exchange) error {
			v = &survey{s: s, x: x, since: since}
			return v.run(wireName, !a.opts.ReadOnly)
		})
	})
	if err != nil {
		return mailbox.Observation{}, fmt.Errorf("%s: %w", name, err)
	}
	return v.found, v.handOver(each)
}

func (v *survey) handOver(each func(mailbox.RemoteMessage) error) error {
	for _, row := range v.rows {
		if !row.isDescribed(v.floor) {
			continue
		}
		if err := each(row.message()); err != nil {
			return err
		}
	}
	return nil
}

// described is a row as it is kept until all are there and in order.
type described struct {
	uid               mailbox.UID
	hasFlags, hasSize bool
	flags             mailbox.Flags
	modSeq            mailbox.ModSeq
	size              int64
	date              mailbox.Date
	contentID         mailbox.ContentID
}

// isDescribed reports whether the row tells enough. Messages below floor are
// known: their flags will do.
func (d described) isDescribed(floor mailbox.UID) bool {
	return d.hasFlags && (d.hasSize || d.uid < floor)
}

func (d described) message() mailbox.RemoteMessage {
	flags, machines := mailbox.SplitMachines(d.flags)
	return mailbox.RemoteMessage{
		UID: d.uid, Flags: flags, Machines: machines, ModSeq: d.modSeq, Size: d.size, Date: d.date,
		HasFlags: d.hasFlags, HasSize: d.hasSize, ContentID: d.contentID,
	}
}

// survey is one look at a mailbox.
type survey struct {
	s     *session
	x     *wire.Exchange
	since mailbox.Since

	found mailbox.Observation
	rows  []described
	// floor is the first UID that the base cannot know; 0 if it knows none.
	floor mailbox.UID
	// trouble: the answers contradict each other, so nothing is proven.
	trouble bool
	// plainItems: the server refused the whole question; it may have been for
	// an item that it announces and does not know.
	plainItems bool
}

// scan says how much of a mailbox is asked for.
type scan uint8

const (
	everything scan = iota // all items of all messages
	knownFlags             // flags of known messages, all items of new ones
	changes                // all items of changed messages
)

// plan chooses the scan from what the base knows.
func (v *survey) plan() scan {
	switch known := v.since.Remote; {
	case known.UIDValidity == 0 || known.UIDNext <= 1:
		return everything
	case v.s.caps.hasCondStore() && known.HighestModSeq > 0:
		return changes
	}
	return knownFlags
}

func (v *survey) request(how scan) wire.FetchRequest {
	// One name of the content is enough; Gmail's is the one that it has.
	req := wire.FetchRequest{
		From: 1, Flags: true, Size: true, Date: true,
		EmailID: !v.plainItems && v.s.caps.has("OBJECTID"),
		GmailID: !v.plainItems && v.s.caps.has("X-GM-EXT-1") && !v.s.caps.has("OBJECTID"),
	}
	switch how {
	case changes:
		req.ChangedSince = v.since.Remote.HighestModSeq
	case knownFlags:
		req = wire.FetchRequest{UIDs: mailbox.Range(1, v.since.Remote.UIDNext-1), Flags: true}
	}
	return req
}

func (v *survey) run(wireName string, write bool) error {
	v.s.selected = selection{}
	opened := false
	open := func(selected wire.Selected) error {
		opened = true
		v.opened(wireName, write, selected)
		return nil
	}
	if !v.since.Only.IsEmpty() || v.since.Limit != 0 {
		return v.runPart(v.s.selectRequest(wireName, write), open)
	}
	how := v.plan()
	err := v.x.SelectAndFetch(v.s.selectRequest(wireName, write), v.request(how), open, v.take)
	if err != nil && (!opened || !isPlainRefusal(err)) {
		return err
	}
	if !opened {
		return fmt.Errorf("%w: the server did not say what it opened", mailbox.ErrProtocol)
	}
	if v.found.Status.Messages == 0 && v.x.Exists() == 0 {
		if slices.ContainsFunc(v.rows, func(row described) bool { return row.isDescribed(0) }) {
			return fmt.Errorf("%w: the server says that there are no messages, and describes some", mailbox.ErrProtocol)
		}
		v.rows = nil
		v.found.Complete, v.found.HasPresent = true, true
		return nil
	}
	if err != nil || !v.holds(how) {
		how, v.plainItems = everything, err != nil
		v.rows = nil
		if err := v.x.Fetch(v.request(how), v.take); err != nil {
			return err
		}
	}
	return v.finish(how)
}

func (v *survey) opened(wireName string, write bool, selected wire.Selected) {
	v.s.opened(wireName, write, selected)
	v.found.Status = selected.Status
	v.found.Status.Messages = selected.Exists
	v.found.Holds = selected.Holds
}

// isPlainRefusal reports whether a command was refused for what it asked and
// not because the server has no time. FETCH of an empty mailbox is an error to
// some servers, and CHANGEDSINCE is one where a mailbox does not count changes.
func isPlainRefusal(err error) bool {
	var refused *mailbox.ServerError
	return errors.As(err, &refused) && refused.Kind == nil && refused.Status != "BYE"
}

// holds reports whether the checkpoint still means what it meant.
func (v *survey) holds(how scan) bool {
	now, then := v.found.Status, v.since.Remote
	switch {
	case how == everything:
		return true
	case now.UIDValidity != then.UIDValidity:
		return false
	case now.UIDNext != 0 && now.UIDNext < then.UIDNext:
		return false
	case how == changes && now.HighestModSeq < then.HighestModSeq:
		return false
	}
	v.floor = then.UIDNext
	return true
}

// take keeps a row.
func (v *survey) take(row wire.FetchRow) error {
	if row.UID == 0 {
		v.trouble = true
		return nil
	}
	v.rows = append(v.rows, described{
		uid: row.UID, flags: row.Flags, modSeq: row.ModSeq, size: row.Size, date: row.Date,
		hasFlags: row.HasFlags, hasSize: row.HasSize, contentID: row.ContentID,
	})
	return nil
}

// finish puts the rows in order and finds out whether they are complete.
func (v *survey) finish(how scan) error {
	if how == knownFlags && (v.found.Status.UIDNext == 0 || v.found.Status.UIDNext > v.floor) {
		rest := v.request(everything)
		rest.From = v.floor
		if err := v.x.Fetch(rest, v.take); err != nil {
			return err
		}
	}
	v.settle()
	v.found.Delta = how == changes
	if v.trouble || v.addsUp(how) {
		return nil
	}
	if err := v.prove(); err != nil || how != changes || v.found.Spoiled.IsEmpty() {
		return err
	}
	return v.again()
}

// addsUp reports whether the rows are as many as there are to be, so that they
// are complete, and notes that.
func (v *survey) addsUp(how scan) bool {
	exists := v.found.Status.Messages
	isQuiet := v.x.Exists() == exists
	switch {
	case v.trouble:
	case !isQuiet:
		// Somebody came or went between the count and the rows.
	case how != changes && len(v.rows) == int(exists):
		v.found.Complete, v.found.HasPresent = true, true
		v.found.Present = v.listed()
		return true
	case how == changes && v.since.Below+v.countNew() == int(exists) && !v.hasHole():
		v.found.Complete = true
		return true
	}
	return false
}

// again lists everything where a message is new and yet did not change since
// the checkpoint: it is another mailbox that got the same UIDVALIDITY, as
// Dovecot gives to those made in one second, or a server that forgets to count.
func (v *survey) again() error {
	v.rows, v.floor, v.trouble = nil, 0, false
	v.found.Complete, v.found.HasPresent, v.found.Present, v.found.Spoiled = false, false, nil, nil
	v.found.Status.Messages = v.x.Exists()
	if err := v.x.Fetch(v.request(everything), v.take); err != nil {
		return err
	}
	return v.finish(everything)
}

// settle sorts the rows, joins those of one message, and notes the messages
// that are not described.
func (v *survey) settle() {
	byUID := func(a, b described) int { return cmp.Compare(a.uid, b.uid) }
	if !slices.IsSortedFunc(v.rows, byUID) {
		slices.SortStableFunc(v.rows, byUID)
	}
	kept := v.rows[:0]
	for _, row := range v.rows {
		if n := len(kept); n > 0 && kept[n-1].uid == row.uid {
			kept[n-1] = v.join(kept[n-1], row)
		} else {
			kept = append(kept, row)
		}
	}
	v.rows = kept
	for _, row := range v.rows {
		if !row.isDescribed(v.floor) {
			v.found.Spoiled = v.found.Spoiled.Append(row.uid)
		}
	}
}

// join makes one row of two. Another client changing flags while we list
// brings a second row, which is news; two sizes are a contradiction.
func (v *survey) join(first, second described) described {
	if first.hasSize && second.hasSize && (first.size != second.size || first.date != second.date) {
		v.trouble = true
	}
	if second.hasFlags {
		first.hasFlags, first.flags = true, second.flags
		first.modSeq = max(first.modSeq, second.modSeq)
	}
	if !first.hasSize && second.hasSize {
		first.hasSize, first.size, first.date = true, second.size, second.date
		first.contentID = second.contentID
	}
	return first
}

func (v *survey) listed() mailbox.UIDSet {
	var set mailbox.UIDSet
	for _, row := range v.rows {
		set = set.Append(row.uid)
	}
	return set
}

// countNew counts the rows that the base cannot know.
func (v *survey) countNew() int {
	first, _ := slices.BinarySearchFunc(v.rows, v.floor, func(row described, uid mailbox.UID) int { return cmp.Compare(row.uid, uid) })
	return len(v.rows) - first
}

// hasHole reports whether new messages may be missing among the rows: the UIDs
// go on behind the checkpoint, and some have no row. Usually they are gone
// already; but a server that leaves out a row just when another message was
// expunged would have the counts add up.
func (v *survey) hasHole() bool {
	next := v.found.Status.UIDNext
	return next > v.floor && v.countNew() < int(next-v.floor)
}

// prove asks for the UIDs there are. They count only if they are as many as
// the messages, before and after: servers cap results, and what came or went
// meanwhile could make up for what is missing.
func (v *survey) prove() error {
	present, ok, err := v.list()
	if err == nil && ok {
		v.found.Complete, v.found.HasPresent, v.found.Present = true, true, present
		v.missing()
	}
	return err
}

func (v *survey) list() (present mailbox.UIDSet, ok bool, err error) {
	for range searches {
		before := v.x.Exists()
		present, err := v.x.SearchAll(v.s.caps.has("ESEARCH"))
		if isPlainRefusal(err) {
			return nil, false, nil
		}
		if err != nil {
			return nil, false, err
		}
		if v.x.Exists() == before {
			return present, present.Len() == int(before), nil
		}
	}
	return nil, false, nil
}

// missing notes messages that are there and were not described though they
// were asked for.
func (v *survey) missing() {
	expected := v.found.Present.Minus(v.listed())
	if v.floor > 1 && v.found.Delta {
		expected = expected.Minus(mailbox.Range(1, v.floor-1))
	}
	if next := v.found.Status.UIDNext; next > 0 {
		// What came after the status is the next run's.
		expected = expected.Minus(mailbox.Range(next, mailbox.MaxUID))
	}
	expected = expected.Minus(v.found.Rest)
	v.found.Spoiled = v.found.Spoiled.Union(expected)
}
