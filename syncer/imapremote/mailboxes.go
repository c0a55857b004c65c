package imapremote

import (
	"context"
	"errors"
	"fmt"

	"mailferry/syncer/imapremote/wire"
	"mailferry/syncer/mailbox"
)

// errInbox is returned for what IMAP does not do with INBOX: RENAME would
// empty it into another mailbox. (RFC 9051, section 6.3.6)
var errInbox = fmt.Errorf("renaming or deleting INBOX is %w", mailbox.ErrUnsupported)

// Rename renames a mailbox and those below it. (RFC 9051, section 6.3.6)
func (a *Account) Rename(ctx context.Context, from, to mailbox.Name) error {
	if from == mailbox.Inbox {
		return errInbox
	}
	text, wireName, err := a.writableName(from)
	if err != nil {
		return err
	}
	newText, newWire, err := a.writableName(to)
	if err != nil {
		return err
	}
	return a.change(ctx, from, func(s *session) error {
		err := s.control(ctx, "RENAME", func() error { return s.client.Rename(text, newText, nil).Wait() })
		if err != nil {
			return err
		}
		a.forget(s, from, wireName)
		a.names.learn(to, newWire)
		return a.subscribe(ctx, s, newText, text)
	})
}

// Delete deletes a mailbox that has no message right before. (RFC 9051,
// section 6.3.5)
func (a *Account) Delete(ctx context.Context, name mailbox.Name) error {
	if name == mailbox.Inbox {
		return errInbox
	}
	text, wireName, err := a.writableName(name)
	if err != nil {
		return err
	}
	return a.change(ctx, name, func(s *session) error {
		if err := a.leave(ctx, s, wireName); err != nil {
			return err
		}
		err := s.raw(ctx, func(x *wire.Exchange) error {
			status, err := x.Status(wireName, false)
			if err == nil && status.Messages > 0 {
				err = fmt.Errorf("mailbox is not deleted: it has %d messages", status.Messages)
			}
			return err
		})
		if err != nil {
			return err
		}
		err = s.control(ctx, "DELETE", func() error { return s.client.Delete(text).Wait() })
		if err != nil {
			return err
		}
		a.forget(s, name, wireName)
		return a.subscribe(ctx, s, "", text)
	})
}

// writableName returns a name as go-imap wants it, and as it is sent.
func (a *Account) writableName(name mailbox.Name) (text, wireName string, err error) {
	if a.opts.ReadOnly {
		return "", "", errReadOnly
	}
	if wireName, err = a.names.toWire(name); err != nil {
		return "", "", err
	}
	text, err = a.controlName(name)
	return text, wireName, err
}

func (a *Account) change(ctx context.Context, name mailbox.Name, fn func(*session) error) error {
	if err := a.with(ctx, "", false, fn); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// subscribe changes the list of subscriptions. A refusal is only logged: it
// hides the mailbox from some mail readers and harms no mail.
func (a *Account) subscribe(ctx context.Context, s *session, add, remove string) error {
	err := s.control(ctx, "SUBSCRIBE", func() error {
		var errs []error
		if add != "" {
			errs = append(errs, s.client.Subscribe(add).Wait())
		}
		if remove != "" {
			errs = append(errs, s.client.Unsubscribe(remove).Wait())
		}
		return errors.Join(errs...)
	})
	if err != nil {
		a.log.Info("subscription not changed", "error", err)
	}
	return ctx.Err()
}

// leave makes this session and the idle ones leave a mailbox: Dovecot hangs up
// on those that have a deleted mailbox open.
func (a *Account) leave(ctx context.Context, s *session, wireName string) error {
	for other := a.pool.takeOpen(wireName); other != nil; other = a.pool.takeOpen(wireName) {
		// One that cannot leave is closed, and that is leaving, too.
		other.dead = other.leave(ctx, wireName) != nil
		a.pool.release(other)
	}
	return s.leave(ctx, wireName)
}

// leave closes the mailbox if it is open, without expunging. (RFC 3691)
func (s *session) leave(ctx context.Context, wireName string) error {
	if s.selected.wire != wireName {
		return nil
	}
	s.selected = selection{}
	return s.raw(ctx, func(x *wire.Exchange) error {
		if s.caps.has("UNSELECT") {
			return x.Unselect()
		}
		_, err := s.open(x, string(mailbox.Inbox), false)
		return err
	})
}

// forget drops what is remembered of a mailbox that has another name now or is
// gone: its spelling, and that sessions have it or one below it open.
func (a *Account) forget(s *session, name mailbox.Name, wireName string) {
	a.names.forget(name)
	if s.selected.wire != "" {
		s.selected = selection{}
	}
	a.pool.forgetSelected()
}
