package syncer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sync/errgroup"

	"mailferry/syncer/mailbox"
	"mailferry/syncer/plan"
)

// everything is what a mailbox that does not exist yet is taken to hold.
var everything = mailbox.Holds{
	AnyKeyword: true,
	Flags: mailbox.NewFlags(mailbox.FlagSeen, mailbox.FlagAnswered, mailbox.FlagFlagged,
		mailbox.FlagDeleted, mailbox.FlagDraft),
}

// observe looks at both sides of each mailbox. Trouble with one mailbox leaves
// that one out.
func (r *run) observe(ctx context.Context, boxes []*box) error {
	return r.each(ctx, boxes, func(ctx context.Context, b *box) error {
		if b.isOut {
			return nil
		}
		err := r.observeBox(ctx, b)
		r.tally.advance(func(p *Progress) { p.Mailboxes++ })
		return err
	})
}

// each runs a step for several mailboxes at once. The step's error is the
// mailbox's own trouble unless it concerns the whole run.
func (r *run) each(ctx context.Context, boxes []*box, step func(context.Context, *box) error) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(r.Connections)
	for _, b := range boxes {
		group.Go(func() error {
			if r.isStopped() {
				return mailbox.ErrStopped
			}
			err := step(ctx, b)
			if err == nil || isFatal(err) || ctx.Err() != nil {
				return err
			}
			b.isOut, b.halted = true, true
			r.tally.trouble(b.name, err)
			return nil
		})
	}
	return group.Wait()
}

func (r *run) observeBox(ctx context.Context, b *box) error {
	if b.base.Known.ID != 0 {
		links, err := r.Base.Links(ctx, b.base.Known.ID)
		if err != nil {
			return &stateError{err}
		}
		b.base.Links = links
	}
	if err := r.observeLocal(ctx, b); err != nil {
		return err
	}
	return r.observeRemote(ctx, b)
}

func (r *run) observeRemote(ctx context.Context, b *box) error {
	switch {
	case b.remote.Missing:
		b.remote.Observation = mailbox.Observation{Complete: true, HasPresent: true, Holds: everything}
		return nil
	case b.remoteSame && !b.local.Missing && !r.asksMachines():
		b.remote.Observation = mailbox.Observation{Status: *b.listed.Status, Delta: true, Complete: true}
		if b.localSame && !r.Policy.Refill && len(r.Policy.BringBack) == 0 {
			return nil
		}
		// What the mailbox can hold is told only when it is opened; it
		// matters only if flags or messages are to go there.
		if !r.mayPush(b) {
			return nil
		}
	}
	since := sinceOf(b.base)
	if b.local.Missing || r.asksMachines() {
		// The messages may all have to be fetched again, or the base does not
		// know which machines have a copy: everything is asked.
		since = mailbox.Since{}
	}
	if err := r.look(ctx, b, since); err != nil {
		return err
	}
	if plan.HasUnaccounted(b.base, b.remote) || b.remote.Delta && plan.IsRenumbered(b.base, b.remote) {
		return r.look(ctx, b, mailbox.Since{})
	}
	return nil
}

// look observes a mailbox, again from the start if the connection is lost.
func (r *run) look(ctx context.Context, b *box, since mailbox.Since) error {
	return r.retry(ctx, func() error {
		b.remote.Messages = b.remote.Messages[:0]
		seen, err := r.Remote.Observe(ctx, b.name, since, func(m mailbox.RemoteMessage) error {
			b.remote.Messages = append(b.remote.Messages, m)
			return nil
		})
		b.remote.Observation = seen
		return err
	})
}

// mayPush reports whether the disk has anything that the base does not know.
func (r *run) mayPush(b *box) bool {
	if len(r.Policy.BringBack) > 0 {
		return true
	}
	if !r.Policy.Push.Flags && !r.Policy.Push.New {
		return false
	}
	if r.Policy.Refill {
		return true
	}
	known := make(map[mailbox.Key]mailbox.Flags, len(b.base.Links))
	for i := range b.base.Links {
		link := &b.base.Links[i]
		if link.Kind == mailbox.PendingUpload {
			return true
		}
		known[link.Key] = link.Local
	}
	return slices.ContainsFunc(b.local.Messages, func(m mailbox.LocalMessage) bool {
		flags, ok := known[m.Key]
		return !ok || !flags.Equal(m.Flags)
	})
}

func sinceOf(base plan.Base) mailbox.Since {
	since := mailbox.Since{Remote: base.Known.Remote}
	for i := range base.Links {
		link := &base.Links[i]
		if link.UID != 0 && link.UID < since.Remote.UIDNext && link.Kind != mailbox.PendingUpload {
			since.Below++
		}
	}
	return since
}

func (r *run) observeLocal(ctx context.Context, b *box) error {
	if b.local.Missing {
		return nil
	}
	isPending := func(link mailbox.Link) bool { return link.Kind == mailbox.PendingDownload }
	if b.localSame && !slices.ContainsFunc(b.base.Links, isPending) {
		b.local.Unchanged = true
		b.local.Stamp = b.base.Known.Local
		return nil
	}
	messages, stamp, err := r.Local.List(ctx, b.name)
	if err != nil {
		return err
	}
	b.local.Messages, b.local.Stamp = messages, stamp
	if len(plan.MissingKeys(b.base, b.local)) > 0 {
		if err := r.lookAgain(ctx, b); err != nil {
			return err
		}
	}
	return r.inspectNew(ctx, b)
}

// lookAgain lists a folder a second time before a file is believed to be gone:
// a listing can miss one that is being renamed.
func (r *run) lookAgain(ctx context.Context, b *box) error {
	second, _, err := r.Local.List(ctx, b.name)
	if err != nil {
		return err
	}
	all := append(second, b.local.Messages...)
	slices.SortStableFunc(all, func(a, b mailbox.LocalMessage) int { return cmp.Compare(a.Key, b.Key) })
	// The stamp stays the first listing's: what went since then is among the
	// messages, and the next run must not believe that it is still there.
	b.local.Messages = slices.CompactFunc(all, func(a, b mailbox.LocalMessage) bool { return a.Key == b.Key })
	return nil
}

// inspectNew reads the files that the base does not know. A file that cannot
// be read is left out and keeps the checkpoint where it is.
func (r *run) inspectNew(ctx context.Context, b *box) error {
	if !r.wantsNewFiles(b) {
		return nil
	}
	unreadable := map[mailbox.Key]bool{}
	for _, key := range plan.NewKeys(b.base, b.local) {
		i, _ := slices.BinarySearchFunc(b.local.Messages, key, func(m mailbox.LocalMessage, key mailbox.Key) int {
			return cmp.Compare(m.Key, key)
		})
		content, date, err := r.Local.Inspect(ctx, b.name, key)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, mailbox.ErrNotFound):
			unreadable[key] = true
		case err != nil:
			unreadable[key] = true
			b.halted = true
			r.tally.trouble(b.name, fmt.Errorf("file %s: %w", key, err))
		default:
			b.local.Messages[i].Content, b.local.Messages[i].Date = content, date
		}
	}
	b.local.Messages = slices.DeleteFunc(b.local.Messages, func(m mailbox.LocalMessage) bool { return unreadable[m.Key] })
	return nil
}

// wantsNewFiles reports whether files that the base does not know matter: to
// be uploaded, or to be recognised as something that the server has.
func (r *run) wantsNewFiles(b *box) bool {
	return r.Policy.Push.New || r.Policy.Pull.New && !b.remoteSame || len(b.base.Links) > 0
}

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
	b.plan.Settled = b.plan.Settled && !b.halted
	if r.Sends != nil {
		b.plan.Choose(r.Sends)
		b.isOut = b.base.Known.ID == 0 && len(b.plan.Actions) == 0
	}
	// The plan says it all from here on: what it was made of may go.
	b.base.Links, b.remote.Messages, b.local.Messages = nil, nil, nil
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
	if b.plan.MachinesUnsupported {
		r.tally.trouble(b.name, fmt.Errorf("keywords of one's own are %w here (PERMANENTFLAGS has no \\*), so leave_for cannot work: nothing is archived", mailbox.ErrUnsupported))
	}
	r.tellDropped(b)
	if b.plan.Renumbered {
		r.tally.notice(b.name, fmt.Sprintf("the server renumbered its messages (UIDVALIDITY %d -> %d); %d of %d recognised by content, nothing deleted",
			b.base.Known.Remote.UIDValidity, b.remote.Status.UIDValidity, b.plan.Matched, b.plan.Known))
	}
	return nil
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
