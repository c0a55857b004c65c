package syncer

import (
	"context"
	"errors"
	"slices"

	"mailferry/syncer/mailbox"
	"mailferry/syncer/plan"
)

// recogniseCopies finds downloads of messages that some mailbox has already,
// or is about to have: they need not travel.
func (r *run) recogniseCopies(ctx context.Context, boxes []*box) error {
	if r.LocalCopies == nil || r.Policy.Retention != nil {
		return nil // an archive's gate relies on octets that the server sent
	}
	plans := plansOf(boxes)
	var known []mailbox.Copy
	if r.Copies != nil {
		var err error
		if known, err = r.Copies.Alike(ctx, plan.AskCopies(plans)); err != nil {
			return &stateError{err}
		}
		known = reliable(known, boxes)
	}
	plan.RecogniseCopies(plans, known)
	return nil
}

// reliable leaves out messages of mailboxes whose names or UIDs do not mean
// what the state says.
func reliable(known []mailbox.Copy, boxes []*box) []mailbox.Copy {
	changed := map[mailbox.Name]bool{}
	for _, b := range boxes {
		old := b.base.Known
		if b.formerly != "" || old.Name != b.name || b.remote.Missing || b.plan.Renumbered || b.former != nil ||
			b.remote.Status.UIDValidity != old.Remote.UIDValidity {
			changed[b.name], changed[b.formerly], changed[old.Name] = true, true, true
		}
	}
	return slices.DeleteFunc(known, func(c mailbox.Copy) bool { return changed[c.Mailbox] })
}

// linkCopies gives messages their files whose octets are on disk already, once
// all that had to travel has. What turns out not to be a copy is returned: it
// travels after all.
func (r *run) linkCopies(ctx context.Context, boxes []*box) (rest []chunk, err error) {
	ledger := newLedger(r)
	left := make([][]plan.Action, len(boxes))
	at := make(map[*box]int, len(boxes))
	for i, b := range boxes {
		at[b] = i
	}
	err = r.each(ctx, boxes, func(ctx context.Context, b *box) (err error) {
		left[at[b]], err = r.linkBox(ctx, ledger, b)
		return err
	})
	if err := errors.Join(err, ledger.close(context.WithoutCancel(ctx))); err != nil {
		return nil, err
	}
	for i, b := range boxes {
		if len(left[i]) > 0 && !b.isOut {
			rest = append(rest, cut(b, plan.Download, left[i], minChunkOctets)...)
		}
	}
	return rest, nil
}

// linkBox links a mailbox's copies and returns those that are none.
func (r *run) linkBox(ctx context.Context, ledger *ledger, b *box) (rest []plan.Action, err error) {
	actions := b.actions(plan.Download)
	headers, err := r.copiesHeaders(ctx, b, actions)
	if err != nil {
		return nil, err
	}
	full := batch{box: b}
	for i := range actions {
		action := &actions[i]
		if action.Source == nil {
			continue
		}
		if r.isStopped() {
			return nil, errors.Join(mailbox.ErrStopped, ledger.add(full))
		}
		proven, _ := action.IsCopy()
		var draft mailbox.Draft
		if proven || action.IsCopyWith(headers[action.UID]) {
			if draft, proven, err = r.duplicate(ctx, b, action); err != nil {
				return nil, err
			}
		}
		if !proven {
			action.Travels()
			rest = append(rest, *action)
			continue
		}
		r.carried(0)
		full.items = append(full.items, item{action, draft})
		if len(full.items) == chunkMessages {
			if err := ledger.add(full); err != nil {
				return nil, err
			}
			full.items = nil
		}
	}
	if len(full.items) > 0 {
		err = ledger.add(full)
	}
	return rest, err
}

// copiesHeaders asks for the headers of copies that nothing else proves. A
// server that does not tell costs a transfer.
func (r *run) copiesHeaders(ctx context.Context, b *box, actions []plan.Action) (map[mailbox.UID]plan.HeaderOf, error) {
	var uids mailbox.UIDSet
	for i := range actions {
		if _, header := actions[i].IsCopy(); header {
			uids = uids.Append(actions[i].UID)
		}
	}
	if uids.IsEmpty() {
		return nil, nil
	}
	headers, err := r.headers(ctx, b, uids)
	if err != nil && (isFatal(err) || ctx.Err() != nil) {
		return nil, err
	}
	return headers, nil
}

// duplicate makes a draft of a copy's Source, unless the file is gone or not
// what it was.
func (r *run) duplicate(ctx context.Context, b *box, action *plan.Action) (draft mailbox.Draft, ok bool, err error) {
	source := action.Source
	draft, err = r.LocalCopies.Duplicate(ctx, action.From.Name, source.Key, b.name, action.Date)
	switch {
	case ctx.Err() != nil:
		return draft, false, ctx.Err()
	case isDiskFull(err):
		return draft, false, &diskError{err}
	case err != nil:
		r.Log.Info("copy not linked", "mailbox", b.name, "uid", action.UID, "error", err)
		return draft, false, nil
	}
	if draft.Content.Size != source.Content.Size || draft.Content.Hash != source.Content.Hash {
		return draft, false, r.discard(ctx, draft)
	}
	draft.Date = action.Date
	return draft, true, nil
}

func (r *run) discard(ctx context.Context, draft mailbox.Draft) error {
	if err := r.LocalDelivery.Discard(ctx, []mailbox.Draft{draft}); err != nil {
		return &diskError{err}
	}
	return nil
}
