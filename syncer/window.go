package syncer

import (
	"context"
	"fmt"
	"sync"

	"mailferry/syncer/mailbox"
	"mailferry/syncer/plan"
)

// defaultWindow is how many new messages a run looks at together. Several
// hundred octets are kept for each until it has arrived.
const defaultWindow = 10_000

// setLimits bounds how many new messages are looked at in this round, where
// there are more than a window: the others wait, so that memory does not grow
// with the mailbox. A server that tells no counts may have any number.
func (r *run) setLimits(boxes []*box) {
	if !r.Policy.Pull.New || r.Policy.LooksAtAll() {
		return
	}
	for _, b := range boxes {
		if known := b.base.Known; known.ID != 0 && known.Links > 0 && (b.remote.Missing || b.local.Missing) {
			return // perhaps renamed: which it is shows in all messages of the new ones
		}
	}
	left := r.Window
	for _, b := range boxes {
		if b.isOut || b.remote.Missing || b.remoteSame || b.local.Missing && !r.isFresh(b) {
			continue
		}
		isCounted, fresh := b.isCounted(), left
		if isCounted {
			fresh = b.fresh()
		}
		switch {
		case isCounted && fresh <= left:
		case left == 0:
			b.limit = -1
		default:
			b.limit = left
		}
		left -= min(fresh, left)
	}
}

// isCounted reports whether the listing told how many messages there are.
func (b *box) isCounted() bool { return b.listed != nil && b.listed.Status != nil }

// fresh is how many messages of a mailbox whose messages are counted may be
// new: all, where no checkpoint tells which UIDs are not.
func (b *box) fresh() int {
	status, known := b.listed.Status, b.base.Known
	if known.Remote.UIDNext <= 1 || known.Remote.UIDValidity != status.UIDValidity {
		return int(status.Messages)
	}
	return max(int(status.Messages)-known.Links, 0)
}

// isFresh reports whether a mailbox is about to be made on disk, whatever is in
// it. One that was there before may have been deleted: what is to become of it
// depends on all of its messages.
func (r *run) isFresh(b *box) bool {
	known := b.base.Known
	return r.Policy.Pull.Mailboxes && !known.HasLocal && !known.HasRemote && known.Links == 0
}

// mayWait reports whether the messages that a look left for later can be
// decided apart from the others: nothing on disk may be one of them, and the
// disk has those that the base knows as the base does.
func (r *run) mayWait(b *box) bool {
	if len(b.newKeys) > 0 && r.wantsNewFiles(b) {
		return false
	}
	for i := range b.base.Links {
		link := &b.base.Links[i]
		switch {
		case link.UID == 0, link.Kind == mailbox.PendingUpload:
			return false
		case link.Kind == mailbox.PendingExpunge && b.row(link.UID) == nil:
			return false // perhaps it is merely marked, by us: the row tells
		case !link.IsOdd() && b.row(link.UID) == nil:
			return false
		}
	}
	return true
}

// unfinished returns the mailboxes with messages that wait, as many as one
// round takes, and says which messages these are.
func (r *run) unfinished(boxes []*box) []*box {
	left := r.Window
	var list []*box
	for _, b := range boxes {
		if b.isOut || b.isElsewhere || !b.isWaiting() || left <= 0 {
			continue
		}
		b.part, b.window = plan.Part{}, nil
		if b.pool != nil && !b.pool.IsDone() {
			b.part = b.pool.Next(min(left, r.partSize()))
			left -= b.part.Len()
		} else {
			b.pool = nil
			b.window, b.rest = b.rest.First(left)
			left -= b.window.Len()
		}
		list = append(list, b)
	}
	return list
}

// partSize is how many messages are matched together: several times as much is
// kept of each as of one that is only new.
func (r *run) partSize() int { return max(r.Window/4, 1) }

// isWaiting reports whether the mailbox has messages left for later rounds.
func (b *box) isWaiting() bool { return b.pool != nil && !b.pool.IsDone() || !b.rest.IsEmpty() }

// observeRest looks at the messages that come next in each mailbox.
func (r *run) observeRest(ctx context.Context, boxes []*box) error {
	return r.each(ctx, boxes, func(ctx context.Context, b *box) error {
		b.unsettled = b.unsettled || !b.plan.Settled
		b.localUnsettled = b.localUnsettled || !b.plan.LocalSettled
		b.wrote = b.wrote || len(b.writes()) > 0
		b.plan, b.prepared, b.unready = plan.Plan{}, sync.Once{}, nil
		if b.part.Len() > 0 {
			return r.observePart(ctx, b)
		}
		return r.observeWindow(ctx, b)
	})
}

// lookAt describes some messages of a mailbox that was looked at before.
func (r *run) lookAt(ctx context.Context, b *box, uids mailbox.UIDSet) error {
	validity := mailbox.Status{UIDValidity: b.remote.Status.UIDValidity}
	if err := r.look(ctx, b, mailbox.Since{Remote: validity, Only: uids}); err != nil {
		return err
	}
	if !b.remote.Complete {
		b.unsettled = true
		r.tally.trouble(b.name, fmt.Errorf("%w: nothing is deleted because of it", mailbox.ErrIncomplete))
	}
	return nil
}

func (r *run) observeWindow(ctx context.Context, b *box) error {
	first := b.remote.Observation
	if err := r.lookAt(ctx, b, b.window); err != nil {
		return err
	}
	// The checkpoint will be what the first look saw: what came or changed
	// since then is the next run's. What went meanwhile is decided then, too.
	first.Spoiled = b.remote.Spoiled
	b.remote.Observation = first
	b.local = plan.Local{Unchanged: true, Stamp: b.local.Stamp}
	sieve := plan.NewSieve(b.base.Known, b.local, nil, b.remote, r.Policy)
	if id := b.base.Known.ID; id != 0 && b.former == nil { // else no UID of the base means these
		take := func(link *mailbox.Link) error {
			sieve.Take(link)
			return nil
		}
		if err := r.scan(ctx, id, mailbox.Some{UIDs: b.window}, take); err != nil {
			return err
		}
	}
	b.base, b.remote = sieve.Base(), sieve.Remote()
	return nil
}
