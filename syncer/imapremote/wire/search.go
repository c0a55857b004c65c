package wire

import (
	"bytes"
	"fmt"
	"slices"

	"mailferry/syncer/mailbox"
)

// searching is a UID SEARCH in flight.
type searching struct {
	x    *Exchange
	cmd  *command
	set  mailbox.UIDSet
	list []mailbox.UID
}

// SearchAll returns the UIDs in the selected mailbox; esearch requires ESEARCH.
// Compare its Len with Exists: servers cap results. (RFC 4731; RFC 9051,
// section 6.4.4)
func (x *Exchange) SearchAll(esearch bool) (mailbox.UIDSet, error) {
	s := &searching{x: x}
	s.cmd = &command{name: "UID SEARCH", data: s.data}
	criteria := " ALL"
	if esearch {
		criteria = " RETURN (ALL) ALL"
	}
	if err := x.do(s.cmd, words(criteria)); err != nil {
		return nil, err
	}
	if len(s.list) > 0 {
		slices.Sort(s.list)
		s.set = s.set.Union(mailbox.UIDs(s.list...))
	}
	return s.set, nil
}

func (s *searching) data(a answer) (bool, error) {
	switch string(a.kind) {
	case "SEARCH":
		return true, s.numbers()
	case "ESEARCH":
		return true, s.extended()
	}
	return false, nil
}

var errTooMany = fmt.Errorf("%w: SEARCH finds more messages than there are", mailbox.ErrProtocol)

// limit bounds what is kept; messages may arrive while the server searches.
func (s *searching) limit() int { return 2*int(s.x.c.exists) + 10_000 }

// numbers reads "* SEARCH 1 2 3 (MODSEQ 4)". (RFC 9051, section 7.3.4)
func (s *searching) numbers() error {
	p := &s.x.c.parser
	for p.spaces(); !p.atEnd() && p.peek() != '('; p.spaces() {
		uid, err := p.uid()
		if err != nil {
			return err
		}
		if len(s.list) >= s.limit() {
			return errTooMany
		}
		s.list = append(s.list, uid)
	}
	if !p.atEnd() {
		if err := p.skipValue(); err != nil {
			return err
		}
	}
	return p.end()
}

// extended reads `* ESEARCH (TAG "mf1") UID ALL 1:3,5`. One for another
// command is dropped. Sequence numbers instead of UIDs are no answer.
func (s *searching) extended() error {
	p := &s.x.c.parser
	p.spaces()
	if p.accept('(') {
		p.spaces()
		if !bytes.Equal(upper(p.word()), []byte("TAG")) {
			return p.syntax("TAG")
		}
		p.spaces()
		tag, err := p.astring()
		if err != nil {
			return err
		}
		p.spaces()
		if err := p.expect(')'); err != nil {
			return err
		}
		if tag != s.cmd.tag {
			return p.skipAnswer()
		}
	}
	uids := false
	for p.spaces(); !p.atEnd(); p.spaces() {
		switch string(upper(p.word())) {
		case "UID":
			uids = true
		case "ALL":
			p.spaces()
			set, err := parseSet(p.word())
			if err != nil {
				return err
			}
			if !uids {
				return fmt.Errorf("%w: UID SEARCH answered without UID", mailbox.ErrProtocol)
			}
			s.set = s.set.Union(set)
			if len(s.set) > s.limit() {
				return errTooMany
			}
		default:
			p.spaces()
			if err := p.skipValue(); err != nil {
				return err
			}
		}
	}
	return nil
}
