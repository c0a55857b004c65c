package syncer

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"mailferry/syncer/mailbox"
	"mailferry/syncer/plan"
)

// removeMessages deletes what the other side deleted. Right before it the
// disk is looked at once more: a file that came back, or whose flags changed,
// makes the deletion stale.
func (r *run) removeMessages(ctx context.Context, b *box) error {
	actions := slices.DeleteFunc(slices.Clone(b.actions(plan.RemoveLocal, plan.ExpungeRemote, plan.MoveRemote)),
		func(action plan.Action) bool { return !action.IsDeletion() })
	if len(actions) == 0 || r.isStopped() {
		return nil
	}
	now, err := r.filesNow(ctx, b)
	if err != nil {
		return err
	}
	if err := r.leave(ctx, b); err != nil {
		return err
	}
	var removals, expunges, moves []plan.Action
	for _, action := range actions {
		file, isThere := findKey(now, action.Key)
		switch {
		case action.Kind == plan.RemoveLocal && isThere && file.Flags.Equal(action.Link.Local):
			removals = append(removals, action)
		case action.Kind == plan.ExpungeRemote && !isThere:
			expunges = append(expunges, action)
		case action.Kind == plan.MoveRemote && !isThere:
			moves = append(moves, action)
		default:
			r.halt(b)
			r.tally.stale(action)
		}
	}
	if err := r.removeLocal(ctx, b, removals); err != nil {
		return err
	}
	if err := r.expunge(ctx, b, expunges); err != nil {
		return err
	}
	return r.moveToTrash(ctx, b, moves)
}

// filesNow lists a mailbox's folder, also one that was missing: it may be back.
func (r *run) filesNow(ctx context.Context, b *box) ([]mailbox.LocalFile, error) {
	now, _, err := r.Local.List(ctx, b.name)
	if b.local.Missing && errors.Is(err, mailbox.ErrNotFound) {
		return nil, nil
	}
	return now, err
}

func (r *run) removeLocal(ctx context.Context, b *box, actions []plan.Action) error {
	if len(actions) == 0 {
		return nil
	}
	keys := make([]mailbox.Key, len(actions))
	for i, action := range actions {
		keys[i] = action.Key
	}
	if err := r.LocalMessages.Remove(ctx, b.name, keys); err != nil {
		r.failRest(actions, err)
		return &diskError{err}
	}
	if err := r.LocalMessages.Flush(ctx); err != nil {
		return &diskError{err}
	}
	return r.forget(ctx, b, actions, mailbox.UIDSet{})
}

// forget drops the links of deletions that happened, and calls stale those
// whose messages had changed meanwhile.
func (r *run) forget(ctx context.Context, b *box, actions []plan.Action, modified mailbox.UIDSet) error {
	commit := mailbox.Commit{Mailbox: b.base.Known.ID}
	for _, action := range actions {
		if modified.Contains(action.UID) {
			r.halt(b)
			r.tally.stale(action)
			continue
		}
		commit.Forget = append(commit.Forget, action.Link.ID)
		r.tally.done(action)
	}
	return r.commit(ctx, commit)
}

func (r *run) expunge(ctx context.Context, b *box, actions []plan.Action) error {
	if len(actions) == 0 {
		return nil
	}
	var modified mailbox.UIDSet
	err := r.retry(ctx, func() (err error) {
		modified, err = r.RemoteMessages.Expunge(ctx, b.ref(), uidsOf(actions), b.remote.Status.HighestModSeq)
		return err
	})
	if errors.Is(err, mailbox.ErrNoUIDPlus) {
		return r.leaveMarked(ctx, b, actions, modified)
	}
	if err != nil {
		r.halt(b)
		r.failRest(actions, err)
		return whole(ctx, err)
	}
	return r.forget(ctx, b, actions, modified)
}

// leaveMarked deals with a server that cannot expunge single messages: they
// are marked \Deleted and stay the server's, and so does their mailbox.
func (r *run) leaveMarked(ctx context.Context, b *box, actions []plan.Action, modified mailbox.UIDSet) error {
	commit := mailbox.Commit{Mailbox: b.base.Known.ID}
	b.staysOnServer = true
	for _, action := range actions {
		if modified.Contains(action.UID) {
			r.halt(b)
			r.tally.stale(action)
			continue
		}
		commit.Put = append(commit.Put, marked(action.Link))
		r.tally.done(action)
	}
	r.tally.notice(b.name, fmt.Sprintf("%d messages are marked deleted on the server, which cannot expunge single messages; purge the mailbox with your mail program", len(commit.Put)))
	return r.commit(ctx, commit)
}

func (r *run) moveToTrash(ctx context.Context, b *box, actions []plan.Action) error {
	if len(actions) == 0 {
		return nil
	}
	// A move is not repeated when its answer is lost: the next run sees
	// whether it happened.
	_, err := r.RemoteMessages.Move(ctx, b.ref(), uidsOf(actions), b.remote.Trash)
	if errors.Is(err, mailbox.ErrNoUIDPlus) {
		return r.leaveMarked(ctx, b, actions, nil)
	}
	if err != nil {
		r.halt(b)
		r.failRest(actions, err)
		return whole(ctx, err)
	}
	return r.forget(ctx, b, actions, mailbox.UIDSet{})
}

// whole returns an error that ends the run, and nil for one that was reported
// with its actions.
func whole(ctx context.Context, err error) error {
	if isFatal(err) || ctx.Err() != nil {
		return err
	}
	return nil
}
