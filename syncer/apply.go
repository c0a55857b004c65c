package syncer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"mailferry/syncer/mailbox"
	"mailferry/syncer/plan"
)

// apply carries the plans out: a mailbox is made before its messages travel,
// then flags change, and only then is anything deleted. What was left undone
// keeps its mailbox's checkpoint where it is.
func (r *run) apply(ctx context.Context, boxes []*box) error {
	// Renames one by one, parents first: those below may follow by themselves.
	for _, b := range boxes {
		if err := r.orLeave(ctx, b, r.renameMailboxes); err != nil {
			return err
		}
	}
	boxes = taking(boxes)
	nest(boxes)
	r.shareCreations(boxes)
	if err := r.markReturned(ctx, boxes); err != nil {
		return err
	}
	if err := r.copyOnServer(ctx, boxes); err != nil {
		return err
	}
	boxes = taking(boxes)
	if err := r.transfer(ctx, boxes); err != nil {
		return err
	}
	boxes = taking(boxes)
	for _, step := range []func(context.Context, []*box) error{
		r.moveMessages,
		func(ctx context.Context, boxes []*box) error { return r.each(ctx, boxes, r.changeFlags) },
		func(ctx context.Context, boxes []*box) error { return r.each(ctx, taking(boxes), r.removeMessages) },
		r.archive,
		r.deleteMailboxes,
		func(ctx context.Context, boxes []*box) error { return r.inGroups(ctx, taking(boxes), r.settleGroup) },
	} {
		if r.isStopped() {
			return mailbox.ErrStopped
		}
		if err := step(ctx, boxes); err != nil {
			return err
		}
	}
	return nil
}

// actions are those of the given kinds. A plan's actions are sorted by kind, so
// that those of neighbouring kinds need no copy.
func (b *box) actions(kinds ...plan.Kind) []plan.Action {
	is := func(action plan.Action) bool { return slices.Contains(kinds, action.Kind) }
	first := slices.IndexFunc(b.plan.Actions, is)
	if first < 0 {
		return nil
	}
	rest := b.plan.Actions[first:]
	n := slices.IndexFunc(rest, func(action plan.Action) bool { return !is(action) })
	if n < 0 {
		return rest
	}
	list := rest[:n:n]
	for _, action := range rest[n:] {
		if is(action) {
			list = append(list, action)
		}
	}
	return list
}

// orLeave leaves a mailbox out if a step fails that reports its own trouble.
func (r *run) orLeave(ctx context.Context, b *box, step func(context.Context, *box) error) error {
	err := step(ctx, b)
	if err != nil && !isFatal(err) && ctx.Err() == nil {
		b.isOut, b.halted = true, true
		return nil
	}
	return err
}

// nest tells mailboxes which of them they are below.
func nest(boxes []*box) {
	byName := make(map[mailbox.Name]*box, len(boxes))
	for _, b := range boxes {
		byName[b.name] = b
	}
	for _, b := range boxes {
		b.parent = byName[b.name.Parent()]
	}
}

// ready prepares a mailbox when it is first needed, those that it is below
// before it. It may be called from several goroutines.
func (r *run) ready(ctx context.Context, b *box) error {
	b.prepared.Do(func() {
		if b.parent != nil {
			if b.unready = r.ready(ctx, b.parent); b.unready != nil {
				return
			}
		}
		b.unready = r.orLeave(ctx, b, r.prepare)
	})
	return b.unready
}

// prepare makes the mailbox known and existing on both sides, and writes what
// needs no action: links matched by content, together with the UIDVALIDITY
// that their UIDs belong to, in one transaction.
func (r *run) prepare(ctx context.Context, b *box) error {
	if b.creation != nil {
		if err := r.create(ctx, b.creation); err != nil {
			return err
		}
	}
	known := &b.base.Known
	if known.ID == 0 {
		if b.remote.Missing && !r.Policy.Push.Mailboxes && len(b.plan.Put) == 0 {
			b.isOut = true // a folder that this policy leaves alone
			return nil
		}
		id, err := r.Base.Add(ctx, b.name)
		if err != nil {
			return &stateError{err}
		}
		known.ID = id
	}
	for _, action := range b.actions(plan.CreateMailboxLocal, plan.CreateMailboxRemote) {
		if err := r.createMailbox(ctx, b, action); err != nil {
			return err
		}
	}
	if b.remote.Missing && b.local.Missing {
		if err := r.Base.Forget(ctx, known.ID); err != nil {
			return &stateError{err}
		}
		b.isOut = true
		return nil
	}
	return r.writeBooks(ctx, b)
}

func (r *run) writeBooks(ctx context.Context, b *box) error {
	known := &b.base.Known
	hasRemote, hasLocal := known.HasRemote || !b.remote.Missing, known.HasLocal || !b.local.Missing
	isFirst := !known.HasRemote && !b.remote.Missing || !known.HasLocal && !b.local.Missing
	isFirst = isFirst || b.plan.Renumbered || b.mustUnnumber || b.plan.Anew ||
		known.Links == 0 && !b.remote.Missing && known.Remote.UIDValidity != b.remote.Status.UIDValidity
	if len(b.plan.Put) == 0 && len(b.plan.Forget) == 0 && !isFirst {
		return nil
	}
	if err := r.persist(ctx, b); err != nil {
		return err
	}
	commit := mailbox.Commit{Mailbox: known.ID, Unnumber: b.mustUnnumber, Put: b.plan.Put, Forget: b.plan.Forget}
	if isFirst {
		// Only the UIDVALIDITY: everything else is for the checkpoint.
		commit.Checkpoint = &mailbox.Checkpoint{
			Remote:    mailbox.Status{UIDValidity: b.remote.Status.UIDValidity},
			HasRemote: hasRemote, HasLocal: hasLocal,
		}
		known.Remote, known.Local = commit.Checkpoint.Remote, mailbox.Stamp{}
		known.HasRemote, known.HasLocal = hasRemote, hasLocal
	}
	err := r.commit(ctx, commit)
	b.mustUnnumber = b.mustUnnumber && err != nil
	return err
}

// persist makes the files durable that the state is about to be told of: a
// mail reader, or a run that was killed, may have left them to the cache.
func (r *run) persist(ctx context.Context, b *box) error {
	var keys []mailbox.Key
	for _, link := range b.plan.Put {
		if link.Kind == mailbox.Linked && link.Key != "" {
			keys = append(keys, link.Key)
		}
	}
	if len(keys) == 0 || b.local.Missing {
		return nil
	}
	if err := r.LocalMessages.Persist(ctx, b.name, keys); err != nil {
		return &diskError{err}
	}
	return nil
}

func (r *run) commit(ctx context.Context, commits ...mailbox.Commit) error {
	if err := r.Base.Commit(ctx, commits...); err != nil {
		return &stateError{err}
	}
	return nil
}

func (r *run) createMailbox(ctx context.Context, b *box, action plan.Action) error {
	var err error
	if action.Kind == plan.CreateMailboxRemote {
		err = b.wasCreated()
	} else if err = r.LocalFolders.Create(ctx, b.name); err == nil || errors.Is(err, mailbox.ErrExists) {
		err, b.local.Missing = nil, false
	}
	if err != nil {
		r.tally.failed(action, err)
		return err
	}
	r.tally.done(action)
	return nil
}

// wasCreated takes over how a mailbox is that was just made on the server.
func (b *box) wasCreated() error {
	if b.created.err != nil {
		return b.created.err
	}
	seen := b.created.seen
	b.remote.Missing, b.remote.Observation = false, seen
	b.keepOnlyHeld()
	if seen.Status.Messages > 0 {
		// Somebody else made it first, or the listing had left it out: to fill
		// it now could make messages two.
		return fmt.Errorf("has %d messages although it was not listed: %w", seen.Status.Messages, mailbox.ErrExists)
	}
	return nil
}

// keepOnlyHeld takes flags from the uploads that the mailbox, which was made
// after they were planned, cannot keep.
func (b *box) keepOnlyHeld() {
	for i := range b.plan.Actions {
		if a := &b.plan.Actions[i]; a.Kind == plan.Upload {
			a.Flags = b.remote.Holds.Keep(a.Flags)
			a.Link.Remote = a.Flags
		}
	}
}

func (r *run) renameMailboxes(ctx context.Context, b *box) error {
	for _, action := range b.actions(plan.RenameMailboxLocal, plan.RenameMailboxRemote) {
		if err := r.renameMailbox(ctx, b, action); err != nil {
			return err
		}
	}
	return nil
}

// renameMailbox renames on the side that still has the old name. With IMAP's
// RENAME those below follow, so a child may be where it belongs already.
func (r *run) renameMailbox(ctx context.Context, b *box, action plan.Action) error {
	var err error
	if action.Kind == plan.RenameMailboxLocal {
		err = r.LocalFolders.Rename(ctx, action.Mailbox, action.To)
	} else {
		err = r.renameRemote(ctx, action)
	}
	if err == nil {
		b.formerly = ""
		if err := r.Base.Rename(ctx, b.base.Known.ID, action.To); err != nil {
			return &stateError{err}
		}
		r.tally.done(action)
		return nil
	}
	r.tally.failed(action, err)
	return err
}

func (r *run) renameRemote(ctx context.Context, action plan.Action) error {
	err := r.RemoteMailboxes.Rename(ctx, action.Mailbox, action.To)
	if err == nil || action.Mailbox.Parent() == "" || !strings.Contains(string(action.To), "/") {
		return err
	}
	exists, lookErr := r.Remote.Exists(ctx, action.To)
	if lookErr == nil && exists {
		return nil
	}
	return err
}

// deleteMailboxes follows the deletion of mailboxes whose messages are all
// gone by now, the deepest first.
func (r *run) deleteMailboxes(ctx context.Context, boxes []*box) error {
	for _, b := range slices.Backward(boxes) {
		for _, action := range b.actions(plan.DeleteMailboxLocal, plan.DeleteMailboxRemote) {
			if b.isOut || b.halted || b.staysOnServer || r.isBack(ctx, b, action) {
				r.tally.stale(action)
				continue
			}
			err := r.deleteMailbox(ctx, b, action)
			switch {
			case err == nil:
				if err := r.Base.Forget(ctx, b.base.Known.ID); err != nil {
					return &stateError{err}
				}
				r.tally.done(action)
			case isFatal(err):
				return err
			default:
				r.tally.failed(action, err)
			}
			b.isOut = true
		}
	}
	return nil
}

// isBack reports whether the folder is there again, or may be, whose absence
// asks for the server's mailbox to be deleted.
func (r *run) isBack(ctx context.Context, b *box, action plan.Action) bool {
	if action.Kind != plan.DeleteMailboxRemote {
		return false
	}
	_, _, err := r.Local.List(ctx, b.name)
	return !errors.Is(err, mailbox.ErrNotFound)
}

func (r *run) deleteMailbox(ctx context.Context, b *box, action plan.Action) error {
	if action.Kind == plan.DeleteMailboxRemote {
		return r.RemoteMailboxes.Delete(ctx, b.name)
	}
	left, _, err := r.Local.List(ctx, b.name)
	if err != nil {
		return err
	}
	if len(left) > 0 {
		return fmt.Errorf("%d messages arrived meanwhile; the folder is kept", len(left))
	}
	return r.LocalFolders.Delete(ctx, b.name)
}
