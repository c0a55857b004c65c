package syncer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"mailferry/syncer/mailbox"
	"mailferry/syncer/plan"
)

// Bounds of what is appended between two looks at the disk, and how many
// answers one commit takes. Between two groups the line is idle for a round
// trip, so they are large.
const (
	appendMessages = 2000
	appendOctets   = 64 << 20
	answersACommit = 250
)

// calmMax bounds how long a mailbox must be quiet before a lost upload counts
// as not arrived.
const calmMax = 30 * time.Second

// upload appends a mailbox's messages. The state has each as pending before
// the first octet goes out. When a connection is lost, or another run left
// uploads pending, nothing is sent again before a listing has told what had
// arrived.
func (r *run) upload(ctx context.Context, b *box, actions []plan.Action) error {
	const tries = 5
	actions, err := r.afterOthers(ctx, b, actions)
	if err != nil {
		return err
	}
	for attempt := 1; len(actions) > 0; attempt++ {
		before := len(actions)
		var gap time.Duration
		rest, err := r.appendAll(ctx, b, actions, &gap)
		if err == nil {
			return nil
		}
		if isFatal(err) || ctx.Err() != nil || !isPassing(err) || attempt == tries {
			r.failRest(rest, err)
			return err
		}
		if err := r.reconnect(ctx, err); err != nil {
			return err
		}
		if _, err := r.calm(ctx, b, mailbox.Status{}, 3*gap); err != nil {
			r.failRest(rest, err)
			return err
		}
		if actions, err = r.stillMissing(ctx, b, rest, err); err != nil {
			return err
		}
		if len(actions) < before {
			attempt = 0
		}
	}
	return nil
}

// afterOthers looks for what an earlier run left pending: its connection may
// have ended just now, and the server may still be working on it.
func (r *run) afterOthers(ctx context.Context, b *box, actions []plan.Action) ([]plan.Action, error) {
	isPending := func(action plan.Action) bool { return b.pending[action.Key] }
	if !slices.ContainsFunc(actions, isPending) {
		return actions, nil
	}
	planned := filling(b.remote.Observation)
	now, err := r.calm(ctx, b, planned, 0)
	if err != nil {
		r.failRest(actions, err)
		return nil, err
	}
	if now == planned {
		return actions, nil
	}
	return r.stillMissing(ctx, b, actions, mailbox.ErrIncomplete)
}

// filling is what a new message changes of a mailbox's status.
func filling(seen mailbox.Observation) mailbox.Status {
	return mailbox.Status{UIDValidity: seen.Status.UIDValidity, UIDNext: seen.Status.UIDNext, Messages: seen.Status.Messages}
}

// calm waits until a mailbox that was seen last has not changed for a while,
// and returns how it is then. A server may have received many commands of a
// connection that is lost and go on carrying them out: what is not there yet
// may still come, and must not be sent again.
func (r *run) calm(ctx context.Context, b *box, last mailbox.Status, quiet time.Duration) (mailbox.Status, error) {
	const looks = 20
	quiet = min(max(quiet, r.Calm), calmMax)
	for range looks {
		if err := sleep(ctx, quiet, r.Stop); err != nil {
			return last, err
		}
		var seen mailbox.Observation
		err := r.retry(ctx, func() (err error) {
			seen, err = r.Remote.Observe(ctx, b.name, mailbox.Since{Remote: b.remote.Status}, func(mailbox.RemoteMessage) error { return nil })
			return err
		})
		if err != nil {
			return last, err
		}
		now := filling(seen)
		if now == last {
			return now, nil
		}
		last = now
	}
	return last, fmt.Errorf("%w: the mailbox keeps changing: what arrived of the uploads cannot be told", mailbox.ErrUnavailable)
}

// failRest says that uploads failed. Where the user asked to stop they did not:
// they were not reached, or the next run finds out what became of them.
func (r *run) failRest(actions []plan.Action, err error) {
	if errors.Is(err, mailbox.ErrStopped) || errors.Is(err, context.Canceled) {
		return
	}
	for _, action := range actions {
		r.tally.failed(action, err)
	}
}

// appendAll appends in groups, each committed before the next. gap is the
// longest that an answer was waited for.
func (r *run) appendAll(ctx context.Context, b *box, actions []plan.Action, gap *time.Duration) (rest []plan.Action, err error) {
	for _, group := range cutUploads(b, actions) {
		if r.isStopped() {
			return nil, mailbox.ErrStopped
		}
		left, err := r.appendGroup(ctx, b, group, gap)
		if err != nil {
			return append(left, actions[len(group):]...), err
		}
		actions = actions[len(group):]
	}
	return nil, nil
}

func cutUploads(b *box, actions []plan.Action) [][]plan.Action {
	var groups [][]plan.Action
	for _, c := range cut(b, plan.Upload, actions, appendOctets) {
		for list := c.actions; len(list) > 0; {
			n := min(len(list), appendMessages)
			groups = append(groups, list[:n])
			list = list[n:]
		}
	}
	return groups
}

// appendGroup returns the actions without an answer if it fails.
func (r *run) appendGroup(ctx context.Context, b *box, group []plan.Action, gap *time.Duration) ([]plan.Action, error) {
	pending := mailbox.Commit{Mailbox: b.base.Known.ID}
	uploads := make([]mailbox.Upload, len(group))
	keys := make([]mailbox.Key, len(group))
	for i, action := range group {
		pending.Put = append(pending.Put, action.Link)
		keys[i] = action.Key
		uploads[i] = mailbox.Upload{
			Flags: action.Link.Remote, Date: action.Date, Size: action.Size,
			Open: func() (io.ReadCloser, error) {
				if r.isStopped() {
					return nil, mailbox.ErrStopped
				}
				return r.Local.Open(ctx, b.name, action.Key)
			},
		}
	}
	if err := r.LocalMessages.Persist(ctx, b.name, keys); err != nil {
		return nil, &diskError{err}
	}
	if err := r.commit(ctx, pending); err != nil {
		return nil, err
	}
	b.notePending(keys...)
	answers := &answers{ctx: context.WithoutCancel(ctx), run: r, box: b, group: group, isAnswered: make([]bool, len(group)), last: time.Now()}
	err := r.RemoteMessages.Append(ctx, b.name, uploads, answers.take)
	answers.commit()
	answers.heard()
	*gap = max(*gap, answers.gap)
	switch {
	case answers.err != nil:
		return nil, answers.err
	case err == nil && answers.stopped:
		return nil, mailbox.ErrStopped
	case err == nil:
		return nil, nil
	}
	return answers.missing(), err
}

// answers writes down what became of a group's uploads, as the server tells it.
type answers struct {
	ctx        context.Context
	run        *run
	box        *box
	group      []plan.Action
	isAnswered []bool
	told       []*mailbox.Link // not committed yet
	// gap is the longest wait for an answer; last is when one came.
	gap     time.Duration
	last    time.Time
	stopped bool
	err     error
}

func (a *answers) heard() {
	now := time.Now()
	a.gap, a.last = max(a.gap, now.Sub(a.last)), now
}

// take is told of one upload.
func (a *answers) take(i int, at mailbox.Appended, err error) {
	action := a.group[i]
	if errors.Is(err, mailbox.ErrStopped) {
		a.stopped = true
		return
	}
	a.isAnswered[i] = true
	a.heard()
	switch {
	case err == nil:
		if a.box.isPlausible(at, action.Link) {
			action.Link.UID, action.UID = at.UID, at.UID
		} else {
			a.box.accepted = append(a.box.accepted, action.Link.ID)
		}
		a.run.tellRedated(a.box, action, at.Redated)
		a.told = append(a.told, action.Link)
		a.run.carried(action.Size)
		a.run.tally.done(action)
	case errors.Is(err, mailbox.ErrNotFound):
		a.run.halt(a.box)
		a.run.tally.stale(action)
	default:
		a.run.halt(a.box)
		a.run.tally.failed(action, err)
	}
	if len(a.told) >= answersACommit {
		a.commit()
	}
}

// commit writes what was answered, also when the run was cancelled.
func (a *answers) commit() {
	if len(a.told) == 0 || a.err != nil {
		return
	}
	a.err = a.run.commit(a.ctx, mailbox.Commit{Mailbox: a.box.base.Known.ID, Put: a.told})
	a.told = nil
}

// missing are the uploads of which nothing is known.
func (a *answers) missing() []plan.Action {
	var left []plan.Action
	for i, action := range a.group {
		if !a.isAnswered[i] {
			left = append(left, action)
		}
	}
	return left
}

// notePending remembers which uploads the state has as pending.
func (b *box) notePending(keys ...mailbox.Key) {
	if b.pending == nil {
		b.pending = map[mailbox.Key]bool{}
	}
	for _, key := range keys {
		b.pending[key] = true
	}
}

// isPlausible reports whether an APPENDUID can be true: a UID that was there
// before, or that another upload was given, is another message's.
func (b *box) isPlausible(at mailbox.Appended, link *mailbox.Link) bool {
	if at.UIDValidity != b.remote.Status.UIDValidity || at.UID < link.Since || b.appended.Contains(at.UID) {
		return false
	}
	b.appended = b.appended.Union(mailbox.UIDs(at.UID))
	return true
}

// stillMissing looks at the server after a lost connection and returns those
// of the actions whose messages provably did not arrive. What the look cannot
// tell fails; the next run looks again before it sends anything.
func (r *run) stillMissing(ctx context.Context, b *box, rest []plan.Action, lost error) ([]plan.Action, error) {
	p, _, err := r.replan(ctx, b)
	if err != nil {
		return nil, err
	}
	unsent, arrived := uploadsOf(p)
	commit := mailbox.Commit{Mailbox: b.base.Known.ID}
	var again, done []plan.Action
	for _, action := range rest {
		switch {
		case action.Link.ID == 0: // not even tried
			again = append(again, action)
		case unsent[action.Key] != nil:
			action.Link = unsent[action.Key]
			again = append(again, action)
		case arrived[action.Key] != nil:
			commit.Put = append(commit.Put, arrived[action.Key])
			done = append(done, action)
		default:
			r.halt(b)
			r.tally.failed(action, lost)
		}
	}
	// Nothing else of the plan is written: other workers have the rest of the
	// mailbox in their hands.
	if err := r.commit(ctx, commit); err != nil {
		return nil, err
	}
	for _, action := range done {
		r.carried(action.Size)
		r.tally.done(action)
	}
	return again, nil
}

// uploadsOf returns what a plan says of uploads that were pending.
func uploadsOf(p plan.Plan) (unsent, arrived map[mailbox.Key]*mailbox.Link) {
	unsent, arrived = map[mailbox.Key]*mailbox.Link{}, map[mailbox.Key]*mailbox.Link{}
	if p.Renumbered {
		return unsent, arrived
	}
	for _, action := range p.Actions {
		if action.Kind == plan.Upload {
			unsent[action.Key] = action.Link
		}
	}
	for _, link := range p.Put {
		if link.Kind == mailbox.Linked && link.UID != 0 && link.Key != "" {
			arrived[link.Key] = link
		}
	}
	return unsent, arrived
}

// tellRedated reports a message that has another date on the server than it
// should, because the server does not take its own.
func (r *run) tellRedated(b *box, action plan.Action, date mailbox.Date) {
	if !date.Known {
		return
	}
	day := func(d mailbox.Date) string { return d.Time().Format(time.DateOnly) }
	action.Link.Date = date
	r.tally.trouble(b.name, fmt.Errorf("message %s: the server does not take its date, %s: it has %s there", action.Key, day(action.Date), day(date)))
}
