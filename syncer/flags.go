package syncer

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"mailferry/syncer/mailbox"
	"mailferry/syncer/plan"
)

// changeFlags carries a mailbox's flag changes in both directions.
func (r *run) changeFlags(ctx context.Context, b *box) error {
	if err := r.changeFlagsLocal(ctx, b); err != nil {
		return err
	}
	return r.changeFlagsRemote(ctx, b)
}

func (r *run) changeFlagsLocal(ctx context.Context, b *box) error {
	actions := b.actions(plan.FlagLocal)
	if len(actions) == 0 {
		return nil
	}
	commit := mailbox.Commit{Mailbox: b.base.Known.ID}
	var done []plan.Action
	for _, action := range actions {
		if r.isStopped() {
			break
		}
		held, err := r.LocalMessages.ChangeFlags(ctx, b.name, action.Key, action.Change)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, mailbox.ErrNotFound):
			r.halt(b)
			r.tally.stale(action)
		case err != nil:
			r.halt(b)
			r.tally.failed(action, err)
		default:
			plan.FlagsSet(action.Link, action.Change, held)
			commit.Put = append(commit.Put, action.Link)
			done = append(done, action)
		}
	}
	if err := r.LocalMessages.Flush(ctx); err != nil {
		return &diskError{err}
	}
	if err := r.commit(ctx, commit); err != nil {
		return err
	}
	for _, action := range done {
		r.tally.done(action)
	}
	return nil
}

// flagGroup is the messages that one STORE changes.
type flagGroup struct {
	change  mailbox.FlagChange
	actions []plan.Action
}

func groupByChange(actions []plan.Action, holds mailbox.Holds) []flagGroup {
	index := map[string]int{}
	var groups []flagGroup
	for _, action := range actions {
		change := mailbox.FlagChange{Add: holds.Keep(action.Change.Add), Remove: action.Change.Remove}
		text := change.Add.String() + "\x00" + change.Remove.String()
		i, ok := index[text]
		if !ok {
			i = len(groups)
			index[text] = i
			groups = append(groups, flagGroup{change: change})
		}
		groups[i].actions = append(groups[i].actions, action)
	}
	return groups
}

func (r *run) changeFlagsRemote(ctx context.Context, b *box) error {
	actions := slices.DeleteFunc(slices.Clone(b.actions(plan.FlagRemote)), plan.Action.IsArchival)
	if len(actions) == 0 {
		return nil
	}
	if err := r.LocalMessages.Persist(ctx, b.name, nil); err != nil {
		return &diskError{err}
	}
	return r.storeFlags(ctx, b, actions, b.remote.Status.HighestModSeq)
}

// storeFlags changes flags on the server, of messages that did not change there
// since unchanged; 0: of any.
func (r *run) storeFlags(ctx context.Context, b *box, actions []plan.Action, unchanged mailbox.ModSeq) error {
	for _, group := range groupByChange(actions, b.remote.Holds) {
		if r.isStopped() {
			return mailbox.ErrStopped
		}
		var modified mailbox.UIDSet
		err := r.retry(ctx, func() (err error) {
			if group.change.IsEmpty() { // nothing that the mailbox can hold
				return nil
			}
			modified, err = r.RemoteMessages.StoreFlags(ctx, b.ref(), uidsOf(group.actions), group.change, unchanged)
			return err
		})
		if err != nil {
			r.halt(b)
			r.failRest(group.actions, err)
			if isFatal(err) || ctx.Err() != nil {
				return err
			}
			continue
		}
		commit := mailbox.Commit{Mailbox: b.base.Known.ID}
		for _, action := range group.actions {
			if modified.Contains(action.UID) {
				r.halt(b)
				r.tally.stale(action)
				continue
			}
			plan.FlagsStored(action.Link, action.Change, b.remote.Holds)
			commit.Put = append(commit.Put, action.Link)
			r.tally.done(action)
		}
		if err := r.commit(ctx, commit); err != nil {
			return err
		}
	}
	return nil
}

func uidsOf(actions []plan.Action) mailbox.UIDSet {
	uids := make([]mailbox.UID, len(actions))
	for i, action := range actions {
		uids[i] = action.UID
	}
	return mailbox.UIDs(uids...)
}

func findKey(messages []mailbox.LocalFile, key mailbox.Key) (mailbox.LocalFile, bool) {
	i, ok := slices.BinarySearchFunc(messages, key, func(m mailbox.LocalFile, key mailbox.Key) int { return cmp.Compare(m.Key, key) })
	if !ok {
		return mailbox.LocalFile{}, false
	}
	return messages[i], true
}
