package merge

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"

	"mailferry/syncer"
	"mailferry/syncer/mailbox"
)

// remote is a server, as a source or as the target.
type remote struct {
	kind     Kind
	name, id string
	server   syncer.Remote
	selects  func(mailbox.Name) bool
	// known, if not nil, spares the bodies of messages that no source has.
	known *Known

	mu    sync.Mutex
	notes []Note
}

// RemoteOptions says which server, and how it is read.
type RemoteOptions struct {
	Kind Kind
	// Name is how the user named it, ID names the account for good.
	Name, ID string
	Server   syncer.Remote
	// Selects says which mailboxes take part; nil: all.
	Selects func(mailbox.Name) bool
	// Known, for a target: messages that none of these can be are known by
	// their headers only.
	Known *Known
}

// NewRemote makes a source of a server. Closing it does not close the server.
func NewRemote(o RemoteOptions) Source {
	return &remote{kind: o.Kind, name: o.Name, id: o.ID, server: o.Server, selects: o.Selects, known: o.Known}
}

func (r *remote) Kind() Kind                          { return r.kind }
func (r *remote) Name() string                        { return r.name }
func (r *remote) ID() string                          { return string(r.kind) + ":" + r.id }
func (r *remote) Size(context.Context) (int64, error) { return 0, nil }
func (r *remote) Close() error                        { return nil }

func (r *remote) Notes() []Note {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.notes
}

// beforeUID sorts a mailbox's messages before those of the mailboxes below it.
const beforeUID = "\x01"

// Units lists all mailboxes' messages.
func (r *remote) Units(ctx context.Context, each func(Unit) error, damage func(Damage)) error {
	listed, err := r.server.List(ctx)
	if err != nil {
		return err
	}
	if server, ok := r.server.(mailbox.LeavesOut); ok {
		for _, left := range server.LeftOut() {
			damage(Damage{What: fmt.Sprintf("the server's mailbox %q is left out: %v", left.Text, left.Err), Lost: true})
		}
	}
	hasAll := slices.ContainsFunc(listed, func(l mailbox.Listed) bool { return hasAttribute(l, `\All`) })
	listed = slices.DeleteFunc(listed, func(l mailbox.Listed) bool {
		// Gmail's Starred and Important repeat what All Mail has.
		repeats := hasAll && (hasAttribute(l, `\Flagged`) || hasAttribute(l, `\Important`))
		return repeats || r.selects != nil && !r.selects(l.Name)
	})
	slices.SortFunc(listed, func(a, b mailbox.Listed) int {
		return CompareKeys(string(a.Name)+beforeUID, string(b.Name)+beforeUID)
	})
	for _, box := range listed {
		if err := r.units(ctx, box.Name, each, damage); err != nil {
			return err
		}
	}
	return nil
}

func hasAttribute(l mailbox.Listed, attribute string) bool {
	return slices.ContainsFunc(l.Attributes, func(a string) bool { return strings.EqualFold(a, attribute) })
}

func (r *remote) units(ctx context.Context, name mailbox.Name, each func(Unit) error, damage func(Damage)) error {
	// A mailbox may have a million messages: no more of each than is needed.
	type row struct {
		uid   mailbox.UID
		size  int64
		flags mailbox.Flags
		date  mailbox.Date
	}
	var rows []row
	seen, err := r.server.Observe(ctx, name, mailbox.Since{}, func(m mailbox.RemoteMessage) error {
		rows = append(rows, row{m.UID, m.Size, m.Flags, m.Date})
		return nil
	})
	switch {
	case errors.Is(err, mailbox.ErrNotFound):
		return nil
	case err != nil:
		return err
	case !seen.Complete || !seen.Spoiled.IsEmpty():
		damage(Damage{What: fmt.Sprintf("%s: the server does not describe all messages", name), Lost: true})
	}
	for _, m := range rows {
		u := Unit{
			Key: fmt.Sprintf("%s%s%010d", name, beforeUID, m.uid), Mailbox: name, Size: m.size, Stamp: int64(seen.Status.UIDValidity),
			Flags: m.flags, Date: m.date,
		}
		if err := each(u); err != nil {
			return err
		}
	}
	return nil
}

// uidOf reads a unit's key.
func uidOf(u Unit) mailbox.UID {
	_, digits, _ := strings.Cut(u.Key, beforeUID)
	n, _ := strconv.ParseUint(digits, 10, 32)
	return mailbox.UID(n)
}

// Read fetches messages, mailbox by mailbox.
func (r *remote) Read(ctx context.Context, units []Unit, sink Sink) error {
	for len(units) > 0 {
		n := 1
		for n < len(units) && units[n].Mailbox == units[0].Mailbox && units[n].Stamp == units[0].Stamp {
			n++
		}
		if err := r.readMailbox(ctx, units[:n], sink); err != nil {
			return err
		}
		units = units[n:]
	}
	return nil
}

func (r *remote) readMailbox(ctx context.Context, units []Unit, sink Sink) error {
	ref := mailbox.Ref{Name: units[0].Mailbox, UIDValidity: mailbox.UIDValidity(units[0].Stamp)}
	byUID := make(map[mailbox.UID]Unit, len(units))
	for _, u := range units {
		byUID[uidOf(u)] = u
	}
	f := &fetcher{sink: sink, units: byUID, dig: newDigester(asIs, false), in: bufio.NewReaderSize(nil, 64<<10)}
	if r.known == nil {
		return r.server.Fetch(ctx, ref, uidsOf(byUID), mailbox.Whole, f)
	}
	f.known = r.known
	if err := r.server.Fetch(ctx, ref, uidsOf(byUID), mailbox.HeaderOnly, f); err != nil {
		return err
	}
	f.known = nil
	return r.server.Fetch(ctx, ref, mailbox.UIDs(f.wanted...), mailbox.Whole, f)
}

func uidsOf(units map[mailbox.UID]Unit) mailbox.UIDSet {
	uids := make([]mailbox.UID, 0, len(units))
	for uid := range units {
		uids = append(uids, uid)
	}
	slices.Sort(uids)
	return mailbox.UIDs(uids...)
}

// fetcher makes records of what a server sends. With known it gets headers.
type fetcher struct {
	sink   Sink
	units  map[mailbox.UID]Unit
	dig    *digester
	in     *bufio.Reader
	known  *Known
	wanted []mailbox.UID
	size   int64
	// to, if not nil, takes the wire form.
	to io.Writer
}

// Receive implements mailbox.FetchSink.
func (f *fetcher) Receive(size int64, body io.Reader) error {
	f.size = 0
	f.dig.reset(asIs, false, nil)
	f.dig.to = f.to
	if size != mailbox.UnknownSize {
		body = io.LimitReader(body, size)
	}
	f.in.Reset(body)
	for {
		p, err := f.in.ReadSlice('\n')
		f.size += int64(len(p))
		f.dig.line(p)
		if err == io.EOF {
			if f.size < size {
				return io.ErrUnexpectedEOF
			}
			return nil
		}
		if err != nil && err != bufio.ErrBufferFull {
			return err
		}
	}
}

// Row implements mailbox.FetchSink.
func (f *fetcher) Row(uid mailbox.UID) error {
	u, asked := f.units[uid]
	if !asked {
		return nil
	}
	id, marks, err := f.dig.finish()
	if err != nil {
		return err
	}
	r := Record{Identity: id, Length: f.size, Flags: marks.flags()}
	if f.known != nil {
		r.Content.Size = u.Size
		if !f.known.Complete(&r) {
			if f.known.MayHave(&r) {
				f.wanted = append(f.wanted, uid)
				return nil
			}
			r.Partial = true
		}
	}
	if err := f.sink.Begin(u); err != nil {
		return err
	}
	if err := f.sink.Message(r); err != nil {
		return err
	}
	f.sink.Octets(f.size)
	// A server without UIDVALIDITY may give the UID to another message.
	return f.sink.End(u.Stamp != 0)
}

// Drop implements mailbox.FetchSink.
func (f *fetcher) Drop(uid mailbox.UID, reason error) error {
	u, asked := f.units[uid]
	if !asked {
		return nil
	}
	if err := f.sink.Begin(u); err != nil {
		return err
	}
	f.sink.Damage(Damage{What: fmt.Sprintf("uid %d: the server does not hand it over: %v", uid, reason), Lost: true})
	return f.sink.End(false)
}

// Reconsiders reports whether a record that was made of a header alone has to
// be looked at again, because a source now has what it may be.
func (r *remote) Reconsiders(record *Record) bool {
	return record.Partial && (r.known == nil || r.known.MayHave(record))
}

// Open fetches one message.
func (r *remote) Open(ctx context.Context, u Unit, record Record) (io.ReadCloser, error) {
	return spooled(record, func(w resetter) (Identity, error) {
		one := &oneMessage{Record: record}
		f := &fetcher{sink: one, units: map[mailbox.UID]Unit{uidOf(u): u}, dig: newDigester(asIs, false), in: bufio.NewReaderSize(nil, 64<<10), to: w}
		ref := mailbox.Ref{Name: u.Mailbox, UIDValidity: mailbox.UIDValidity(u.Stamp)}
		err := r.server.Fetch(ctx, ref, mailbox.UIDs(uidOf(u)), mailbox.Whole, f)
		if err == nil && !one.found {
			err = ErrChanged
		}
		return one.Record.Identity, err
	})
}

// oneMessage is a Sink for one message.
type oneMessage struct {
	Record
	found bool
}

func (o *oneMessage) Begin(Unit) error { return nil }
func (o *oneMessage) Message(r Record) error {
	o.Record, o.found = r, true
	return nil
}
func (o *oneMessage) Damage(Damage)  {}
func (o *oneMessage) End(bool) error { return nil }
func (o *oneMessage) Octets(int64)   {}
