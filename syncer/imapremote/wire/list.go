package wire

import (
	"errors"
	"fmt"
	"math"
	"strings"

	"mailferry/syncer/mailbox"
)

// ListRequest asks for mailboxes. (RFC 9051, section 6.3.9)
type ListRequest struct {
	// Pattern is in wire octets; "" is "*".
	Pattern string
	// SpecialUse asks for \Sent and the like; requires SPECIAL-USE and LIST-EXTENDED.
	SpecialUse bool
	// Subscribed asks for \Subscribed; requires LIST-EXTENDED.
	Subscribed bool
	// Status asks for MESSAGES UIDNEXT UIDVALIDITY; requires LIST-STATUS.
	Status bool
	// HighestModSeq and MailboxID ask for these, too, if Status; they require
	// CONDSTORE and OBJECTID.
	HighestModSeq, MailboxID bool
}

// ListRow is one mailbox.
type ListRow struct {
	// Name is the raw octets; INBOX as the server spells it.
	Name string
	// Separator is "" for NIL.
	Separator  string
	Attributes []string
	// Status is nil where the server told none, or one that cannot be read.
	Status    *mailbox.Status
	MailboxID string
	// Err says what of the row could not be read. Name may be "" then.
	Err error
}

// lister joins LIST and STATUS answers.
type lister struct {
	x    *Exchange
	rows []ListRow
	// statuses counts STATUS answers.
	statuses int
	// index finds a row by its name; spare holds a STATUS that came before.
	index map[string]int
	spare map[string]statusAnswer
}

// List hands over the mailboxes in the server's order, after its tagged OK: on
// an error before that none was handed over.
func (x *Exchange) List(req ListRequest, row func(ListRow) error) error {
	l := &lister{x: x, index: map[string]int{}, spare: map[string]statusAnswer{}}
	cmd := &command{name: "LIST", data: l.data}
	pattern := req.Pattern
	if pattern == "" {
		pattern = "*"
	}
	if err := x.do(cmd, words(` "" `), stringArg(pattern), words(req.options())); err != nil {
		return err
	}
	for _, r := range l.rows {
		if err := row(r); err != nil {
			return err
		}
	}
	return nil
}

// options writes the RETURN clause. (RFC 5258; RFC 5819; RFC 6154, section 3)
func (req ListRequest) options() string {
	var options []string
	if req.SpecialUse {
		options = append(options, "SPECIAL-USE")
	}
	if req.Subscribed {
		options = append(options, "SUBSCRIBED")
	}
	if req.Status {
		options = append(options, "STATUS "+statusItems(req.HighestModSeq, req.MailboxID))
	}
	if len(options) == 0 {
		return ""
	}
	return " RETURN (" + strings.Join(options, " ") + ")"
}

func (l *lister) data(a answer) (bool, error) {
	if len(l.rows) >= l.x.c.limits.Mailboxes {
		return true, fmt.Errorf("%w: more than %d mailboxes", mailbox.ErrProtocol, l.x.c.limits.Mailboxes)
	}
	p := &l.x.c.parser
	switch string(a.kind) {
	case "LIST":
		row, err := p.listRow()
		if err != nil {
			if !errors.Is(err, errSyntax) || errors.Is(err, mailbox.ErrProtocol) {
				return true, err
			}
			row.Err = err
		}
		l.add(row)
	case "STATUS":
		if l.statuses++; l.statuses > 2*l.x.c.limits.Mailboxes {
			return true, fmt.Errorf("%w: endless STATUS answers", mailbox.ErrProtocol)
		}
		st, err := p.statusAnswer()
		if err != nil && (!errors.Is(err, errSyntax) || errors.Is(err, mailbox.ErrProtocol)) {
			return true, err
		}
		st.err = err
		l.join(st)
	default:
		return false, nil
	}
	return true, p.skipAnswer()
}

func (l *lister) add(row ListRow) {
	l.index[foldInbox(row.Name)] = len(l.rows)
	l.rows = append(l.rows, row)
	if st, found := l.spare[foldInbox(row.Name)]; found {
		delete(l.spare, foldInbox(row.Name))
		l.join(st)
	}
}

func (l *lister) join(st statusAnswer) {
	if st.name == "" {
		return
	}
	i, found := l.index[foldInbox(st.name)]
	if !found {
		if len(l.spare) < 1000 {
			l.spare[foldInbox(st.name)] = st
		}
		return
	}
	row := &l.rows[i]
	row.MailboxID = st.mailboxID
	if st.err != nil {
		row.Err = st.err
		return
	}
	status := st.status
	row.Status = &status
}

// foldInbox makes the spellings of INBOX one. (RFC 9051, section 5.1)
func foldInbox(name string) string {
	if len(name) == len("INBOX") && strings.EqualFold(name, "INBOX") {
		return "INBOX"
	}
	return name
}

// listRow reads what follows LIST. (RFC 9051, section 7.3.1)
func (p *parser) listRow() (ListRow, error) {
	var row ListRow
	p.spaces()
	if err := p.expect('('); err != nil {
		return row, err
	}
	for p.spaces(); !p.accept(')'); p.spaces() {
		attribute := p.word()
		if len(attribute) == 0 {
			return row, p.syntax("an attribute")
		}
		row.Attributes = append(row.Attributes, string(attribute))
	}
	p.spaces()
	separator, err := p.nstring()
	if err != nil {
		return row, err
	}
	row.Separator = separator
	p.spaces()
	row.Name, err = p.mailboxName()
	return row, err
}

// nstring reads a string, or NIL as "".
func (p *parser) nstring() (string, error) {
	if p.peek() == '"' || p.atLiteral() {
		return p.text()
	}
	if word := p.word(); !strings.EqualFold(string(word), "NIL") {
		return "", p.syntax("a string or NIL")
	}
	return "", nil
}

// mailboxName reads a name. Some servers leave out the quotes around names that
// need them: an atom here goes on over parentheses, but not over spaces.
func (p *parser) mailboxName() (string, error) {
	if p.peek() == '"' || p.atLiteral() {
		return p.text()
	}
	start := p.i
	for p.i < len(p.b) && p.b[p.i] != ' ' {
		p.i++
	}
	if p.i == start {
		return "", p.syntax("a mailbox name")
	}
	return string(p.b[start:p.i]), nil
}

// statusAnswer is what follows STATUS.
type statusAnswer struct {
	name      string
	status    mailbox.Status
	mailboxID string
	err       error
}

// statusItems are the items that a Status needs. (RFC 9051, section 6.3.11)
func statusItems(highestModSeq, mailboxID bool) string {
	items := "(MESSAGES UIDNEXT UIDVALIDITY"
	if highestModSeq {
		items += " HIGHESTMODSEQ"
	}
	if mailboxID {
		items += " MAILBOXID"
	}
	return items + ")"
}

// statusAnswer reads a STATUS. One without MESSAGES is of no use; the others
// are 0 where they are missing. (RFC 9051, section 7.3.4)
func (p *parser) statusAnswer() (statusAnswer, error) {
	var st statusAnswer
	var err error
	p.spaces()
	if st.name, err = p.mailboxName(); err != nil {
		return st, err
	}
	p.spaces()
	if err := p.expect('('); err != nil {
		return st, err
	}
	counted := false
	for p.spaces(); !p.accept(')'); p.spaces() {
		item := string(upper(p.word()))
		p.spaces()
		var n uint64
		switch item {
		case "":
			return st, p.syntax("a status item")
		case "MESSAGES":
			n, err = p.number(math.MaxUint32)
			st.status.Messages, counted = uint32(n), err == nil
		case "UIDNEXT":
			n, err = p.number(math.MaxUint32)
			st.status.UIDNext = mailbox.UID(n)
		case "UIDVALIDITY":
			n, err = p.number(math.MaxUint32)
			st.status.UIDValidity = mailbox.UIDValidity(n)
		case "HIGHESTMODSEQ":
			n, err = p.number(math.MaxInt64)
			st.status.HighestModSeq = mailbox.ModSeq(n)
		case "MAILBOXID":
			st.mailboxID, err = p.objectID()
		default:
			err = p.skipValue()
		}
		if err != nil {
			return st, err
		}
	}
	if !counted {
		return st, fmt.Errorf("%w: STATUS without MESSAGES", errSyntax)
	}
	return st, nil
}

// objectID reads "(id)" or NIL. (RFC 8474, section 7)
func (p *parser) objectID() (string, error) {
	if !p.accept('(') {
		return "", p.skipValue()
	}
	p.spaces()
	id := string(p.word())
	p.spaces()
	return id, p.expect(')')
}
