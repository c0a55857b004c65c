package syncer

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"

	"mailferry/syncer/mailbox"
	"mailferry/syncer/plan"
)

// creation is mailboxes that are made on the server together: it takes one turn
// for all of them. They are made when the first of them is needed.
type creation struct {
	once sync.Once
	// boxes in the order in which they are made: those above before those below.
	boxes []*box
	// err ends the run.
	err error
}

// created is what became of one of them.
type created struct {
	seen mailbox.Observation
	err  error
}

// shareCreations forms as many creations as there are connections, so that all
// of them soon have something to do. Mailboxes below one another stay together.
func (r *run) shareCreations(boxes []*box) {
	var roots []*box
	families := map[*box][]*box{}
	octets := map[*box]int64{}
	for _, b := range boxes {
		if len(b.actions(plan.CreateMailboxRemote)) == 0 {
			continue
		}
		root := b
		for root.parent != nil {
			root = root.parent
		}
		if families[root] == nil {
			roots = append(roots, root)
		}
		families[root] = append(families[root], b)
		octets[root] = max(octets[root], chunk{actions: b.actions(plan.Upload)}.octets())
	}
	// Uploads begin with the largest: each worker's first one is to be in a
	// creation of its own.
	slices.SortStableFunc(roots, func(a, b *box) int { return cmp.Compare(octets[b], octets[a]) })
	creations := make([]creation, r.Connections)
	for i, root := range roots {
		c := &creations[i%len(creations)]
		c.boxes = append(c.boxes, families[root]...)
		for _, b := range families[root] {
			b.creation = c
		}
	}
}

// create makes the mailboxes of a creation, once. The error ends the run.
func (r *run) create(ctx context.Context, c *creation) error {
	c.once.Do(func() { c.err = r.createAll(ctx, c.boxes) })
	return c.err
}

func (r *run) createAll(ctx context.Context, boxes []*box) error {
	for _, b := range boxes {
		if known := &b.base.Known; known.ID == 0 {
			id, err := r.Base.Add(ctx, b.name)
			if err != nil {
				return &stateError{err}
			}
			known.ID = id
		}
	}
	// A mailbox whose answer was lost is there the second time, and empty.
	waiting := slices.Clone(boxes)
	err := r.retry(ctx, func() error {
		asked := waiting
		names := make([]mailbox.Name, len(asked))
		for i, b := range asked {
			names[i] = b.name
		}
		err := r.RemoteMailboxes.Create(ctx, names, func(i int, seen mailbox.Observation, err error) {
			if errors.Is(err, mailbox.ErrExists) {
				err = nil
			}
			asked[i].created = &created{seen, err}
		})
		waiting = slices.DeleteFunc(slices.Clone(asked), func(b *box) bool { return b.created != nil })
		return err
	})
	if err != nil && (isFatal(err) || ctx.Err() != nil) {
		return err
	}
	for _, b := range waiting {
		b.created = &created{err: cmp.Or(err, mailbox.ErrProtocol)}
	}
	return nil
}

// prepareConnections has all connections opened while the disk is read, where
// mailboxes with mail will have to be made on the server.
func (r *run) prepareConnections(ctx context.Context, boxes []*box) {
	if r.Preparer == nil || r.DryRun || !r.Policy.Push.Mailboxes {
		return
	}
	missing := 0
	for _, b := range boxes {
		if b.remote.Missing && !b.local.Missing && b.base.Known.ID == 0 && !b.isOut {
			missing++
		}
	}
	if missing > 1 {
		r.Preparer.Prepare(ctx, min(missing+1, r.Connections))
	}
}
