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
		sum, err := r.lineEndless(ctx, b.name, link.Key)
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
		sink := &lineEndSink{row: func(uid mailbox.UID, sum mailbox.Hash) {
			if sent[uid] == sum {
				b.remote.Rewritten = b.remote.Rewritten.Union(mailbox.UIDs(uid))
			}
		}}
		return r.Remote.Fetch(ctx, b.ref(), mailbox.UIDs(uids...), mailbox.Whole, sink)
	})
}

// lineEndless hashes a message on disk with all line ends alike.
func (r *run) lineEndless(ctx context.Context, name mailbox.Name, key mailbox.Key) (mailbox.Hash, error) {
	file, err := r.Local.Open(ctx, name, key)
	if err != nil {
		return mailbox.Hash{}, err
	}
	defer file.Close()
	ends := &lineEnds{to: sha256.New()}
	_, err = io.Copy(ends, file)
	return ends.sum(), err
}

// lineEndSink is a FetchSink that keeps of each message the hash with all line
// ends alike.
type lineEndSink struct {
	row  func(mailbox.UID, mailbox.Hash)
	last mailbox.Hash
}

// Receive implements mailbox.FetchSink.
func (s *lineEndSink) Receive(size int64, body io.Reader) (err error) {
	ends := &lineEnds{to: sha256.New()}
	if size == mailbox.UnknownSize {
		_, err = io.Copy(ends, body)
	} else {
		_, err = io.CopyN(ends, body, size)
	}
	s.last = ends.sum()
	return err
}

// Row implements mailbox.FetchSink.
func (s *lineEndSink) Row(uid mailbox.UID) error {
	s.row(uid, s.last)
	return nil
}

// Drop implements mailbox.FetchSink.
func (s *lineEndSink) Drop(mailbox.UID, error) error { return nil }

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
