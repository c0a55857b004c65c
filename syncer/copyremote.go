package syncer

import (
	"context"

	"mailferry/syncer/mailbox"
	"mailferry/syncer/plan"
)

// serverCopy is an upload that the server makes of a message it has.
type serverCopy struct {
	action *plan.Action
	// final is the link as it will be when the copy has the file's flags.
	final mailbox.Link
}

// change makes the file's flags of those that the copy may have: not every
// server copies flags, and the file may have others.
func (c serverCopy) change() mailbox.FlagChange {
	return mailbox.FlagChange{Add: c.final.Remote, Remove: c.action.Source.Remote.Minus(c.final.Remote)}
}

// copyOnServer has the server copy messages whose files were copied on disk.
// What is not provably copied is left to the uploads, which look for it before
// they send anything.
func (r *run) copyOnServer(ctx context.Context, boxes []*box) error {
	return r.each(ctx, boxes, func(ctx context.Context, b *box) error {
		for {
			from, copies := nextCopies(b)
			if len(copies) == 0 {
				return nil
			}
			if r.isStopped() {
				return mailbox.ErrStopped
			}
			if err := r.ready(ctx, b); err != nil || b.isOut {
				return err
			}
			if err := r.copyBetween(ctx, from, b, copies); err != nil {
				return err
			}
		}
	})
}

// nextCopies returns uploads that one command can copy: from one mailbox, each
// message once.
func nextCopies(b *box) (from mailbox.Ref, copies []serverCopy) {
	taken := map[mailbox.UID]bool{}
	for i := range b.plan.Actions {
		a := &b.plan.Actions[i]
		if a.Kind != plan.Upload || a.Source == nil || a.UID != 0 || len(copies) > 0 && a.From != from || taken[a.Source.UID] {
			continue
		}
		from, copies = a.From, append(copies, serverCopy{a, *a.Link})
		taken[a.Source.UID] = true
	}
	return from, copies
}

// copyBetween copies messages, gives the copies the flags of their files, and
// notes what is where. The state has each as pending before that, agreed on
// only those flags that it will have in any case.
func (r *run) copyBetween(ctx context.Context, from mailbox.Ref, to *box, copies []serverCopy) error {
	pending := mailbox.Commit{Mailbox: to.base.Known.ID}
	var uids []mailbox.UID
	var keys []mailbox.Key
	for _, c := range copies {
		link := c.action.Link
		common := c.final.Remote.Intersect(c.action.Source.Remote)
		link.Agreed, link.Remote, link.Local, link.Date = common, common, common, c.action.Source.Date
		link.Unproven = c.action.Source.Unproven
		pending.Put = append(pending.Put, link)
		uids, keys = append(uids, c.action.Source.UID), append(keys, c.action.Key)
	}
	if err := r.LocalMessages.Persist(ctx, to.name, keys); err != nil {
		return &diskError{err}
	}
	if err := r.commit(ctx, pending); err != nil {
		return err
	}
	to.notePending(keys...)
	given, err := r.RemoteMessages.Copy(ctx, from, mailbox.UIDs(uids...), to.ref())
	if err != nil && (isFatal(err) || ctx.Err() != nil) {
		for _, c := range copies {
			r.tally.failed(*c.action, err)
		}
		return err
	}
	if err != nil {
		r.Log.Info("messages not copied", "mailbox", to.name, "error", err)
	}
	var arrived []serverCopy
	for _, c := range copies {
		at := mailbox.Appended{UID: given[c.action.Source.UID], UIDValidity: to.remote.Status.UIDValidity}
		if at.UID == 0 || !to.isPlausible(at, c.action.Link) {
			c.action.Travels()
			c.action.Link.Unproven = false
			// It may have arrived, and its file has other flags then.
			to.plan.LocalSettled = false
			continue
		}
		c.action.Link.UID, c.action.UID = at.UID, at.UID
		arrived = append(arrived, c)
	}
	return r.finishCopies(ctx, to, arrived)
}

// finishCopies sets flags, with one command for all copies that need the same
// change, and commits what is known of the copies in any case.
func (r *run) finishCopies(ctx context.Context, b *box, copies []serverCopy) error {
	var fatal error
	uids := map[mailbox.FlagChange]mailbox.UIDSet{}
	for _, c := range copies {
		uids[c.change()] = uids[c.change()].Union(mailbox.UIDs(c.action.UID))
	}
	flagged := map[mailbox.FlagChange]bool{}
	commit := mailbox.Commit{Mailbox: b.base.Known.ID}
	for _, c := range copies {
		change := c.change()
		if _, tried := flagged[change]; !tried {
			err := r.setFlags(ctx, b, uids[change], change)
			if err != nil && fatal == nil {
				fatal = whole(ctx, err)
			}
			flagged[change] = err == nil
		}
		if link := c.action.Link; flagged[change] {
			link.Agreed, link.Remote, link.Local = c.final.Agreed, c.final.Remote, c.final.Local
		}
		commit.Put = append(commit.Put, c.action.Link)
	}
	if err := r.commit(context.WithoutCancel(ctx), commit); err != nil {
		return err
	}
	for _, c := range copies {
		r.carried(0)
		r.tally.done(*c.action)
	}
	return fatal
}

// setFlags is for copies: without their flags the mailbox is looked at again.
func (r *run) setFlags(ctx context.Context, b *box, uids mailbox.UIDSet, change mailbox.FlagChange) error {
	if change.IsEmpty() {
		return nil
	}
	err := r.retry(ctx, func() error {
		_, err := r.RemoteMessages.StoreFlags(ctx, b.ref(), uids, change, 0)
		return err
	})
	if err != nil {
		b.plan.LocalSettled = false
		r.halt(b)
		r.tally.trouble(b.name, err)
	}
	return err
}
