package syncer

import (
	"context"
	"errors"
	"fmt"

	"mailferry/syncer/mailbox"
	"mailferry/syncer/plan"
)

// recogniseMoves finds messages that are new in one mailbox and gone from
// another, on one side: they were moved there and are moved here.
func (r *run) recogniseMoves(ctx context.Context, boxes []*box) error {
	if !r.Policy.Pull.Deletions && !r.Policy.Push.Deletions {
		return nil
	}
	plans := plansOf(boxes)
	byName := map[mailbox.Name]*box{}
	for _, b := range boxes {
		byName[b.name] = b
	}
	headers := plan.Moved{}
	for name, uids := range plan.AskMoved(plans) {
		found, err := r.headers(ctx, byName[name], uids)
		if err != nil && (isFatal(err) || ctx.Err() != nil) {
			return err
		}
		if err == nil { // else they are downloaded like any other
			headers[name] = found
		}
	}
	plan.RecogniseMoves(plans, headers)
	return nil
}

func (r *run) headers(ctx context.Context, b *box, uids mailbox.UIDSet) (map[mailbox.UID]plan.HeaderOf, error) {
	found := map[mailbox.UID]plan.HeaderOf{}
	err := r.retry(ctx, func() error {
		sink := newHasher()
		sink.row = func(uid mailbox.UID) {
			found[uid] = plan.HeaderOf{Hash: sink.sum, HasMessageID: sink.hasMessageID}
		}
		return r.Remote.Fetch(ctx, b.ref(), uids, mailbox.HeaderOnly, sink)
	})
	return found, err
}

// moveMessages carries moves out, one pair of mailboxes after the other. The
// state has each as pending in its new mailbox before it leaves the old one.
func (r *run) moveMessages(ctx context.Context, boxes []*box) error {
	byName := map[mailbox.Name]*box{}
	for _, b := range boxes {
		byName[b.name] = b
	}
	for _, from := range boxes {
		moves := map[*box][]plan.Action{}
		var order []*box
		for _, action := range from.actions(plan.MoveLocal, plan.MoveRemote) {
			to := byName[action.To]
			switch {
			case action.IsDeletion(), action.IsArchival():
				continue // into the server's \Trash: removeMessages' and archive's business
			case from.isOut || to == nil || to.isOut:
				r.tally.stale(action)
				r.haltBoth(from, to)
				continue
			case moves[to] == nil:
				order = append(order, to)
			}
			moves[to] = append(moves[to], action)
		}
		for _, to := range order {
			if r.isStopped() {
				return mailbox.ErrStopped
			}
			if err := r.moveBetween(ctx, from, to, moves[to]); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *run) haltBoth(from, to *box) {
	r.halt(from)
	if to != nil {
		r.halt(to)
	}
}

func (r *run) moveBetween(ctx context.Context, from, to *box, actions []plan.Action) error {
	files, err := r.filesOf(ctx, from, to)
	if err != nil {
		r.haltBoth(from, to)
		r.failRest(actions, err)
		return whole(ctx, err)
	}
	var local, remote []plan.Action
	pending := mailbox.Commit{Mailbox: to.base.Known.ID}
	for _, action := range actions {
		here, isHere := findKey(files[0], action.Source.Key)
		_, isThere := findKey(files[1], action.Key)
		switch {
		case action.Kind == plan.MoveLocal && isHere && !isThere && here.Flags.Equal(action.Source.Local):
			local = append(local, action)
		case action.Kind == plan.MoveRemote && !isHere && isThere:
			remote = append(remote, action)
		default:
			r.haltBoth(from, to)
			r.tally.stale(action)
			continue
		}
		pending.Put = append(pending.Put, action.Link)
	}
	if len(remote) > 0 {
		if err := r.LocalMessages.Persist(ctx, to.name, keysOf(remote)); err != nil {
			return &diskError{err}
		}
	}
	if err := r.commit(ctx, pending); err != nil {
		return err
	}
	if err := r.moveLocal(ctx, from, to, local); err != nil {
		return err
	}
	return r.moveRemote(ctx, from, to, remote)
}

func (r *run) filesOf(ctx context.Context, boxes ...*box) ([][]mailbox.LocalFile, error) {
	lists := make([][]mailbox.LocalFile, len(boxes))
	for i, b := range boxes {
		files, err := r.filesNow(ctx, b)
		if err != nil {
			return nil, err
		}
		lists[i] = files
	}
	return lists, nil
}

func keysOf(actions []plan.Action) []mailbox.Key {
	keys := make([]mailbox.Key, len(actions))
	for i, action := range actions {
		keys[i] = action.Key
	}
	return keys
}

func (r *run) moveLocal(ctx context.Context, from, to *box, actions []plan.Action) error {
	if len(actions) == 0 {
		return nil
	}
	arrived, left := mailbox.Commit{Mailbox: to.base.Known.ID}, mailbox.Commit{Mailbox: from.base.Known.ID}
	var done []plan.Action
	for _, action := range actions {
		held, err := r.LocalMessages.Move(ctx, from.name, action.Key, to.name, action.Flags)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, mailbox.ErrNotFound), errors.Is(err, mailbox.ErrExists):
			r.haltBoth(from, to)
			r.tally.stale(action)
		case err != nil:
			r.haltBoth(from, to)
			r.tally.failed(action, err)
		default:
			action.Link.Kind, action.Link.Local = mailbox.Linked, held
			arrived.Put = append(arrived.Put, action.Link)
			left.Forget = append(left.Forget, action.Source.ID)
			done = append(done, action)
		}
	}
	if err := r.LocalMessages.Flush(ctx); err != nil {
		return &diskError{err}
	}
	return r.finishMoves(ctx, done, arrived, left)
}

func (r *run) finishMoves(ctx context.Context, done []plan.Action, commits ...mailbox.Commit) error {
	if err := r.commit(context.WithoutCancel(ctx), commits...); err != nil {
		return err
	}
	for _, action := range done {
		r.tally.done(action)
	}
	return nil
}

// moveRemote is not repeated when its answer is lost: the next run finds the
// messages where they are.
func (r *run) moveRemote(ctx context.Context, from, to *box, actions []plan.Action) error {
	if len(actions) == 0 {
		return nil
	}
	given, err := r.RemoteMessages.Move(ctx, from.ref(), uidsOf(actions), to.name)
	isMarked := errors.Is(err, mailbox.ErrNoUIDPlus)
	if err != nil && !isMarked {
		r.haltBoth(from, to)
		r.failRest(actions, err)
		return whole(ctx, err)
	}
	arrived, left := mailbox.Commit{Mailbox: to.base.Known.ID}, mailbox.Commit{Mailbox: from.base.Known.ID}
	for _, action := range actions {
		at := mailbox.Appended{UID: given[action.UID], UIDValidity: to.remote.Status.UIDValidity}
		if at.UID != 0 && to.isPlausible(at, action.Link) {
			action.Link.UID = at.UID
		}
		arrived.Put = append(arrived.Put, action.Link)
		if isMarked {
			left.Put = append(left.Put, marked(action.Source))
		} else {
			left.Forget = append(left.Forget, action.Source.ID)
		}
	}
	if isMarked {
		from.staysOnServer = true
		r.tally.notice(from.name, fmt.Sprintf("%d moved messages are marked deleted on the server, which cannot expunge single messages; purge the mailbox with your mail program", len(actions)))
	}
	if err := r.finishMoves(ctx, actions, arrived, left); err != nil {
		return err
	}
	return r.flagMoved(ctx, to, actions)
}

// flagMoved gives messages that were moved the flags that their files have got
// meanwhile. Until then the state has the flags that they had: after a kill it is
// the next run that sees the difference.
func (r *run) flagMoved(ctx context.Context, to *box, moved []plan.Action) error {
	var actions []plan.Action
	for _, action := range moved {
		if action.Change.IsEmpty() {
			continue
		}
		action.Kind, action.Rule, action.Mailbox, action.To = plan.FlagRemote, "flags-from-disk", to.name, ""
		if action.UID = action.Link.UID; action.UID == 0 { // the server did not say where it is
			r.halt(to)
			r.tally.stale(action)
			continue
		}
		actions = append(actions, action)
	}
	return r.storeFlags(ctx, to, actions, 0)
}

// marked makes a link of a message that could only be marked \Deleted.
func marked(link *mailbox.Link) *mailbox.Link {
	link.Kind, link.Key = mailbox.KeptRemote, ""
	link.Remote = link.Remote.Union(mailbox.NewFlags(mailbox.FlagDeleted))
	return link
}
