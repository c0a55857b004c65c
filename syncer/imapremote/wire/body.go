package wire

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"mailferry/syncer/mailbox"
)

// strayBodies is how many bodies that nobody asked for one command may bring.
const strayBodies = 1000

// Reasons to drop what a server sent.
var (
	errNoContent  = errors.New("the server has no content for it")
	errNotAsked   = errors.New("the server answered a message that was not asked for")
	errTwice      = errors.New("the server answered the message twice")
	errNoUID      = errors.New("the server did not say which message it is")
	errOtherPart  = errors.New("the server answered another part of the message")
	errIncomplete = errors.New("the answer around the message is broken")
)

// receiving is a UID FETCH of bodies in flight.
type receiving struct {
	x       *Exchange
	cmd     *command
	uids    mailbox.UIDSet
	section string
	sink    mailbox.FetchSink
	// seen are the UIDs that were answered.
	seen   map[mailbox.UID]struct{}
	strays int
}

// bodyRow is what one FETCH answer brought.
type bodyRow struct {
	uid      mailbox.UID
	received bool  // the sink has it
	section  bool  // there was a body of any kind
	reason   error // why it is not what was asked for
}

// FetchBodies streams bodies into the sink, in the server's order. UIDs that
// the server does not answer are left out. It sets no flag (PEEK). With no
// UIDs nothing is sent. (RFC 9051, section 6.4.5)
func (x *Exchange) FetchBodies(uids mailbox.UIDSet, part mailbox.Part, sink mailbox.FetchSink) error {
	if uids.IsEmpty() {
		return nil
	}
	r, err := x.beginBodies(uids, part, sink)
	if err != nil {
		return err
	}
	return x.await(r.cmd)
}

// SelectAndFetchBodies sends SELECT and the UID FETCH of FetchBodies at once.
// selected is called before the sink; if it returns an error, bodies are
// dropped, or the stream is closed where they are long, and the error is
// returned. A refused SELECT returns that error.
func (x *Exchange) SelectAndFetchBodies(req SelectRequest, uids mailbox.UIDSet, part mailbox.Part, sink mailbox.FetchSink, selected func(Selected) error) error {
	o, err := x.beginSelect(req)
	if err != nil {
		return err
	}
	if uids.IsEmpty() {
		return o.hand(selected)
	}
	r, err := x.beginBodies(uids, part, sink)
	if err != nil {
		return err
	}
	if err = o.hand(selected); err == nil {
		return x.await(r.cmd)
	}
	if x.c.Err() != nil {
		return err
	}
	// The FETCH is answered BAD, or with bodies that nobody wants.
	x.abandon(r.cmd, err, drainBodies)
	return x.await(r.cmd)
}

func (x *Exchange) beginBodies(uids mailbox.UIDSet, part mailbox.Part, sink mailbox.FetchSink) (*receiving, error) {
	r := &receiving{x: x, uids: uids, section: "BODY[]", sink: sink, seen: map[mailbox.UID]struct{}{}}
	item := "BODY.PEEK[]"
	if part == mailbox.HeaderOnly {
		r.section, item = "BODY[HEADER]", "BODY.PEEK[HEADER]"
	}
	r.cmd = &command{name: "UID FETCH", data: r.data}
	return r, x.begin(r.cmd, words(" "+uids.String()+" (UID "+item+")"))
}

func (r *receiving) data(a answer) (bool, error) {
	if string(a.kind) != "FETCH" {
		return false, nil
	}
	var row bodyRow
	err := r.read(&row)
	if err == nil {
		err = r.x.c.parser.end()
	}
	switch {
	case r.cmd.abandoned != nil && err == nil:
		return true, nil
	case err != nil && !row.received && errors.Is(err, errSyntax) && !errors.Is(err, mailbox.ErrProtocol):
		// Nothing was taken from this answer, and its end can be found.
		if err := r.x.c.parser.skipAnswer(); err != nil {
			return true, err
		}
		row.reason, row.section = errIncomplete, true
	case err != nil:
		if row.received && r.cmd.abandoned == nil {
			r.sink.Drop(row.uid, errIncomplete)
		}
		return true, err
	case !row.section:
		// FLAGS and the like: somebody else's change, not an answer.
		r.x.c.announce(Untagged{Kind: "FETCH", Number: a.number})
		return true, r.x.stray()
	}
	return true, r.settle(row)
}

// settle tells the sink what the answer was.
func (r *receiving) settle(row bodyRow) error {
	if row.uid == 0 && row.reason == nil {
		row.reason = errNoUID
	}
	if row.reason == nil {
		row.reason = r.unwanted(row.uid)
	}
	var err error
	if row.reason == nil {
		r.seen[row.uid] = struct{}{}
		err = r.sink.Row(row.uid)
	} else {
		if r.strays++; r.strays > strayBodies+r.uids.Len() {
			return fmt.Errorf("%w: endless bodies that nobody asked for", mailbox.ErrProtocol)
		}
		err = r.sink.Drop(row.uid, row.reason)
	}
	if err != nil {
		r.x.abandon(r.cmd, err, drainBodies)
	}
	return nil
}

// unwanted says why a body of uid is not an answer, nil if it is.
func (r *receiving) unwanted(uid mailbox.UID) error {
	if !r.uids.Contains(uid) {
		return errNotAsked
	}
	if _, twice := r.seen[uid]; twice {
		return errTwice
	}
	return nil
}

// read reads the list behind FETCH.
func (r *receiving) read(row *bodyRow) error {
	p := &r.x.c.parser
	p.spaces()
	if err := p.expect('('); err != nil {
		return err
	}
	for p.spaces(); !p.accept(')'); p.spaces() {
		item := upper(p.item())
		p.spaces()
		var err error
		switch name := string(item); {
		case name == "":
			return p.syntax("a FETCH item")
		case name == "UID":
			row.uid, err = p.uid()
		case name == r.section:
			err = r.readBody(row)
		case strings.HasPrefix(name, "BODY["), strings.HasPrefix(name, "BINARY["), strings.HasPrefix(name, "RFC822") && name != "RFC822.SIZE":
			if !row.received && row.reason == nil {
				row.reason = errOtherPart
			}
			row.section = true
			err = p.skipValue()
		default:
			err = p.skipValue()
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// readBody hands a body to the sink: a literal as it arrives, a quoted string
// as a string. (RFC 9051, nstring)
func (r *receiving) readBody(row *bodyRow) error {
	p := &r.x.c.parser
	if row.received {
		return fmt.Errorf("%w: one answer with two bodies", mailbox.ErrProtocol)
	}
	row.section = true
	wanted := row.uid == 0 || r.unwanted(row.uid) == nil
	switch {
	case p.atLiteral():
		size, err := p.literalSize(p.bodyLimit)
		if err != nil {
			return err
		}
		if !wanted {
			err = p.in.skip(size)
		} else {
			err = r.receive(row, size)
		}
		if err != nil {
			return err
		}
		return p.next()
	case p.peek() == '"':
		text, err := p.quoted()
		if err != nil || !wanted {
			return err
		}
		return r.receiveQuoted(row, bytes.Clone(text))
	}
	if word := p.word(); !strings.EqualFold(string(word), "NIL") {
		return p.syntax("a body")
	}
	row.reason = errNoContent
	return nil
}

// receive streams a literal. If the sink leaves octets unread the stream is of
// no use: the rest may be gigabytes.
func (r *receiving) receive(row *bodyRow, size int64) error {
	row.reason = nil
	b := &body{in: r.x.c.in, left: size}
	err := r.sink.Receive(size, b)
	switch {
	case b.err != nil:
		return b.err
	case err != nil && b.left > 0:
		r.cmd.abandoned = err
		return fmt.Errorf("close %s: a message was not read whole: %w", r.x.c.addr, err)
	case err != nil:
		r.x.abandon(r.cmd, err, drainBodies)
	case b.left > 0:
		err = fmt.Errorf("uid %d: %d octets of %d were not taken", row.uid, b.left, size)
		r.cmd.abandoned = err
		return err
	default:
		row.received = true
	}
	return nil
}

func (r *receiving) receiveQuoted(row *bodyRow, text []byte) error {
	row.reason = nil
	b := bytes.NewReader(text)
	err := r.sink.Receive(int64(len(text)), b)
	if err == nil && b.Len() > 0 {
		err = fmt.Errorf("uid %d: %d octets of %d were not taken", row.uid, b.Len(), len(text))
	}
	if err != nil {
		r.x.abandon(r.cmd, err, drainBodies)
		return nil
	}
	row.received = true
	return nil
}
