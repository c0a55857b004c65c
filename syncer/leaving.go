package syncer

import (
	"context"
	"slices"

	"mailferry/syncer/mailbox"
	"mailferry/syncer/plan"
)

// leave notes, before the first message is removed, that a mailbox's deletion
// has begun. If the run is killed and the mailbox turns out to have been
// renamed, what the run had removed is not taken for somebody's deletions.
func (r *run) leave(ctx context.Context, b *box) error {
	side := mailbox.Staying
	switch {
	case hasAction(b, plan.DeleteMailboxLocal):
		side = mailbox.LeavingDisk
	case hasAction(b, plan.DeleteMailboxRemote):
		side = mailbox.LeavingServer
	}
	known := &b.base.Known
	if side == known.Leaving || side == mailbox.Staying {
		return nil
	}
	known.Leaving = side
	checkpoint := mailbox.Checkpoint{
		Remote: known.Remote, Local: known.Local,
		HasRemote: known.HasRemote, HasLocal: known.HasLocal, Leaving: side,
	}
	return r.commit(ctx, mailbox.Commit{Mailbox: known.ID, Checkpoint: &checkpoint})
}

func hasAction(b *box, kind plan.Kind) bool {
	return slices.ContainsFunc(b.plan.Actions, func(action plan.Action) bool { return action.Kind == kind })
}

// stay deals with a mailbox whose deletion had begun and that is back on the
// side which lacked it. What is missing on the other was removed by an earlier
// run: the base is forgotten, and both sides are matched by content.
func (r *run) stay(ctx context.Context, b *box) (isFresh bool, err error) {
	known := b.base.Known
	isBack := known.Leaving == mailbox.LeavingDisk && !b.remote.Missing ||
		known.Leaving == mailbox.LeavingServer && !b.local.Missing
	if !isBack || b.isOut {
		return false, nil
	}
	b.base.Known = mailbox.Known{Name: b.name}
	b.remoteSame, b.localSame = false, false
	if r.DryRun {
		return true, nil
	}
	if err := r.Base.Forget(ctx, known.ID); err != nil {
		return true, &stateError{err}
	}
	return true, nil
}
