package pop3remote

import (
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"mailferry/syncer/mailbox"
)

// Expunge deletes messages and ends the session, which is when POP3 deletes.
// (RFC 1939, section 6) Messages that are not there any more are fine; those of
// which unique-id, size or header are not what they were are left alone and
// returned. An error after DELE means that nobody knows: the next session tells.
func (a *Account) Expunge(ctx context.Context, ref mailbox.Ref, uids mailbox.UIDSet, _ mailbox.ModSeq) (mailbox.UIDSet, error) {
	if uids.IsEmpty() {
		return nil, nil
	}
	if a.opts.ReadOnly {
		return nil, errReadOnly
	}
	var spared []mailbox.UID
	err := a.onInbox(ctx, ref.Name, func(s *session) error {
		if err := s.drop.check(ref.UIDValidity); err != nil {
			return err
		}
		if !s.drop.complete {
			return fmt.Errorf("%w: nothing is deleted because of it", mailbox.ErrIncomplete)
		}
		d := deletion{a: a, s: s}
		for i := range s.drop.entries {
			if e := &s.drop.entries[i]; uids.Contains(e.uid) {
				d.entries = append(d.entries, e)
			}
		}
		err := d.run()
		spared = d.spared
		return err
	})
	return mailbox.UIDs(spared...), err
}

var errReadOnly = fmt.Errorf("account is opened for reading only: writing is %w", mailbox.ErrUnsupported)

// deletion is one call of Expunge.
type deletion struct {
	a       *Account
	s       *session
	entries []*entry
	spared  []mailbox.UID
}

func (d *deletion) run() error {
	if err := d.verify(); err != nil || len(d.entries) == 0 {
		return err
	}
	ask := func(i int) string { return "DELE " + strconv.Itoa(d.entries[i].number) }
	err := d.s.pipeline(len(d.entries), ask, func(i int) error {
		_, err := d.s.answer("DELE")
		if err != nil && d.s.err == nil {
			d.spare(d.entries[i], err)
			return nil
		}
		return err
	})
	if err != nil {
		return d.s.fail(err) // without QUIT nothing is deleted
	}
	if err := d.s.quit(); err != nil {
		return fmt.Errorf("whether messages were deleted is not known: %w", unavailable(err))
	}
	return nil
}

// question is a command about one message, of which the answer has to be what
// the message was known by.
type question struct {
	of      *entry
	command string
	holds   func() (bool, error)
}

// verify asks once more, in this session, what the numbers stand for, and keeps
// the messages that are what they were when they were read.
func (d *deletion) verify() error {
	var questions []question
	for _, e := range d.entries {
		questions = append(questions, d.questions(e)...)
	}
	bad := map[*entry]bool{}
	err := d.s.pipeline(len(questions), func(i int) string { return questions[i].command }, func(i int) error {
		q := questions[i]
		holds, err := q.holds()
		if err == nil && !holds && !bad[q.of] {
			bad[q.of] = true
			d.spare(q.of, fmt.Errorf("%s: the answer is another one than before", verb(q.command)))
		}
		return err
	})
	d.entries = slices.DeleteFunc(d.entries, func(e *entry) bool { return bad[e] })
	return err
}

func (d *deletion) questions(e *entry) []question {
	number := strconv.Itoa(e.number)
	var list []question
	if e.unique != "" {
		list = append(list, question{e, "UIDL " + number, func() (bool, error) { return d.is("UIDL", number+" "+e.unique) }})
	}
	if e.size >= 0 {
		size := strconv.FormatInt(e.size, 10)
		list = append(list, question{e, "LIST " + number, func() (bool, error) { return d.is("LIST", number+" "+size) }})
	}
	header := d.a.rows[e.uid].Header
	if d.s.caps == nil || d.s.caps.has("TOP") {
		list = append(list, question{e, "TOP " + number + " 0", func() (bool, error) {
			now, err := d.s.top()
			return now == nil || header.IsZero() || header == sha256.Sum256(now), err
		}})
	}
	return list
}

// is reports whether a one-line answer is as expected.
func (d *deletion) is(command, want string) (bool, error) {
	text, err := d.s.answer(command)
	if err != nil {
		return false, d.s.err // a refusal is another answer
	}
	return strings.Join(strings.Fields(text), " ") == want, nil
}

func (d *deletion) spare(e *entry, reason error) {
	d.spared = append(d.spared, e.uid)
	d.a.log.Warn("message is not deleted", "uid", uint32(e.uid), "error", reason)
}
