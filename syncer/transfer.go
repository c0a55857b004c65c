package syncer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"mailferry/syncer/mailbox"
	"mailferry/syncer/plan"
)

// Bounds of what one worker carries between two commits.
const (
	chunkMessages  = 2000
	chunkOctets    = 32 << 20
	minChunkOctets = 1 << 20
)

// chunk is what one worker carries at a time: part of one mailbox's transfers
// in one direction, or none, for a mailbox that is only to be prepared.
type chunk struct {
	box     *box
	kind    plan.Kind
	actions []plan.Action
}

// transfer prepares the mailboxes and carries messages in both directions, on
// several connections: while one mailbox is being made another's messages
// travel.
func (r *run) transfer(ctx context.Context, boxes []*box) error {
	if err := r.carryAll(ctx, r.chunks(boxes)); err != nil {
		return err
	}
	rest, err := r.linkCopies(ctx, taking(boxes))
	if err != nil {
		return err
	}
	return r.carryAll(ctx, rest)
}

// carryAll shares the chunks out among the connections.
func (r *run) carryAll(ctx context.Context, chunks []chunk) error {
	if len(chunks) == 0 {
		return nil
	}
	work := make(chan chunk)
	ledger := newLedger(r)
	group, workCtx := errgroup.WithContext(ctx)
	var isCutShort atomic.Bool // each ends its message first: a stop is no error of the group's
	group.Go(func() error {
		defer close(work)
		for _, c := range chunks {
			select {
			case work <- c:
			case <-r.Stop:
				isCutShort.Store(true)
				return nil
			case <-workCtx.Done():
				return workCtx.Err()
			}
		}
		return nil
	})
	for worker := range r.Connections {
		group.Go(func() error {
			for c := range work {
				r.tally.advance(func(p *Progress) { p.Workers[worker] = string(c.box.name) })
				err := r.carry(workCtx, ledger, c)
				if errors.Is(err, mailbox.ErrStopped) {
					isCutShort.Store(true)
					return nil
				}
				if err != nil {
					return err
				}
				r.tally.advance(func(p *Progress) { p.Workers[worker] = "" })
			}
			return nil
		})
	}
	// What was received is committed also when the run is stopped, and when
	// the context is cancelled as far as the store lets it.
	err := group.Wait()
	if err == nil && isCutShort.Load() {
		err = mailbox.ErrStopped
	}
	if err := errors.Join(err, ledger.close(context.WithoutCancel(ctx))); err != nil {
		return r.explainFull(err, chunks)
	}
	return nil
}

// chunks cuts the transfers into pieces that keep all connections at work to
// the end.
func (r *run) chunks(boxes []*box) []chunk {
	var messages, octets int64
	for _, b := range boxes {
		for _, action := range b.actions(plan.Download, plan.Upload) {
			messages++
			if action.Source == nil {
				octets += action.Size
			}
		}
	}
	r.tally.advance(func(p *Progress) {
		var waiting int64
		for _, b := range boxes {
			waiting += int64(b.rest.Len())
		}
		p.Phase, p.TotalMessages, p.TotalOctets = "transferring", p.Messages+messages+waiting, p.Octets+octets
		p.Workers = make([]string, r.Connections)
	})
	limit := min(max(octets/int64(4*r.Connections), minChunkOctets), chunkOctets)
	var uploads, chunks []chunk
	for _, b := range boxes {
		down := travelling(b.actions(plan.Download))
		if len(down) > 0 {
			chunks = append(chunks, cut(b, plan.Download, down, limit)...)
		}
		// A mailbox's uploads stay together: their order is kept, and what a
		// lost answer concerns is in one worker's hands.
		if up := travelling(b.actions(plan.Upload)); len(up) > 0 || len(down) == 0 {
			uploads = append(uploads, chunk{b, plan.Upload, up})
		}
	}
	// The largest of those that cannot be shared first, or it would be the
	// last that everybody waits for.
	slices.SortStableFunc(uploads, func(a, b chunk) int { return cmp.Compare(b.octets(), a.octets()) })
	return append(uploads, chunks...)
}

// travelling leaves out what may be had without a transfer, which is rare.
func travelling(actions []plan.Action) []plan.Action {
	isCopy := func(action plan.Action) bool { return action.Source != nil }
	if !slices.ContainsFunc(actions, isCopy) {
		return actions
	}
	return slices.DeleteFunc(slices.Clone(actions), isCopy)
}

func (c chunk) octets() (n int64) {
	for i := range c.actions {
		n += c.actions[i].Size
	}
	return n
}

func cut(b *box, kind plan.Kind, actions []plan.Action, limit int64) []chunk {
	var chunks []chunk
	first, octets := 0, int64(0)
	for i, action := range actions {
		if i > first && (octets+action.Size > limit || i-first == chunkMessages) {
			chunks = append(chunks, chunk{b, kind, actions[first:i]})
			first, octets = i, 0
		}
		octets += action.Size
	}
	return append(chunks, chunk{b, kind, actions[first:]})
}

func (r *run) carry(ctx context.Context, ledger *ledger, c chunk) error {
	if err := r.ready(ctx, c.box); err != nil || c.box.isOut || len(c.actions) == 0 {
		return err
	}
	if c.kind == plan.Download {
		return r.download(ctx, ledger, c.box, c.actions)
	}
	err := r.upload(ctx, c.box, c.actions)
	if err == nil || isFatal(err) || ctx.Err() != nil {
		return err
	}
	r.halt(c.box)
	r.tally.trouble(c.box.name, err)
	return nil
}

// halt keeps a mailbox's checkpoint where it is.
func (r *run) halt(b *box) {
	r.tally.mu.Lock()
	defer r.tally.mu.Unlock()
	b.halted = true
}

// carried tells the progress of one message.
func (r *run) carried(size int64) {
	r.tally.advance(func(p *Progress) {
		p.Messages++
		p.Octets += size
	})
}

// explainFull says how much was still to come when the disk was full.
func (r *run) explainFull(err error, chunks []chunk) error {
	if !isDiskFull(err) {
		return err
	}
	var total, octets int64
	for _, c := range chunks {
		if c.kind != plan.Download {
			continue
		}
		for _, action := range c.actions {
			if action.Link.Kind != mailbox.Linked {
				total++
				octets += action.Size
			}
		}
	}
	return fmt.Errorf("%w (still to come: %d messages, %d octets)", err, total, octets)
}
