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
// their headers differ, and hashes what is left of them.
func (r *run) answerAlike(ctx context.Context, b *box) error {
	if r.Essence == nil {
		return nil
	}
	uids, keys := plan.AskAlike(b.base, b.local, b.remote, r.Policy)
	if uids.IsEmpty() {
		return nil
	}
	for _, key := range keys {
		if err := r.essenceOfFile(ctx, b, key); err != nil {
			return err
		}
	}
	return r.retry(ctx, func() error {
		sink := &essence{of: r.Essence, row: b.row}
		return r.Remote.Fetch(ctx, b.ref(), uids, mailbox.Whole, sink)
	})
}

// essenceOfFile hashes a file. One that is gone, or cannot be read, matches
// nothing.
func (r *run) essenceOfFile(ctx context.Context, b *box, key mailbox.Key) error {
	file, err := r.Local.Open(ctx, b.name, key)
	if errors.Is(err, mailbox.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	defer file.Close()
	hash, err := r.Essence(file)
	if err != nil {
		return fmt.Errorf("file %s: %w", key, err)
	}
	if b.local.Alike == nil {
		b.local.Alike = map[mailbox.Key]mailbox.Hash{}
	}
	b.local.Alike[key] = hash
	return nil
}

// essence is a FetchSink that keeps of each message only its essence.
type essence struct {
	of   func(io.Reader) (mailbox.Hash, error)
	row  func(mailbox.UID) *mailbox.RemoteMessage
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
	if row := e.row(uid); row != nil {
		row.Alike = e.hash
	}
	return nil
}

// Drop implements mailbox.FetchSink.
func (e *essence) Drop(mailbox.UID, error) error { return nil }
