package syncer

import (
	"context"
	"fmt"
	"slices"

	"golang.org/x/sync/errgroup"

	"mailferry/syncer/mailbox"
	"mailferry/syncer/plan"
)

// everything is what a mailbox that does not exist yet is taken to hold.
var everything = mailbox.Holds{
	AnyKeyword: true,
	Flags: mailbox.NewFlags(mailbox.FlagSeen, mailbox.FlagAnswered, mailbox.FlagFlagged,
		mailbox.FlagDeleted, mailbox.FlagDraft),
}

// observe looks at both sides of each mailbox. Trouble with one mailbox leaves
// that one out.
func (r *run) observe(ctx context.Context, boxes []*box) error {
	r.setLimits(boxes)
	return r.inGroups(ctx, boxes, r.observeGroup)
}

func (r *run) observeGroup(ctx context.Context, group []*box) error {
	step := func(boxes []*box, do func(context.Context, *box) error) error {
		for _, b := range taking(boxes) {
			if err := r.leaveOut(ctx, b, do(ctx, b)); err != nil {
				return err
			}
		}
		return nil
	}
	if err := step(group, r.observeNear); err != nil {
		return err
	}
	asked := slices.DeleteFunc(taking(group), func(b *box) bool {
		return b.remote.Missing || b.limit != 0 || r.isSettledByListing(b)
	})
	if err := r.glance(ctx, asked, r.sinceOf); err != nil {
		return err
	}
	return step(group, func(ctx context.Context, b *box) error {
		defer r.tally.advance(func(p *Progress) { p.Mailboxes++ })
		if err := r.observeRemote(ctx, b); err != nil {
			return err
		}
		return r.inspectNew(ctx, b)
	})
}

// each runs a step for several mailboxes at once. The step's error is the
// mailbox's own trouble unless it concerns the whole run.
func (r *run) each(ctx context.Context, boxes []*box, step func(context.Context, *box) error) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(r.Connections)
	for _, b := range boxes {
		group.Go(func() error {
			if r.isStopped() {
				return mailbox.ErrStopped
			}
			return r.leaveOut(ctx, b, step(ctx, b))
		})
	}
	return group.Wait()
}

// observeNear reads what tells of a mailbox without the server.
func (r *run) observeNear(ctx context.Context, b *box) error {
	if err := r.readOddLinks(ctx, b); err != nil {
		return err
	}
	return r.observeLocal(ctx, b)
}

// isSettledByListing reports whether the server's listing says that nothing
// changed in a mailbox.
func (r *run) isSettledByListing(b *box) bool {
	return b.remoteSame && !b.local.Missing && !r.asksMachines()
}

func (r *run) observeRemote(ctx context.Context, b *box) error {
	switch {
	case b.remote.Missing:
		b.remote.Observation = mailbox.Observation{Complete: true, HasPresent: true, Holds: everything}
		return r.gather(ctx, b)
	case r.isSettledByListing(b):
		b.remote.Observation = mailbox.Observation{Status: *b.listed.Status, Delta: true, Complete: true}
		// What the mailbox can hold is told only when it is opened; it
		// matters only if flags or messages are to go there.
		if err := r.gather(ctx, b); err != nil || !r.mayPush(b) {
			return err
		}
	}
	return r.lookAndGather(ctx, b, r.sinceOf(b))
}

// sinceOf says what is known of a mailbox before it is looked at.
func (r *run) sinceOf(b *box) mailbox.Since {
	since := b.since()
	if b.local.Missing || r.asksMachines() {
		// The messages may all have to be fetched again, or the base does not
		// know which machines have a copy: everything is asked.
		since = mailbox.Since{}
	}
	since.Limit = b.limit
	return since
}

// lookAndGather observes the server and reads the links that matter, again
// with a wider look when what it finds asks for that.
func (r *run) lookAndGather(ctx context.Context, b *box, since mailbox.Since) error {
	for {
		if err := r.look(ctx, b, since); err != nil {
			return err
		}
		if isPooled, err := r.poolRest(ctx, b); isPooled || err != nil {
			return err
		}
		if err := r.gather(ctx, b); err != nil {
			return err
		}
		isRenumbered := plan.IsRenumbered(b.base, b.remote)
		switch {
		case b.remote.Delta && (b.unaccounted || isRenumbered),
			!b.remote.Rest.IsEmpty() && (isRenumbered || !r.mayWait(b)):
			since = mailbox.Since{}
			continue
		case isRenumbered && !b.keepsAll:
			b.keepsAll = true
			return r.gather(ctx, b)
		}
		b.rest = b.remote.Rest
		return nil
	}
}

// look observes a mailbox, again from the start if the connection is lost.
func (r *run) look(ctx context.Context, b *box, since mailbox.Since) error {
	if b.glance != nil {
		b.remote.Observation, b.glance = *b.glance, nil
		return b.checkOpened()
	}
	err := r.retry(ctx, func() error {
		b.remote.Messages = b.remote.Messages[:0]
		seen, err := r.Remote.Observe(ctx, b.name, since, func(m mailbox.RemoteMessage) error {
			b.remote.Messages = append(b.remote.Messages, m)
			return nil
		})
		b.remote.Observation = seen
		return err
	})
	if err == nil {
		err = b.checkOpened()
	}
	return err
}

// checkOpened compares what was opened with what was listed in this run: with
// another UIDVALIDITY it is another mailbox. Either it was made anew at this
// moment, which the next run will see, or the server opened the wrong one.
func (b *box) checkOpened() error {
	if b.listed == nil || b.listed.Status == nil {
		return nil
	}
	listed, opened := b.listed.Status.UIDValidity, b.remote.Status.UIDValidity
	if listed == 0 || opened == 0 || listed == opened {
		return nil
	}
	return fmt.Errorf("%w: UIDVALIDITY is %d in the listing and %d in the mailbox that the server opened; it is left alone", mailbox.ErrUIDValidity, listed, opened)
}
