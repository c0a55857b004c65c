package syncer

import (
	"context"
	"fmt"
	"slices"

	"mailferry/syncer/mailbox"
	"mailferry/syncer/plan"
)

// decide makes the plans, asking the server first for what tells messages
// apart that both sides may have.
func (r *run) decide(ctx context.Context, boxes []*box) error {
	return r.each(ctx, boxes, func(ctx context.Context, b *box) error {
		if b.isOut {
			return nil
		}
		return r.decideBox(ctx, b)
	})
}

func (r *run) decideBox(ctx context.Context, b *box) error {
	if err := r.proveRewritten(ctx, b); err != nil {
		return err
	}
	if err := r.askDates(ctx, b); err != nil {
		return err
	}
	// Two rounds answer headers, then bodies; a third finds what vanished.
	for range 3 {
		questions := plan.Ask(b.base, b.local, b.remote, r.Policy)
		if questions.IsEmpty() {
			break
		}
		if err := r.answer(ctx, b, questions); err != nil {
			return err
		}
	}
	if err := r.answerAlike(ctx, b); err != nil {
		return err
	}
	for i := range b.base.Links {
		if link := &b.base.Links[i]; link.Kind == mailbox.PendingUpload {
			b.notePending(link.Key)
		}
	}
	renames := slices.DeleteFunc(b.plan.Actions, func(a plan.Action) bool {
		return a.Kind != plan.RenameMailboxLocal && a.Kind != plan.RenameMailboxRemote
	})
	b.plan = plan.MakeMailbox(b.base, b.local, b.remote, r.Policy)
	b.plan.Actions = slices.Insert(b.plan.Actions, 0, renames...)
	b.plan.Settled = b.plan.Settled && !b.halted && !b.unsettled
	b.plan.LocalSettled = b.plan.LocalSettled && !b.localUnsettled
	if r.Sends != nil {
		b.plan.Choose(r.Sends)
		b.isOut = b.base.Known.ID == 0 && len(b.plan.Actions) == 0
	}
	// The plan says it all from here on: what it was made of may go.
	b.base.Links, b.remote.Messages, b.local.Messages, b.local.Alike = nil, nil, nil, nil
	b.odd, b.files, b.newKeys = oddLinks{}, nil, nil
	r.tellPlan(b)
	return nil
}

// tellPlan tells what a plan leaves undone, and why.
func (r *run) tellPlan(b *box) {
	r.tally.conflicts(b.plan.Conflicts)
	if spoiled := b.remote.Spoiled.Len(); spoiled > 0 {
		r.tally.trouble(b.name, fmt.Errorf("%w: the server's description of %d messages cannot be read; they stay on the server", mailbox.ErrProtocol, spoiled))
	}
	if !b.remote.Complete {
		r.tally.trouble(b.name, fmt.Errorf("%w: nothing is deleted because of it", mailbox.ErrIncomplete))
	}
	if n := b.plan.Unanswered.Len(); n > 0 {
		r.tally.trouble(b.name, fmt.Errorf("%w: the server does not hand over %d messages that may be on disk already; they stay as they are", mailbox.ErrProtocol, n))
	}
	if n := b.plan.TrashMissing; n > 0 {
		r.tally.trouble(b.name, fmt.Errorf("a mailbox for deleted messages (\\Trash) is %w: %d messages that would go there stay on the server", mailbox.ErrUnsupported, n))
	}
	if b.plan.Unnumbered {
		r.tally.trouble(b.name, fmt.Errorf("UIDVALIDITY is %w: a number may mean another message a moment later, so nothing is archived", mailbox.ErrUnsupported))
	}
	if b.plan.MachinesUnsupported {
		r.tally.trouble(b.name, fmt.Errorf("keywords of one's own are %w here (PERMANENTFLAGS has no \\*), so leave_for cannot work: nothing is archived", mailbox.ErrUnsupported))
	}
	r.tellUndated(b)
	r.tellDropped(b)
	if b.plan.Renumbered {
		r.tellRenumbered(b, b.base.Known.Remote.UIDValidity, b.plan.Matched, b.plan.Known)
	}
	if b.matched += b.plan.Matched; b.former != nil && b.pool != nil && b.pool.IsDone() {
		r.tellRenumbered(b, *b.former, b.matched, b.toMatch)
	}
}

func (r *run) tellRenumbered(b *box, former mailbox.UIDValidity, matched, known int) {
	r.tally.notice(b.name, fmt.Sprintf("the server renumbered its messages (UIDVALIDITY %d -> %d); %d of %d recognised by content, nothing deleted",
		former, b.remote.Status.UIDValidity, matched, known))
}

// suspicious is how many deletions nobody wonders about, as for the guards.
const suspicious = 10

// tellDropped tells of messages that a run that only pushes does not upload
// again. A few are somebody's deletions; all of many may be a loss.
func (r *run) tellDropped(b *box) {
	n := b.plan.Dropped
	if n == 0 || !r.Policy.Push.New || r.Policy.Pull.New {
		return
	}
	err := fmt.Errorf("%w: %d of the %d that an earlier run left there; they are not uploaded again", mailbox.ErrGone, n, b.plan.Known)
	if n == b.plan.Known && n > suspicious {
		r.tally.trouble(b.name, err)
	} else {
		r.tally.notice(b.name, err.Error())
	}
}

// answer fetches headers or whole messages for their hashes.
func (r *run) answer(ctx context.Context, b *box, q plan.Questions) error {
	ask := func(uids mailbox.UIDSet, part mailbox.Part, set func(*mailbox.RemoteMessage, *hasher)) error {
		if uids.IsEmpty() {
			return nil
		}
		return r.retry(ctx, func() error {
			sink := newHasher()
			sink.row = func(uid mailbox.UID) {
				if row := b.row(uid); row != nil {
					set(row, sink)
				}
			}
			return r.Remote.Fetch(ctx, b.ref(), uids, part, sink)
		})
	}
	if err := ask(q.Headers, mailbox.HeaderOnly, func(m *mailbox.RemoteMessage, h *hasher) {
		m.Header, m.HasMessageID = h.sum, h.hasMessageID
	}); err != nil {
		return err
	}
	return ask(q.Bodies, mailbox.Whole, func(m *mailbox.RemoteMessage, h *hasher) { m.Body = h.sum })
}
