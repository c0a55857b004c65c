package syncer

import (
	"context"
	"fmt"
	"slices"

	"mailferry/syncer/mailbox"
	"mailferry/syncer/plan"
)

// settleGroup settles mailboxes that are looked at in one turn, and writes that
// in one transaction.
func (r *run) settleGroup(ctx context.Context, group []*box) error {
	var asked []*box
	for _, b := range group {
		if !b.needsLook() {
			continue
		}
		again, err := r.anew(ctx, b)
		if err != nil {
			return err
		}
		b.again = again
		asked = append(asked, again)
	}
	if err := r.glance(ctx, asked, func(b *box) mailbox.Since { return b.known }); err != nil {
		return err
	}
	var commits []mailbox.Commit
	for _, b := range group {
		commit, err := r.settle(ctx, b)
		if err := r.leaveOut(ctx, b, err); err != nil {
			return err
		}
		if err == nil && commit.Mailbox != 0 {
			commits = append(commits, commit)
		}
	}
	if len(commits) == 0 {
		return nil
	}
	return r.commit(ctx, commits...)
}

// needsLook reports whether settle looks at the server once more.
func (b *box) needsLook() bool {
	switch {
	case b.isWaiting():
		return false
	case b.halted || !b.plan.Settled:
		return !b.appended.IsEmpty() || len(b.accepted) > 0
	}
	return b.wrote || len(b.writes()) > 0
}

// settle moves a mailbox's checkpoint, if everything that was asked for has
// happened: it returns what is to be committed, nothing if Mailbox is 0. After
// changes on the server it looks once more at what they did: uploads are
// confirmed by a listing, and the next run need not look again. They are
// confirmed also where other things failed: an upload that is deleted before it
// was confirmed would be taken for one that never arrived.
func (r *run) settle(ctx context.Context, b *box) (mailbox.Commit, error) {
	var commit mailbox.Commit
	if b.isWaiting() {
		return commit, nil
	}
	if b.halted || !b.plan.Settled {
		if b.needsLook() {
			commit, _, _, err := r.confirm(ctx, b)
			return commit, err
		}
		return commit, nil
	}
	status, isSettled := b.remote.Status, true
	if b.needsLook() {
		confirmed, seen, ok, err := r.confirm(ctx, b)
		if err != nil {
			return commit, err
		}
		commit = confirmed
		if ok {
			status = seen
		} else {
			isSettled = len(b.actions(plan.Upload)) == 0 && seen.UIDValidity == b.remote.Status.UIDValidity
		}
	}
	checkpoint := mailbox.Checkpoint{Remote: status, HasRemote: !b.remote.Missing, HasLocal: !b.local.Missing}
	if b.plan.LocalSettled {
		checkpoint.Local = b.local.Stamp
	}
	known := b.base.Known
	current := mailbox.Checkpoint{Remote: known.Remote, Local: known.Local, HasRemote: known.HasRemote, HasLocal: known.HasLocal, Leaving: known.Leaving}
	if isSettled && checkpoint != current {
		commit.Mailbox, commit.Checkpoint = known.ID, &checkpoint
	}
	return commit, nil
}

// writes are the plan's actions that change the server.
func (b *box) writes() []plan.Action {
	return b.actions(plan.Upload, plan.FlagRemote, plan.ExpungeRemote, plan.MoveRemote, plan.CreateMailboxRemote)
}

// confirm observes the server again and returns what the listing proves, to be
// committed. ok says that nothing but our own changes was found.
func (r *run) confirm(ctx context.Context, b *box) (commit mailbox.Commit, status mailbox.Status, ok bool, err error) {
	p, remote, err := r.replan(ctx, b)
	if err != nil {
		return mailbox.Commit{}, mailbox.Status{}, false, err
	}
	altered := b.keepAltered(&p)
	if p.Renumbered {
		return mailbox.Commit{}, remote.Status, false, nil // the next run matches both sides anew
	}
	// What came meanwhile may be over the limit of size.
	b.plan.LocalSettled = b.plan.LocalSettled && p.LocalSettled
	if len(p.Put)+len(p.Forget) > 0 {
		commit = mailbox.Commit{Mailbox: b.base.Known.ID, Put: p.Put, Forget: p.Forget}
	}
	return commit, remote.Status, !altered && len(p.Actions) == 0 && p.Settled, nil
}

// replan decides a mailbox again from the state as it is now and a new look at
// the server; the disk is taken to be as the state has it.
func (r *run) replan(ctx context.Context, b *box) (plan.Plan, plan.Remote, error) {
	// What an archive lets go is decided once a run.
	policy := r.Policy
	policy.Retention = nil
	again := b.again
	b.again = nil
	if again == nil {
		var err error
		if again, err = r.anew(ctx, b); err != nil {
			return plan.Plan{}, plan.Remote{}, err
		}
	}
	if err := r.lookAndGather(ctx, again, again.known); err != nil {
		return plan.Plan{}, plan.Remote{}, err
	}
	if err := r.proveRewritten(ctx, again); err != nil {
		return plan.Plan{}, plan.Remote{}, err
	}
	for range 3 {
		questions := plan.Ask(again.base, again.local, again.remote, policy)
		if questions.IsEmpty() {
			break
		}
		if err := r.answer(ctx, again, questions); err != nil {
			return plan.Plan{}, plan.Remote{}, err
		}
	}
	return plan.Make(again.base, again.local, again.remote, policy), again.remote, nil
}

// anew is the mailbox for another look, with what the state knows of it now.
func (r *run) anew(ctx context.Context, b *box) (again *box, err error) {
	again = &box{name: b.name, base: plan.Base{Known: b.base.Known}, remote: plan.Remote{Trash: b.remote.Trash}}
	again.local.Unchanged = true
	again.known, err = r.sinceNow(ctx, again, b.remote.Status)
	return again, err
}

// sinceNow reads what the state knows of a mailbox in the middle of a run, in
// which other workers may be writing.
func (r *run) sinceNow(ctx context.Context, b *box, status mailbox.Status) (mailbox.Since, error) {
	for range 3 {
		before, err := r.knownNow(ctx, b.base.Known.ID)
		if err != nil {
			return mailbox.Since{}, err
		}
		b.base.Known = before
		b.base.Known.Remote, b.base.Known.HasRemote = status, true
		if err := r.readOddLinks(ctx, b); err != nil {
			return mailbox.Since{}, err
		}
		after, err := r.knownNow(ctx, b.base.Known.ID)
		if err != nil {
			return mailbox.Since{}, err
		}
		if after.Links == before.Links && after.Tally == before.Tally {
			return b.since(), nil
		}
	}
	since := b.since()
	since.Below = -1 // no count adds up to that: the server lists its messages
	return since, nil
}

func (r *run) knownNow(ctx context.Context, id mailbox.ID) (mailbox.Known, error) {
	all, err := r.Base.Mailboxes(ctx)
	if err == nil {
		for _, known := range all {
			if known.ID == id {
				return known, nil
			}
		}
		err = fmt.Errorf("mailbox %d: %w", id, mailbox.ErrNotFound)
	}
	return mailbox.Known{}, &stateError{err}
}

// keepAltered deals with uploads that the server took and of which a listing
// shows only messages that are not the same: it changed them on the way. Sent
// again they would be changed again, in every run one more. Both stay, the
// file on disk and what the server made of it.
func (b *box) keepAltered(p *plan.Plan) bool {
	strangers := 0
	for _, action := range p.Actions {
		if action.Kind == plan.Download && action.UID >= b.remote.Status.UIDNext {
			strangers++
		}
	}
	before := len(p.Put)
	for _, action := range p.Actions {
		if action.Kind == plan.Upload && strangers > 0 && slices.Contains(b.accepted, action.Link.ID) {
			strangers--
			link := *action.Link
			link.Kind = mailbox.KeptLocal
			p.Put = append(p.Put, &link)
		}
	}
	return len(p.Put) > before
}
