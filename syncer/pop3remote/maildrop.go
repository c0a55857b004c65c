package pop3remote

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"mailferry/syncer/mailbox"
)

const (
	// maxMessages caps what a mailbox may hold.
	maxMessages = 5_000_000
	// unlisted is how many messages are believed that STAT counts, and neither
	// LIST nor UIDL has a row for.
	unlisted = 10_000
	// maxUniqueID caps a unique-id. RFC 1939 allows 70 octets.
	maxUniqueID = 512
)

// maildrop is the mailbox as a session sees it from beginning to end: POP3
// locks it, so that neither number nor message changes. (RFC 1939, section 3)
type maildrop struct {
	entries []entry // by number: entries[i].number is i+1
	// complete: the listings agree on how many there are.
	complete bool
	// numbered says that the entries have UIDs of a numbering with validity
	// and next.
	numbered bool
	validity mailbox.UIDValidity
	next     mailbox.UID
}

// entry is a message of a maildrop.
type entry struct {
	number int
	// unique is the unique-id as the server told it, "" if it told none.
	unique string
	isOdd  bool
	// isListed: LIST or UIDL told of the message.
	isListed bool
	// size is what LIST told, -1 if nothing.
	size int64
	// id is what the message is known by, see identity.go.
	id  string
	uid mailbox.UID
}

// list asks what there is, with all questions in one round trip where the
// server takes that.
func (s *session) list() error {
	l := lister{s: s, drop: &maildrop{complete: true}}
	questions := []string{"STAT", "LIST", "UIDL"}
	readers := []func(string) error{l.stat, l.sizes, l.uniqueIDs}
	err := s.pipeline(len(questions), func(i int) string { return questions[i] }, func(i int) error {
		text, err := s.answer(questions[i])
		var refused *mailbox.ServerError
		if i > 0 && errors.As(err, &refused) && refused.Kind == nil {
			return nil // UIDL is optional, and a message can do without its size
		}
		if err != nil {
			return err
		}
		return readers[i](text)
	})
	if err != nil {
		return err
	}
	l.reach(min(l.total, len(l.drop.entries)+unlisted))
	l.drop.complete = l.drop.complete && len(l.drop.entries) == l.total
	for _, e := range l.drop.entries {
		l.drop.complete = l.drop.complete && e.isListed
	}
	s.drop = l.drop
	return nil
}

// lister makes a maildrop of what the server tells.
type lister struct {
	s    *session
	drop *maildrop
	// total is what STAT said, read how many rows came.
	total, read int
}

// stat reads "count octets". (RFC 1939, section 5) The octets are not believed,
// and not needed.
func (l *lister) stat(text string) error {
	total, err := parseStat(text)
	if err != nil {
		return l.s.fail(err)
	}
	l.total = total
	return nil
}

// reach makes room for a message by its number, unless that runs far ahead of
// the rows that came: a number alone is no reason to take memory.
func (l *lister) reach(number int) bool {
	if number > 2*l.read+unlisted {
		return false
	}
	for n := len(l.drop.entries); n < number; n++ {
		l.drop.entries = append(l.drop.entries, entry{number: n + 1, size: -1})
	}
	return true
}

func (l *lister) sizes(string) error     { return l.rows("LIST", (*entry).setSize) }
func (l *lister) uniqueIDs(string) error { return l.rows("UIDL", (*entry).setUnique) }

// rows reads lines "number something". A number that makes no sense leaves open
// what else is not so.
func (l *lister) rows(command string, set func(e *entry, rest string)) error {
	total := l.total
	return l.s.lines(command, total+total/8+16, func(line string) error {
		n, rest, ok := parseRow(line, total)
		if l.read++; !ok || !l.reach(n) {
			l.drop.complete = false
			return nil
		}
		e := &l.drop.entries[n-1]
		e.isListed = true
		set(e, rest)
		return nil
	})
}

// parseRow reads "number something", the number being from 1 to total.
func parseRow(line string, total int) (number int, rest string, ok bool) {
	word, rest, _ := strings.Cut(strings.TrimLeft(line, " "), " ")
	n, err := strconv.ParseUint(word, 10, 32)
	if err != nil || n < 1 || n > uint64(total) {
		return 0, "", false
	}
	return int(n), strings.Trim(rest, " "), true
}

func parseStat(text string) (int, error) {
	word, _, _ := strings.Cut(text, " ")
	n, err := strconv.ParseUint(word, 10, 32)
	if err != nil || n > maxMessages {
		return 0, fmt.Errorf("STAT: %w: %.60q is no number of messages", mailbox.ErrProtocol, text)
	}
	return int(n), nil
}

// setSize takes what LIST tells.
func (e *entry) setSize(text string) {
	word, _, _ := strings.Cut(text, " ")
	if n, err := strconv.ParseInt(word, 10, 64); err == nil && n >= 0 {
		e.size = n
	}
}

// setUnique takes what UIDL tells. A message with two unique-ids, or an odd one,
// has none that could be relied on, and is known by its content.
func (e *entry) setUnique(text string) {
	if text == "" || len(text) > maxUniqueID || e.isOdd || e.unique != "" {
		e.unique, e.isOdd = "", true
	} else {
		e.unique = text
	}
}
