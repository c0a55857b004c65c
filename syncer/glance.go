package syncer

import (
	"context"
	"slices"

	"golang.org/x/sync/errgroup"

	"mailferry/syncer/mailbox"
)

// How many mailboxes are looked at in one turn. A few are, rather than that
// another connection is opened for them.
const (
	leastInGroup = 4
	mostInGroup  = 16
)

// inGroups runs a step for groups of mailboxes, several at once. Its error ends
// the run.
func (r *run) inGroups(ctx context.Context, boxes []*box, step func(context.Context, []*box) error) error {
	size := min(max((len(boxes)+r.Connections-1)/r.Connections, leastInGroup), mostInGroup)
	if r.Glances == nil {
		size = 1
	}
	work, ctx := errgroup.WithContext(ctx)
	work.SetLimit(r.Connections)
	for group := range slices.Chunk(boxes, size) {
		work.Go(func() error {
			if r.isStopped() {
				return mailbox.ErrStopped
			}
			return step(ctx, group)
		})
	}
	return work.Wait()
}

// glance looks at mailboxes in one turn, for what since says of each. What it
// does not learn they are asked for one by one when it is needed.
func (r *run) glance(ctx context.Context, boxes []*box, since func(*box) mailbox.Since) error {
	if r.Glances == nil || len(boxes) < 2 {
		return nil
	}
	looks := make([]mailbox.Look, len(boxes))
	for i, b := range boxes {
		looks[i] = mailbox.Look{Name: b.name, Since: since(b)}
	}
	err := r.Glances.Glance(ctx, looks, func(i int, m mailbox.RemoteMessage) error {
		boxes[i].remote.Messages = append(boxes[i].remote.Messages, m)
		return nil
	}, func(i int, seen mailbox.Observation, err error) {
		if err == nil {
			boxes[i].glance = &seen
		}
	})
	if err != nil && (isFatal(err) || ctx.Err() != nil) {
		return err
	}
	return nil
}

// leaveOut leaves a mailbox out because of its own trouble. What concerns the
// whole run it returns.
func (r *run) leaveOut(ctx context.Context, b *box, err error) error {
	if err == nil || isFatal(err) || ctx.Err() != nil {
		return err
	}
	b.isOut, b.halted = true, true
	r.tally.trouble(b.name, err)
	return nil
}
