package merge

import (
	"context"
	"errors"
	"fmt"

	"mailferry/syncer"
	"mailferry/syncer/mailbox"
)

// Delivery is what Deliver writes to: a Maildir tree.
type Delivery interface {
	syncer.LocalDelivery
	Create(ctx context.Context, name mailbox.Name) error
}

// Delivered counts what Deliver did. Failures names what could not be read, at
// most maxDamages of Failed.
type Delivered struct {
	Messages, Failed int
	Octets           int64
	Failures         []error
}

// Bounds of what is written between two barriers.
const (
	deliverMessages = 500
	deliverOctets   = 64 << 20
)

// Deliver writes what the target lacks into a Maildir tree, in groups that are
// durable before they get their names. A message that cannot be read fails
// alone; an error of the disk ends it. Stop, when closed, ends it after a
// group.
func (o *Outbox) Deliver(ctx context.Context, to Delivery, stop <-chan struct{}, progress Progress) (done Delivered, err error) {
	for _, name := range o.names {
		if err := to.Create(ctx, name); err != nil && !errors.Is(err, mailbox.ErrExists) {
			return done, err
		}
		list := o.boxes[name]
		for len(list) > 0 {
			select {
			case <-stop:
				return done, mailbox.ErrStopped
			default:
			}
			n, err := o.deliverGroup(ctx, to, name, list, &done, progress)
			if err != nil {
				return done, err
			}
			list = list[n:]
		}
	}
	return done, nil
}

// deliverGroup writes the first of a list and returns how many that were.
func (o *Outbox) deliverGroup(ctx context.Context, to Delivery, name mailbox.Name, list []outgoing, done *Delivered, progress Progress) (n int, err error) {
	var drafts []mailbox.Draft
	defer func() {
		if err != nil {
			err = errors.Join(err, to.Discard(context.WithoutCancel(ctx), drafts))
		}
	}()
	octets := int64(0)
	for n < len(list) && len(drafts) < deliverMessages && octets < deliverOctets {
		one := list[n]
		n++
		draft, err := o.deliverOne(ctx, to, name, one)
		var unreadable *sourceError
		if errors.As(err, &unreadable) && ctx.Err() == nil {
			if done.Failed++; len(done.Failures) < maxDamages {
				done.Failures = append(done.Failures, err)
			}
			continue
		}
		if err != nil {
			return n, err
		}
		drafts = append(drafts, draft)
		octets += draft.Content.Size
	}
	if err := to.Seal(ctx, drafts); err != nil {
		return n, err
	}
	if err := to.Publish(ctx, drafts); err != nil {
		return n, err
	}
	done.Messages += len(drafts)
	done.Octets += octets
	if progress != nil {
		progress(octets, len(drafts))
	}
	return n, nil
}

// sourceError is about one message of a source, not about the disk that is
// written to.
type sourceError struct{ err error }

func (e *sourceError) Error() string { return e.err.Error() }
func (e *sourceError) Unwrap() error { return e.err }

func (o *Outbox) deliverOne(ctx context.Context, to Delivery, name mailbox.Name, one outgoing) (mailbox.Draft, error) {
	_, _, record, date, err := o.find(name, one.key())
	if err != nil {
		return mailbox.Draft{}, err
	}
	body, err := o.Open(ctx, name, one.key())
	if err != nil {
		return mailbox.Draft{}, &sourceError{fmt.Errorf("%s: %w", name, err)}
	}
	defer body.Close()
	draft, err := to.Receive(ctx, name, record.Content.Size, body)
	if err != nil {
		return draft, err
	}
	if draft.Content.Hash != record.Content.Hash {
		return draft, errors.Join(&sourceError{fmt.Errorf("%s: %w", name, ErrChanged)}, to.Discard(ctx, []mailbox.Draft{draft}))
	}
	draft.Flags, draft.Date = o.union.flags(o.union.group(int(one.group))), date
	return draft, nil
}
