package wire

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"mailferry/syncer/mailbox"
)

// spareRows is how many FETCH answers may come beyond two for each message:
// other clients change flags meanwhile.
const spareRows = 10_000

// shortRows is how many incomplete answers are kept for the end.
const shortRows = 100_000

// FetchRequest asks for metadata of messages. (RFC 9051, section 6.4.5)
type FetchRequest struct {
	// UIDs asked for; if From is not 0, "From:*" instead (with which a server
	// also answers the last message when all are below From: rows below From
	// are left out).
	UIDs mailbox.UIDSet
	From mailbox.UID
	// ChangedSince, if not 0, leaves out unchanged messages; requires
	// CONDSTORE. (RFC 7162, section 3.1.4.1)
	ChangedSince mailbox.ModSeq
	// Flags, Size (RFC822.SIZE), Date (INTERNALDATE), ModSeq (CONDSTORE),
	// EmailID (OBJECTID) and GmailID (X-GM-EXT-1) are the items.
	Flags, Size, Date, ModSeq, EmailID, GmailID bool
}

// FetchRow is one message's metadata.
type FetchRow struct {
	mailbox.RemoteMessage
	// Err says which item was missing or could not be read. A date that cannot
	// be read is no error: it is unknown.
	Err error

	hasDate bool
}

// fetching is a UID FETCH of metadata in flight.
type fetching struct {
	x    *Exchange
	cmd  *command
	req  FetchRequest
	give func(FetchRow) error
	// short holds messages of which so far only some items were answered: an
	// unsolicited FETCH, or a broken message.
	short map[mailbox.UID]FetchRow
	rows  int
}

// Fetch hands over a row for each message that the server answered with its
// UID and the items asked for, in the server's order, as they arrive. Rows that
// lack items come last, with Err. A UID may come more than once. With no UIDs
// nothing is sent.
func (x *Exchange) Fetch(req FetchRequest, row func(FetchRow) error) error {
	if req.UIDs.IsEmpty() && req.From == 0 {
		return nil
	}
	f, err := x.beginFetch(req, row)
	if err != nil {
		return err
	}
	return f.await()
}

func (x *Exchange) beginFetch(req FetchRequest, row func(FetchRow) error) (*fetching, error) {
	f := &fetching{x: x, req: req, give: row, short: map[mailbox.UID]FetchRow{}}
	f.cmd = &command{name: "UID FETCH", data: f.data}
	return f, x.begin(f.cmd, words(" "+req.set()+" "+req.items()))
}

func (req FetchRequest) set() string {
	if req.From != 0 {
		return strconv.FormatUint(uint64(req.From), 10) + ":*"
	}
	return req.UIDs.String()
}

func (req FetchRequest) items() string {
	items := []string{"UID"}
	for _, item := range []struct {
		wanted bool
		name   string
	}{
		{req.Flags, "FLAGS"},
		{req.Size, "RFC822.SIZE"},
		{req.Date, "INTERNALDATE"},
		{req.ModSeq, "MODSEQ"},
		{req.EmailID, "EMAILID"},
		{req.GmailID, "X-GM-MSGID"},
	} {
		if item.wanted {
			items = append(items, item.name)
		}
	}
	text := "(" + strings.Join(items, " ") + ")"
	if req.ChangedSince != 0 {
		text += " (CHANGEDSINCE " + strconv.FormatUint(uint64(req.ChangedSince), 10) + ")"
	}
	return text
}

func (req FetchRequest) asksFor(uid mailbox.UID) bool {
	if req.From != 0 {
		return uid >= req.From
	}
	return req.UIDs.Contains(uid)
}

func (req FetchRequest) missing(row *FetchRow) string {
	switch {
	case req.Flags && !row.HasFlags:
		return "FLAGS"
	case req.Size && !row.HasSize:
		return "RFC822.SIZE"
	case req.Date && !row.hasDate:
		return "INTERNALDATE"
	}
	return ""
}

func (f *fetching) data(a answer) (bool, error) {
	if string(a.kind) != "FETCH" {
		return false, nil
	}
	var row FetchRow
	if err := f.x.c.readRow(&row); err != nil {
		if !errors.Is(err, errSyntax) || errors.Is(err, mailbox.ErrProtocol) {
			return true, err
		}
		row.Err = err
		if err := f.x.c.parser.skipAnswer(); err != nil {
			return true, err
		}
	} else if err := f.x.c.parser.end(); err != nil {
		return true, err
	}
	if row.UID == 0 || !f.req.asksFor(row.UID) {
		f.x.c.announce(Untagged{Kind: "FETCH", Number: a.number})
		return true, f.x.stray()
	}
	if f.rows++; f.rows > 2*int(f.x.c.exists)+spareRows {
		return true, fmt.Errorf("%w: more FETCH answers than messages", mailbox.ErrProtocol)
	}
	if row.Err != nil || f.req.missing(&row) != "" {
		if len(f.short) >= shortRows {
			return true, fmt.Errorf("%w: too many incomplete FETCH answers", mailbox.ErrProtocol)
		}
		f.short[row.UID] = row
		return true, nil
	}
	if len(f.short) > 0 {
		delete(f.short, row.UID)
	}
	if err := f.give(row); err != nil {
		f.x.abandon(f.cmd, err, drainRows)
	}
	return true, nil
}

// await hands over the short rows after the last.
func (f *fetching) await() error {
	if err := f.x.await(f.cmd); err != nil {
		return err
	}
	uids := make([]mailbox.UID, 0, len(f.short))
	for uid := range f.short {
		uids = append(uids, uid)
	}
	slices.Sort(uids)
	for _, uid := range uids {
		row := f.short[uid]
		if row.Err == nil {
			row.Err = fmt.Errorf("%w: uid %d was answered without %s", errSyntax, uid, f.req.missing(&row))
		}
		if err := f.give(row); err != nil {
			return err
		}
	}
	return nil
}

// readRow reads the list behind FETCH. What it has read when it returns an
// errSyntax is in row.
func (c *Conn) readRow(row *FetchRow) error {
	p := &c.parser
	p.spaces()
	if err := p.expect('('); err != nil {
		return err
	}
	for p.spaces(); !p.accept(')'); p.spaces() {
		item := upper(p.item())
		if len(item) == 0 {
			return p.syntax("a FETCH item")
		}
		p.spaces()
		if err := c.readItem(item, row); err != nil {
			return err
		}
	}
	return nil
}

// item reads the name of a FETCH item, with its section and origin octet.
func (p *parser) item() []byte {
	start := p.i
	for p.i < len(p.b) {
		switch p.b[p.i] {
		case ' ', '(', ')':
			return p.b[start:p.i]
		case '[':
			for p.i < len(p.b) && p.b[p.i] != ']' {
				p.i++
			}
		}
		if p.i < len(p.b) {
			p.i++
		}
	}
	return p.b[start:p.i]
}

// readItem reads one item's value. A value of another form spoils the item
// (row.Err), not the row.
func (c *Conn) readItem(item []byte, row *FetchRow) error {
	p := &c.parser
	start := p.i
	var err error
	switch string(item) {
	case "UID":
		row.UID, err = p.uid()
		return err
	case "FLAGS":
		if row.Flags, err = c.readFlags(); err == nil {
			row.HasFlags = true
			return nil
		}
	case "RFC822.SIZE":
		var n uint64
		if n, err = p.number(math.MaxInt64); err == nil {
			row.Size, row.HasSize = int64(n), true
			return nil
		}
	case "INTERNALDATE":
		row.hasDate = true
		if p.peek() == '"' {
			date, err := p.quoted()
			if err == nil {
				row.Date = parseDate(date)
			}
			return err
		}
		return p.skipValue()
	case "MODSEQ":
		if row.ModSeq, err = p.modSeq(); err == nil {
			return nil
		}
	case "EMAILID":
		var id string
		if id, err = p.objectID(); err == nil {
			if id != "" {
				row.ContentID = mailbox.NewContentID("EMAILID", []byte(id))
			}
			return nil
		}
	case "X-GM-MSGID":
		var n uint64
		if n, err = p.number(math.MaxUint64); err == nil {
			if row.ContentID == 0 {
				row.ContentID = mailbox.NewContentID("X-GM-MSGID", strconv.AppendUint(nil, n, 10))
			}
			return nil
		}
	default:
		return p.skipValue()
	}
	if !errors.Is(err, errSyntax) || errors.Is(err, mailbox.ErrProtocol) || p.i < start {
		return err
	}
	row.Err = fmt.Errorf("%s: %w", item, err)
	p.i = start
	return p.skipValue()
}

// modSeq reads "(n)". (RFC 7162, section 3.1.4.2)
func (p *parser) modSeq() (mailbox.ModSeq, error) {
	if err := p.expect('('); err != nil {
		return 0, err
	}
	n, err := p.number(math.MaxInt64)
	if err != nil {
		return 0, err
	}
	return mailbox.ModSeq(n), p.expect(')')
}
