package syncer

import (
	"context"
	"sync"

	"mailferry/syncer/mailbox"
	"mailferry/syncer/plan"
)

// A batch is what a worker received and nobody can see yet.
type batch struct {
	box   *box
	items []item
}

type item struct {
	action *plan.Action
	draft  mailbox.Draft
}

// ledger commits batches in groups, one group at a time, while the workers go
// on receiving: first the octets are durable, then the state has the planned
// keys, then the files get their names, then the state says so. A kill between
// any two of these leaves what the next run can tell.
type ledger struct {
	run     *run
	in      chan batch
	done    chan struct{}
	settled []mailbox.Commit // published; written with the next group

	mu  sync.Mutex
	err error
}

func newLedger(r *run) *ledger {
	l := &ledger{run: r, in: make(chan batch, 2*r.Connections), done: make(chan struct{})}
	go l.work()
	return l
}

// add hands over a batch, waiting while the disk is behind.
func (l *ledger) add(b batch) error {
	if err := l.failure(); err != nil {
		return err
	}
	l.in <- b
	return nil
}

func (l *ledger) failure() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

// close commits what is left and returns what went wrong.
func (l *ledger) close(ctx context.Context) error {
	close(l.in)
	<-l.done
	if l.err != nil {
		return l.err
	}
	return l.writeSettled(ctx)
}

// work never stops reading, so that no worker waits for a ledger that failed.
func (l *ledger) work() {
	defer close(l.done)
	for b := range l.in {
		group := []batch{b}
		for more := true; more; {
			select {
			case next, ok := <-l.in:
				if more = ok; ok {
					group = append(group, next)
				}
			default:
				more = false
			}
		}
		if l.failure() != nil {
			l.discard(group)
			continue
		}
		if err := l.commit(context.Background(), group); err != nil {
			l.mu.Lock()
			l.err = err
			l.mu.Unlock()
		}
	}
}

func (l *ledger) discard(group []batch) {
	for _, b := range group {
		for _, it := range b.items {
			if err := l.run.LocalDelivery.Discard(context.Background(), []mailbox.Draft{it.draft}); err != nil {
				l.run.Log.Warn("draft not removed", "mailbox", b.box.name, "error", err)
			}
		}
	}
}

func (l *ledger) commit(ctx context.Context, group []batch) error {
	r := l.run
	var drafts []mailbox.Draft
	for _, b := range group {
		for i := range b.items {
			it := &b.items[i]
			held, err := l.hold(ctx, b.box.name, it.action.Flags)
			if err != nil {
				return &diskError{err}
			}
			it.draft.Flags = held
			drafts = append(drafts, it.draft)
		}
	}
	if err := r.LocalDelivery.Seal(ctx, drafts); err != nil {
		return &diskError{err}
	}
	commits := l.settled
	for _, b := range group {
		commits = append(commits, b.commit(mailbox.PendingDownload))
	}
	if err := r.commit(ctx, commits...); err != nil {
		return err
	}
	l.settled = nil
	if err := r.LocalDelivery.Publish(ctx, drafts); err != nil {
		return &diskError{err}
	}
	for _, b := range group {
		l.settled = append(l.settled, b.commit(mailbox.Linked))
		for _, it := range b.items {
			r.tally.done(withKey(*it.action, it.draft.Key))
		}
	}
	return nil
}

// hold asks which keywords the folder has room for; system flags always fit.
func (l *ledger) hold(ctx context.Context, name mailbox.Name, flags mailbox.Flags) (mailbox.Flags, error) {
	if flags.OnlyKeywords().IsEmpty() {
		return flags, nil
	}
	return l.run.LocalMessages.Keep(ctx, name, flags)
}

func (l *ledger) writeSettled(ctx context.Context) error {
	if len(l.settled) == 0 {
		return nil
	}
	commits := l.settled
	l.settled = nil
	return l.run.commit(ctx, commits...)
}

// commit puts the batch's links into the state as being of a kind.
func (b batch) commit(kind mailbox.LinkKind) mailbox.Commit {
	commit := mailbox.Commit{Mailbox: b.box.base.Known.ID}
	for _, it := range b.items {
		link := it.action.Link
		link.Kind, link.Key, link.Content, link.Local = kind, it.draft.Key, it.draft.Content, it.draft.Flags
		link.Date, link.Unproven = it.draft.Date, it.action.Source != nil
		commit.Put = append(commit.Put, link)
	}
	return commit
}

func withKey(action plan.Action, key mailbox.Key) plan.Action {
	action.Key = key
	return action
}
