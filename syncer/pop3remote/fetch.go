package pop3remote

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"strconv"

	"mailferry/syncer/mailbox"
)

// Fetch reads messages into the sink, many commands ahead of their answers. A
// message that the server refuses costs only itself.
func (a *Account) Fetch(ctx context.Context, ref mailbox.Ref, uids mailbox.UIDSet, part mailbox.Part, sink mailbox.FetchSink) error {
	if uids.IsEmpty() {
		return nil
	}
	return a.onInbox(ctx, ref.Name, func(s *session) error {
		if err := s.drop.check(ref.UIDValidity); err != nil {
			return err
		}
		f := fetch{a: a, s: s, sink: sink, headers: map[mailbox.UID]mailbox.Hash{}}
		var wanted []*entry
		for i := range s.drop.entries {
			if e := &s.drop.entries[i]; uids.Contains(e.uid) {
				wanted = append(wanted, e)
			}
		}
		var err error
		if part == mailbox.HeaderOnly {
			err = f.fetchHeaders(wanted)
		} else {
			err = f.fetchWhole(wanted)
		}
		return errors.Join(err, a.remember(ctx, f.headers))
	})
}

// check compares the numbering's UIDValidity with the caller's.
func (d *maildrop) check(validity mailbox.UIDValidity) error {
	if d.validity != validity {
		return fmt.Errorf("%w: UIDVALIDITY %d is now %d", mailbox.ErrUIDValidity, validity, d.validity)
	}
	return nil
}

// fetch is one call of Fetch.
type fetch struct {
	a    *Account
	s    *session
	sink mailbox.FetchSink
	// headers are those that passed.
	headers map[mailbox.UID]mailbox.Hash
}

func (f *fetch) fetchWhole(wanted []*entry) error {
	return f.s.retrieveOr(wanted, f.drop, func(e *entry, m *message) error {
		m.seen = f.seen(e)
		if err := f.sink.Receive(mailbox.UnknownSize, m); err != nil {
			return err
		}
		if !m.isWhole() {
			return fmt.Errorf("uid %d was not read whole", e.uid)
		}
		f.headers[e.uid] = m.header.sum()
		return f.sink.Row(e.uid)
	})
}

// seen is when a message was first seen.
func (f *fetch) seen(e *entry) mailbox.Date {
	return mailbox.Date{Unix: f.a.rows[e.uid].Seen, Known: true}
}

func (f *fetch) drop(e *entry, reason error) error { return f.sink.Drop(e.uid, reason) }

// fetchHeaders asks for headers alone, and reads the messages of those that
// come without their end.
func (f *fetch) fetchHeaders(wanted []*entry) error {
	var rest []*entry
	err := f.s.tops(wanted, func(e *entry, header []byte) error {
		if header == nil {
			rest = append(rest, e)
			return nil
		}
		f.headers[e.uid] = sha256.Sum256(header)
		if err := f.sink.Receive(int64(len(header)), bytes.NewReader(header)); err != nil {
			return err
		}
		return f.sink.Row(e.uid)
	})
	if err != nil {
		return err
	}
	return f.s.retrieveOr(rest, f.drop, func(e *entry, m *message) error {
		if err := f.sink.Receive(mailbox.UnknownSize, headerReader{m}); err != nil {
			return err
		}
		if err := m.body.drain(maxBody); err != nil {
			return err
		}
		f.headers[e.uid] = m.header.sum()
		return f.sink.Row(e.uid)
	})
}

// tops asks for the headers of messages. A nil header means that the server
// does not hand it over, or not up to the empty line that ends it: TOP is
// optional, and some servers leave that line out. (RFC 1939, section 7)
func (s *session) tops(entries []*entry, each func(e *entry, header []byte) error) error {
	if s.caps != nil && !s.caps.has("TOP") {
		for _, e := range entries {
			if err := each(e, nil); err != nil {
				return err
			}
		}
		return nil
	}
	ask := func(i int) string { return "TOP " + strconv.Itoa(entries[i].number) + " 0" }
	return s.pipeline(len(entries), ask, func(i int) error {
		header, err := s.top()
		if err != nil {
			return err
		}
		return each(entries[i], header)
	})
}

// top reads the answer to TOP.
func (s *session) top() ([]byte, error) {
	if _, err := s.answer("TOP"); err != nil {
		return nil, s.err // a refusal is no header
	}
	m := newMessage(s.in, mailbox.Date{})
	header, err := io.ReadAll(io.LimitReader(headerReader{m}, maxHeader))
	if err == nil {
		err = m.body.drain(maxBody)
	}
	if err != nil {
		return nil, s.fail(fmt.Errorf("TOP: %w", err))
	}
	if !m.header.ended {
		return nil, nil
	}
	return header, nil
}

// retrieve reads messages whole; one that is refused ends it.
func (s *session) retrieve(entries []*entry, each func(e *entry, m *message) error) error {
	return s.retrieveOr(entries, func(_ *entry, reason error) error { return reason }, each)
}

// retrieveOr reads messages whole and calls refused for those that the server
// does not hand over. (RFC 1939, section 5)
func (s *session) retrieveOr(entries []*entry, refused func(e *entry, reason error) error, each func(e *entry, m *message) error) error {
	ask := func(i int) string { return "RETR " + strconv.Itoa(entries[i].number) }
	return s.pipeline(len(entries), ask, func(i int) error {
		e := entries[i]
		if _, err := s.answer("RETR"); err != nil {
			if s.err != nil {
				return err
			}
			return refused(e, err)
		}
		m := newMessage(s.in, mailbox.Date{})
		err := each(e, m)
		switch {
		case err == nil:
			return nil
		case m.err != nil && !m.isWhole():
			return s.fail(m.err) // the stream broke, whatever was made of it
		case !m.isWhole():
			s.fail(fmt.Errorf("message %d was not read whole: %w", e.number, err))
		}
		return err
	})
}
