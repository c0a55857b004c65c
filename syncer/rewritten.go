package syncer

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"hash"
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

// lineEndless hashes a message with all line ends alike.
func lineEndless(message io.Reader) (mailbox.Hash, error) {
	ends := &lineEnds{to: sha256.New()}
	_, err := io.Copy(ends, message)
	return ends.sum(), err
}

// lineEnds writes on with LF for each of CRLF, CR and LF.
type lineEnds struct {
	to    hash.Hash
	wasCR bool
}

func (w *lineEnds) Write(p []byte) (int, error) {
	for rest := p; len(rest) > 0; {
		i := bytes.IndexAny(rest, "\r\n")
		if i != 0 {
			text := rest
			if i > 0 {
				text = rest[:i]
			}
			w.to.Write(text)
			w.wasCR = false
			rest = rest[len(text):]
			continue
		}
		if rest[0] == '\r' || !w.wasCR {
			w.to.Write([]byte{'\n'})
		}
		w.wasCR = rest[0] == '\r'
		rest = rest[1:]
	}
	return len(p), nil
}

func (w *lineEnds) sum() (sum mailbox.Hash) {
	w.to.Sum(sum[:0])
	return sum
}
