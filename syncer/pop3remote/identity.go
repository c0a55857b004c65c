package pop3remote

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"

	"mailferry/syncer/mailbox"
)

// forgottenAfter is how long a message that is gone keeps its UID: a server may
// hide messages for a while, and what comes back under its unique-id shall be
// what it was.
const forgottenAfter = 30 * 24 * time.Hour

// Numbers remembers which message has which UID, from one run to the next.
type Numbers interface {
	// Numbering returns all that was numbered.
	Numbering(ctx context.Context) (mailbox.Numbering, error)
	// Number writes messages and forgets others, durably. The first call
	// chooses the UIDValidity.
	Number(ctx context.Context, put []mailbox.Numbered, forget []mailbox.UID) error
}

// identify gives the entries their ids: "u" and the server's unique-id where
// that can be relied on, else of the content: "t", the hash of the header and
// the size, or "h", the hash of the whole message. Identical messages are told
// apart by a count, for which of them is which makes no difference.
func (s *session) identify() error {
	drop := s.drop
	times := map[string]int{}
	isNumber := true
	for i := range drop.entries {
		e := &drop.entries[i]
		times[e.unique]++
		isNumber = isNumber && e.unique == strconv.Itoa(e.number)
	}
	var nameless []*entry
	for i := range drop.entries {
		// A unique-id that is the message's number means another message as
		// soon as one before it is deleted. Identical messages may have one
		// unique-id, says RFC 1939, section 7; others have been seen to.
		if e := &drop.entries[i]; e.unique != "" && times[e.unique] == 1 && !isNumber {
			e.id = "u" + e.unique
		} else {
			nameless = append(nameless, e)
		}
	}
	return s.nameByContent(nameless)
}

func (s *session) nameByContent(nameless []*entry) error {
	var unread []*entry
	groups := map[string][]*entry{}
	err := s.tops(nameless, func(e *entry, header []byte) error {
		if header == nil {
			unread = append(unread, e)
			return nil
		}
		sum := sha256.Sum256(header)
		id := "t" + hex.EncodeToString(sum[:]) + "." + strconv.FormatInt(e.size, 10)
		groups[id] = append(groups[id], e)
		return nil
	})
	if err != nil {
		return err
	}
	for _, e := range nameless {
		e.id = ""
	}
	for id, group := range groups {
		if len(group) == 1 {
			group[0].id = id
		}
	}
	var alike []*entry
	for _, e := range nameless {
		if e.id == "" {
			alike = append(alike, e)
		}
	}
	return s.nameByBody(alike)
}

// nameByBody reads messages whole.
func (s *session) nameByBody(alike []*entry) error {
	times := map[string]int{}
	return s.retrieve(alike, func(e *entry, m *message) error {
		hash, err := m.digest()
		if err != nil {
			return err
		}
		name := nameOfTwins(bodyID(hash, 1))
		times[name]++
		e.id = bodyID(hash, times[name])
		return nil
	})
}

// bodyID names the nth of identical messages.
func bodyID(hash mailbox.Hash, n int) string { return "h" + hash.String() + "." + strconv.Itoa(n) }

// nameOfTwins is what the bodyIDs of identical messages have in common.
func nameOfTwins(id string) string {
	name, _, _ := strings.Cut(id, ".")
	return name
}

// number gives the entries the UIDs that they had, or new ones, and remembers
// these before anybody hears of them.
func (a *Account) number(ctx context.Context, s *session) error {
	known, err := a.numbers.Numbering(ctx)
	if err != nil {
		return err
	}
	drop := s.drop
	n := newNumberer(drop, known, a.opts.Now().Unix())
	if err := n.recognise(s); err != nil {
		return err
	}
	n.settle()
	if !a.opts.DryRun {
		if err := a.numbers.Number(ctx, n.put, n.forget); err != nil {
			return err
		}
		if known.UIDValidity == 0 && len(n.put) > 0 {
			if known, err = a.numbers.Numbering(ctx); err != nil {
				return err
			}
		}
	}
	// An empty mailbox, or a dry run, has nothing that was written yet.
	drop.validity = known.UIDValidity
	if drop.validity == 0 {
		drop.validity = validityAt(a.opts.Now())
	}
	drop.next, drop.numbered = n.next, true
	a.rows = n.rows
	return nil
}

// validityAt is a UIDValidity of its own for UIDs that nobody remembers.
func validityAt(now time.Time) mailbox.UIDValidity {
	return mailbox.UIDValidity(max(now.Unix()&(1<<32-1), 1))
}

// remember writes the headers that were read, by which a message is known
// again before it is deleted.
func (a *Account) remember(ctx context.Context, headers map[mailbox.UID]mailbox.Hash) error {
	if a.opts.DryRun {
		return nil
	}
	var put []mailbox.Numbered
	for uid, header := range headers {
		if row, found := a.rows[uid]; found && row.Header != header {
			row.Header = header
			a.rows[uid] = row
			put = append(put, row)
		}
	}
	if err := a.numbers.Number(ctx, put, nil); err != nil {
		return fmt.Errorf("remember headers: %w", err)
	}
	return nil
}

// memory is Numbers for one run.
type memory struct {
	validity  mailbox.UIDValidity
	numbering mailbox.Numbering
}

func (m *memory) Numbering(context.Context) (mailbox.Numbering, error) { return m.numbering, nil }

func (m *memory) Number(_ context.Context, put []mailbox.Numbered, forget []mailbox.UID) error {
	n := &m.numbering
	rows := map[mailbox.UID]mailbox.Numbered{}
	for _, row := range n.Messages {
		rows[row.UID] = row
	}
	for _, uid := range forget {
		delete(rows, uid)
	}
	for _, row := range put {
		rows[row.UID] = row
		n.Next = max(n.Next, row.UID+1)
	}
	n.UIDValidity, n.Messages = m.validity, nil
	for _, row := range rows {
		n.Messages = append(n.Messages, row)
	}
	return nil
}
