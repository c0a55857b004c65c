package syncer

import (
	"context"
	"crypto/sha256"
	"errors"
	"io"

	"mailferry/syncer/mailbox"
	"mailferry/syncer/plan"
)

// proveRewritten reads messages that the server stored with its own line ends,
// as Dovecot does where LF stands alone, and notes those that are in all else
// what was sent.
func (r *run) proveRewritten(ctx context.Context, b *box) error {
	sent := map[mailbox.UID]mailbox.Hash{}
	var uids []mailbox.UID
	for _, link := range plan.AskRewritten(b.base, b.remote) {
		sum, err := r.hashFile(ctx, b, link.Key, lineEndless)
		if errors.Is(err, mailbox.ErrNotFound) {
			continue
		}
		if err != nil {
			return &diskError{err}
		}
		sent[link.UID] = sum
		uids = append(uids, link.UID)
	}
	if len(uids) == 0 {
		return nil
	}
	return r.retry(ctx, func() error {
		sink := &essence{of: lineEndless, row: func(uid mailbox.UID, sum mailbox.Hash) {
			if sent[uid] == sum {
				b.remote.Rewritten = b.remote.Rewritten.Union(mailbox.UIDs(uid))
			}
		}}
		return r.Remote.Fetch(ctx, b.ref(), mailbox.UIDs(uids...), mailbox.Whole, sink)
	})
}

// lineEndless hashes a message with LF for all of its line ends.
func lineEndless(message io.Reader) (sum mailbox.Hash, err error) {
	whole := sha256.New()
	_, err = io.Copy(&mailbox.LineEnds{
		Text: func(text []byte) { whole.Write(text) },
		End:  func() { whole.Write([]byte{'\n'}) },
	}, message)
	whole.Sum(sum[:0])
	return sum, err
}
