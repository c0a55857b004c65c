package wire

import (
	"fmt"
	"strconv"
	"strings"

	"mailferry/syncer/mailbox"
)

// SelectRequest opens a mailbox. (RFC 9051, sections 6.3.2 and 6.3.3)
type SelectRequest struct {
	// Name is in wire octets.
	Name string
	// ReadOnly is EXAMINE instead of SELECT.
	ReadOnly bool
	// CondStore requires CONDSTORE. (RFC 7162, section 3.1.8)
	CondStore bool
}

// Selected is an opened mailbox.
type Selected struct {
	// Status has UIDValidity, UIDNext and HighestModSeq 0 where the server
	// told none.
	Status mailbox.Status
	// Holds is PERMANENTFLAGS; without it everything can be kept.
	Holds mailbox.Holds
	// HoldsKnown says that PERMANENTFLAGS was told for a mailbox opened for
	// writing. Servers answer EXAMINE with PERMANENTFLAGS (), which says
	// nothing about what the mailbox could keep; Holds then is "everything".
	HoldsKnown bool
	// Flags is FLAGS: what is in use in the mailbox.
	Flags mailbox.Flags
	// ReadOnly is what the server made of it.
	ReadOnly bool
	// NoModSeq: the mailbox cannot count changes.
	NoModSeq bool
	// Exists is the number of messages at that time.
	Exists uint32
}

// opening is a SELECT in flight.
type opening struct {
	x      *Exchange
	cmd    *command
	got    Selected
	exists bool
	holds  mailbox.Holds
	told   bool
}

// Select opens a mailbox. When it is refused no mailbox is open.
func (x *Exchange) Select(req SelectRequest) (Selected, error) {
	o, err := x.beginSelect(req)
	if err != nil {
		return Selected{}, err
	}
	return o.await()
}

// SelectAndFetch sends SELECT and UID FETCH at once. selected is called before
// the first row; if it returns an error, rows are dropped and the error returned.
// A refused SELECT returns that error.
func (x *Exchange) SelectAndFetch(req SelectRequest, fetch FetchRequest, selected func(Selected) error, row func(FetchRow) error) error {
	if fetch.UIDs.IsEmpty() && fetch.From == 0 {
		o, err := x.beginSelect(req)
		if err != nil {
			return err
		}
		return o.hand(selected)
	}
	l, err := x.BeginLook(req, fetch, row)
	if err != nil {
		return err
	}
	return l.Await(selected)
}

// Look is SELECT and UID FETCH in flight.
type Look struct {
	open  *opening
	fetch *fetching
}

// BeginLook sends SELECT and UID FETCH, which Await awaits: many may be begun
// before the first is awaited, and they are awaited in order. There are to be
// few enough for both sides' socket buffers.
func (x *Exchange) BeginLook(req SelectRequest, fetch FetchRequest, row func(FetchRow) error) (*Look, error) {
	o, err := x.beginSelect(req)
	if err != nil {
		return nil, err
	}
	f, err := x.beginFetch(fetch, row)
	return &Look{o, f}, err
}

// Await is what SelectAndFetch does once it has sent its commands.
func (l *Look) Await(selected func(Selected) error) error {
	x := l.open.x
	err := l.open.hand(selected)
	if err == nil {
		return l.fetch.await()
	}
	if x.c.Err() != nil {
		return err
	}
	// The FETCH is answered BAD, or with rows that nobody wants.
	x.abandon(l.fetch.cmd, err, drainRows)
	return x.await(l.fetch.cmd)
}

func (x *Exchange) beginSelect(req SelectRequest) (*opening, error) {
	o := &opening{x: x}
	o.got.ReadOnly = req.ReadOnly
	o.cmd = &command{name: "SELECT", data: o.data, status: o.code}
	if req.ReadOnly {
		o.cmd.name = "EXAMINE"
	}
	option := ""
	if req.CondStore {
		option = " (CONDSTORE)"
	}
	x.c.selected.Add(1)
	return o, x.begin(o.cmd, words(" "), stringArg(req.Name), words(option))
}

func (o *opening) data(a answer) (bool, error) {
	switch string(a.kind) {
	case "EXISTS":
		o.exists = true
	case "FLAGS":
		p := &o.x.c.parser
		p.spaces()
		flags, err := o.x.c.readFlags()
		if err != nil {
			return true, err
		}
		o.got.Flags = flags
		return true, p.skipAnswer()
	}
	return false, nil
}

// code reads what SELECT tells in response codes. (RFC 9051, section 7.1)
func (o *opening) code(st statusText) {
	switch st.Code {
	case "UIDVALIDITY":
		o.got.Status.UIDValidity = mailbox.UIDValidity(number32(st.Args))
	case "UIDNEXT":
		o.got.Status.UIDNext = mailbox.UID(number32(st.Args))
	case "HIGHESTMODSEQ":
		if n, err := strconv.ParseUint(st.Args, 10, 63); err == nil {
			o.got.Status.HighestModSeq = mailbox.ModSeq(n)
		}
	case "NOMODSEQ":
		o.got.NoModSeq = true
	case "PERMANENTFLAGS":
		o.told = true
		names := strings.Fields(strings.Trim(st.Args, "()"))
		o.holds = mailbox.Holds{Flags: mailbox.NewFlags(names...)}
		for _, name := range names {
			if name == `\*` {
				o.holds.AnyKeyword = true
			}
		}
	case "READ-ONLY":
		o.got.ReadOnly = true
	case "CLOSED":
		// Until here the answers were about the mailbox before.
		o.exists = false
	}
}

func number32(text string) uint32 {
	n, err := strconv.ParseUint(text, 10, 32)
	if err != nil {
		return 0
	}
	return uint32(n)
}

func (o *opening) await() (Selected, error) {
	c := o.x.c
	if err := o.x.await(o.cmd); err != nil {
		c.exists = 0
		return Selected{}, err
	}
	o.code(o.cmd.result)
	if !o.exists {
		// Without a count the mailbox would look empty, and all mail deleted.
		return Selected{}, o.x.broken(fmt.Errorf("%w: %s was answered without EXISTS", mailbox.ErrProtocol, o.cmd.name))
	}
	o.got.Exists = c.exists
	o.got.Status.Messages = c.exists
	if o.got.NoModSeq {
		o.got.Status.HighestModSeq = 0
	}
	o.got.Holds = o.holds
	o.got.HoldsKnown = o.told && !o.got.ReadOnly
	empty := o.holds.Flags.IsEmpty() && !o.holds.AnyKeyword
	if !o.told || o.got.ReadOnly && empty {
		o.got.Holds = everything()
	}
	return o.got, nil
}

// hand awaits the mailbox and hands it over.
func (o *opening) hand(selected func(Selected) error) error {
	got, err := o.await()
	if err != nil {
		return err
	}
	return selected(got)
}

// everything is what a mailbox without PERMANENTFLAGS can keep. (RFC 9051,
// section 7.1)
func everything() mailbox.Holds {
	return mailbox.Holds{AnyKeyword: true, Flags: mailbox.NewFlags(
		mailbox.FlagAnswered, mailbox.FlagDeleted, mailbox.FlagDraft, mailbox.FlagFlagged, mailbox.FlagSeen)}
}
