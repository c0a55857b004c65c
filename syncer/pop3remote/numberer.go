package pop3remote

import (
	"bytes"
	"crypto/sha256"
	"strings"
	"time"

	"mailferry/syncer/mailbox"
)

// numberer matches a maildrop with what was numbered before.
type numberer struct {
	drop    *maildrop
	known   []mailbox.Numbered
	missing map[string]mailbox.Numbered // of known, by ID: those that no entry is
	unknown []*entry                    // those that are none of known
	next    mailbox.UID
	now     int64

	rows   map[mailbox.UID]mailbox.Numbered // those that are there
	put    []mailbox.Numbered
	forget []mailbox.UID
}

// newNumberer matches by ID.
func newNumberer(drop *maildrop, known mailbox.Numbering, now int64) *numberer {
	n := &numberer{
		drop: drop, known: known.Messages, next: max(known.Next, 1), now: now,
		missing: make(map[string]mailbox.Numbered, len(known.Messages)),
		rows:    make(map[mailbox.UID]mailbox.Numbered, len(drop.entries)),
	}
	for _, row := range known.Messages {
		n.missing[row.ID] = row
	}
	for i := range drop.entries {
		e := &drop.entries[i]
		row, found := n.missing[e.id]
		delete(n.missing, e.id)
		switch {
		case !found:
			n.unknown = append(n.unknown, e)
		case row.Size != e.size:
			// Another message, or a server that cannot count: content decides
			// whether the disk has it.
			n.forget = append(n.forget, row.UID)
			n.unknown = append(n.unknown, e)
		default:
			n.assign(e, row, row.Gone != 0)
		}
	}
	return n
}

// assign gives an entry its row.
func (n *numberer) assign(e *entry, row mailbox.Numbered, isChanged bool) {
	row.ID, row.Gone = e.id, 0
	e.uid = row.UID
	n.rows[row.UID] = row
	if isChanged {
		n.put = append(n.put, row)
	}
}

// print is what a message is recognised by whose name has changed.
type print struct {
	header mailbox.Hash
	size   int64
}

// recognise finds messages that have got another name, as when the mailbox was
// moved to another server: size and header, with its Message-ID, are the same,
// and of nothing else. What is not certain gets a new UID, and the engine asks
// for all of it.
func (n *numberer) recognise(s *session) error {
	times := map[print]int{}
	lost := map[print]mailbox.Numbered{}
	for _, row := range n.known {
		p := print{row.Header, row.Size}
		times[p]++
		if _, isMissing := n.missing[row.ID]; isMissing && !row.Header.IsZero() && row.Size >= 0 {
			lost[p] = row
		}
	}
	if len(lost) == 0 || len(n.unknown) == 0 {
		return nil
	}
	prints := make(map[*entry]print, len(n.unknown))
	alike := map[print]int{}
	err := s.tops(n.unknown, func(e *entry, header []byte) error {
		if hasMessageID(header) {
			p := print{sha256.Sum256(header), e.size}
			prints[e] = p
			alike[p]++
		}
		return nil
	})
	if err != nil {
		return err
	}
	var rest, twins []*entry
	for _, e := range n.unknown {
		p, isPrinted := prints[e]
		row, isLost := lost[p]
		switch {
		case !isPrinted || !isLost:
			rest = append(rest, e)
		case times[p] != 1 || alike[p] != 1:
			twins = append(twins, e)
		default:
			delete(n.missing, row.ID)
			n.assign(e, row, true)
		}
	}
	n.unknown = rest
	return n.recogniseTwins(s, twins)
}

// recogniseTwins finds messages by their whole content that were named by it.
// Which of identical messages is which makes no difference.
func (n *numberer) recogniseTwins(s *session, twins []*entry) error {
	lost := map[string][]mailbox.Numbered{}
	for _, row := range n.known {
		if _, isMissing := n.missing[row.ID]; isMissing && strings.HasPrefix(row.ID, "h") {
			name := nameOfTwins(row.ID)
			lost[name] = append(lost[name], row)
		}
	}
	if len(lost) == 0 {
		n.unknown = append(n.unknown, twins...)
		return nil
	}
	return s.retrieveOr(twins, n.leaveUnknown, func(e *entry, m *message) error {
		hash, err := m.digest()
		if err != nil {
			return err
		}
		name := bodyID(hash, 1)
		rows := lost[nameOfTwins(name)]
		if len(rows) == 0 || rows[0].Size != e.size {
			return n.leaveUnknown(e, nil)
		}
		lost[nameOfTwins(name)] = rows[1:]
		delete(n.missing, rows[0].ID)
		n.assign(e, rows[0], true)
		return nil
	})
}

func (n *numberer) leaveUnknown(e *entry, _ error) error {
	n.unknown = append(n.unknown, e)
	return nil
}

func hasMessageID(header []byte) bool {
	for line := range bytes.Lines(header) {
		const name = "message-id:"
		if len(line) > len(name) && bytes.EqualFold(line[:len(name)], []byte(name)) {
			return true
		}
	}
	return false
}

// settle gives new UIDs and notes what is not there any more.
func (n *numberer) settle() {
	for _, e := range n.unknown {
		n.assign(e, mailbox.Numbered{UID: n.next, Size: e.size, Seen: n.now}, true)
		n.next++
	}
	if !n.drop.complete {
		return
	}
	for _, row := range n.known {
		if _, isMissing := n.missing[row.ID]; !isMissing {
			continue
		}
		switch {
		case row.Gone == 0:
			row.Gone = n.now
			n.put = append(n.put, row)
		case n.now-row.Gone > int64(forgottenAfter/time.Second):
			n.forget = append(n.forget, row.UID)
		}
	}
}
