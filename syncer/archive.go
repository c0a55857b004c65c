package syncer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"mailferry/syncer/mailbox"
	"mailferry/syncer/plan"
)

// archiveGroup is how many messages one STORE and one EXPUNGE take from the
// server. All of them have passed the gate before the first of them goes.
const archiveGroup = 500

// asksMachines reports whether it matters which machines reported a copy.
func (r *run) asksMachines() bool {
	return r.Policy.Retention != nil && len(r.Policy.Retention.LeaveFor) > 0
}

func plansOf(boxes []*box) []*plan.Plan {
	plans := make([]*plan.Plan, len(boxes))
	for i, b := range boxes {
		plans[i] = &b.plan
	}
	return plans
}

// recogniseArchived keeps an archive's files from being uploaded, and the
// archive from what was brought back.
func (r *run) recogniseArchived(ctx context.Context, boxes []*box) error {
	plans := plansOf(boxes)
	limits := r.Policy.Retention
	if limits != nil {
		if ahead, isDoubtful := plan.DoubtClock(plans, *limits); isDoubtful {
			r.tally.trouble("", fmt.Errorf("this machine's clock says %s, yet it or the server was at %s before: nothing is archived by age until the clock is right",
				clockText(limits.Now), clockText(ahead)))
		}
	}
	if r.Marks != nil && plan.NeedsMarks(plans) {
		marks, err := r.Marks.Marks(ctx)
		if err != nil {
			return &stateError{err}
		}
		plan.RecogniseArchived(plans, marks)
	}
	if limits != nil && limits.HasFree {
		plan.UntilFreed(plans, limits.Free)
	}
	return nil
}

func clockText(date mailbox.Date) string { return date.Time().UTC().Format(time.DateTime) }

func (r *run) foretell(boxes []*box) error {
	if r.Foretell == nil || r.Policy.Retention == nil {
		return nil
	}
	return r.Foretell(plan.Losses(plansOf(boxes)))
}

// archive takes from the server what the limits let go. It works on one
// mailbox after the other: what goes wrong with a server's deletions is seen
// before the next mailbox is touched. Only looking runs ahead.
func (r *run) archive(ctx context.Context, boxes []*box) (err error) {
	if r.Policy.Retention == nil {
		return nil
	}
	ahead, cancel := context.WithCancel(ctx)
	proofs := r.proveAhead(ahead, taking(boxes))
	r.settling.SetLimit(1)
	defer func() {
		// Nobody is at work any more when this ends.
		cancel()
		for range proofs {
		}
		if unsettled := r.settling.Wait(); err == nil {
			err = unsettled
		}
	}()
	for p := range proofs {
		if r.isStopped() {
			return mailbox.ErrStopped
		}
		if p.gate.isShut.Load() {
			continue
		}
		err := p.err
		if err == nil {
			err = r.archiveGroup(ctx, p)
		}
		if err == nil {
			continue
		}
		if isFatal(err) || ctx.Err() != nil {
			return err
		}
		p.gate.isShut.Store(true)
		r.halt(p.gate.box)
		r.tally.trouble(p.gate.box.name, err)
	}
	return ctx.Err()
}

// toArchive are the actions that take messages from the server, or tell other
// machines that this one has them.
func (r *run) toArchive(b *box) []plan.Action {
	if n := b.plan.Postponed; n > 0 {
		r.halt(b)
		r.tally.trouble(b.name, fmt.Errorf("%w: %d messages are left to the next run", mailbox.ErrUIDValidity, n))
	}
	var actions []plan.Action
	for _, action := range b.actions(plan.FlagRemote, plan.MoveRemote, plan.ExpungeRemote) {
		// What was not downloaded was reported, and stays.
		isThere := action.Link.Kind == mailbox.Linked || action.Link.Kind == mailbox.PendingExpunge
		if action.IsArchival() && isThere && action.Link.ID != 0 {
			actions = append(actions, action)
		}
	}
	return actions
}

// archiveGroup takes from the server what passed of a whole group.
func (r *run) archiveGroup(ctx context.Context, p proof) (err error) {
	for _, kind := range []plan.Kind{plan.FlagRemote, plan.MoveRemote, plan.ExpungeRemote} {
		some := ofKind(p.actions, kind)
		if len(some) == 0 {
			continue
		}
		if kind == plan.FlagRemote {
			err = r.reportCopies(ctx, p.gate.box, some)
		} else {
			err = r.release(ctx, p.gate, some, kind, p.isLast)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func ofKind(actions []plan.Action, kinds ...plan.Kind) []plan.Action {
	var some []plan.Action
	for _, action := range actions {
		if slices.Contains(kinds, action.Kind) {
			some = append(some, action)
		}
	}
	return some
}

// reportCopies tells other machines on the server that this one has a copy. It
// is the archive's from then on: another machine may take it from the server.
func (r *run) reportCopies(ctx context.Context, b *box, actions []plan.Action) error {
	if err := r.Marks.Mark(ctx, mailbox.Archived, contentsOf(actions)); err != nil {
		return &stateError{err}
	}
	err := r.retry(ctx, func() error {
		_, err := r.RemoteMessages.StoreFlags(ctx, b.ref(), uidsOf(actions), actions[0].Change, 0)
		return err
	})
	if err != nil {
		r.halt(b)
		r.failRest(actions, err)
		return whole(ctx, err)
	}
	for _, action := range actions {
		r.tally.done(action)
	}
	return nil
}

// intend has proved messages in the state as about to go before the server
// hears of it, so that what is gone after a kill is not taken for a deletion,
// and in the marks, so that their files are never new to the server, whatever
// becomes of the state.
func (r *run) intend(ctx context.Context, b *box, actions []plan.Action) error {
	if len(actions) == 0 {
		return nil
	}
	pending := mailbox.Commit{Mailbox: b.base.Known.ID}
	for _, action := range actions {
		action.Link.Kind = mailbox.PendingExpunge
		pending.Put = append(pending.Put, action.Link)
	}
	if err := r.Marks.Mark(ctx, mailbox.Archived, contentsOf(actions)); err != nil {
		return &stateError{err}
	}
	return r.commit(ctx, pending)
}

// release takes proved and intended messages from the server.
func (r *run) release(ctx context.Context, g *gate, actions []plan.Action, kind plan.Kind, isLast bool) error {
	modified, err := r.takeAway(ctx, g, actions, kind)
	switch {
	case errors.Is(err, mailbox.ErrNoUIDPlus):
		return r.leaveArchived(ctx, g, actions, modified)
	case err != nil:
		r.halt(g.box)
		r.failRest(actions, err)
		return whole(ctx, err)
	}
	return r.confirmRelease(ctx, g, actions, modified, isLast)
}

func contentsOf(actions []plan.Action) []mailbox.Hash {
	contents := make([]mailbox.Hash, len(actions))
	for i, action := range actions {
		contents[i] = action.Link.Content.Hash
	}
	return contents
}

func (r *run) takeAway(ctx context.Context, g *gate, actions []plan.Action, kind plan.Kind) (modified mailbox.UIDSet, err error) {
	if kind == plan.MoveRemote {
		// Not repeated when its answer is lost: the next run sees.
		_, err := r.RemoteMessages.Move(ctx, g.box.ref(), uidsOf(actions), actions[0].To)
		return nil, err
	}
	err = r.retry(ctx, func() (err error) {
		modified, err = r.RemoteMessages.Expunge(ctx, g.box.ref(), uidsOf(actions), g.status.HighestModSeq)
		return err
	})
	return modified, err
}

// leaveArchived deals with a server that cannot expunge single messages: they
// are marked \Deleted and wait for the user to purge them.
func (r *run) leaveArchived(ctx context.Context, g *gate, actions []plan.Action, modified mailbox.UIDSet) error {
	commit := mailbox.Commit{Mailbox: g.box.base.Known.ID}
	mark := mailbox.NewFlags(mailbox.FlagDeleted)
	for _, action := range actions {
		commit.Put = append(commit.Put, action.Link)
		if modified.Contains(action.UID) {
			r.tally.stale(action)
			continue
		}
		action.Link.Remote = action.Link.Remote.Union(mark)
		action.Kind, action.Change, action.Flags = plan.FlagRemote, mailbox.FlagChange{Add: mark}, action.Link.Remote
		r.tally.done(action)
	}
	r.halt(g.box)
	if err := r.commit(ctx, commit); err != nil {
		return err
	}
	r.tally.trouble(g.box.name, fmt.Errorf("%w: %d messages are safe on disk and marked \\Deleted there; purge the mailbox with your mail program", mailbox.ErrNoUIDPlus, len(actions)-modified.Len()))
	return nil
}

// confirmRelease looks what the server did. What it deleted unasked ends the
// run; what it left, though it said OK, is reported.
func (r *run) confirmRelease(ctx context.Context, g *gate, actions []plan.Action, modified mailbox.UIDSet, isLast bool) error {
	b := g.box
	asked := uidsOf(actions).Minus(modified)
	left := mailbox.UIDSet(nil)
	if g.isFirst || isLast || g.status.HighestModSeq != 0 {
		after, err := r.present(ctx, b)
		if err != nil {
			r.halt(b)
			r.failRest(actions, fmt.Errorf("what the server did is not known: %w", err))
			return whole(ctx, err)
		}
		if stray := g.present.Minus(after).Minus(g.asked).Minus(asked); !stray.IsEmpty() {
			return r.alarm(ctx, b, stray)
		}
		left = uidsIn(asked, after)
		g.present = after
	}
	g.isFirst, g.asked = false, g.asked.Union(asked)
	r.settling.Go(func() error { return r.settleRelease(ctx, b, actions, modified, left) })
	if !left.IsEmpty() {
		return fmt.Errorf("%w: the server does not expunge what it says it does; the rest of the mailbox is not tried", mailbox.ErrProtocol)
	}
	return nil
}

func uidsIn(set, other mailbox.UIDSet) mailbox.UIDSet { return set.Minus(set.Minus(other)) }

// settleRelease writes down what the server let go, while it is asked for the
// next group: until then the state has it as about to go, which is as good.
func (r *run) settleRelease(ctx context.Context, b *box, actions []plan.Action, modified, left mailbox.UIDSet) error {
	commit := mailbox.Commit{Mailbox: b.base.Known.ID}
	for _, action := range actions {
		if modified.Contains(action.UID) || left.Contains(action.UID) {
			// Still about to go: that it changed may be our own mark, whose
			// answer was lost. The next listing tells.
			continue
		}
		action.Link.Kind, action.Link.UID = mailbox.KeptLocal, 0
		commit.Put = append(commit.Put, action.Link)
	}
	if err := r.commit(ctx, commit); err != nil {
		return err
	}
	for _, action := range actions {
		switch {
		case modified.Contains(action.UID):
			r.halt(b)
			r.tally.stale(action)
		case left.Contains(action.UID):
			r.halt(b)
			r.tally.failed(action, fmt.Errorf("%w: the server says that it expunged the message and still has it", mailbox.ErrProtocol))
		default:
			r.tally.done(action)
		}
	}
	return nil
}

// ErrAlarm: a server deleted what nobody asked it to. See AlarmError.
var ErrAlarm = errors.New("messages went away unasked")

// AlarmError says that messages went away that nobody here asked to go: the
// server expunges more than it is told, or another client did at that moment.
type AlarmError struct {
	Mailbox mailbox.Name
	UIDs    mailbox.UIDSet
	// Kept counts those of them that are on disk.
	Kept int
}

func (e *AlarmError) Error() string {
	return fmt.Sprintf("%s: while the archive expunged other messages, uid %s went away unasked (%d of %d are on disk and stay there): the server expunges more than it is told to, or another program deletes mail at this moment; the archive stops",
		e.Mailbox, e.UIDs, e.Kept, e.UIDs.Len())
}

// Unwrap returns ErrAlarm.
func (e *AlarmError) Unwrap() error { return ErrAlarm }

// alarm ends the run. Copies on disk of what went away unasked stay there for
// good: no later run takes their absence for the user's wish.
func (r *run) alarm(ctx context.Context, b *box, stray mailbox.UIDSet) error {
	alarm := &AlarmError{Mailbox: b.name, UIDs: stray}
	commit := mailbox.Commit{Mailbox: b.base.Known.ID}
	err := r.scan(ctx, b.base.Known.ID, mailbox.Some{UIDs: stray}, func(link *mailbox.Link) error {
		if link.Key != "" && (link.Kind == mailbox.Linked || link.Kind == mailbox.PendingExpunge) {
			kept := *link
			kept.Kind, kept.UID = mailbox.KeptLocal, 0
			commit.Put = append(commit.Put, &kept)
		}
		return nil
	})
	if err != nil {
		return errors.Join(alarm, err)
	}
	alarm.Kept = len(commit.Put)
	r.halt(b)
	return errors.Join(alarm, r.commit(ctx, commit))
}

// markReturned remembers what is brought back to the server before it goes
// there: an archive leaves it.
func (r *run) markReturned(ctx context.Context, boxes []*box) error {
	if len(r.Policy.BringBack) == 0 {
		return nil
	}
	var contents []mailbox.Hash
	for _, b := range boxes {
		for _, action := range b.actions(plan.Upload) {
			if action.Rule == plan.BroughtBack {
				contents = append(contents, action.Link.Content.Hash)
			}
		}
	}
	if err := r.Marks.Mark(ctx, mailbox.Returned, contents); err != nil {
		return &stateError{err}
	}
	return nil
}
