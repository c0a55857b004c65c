package syncer

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"mailferry/syncer/mailbox"
	"mailferry/syncer/plan"
)

// askDates asks once more for the dates that could not be read when the messages
// came, where an archive tells their age by them.
func (r *run) askDates(ctx context.Context, b *box) error {
	uids := plan.AskDates(b.base, b.remote, r.Policy)
	if uids.IsEmpty() {
		return nil
	}
	since := mailbox.Since{Remote: mailbox.Status{UIDValidity: b.remote.Status.UIDValidity}, Only: uids}
	return r.retry(ctx, func() error {
		_, err := r.Remote.Observe(ctx, b.ref().Name, since, func(told mailbox.RemoteMessage) error {
			i, isKnown := slices.BinarySearchFunc(b.remote.Messages, told.UID, func(m mailbox.RemoteMessage, uid mailbox.UID) int {
				return cmp.Compare(m.UID, uid)
			})
			if isKnown {
				b.remote.Messages[i].Date = told.Date
			} else {
				b.remote.Messages = slices.Insert(b.remote.Messages, i, told)
			}
			return nil
		})
		return err
	})
}

// tellUndated tells which messages an archive keeps since their age is not known.
func (r *run) tellUndated(b *box) {
	if undated := b.plan.Undated; !undated.IsEmpty() {
		r.tally.trouble(b.name, fmt.Errorf("%w: the server tells no date (INTERNALDATE) that can be read of %d messages (uid %s); their age is not known, so they stay on the server",
			mailbox.ErrProtocol, undated.Len(), undated))
	}
}
