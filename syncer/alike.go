package syncer

import (
	"context"
	"errors"
	"fmt"
	"io"

	"mailferry/syncer/mailbox"
	"mailferry/syncer/plan"
)

// answerAlike reads the messages on both sides that may be the same although
// their octets differ, and hashes what is left of them: without an Essence, what
// a server leaves of line ends that are not all CRLF.
func (r *run) answerAlike(ctx context.Context, b *box) error {
	of := r.Essence
	if of == nil {
		of = lineEndless
	}
	uids, keys := plan.AskAlike(b.base, b.local, b.remote, r.Policy, r.Essence == nil)
	if uids.IsEmpty() {
		return nil
	}
	b.local.Alike = map[mailbox.Key]mailbox.Hash{}
	for _, key := range keys {
		hash, err := r.hashFile(ctx, b, key, of)
		switch {
		case errors.Is(err, mailbox.ErrNotFound): // it matches nothing
		case err != nil:
			return fmt.Errorf("file %s: %w", key, err)
		default:
			b.local.Alike[key] = hash
		}
	}
	return r.retry(ctx, func() error {
		sink := &essence{of: of, row: func(uid mailbox.UID, hash mailbox.Hash) {
			if row := b.row(uid); row != nil {
				row.Alike = hash
			}
		}}
		return r.Remote.Fetch(ctx, b.ref(), uids, mailbox.Whole, sink)
	})
}

// hashFile hashes what is left of a file.
func (r *run) hashFile(ctx context.Context, b *box, key mailbox.Key, of func(io.Reader) (mailbox.Hash, error)) (mailbox.Hash, error) {
	file, err := r.Local.Open(ctx, b.name, key)
	if err != nil {
		return mailbox.Hash{}, err
	}
	defer file.Close()
	return of(file)
}

// essence is a FetchSink that keeps of each message only its essence.
type essence struct {
	of   func(io.Reader) (mailbox.Hash, error)
	row  func(mailbox.UID, mailbox.Hash)
	hash mailbox.Hash
}

// Receive implements mailbox.FetchSink.
func (e *essence) Receive(size int64, body io.Reader) error {
	if size != mailbox.UnknownSize {
		body = io.LimitReader(body, size)
	}
	var err error
	e.hash, err = e.of(body)
	return err
}

// Row implements mailbox.FetchSink.
func (e *essence) Row(uid mailbox.UID) error {
	e.row(uid, e.hash)
	return nil
}

// Drop implements mailbox.FetchSink.
func (e *essence) Drop(mailbox.UID, error) error { return nil }
