package imapremote

import (
	"context"
	"errors"
	"fmt"

	"mailferry/syncer/imapremote/wire"
	"mailferry/syncer/mailbox"
)

// createWindow is how many mailboxes are made in one turn.
const createWindow = 32

// making is a mailbox that is to be made: its index with the caller, how
// go-imap wants it to be named, and its name in wire octets.
type making struct {
	i          int
	name       mailbox.Name
	text, wire string
}

// Create makes mailboxes in order, subscribes to them and opens them, many in
// one turn: what it costs is hardly more than for one. (RFC 9051, section 6.3.4)
func (a *Account) Create(ctx context.Context, names []mailbox.Name, done func(i int, seen mailbox.Observation, err error)) error {
	if a.opts.ReadOnly {
		return errReadOnly
	}
	var all []making
	for i, name := range names {
		text, wireName, err := a.writableName(name)
		if err == nil && name == mailbox.Inbox {
			err = mailbox.ErrExists
		}
		if err != nil {
			done(i, mailbox.Observation{}, fmt.Errorf("%s: %w", name, err))
			continue
		}
		all = append(all, making{i, name, text, wireName})
	}
	for len(all) > 0 {
		n := min(len(all), createWindow)
		if err := a.createSome(ctx, all[:n], done); err != nil {
			return err
		}
		all = all[n:]
	}
	return nil
}

func (a *Account) createSome(ctx context.Context, some []making, done func(i int, seen mailbox.Observation, err error)) error {
	var unseen []making
	var why []error
	err := a.with(ctx, "", false, func(s *session) error {
		rows, err := s.create(ctx, some)
		for i, row := range rows {
			m := some[i]
			seen, err := a.created(ctx, s, m, row)
			if row.Select != nil && (err == nil || errors.Is(err, mailbox.ErrExists)) {
				unseen, why = append(unseen, m), append(why, err)
				continue
			}
			done(m.i, seen, err)
		}
		return err
	})
	// What was made and could not be opened is looked at by itself.
	for i, m := range unseen {
		seen, lookErr := a.Observe(ctx, m.name, mailbox.Since{}, func(mailbox.RemoteMessage) error { return nil })
		if lookErr != nil {
			done(m.i, mailbox.Observation{}, lookErr)
		} else {
			done(m.i, seen, why[i])
		}
	}
	return err
}

// create returns what became of the first of the mailboxes, of all unless there
// is an error.
func (s *session) create(ctx context.Context, some []making) (rows []wire.CreateRow, err error) {
	names := make([]string, len(some))
	for i, m := range some {
		names[i] = m.wire
	}
	s.selected = selection{}
	err = s.raw(ctx, func(x *wire.Exchange) error {
		return x.CreateAll(names, s.caps.hasCondStore(), func(row wire.CreateRow) { rows = append(rows, row) })
	})
	if n := len(rows); n > 0 && rows[n-1].Select == nil {
		s.opened(rows[n-1].Name, true, rows[n-1].Selected)
	}
	return rows, err
}

// created puts the subscription right and says how a mailbox is, where it is.
func (a *Account) created(ctx context.Context, s *session, m making, row wire.CreateRow) (mailbox.Observation, error) {
	seen := mailbox.Observation{Status: row.Selected.Status, Holds: row.Selected.Holds}
	seen.Complete = row.Select == nil && seen.Status.Messages == 0
	seen.HasPresent = seen.Complete
	if row.Create == nil {
		a.names.learn(m.name, m.wire)
		if row.Subscribe == nil || s.isBroken() {
			return seen, nil
		}
		return seen, a.subscribe(ctx, s, m.text, "")
	}
	err := fmt.Errorf("%s: %w", m.name, row.Create)
	if isPlainRefusal(row.Create) && row.Select == nil {
		// Servers older than RFC 5530 do not say why; what can be opened is there.
		return seen, fmt.Errorf("%w: %w", mailbox.ErrExists, err)
	}
	if row.Subscribe == nil && !errors.Is(err, mailbox.ErrExists) && !s.isBroken() {
		// Of what is not there nobody wants to hear.
		err = errors.Join(err, a.subscribe(ctx, s, "", m.text))
	}
	return seen, err
}
