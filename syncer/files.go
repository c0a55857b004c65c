package syncer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"mailferry/syncer/mailbox"
	"mailferry/syncer/plan"
)

// observeLocal finds out whether a folder is as the base has it: its stamp may
// prove it, else its tally; else it is listed.
func (r *run) observeLocal(ctx context.Context, b *box) error {
	if b.local.Missing {
		return nil
	}
	known := b.base.Known
	if hasPending := b.odd.downloads > 0; !hasPending && b.localSame {
		b.local.Unchanged, b.local.Stamp = true, known.Local
		return nil
	} else if !hasPending && known.HasLocal {
		tally, stamp, err := r.Local.Tally(ctx, b.name)
		switch {
		case err == nil && tally == known.Tally:
			b.local.Unchanged, b.local.Stamp = true, stamp
			return nil
		case err != nil && !errors.Is(err, mailbox.ErrIncomplete):
			return err
		}
	}
	if r.mayPoolFiles(b) {
		if done, err := r.poolFiles(ctx, b); done || err != nil {
			return err
		}
	}
	return r.listFiles(ctx, b)
}

func (r *run) listFiles(ctx context.Context, b *box) error {
	files, stamp, err := r.Local.List(ctx, b.name)
	b.files, b.local.Stamp = files, stamp
	return err
}

// lookAgain lists a folder a second time before a file is believed to be gone:
// a listing can miss one that is being renamed.
func (r *run) lookAgain(ctx context.Context, b *box, sieve *plan.Sieve) error {
	second, _, err := r.Local.List(ctx, b.name)
	if err != nil {
		return err
	}
	// The stamp stays the first listing's: what went since then is among its
	// files, and the next run must not believe that it is still there.
	for _, file := range second {
		sieve.AddFile(file)
	}
	return nil
}

// inspectNew reads the files that the base does not know. A file that cannot
// be read is left out and keeps the checkpoint where it is.
func (r *run) inspectNew(ctx context.Context, b *box) error {
	if !r.wantsNewFiles(b) {
		return nil
	}
	unreadable := map[mailbox.Key]bool{}
	for _, key := range b.newKeys {
		i, found := slices.BinarySearchFunc(b.local.Messages, key, func(m mailbox.LocalMessage, key mailbox.Key) int {
			return cmp.Compare(m.Key, key)
		})
		if !found {
			continue
		}
		isThere, err := r.inspectFile(ctx, b, &b.local.Messages[i])
		if err != nil {
			return err
		}
		unreadable[key] = !isThere
	}
	b.local.Messages = slices.DeleteFunc(b.local.Messages, func(m mailbox.LocalMessage) bool { return unreadable[m.Key] })
	return nil
}

// inspectFile reads a file, unless it is gone or cannot be read.
func (r *run) inspectFile(ctx context.Context, b *box, file *mailbox.LocalMessage) (bool, error) {
	content, date, err := r.Local.Inspect(ctx, b.name, file.Key)
	switch {
	case ctx.Err() != nil:
		return false, ctx.Err()
	case errors.Is(err, mailbox.ErrNotFound):
		return false, nil
	case err != nil:
		b.halted = true
		r.tally.trouble(b.name, fmt.Errorf("file %s: %w", file.Key, err))
		return false, nil
	}
	file.Content, file.Date = content, date
	return true, nil
}

// wantsNewFiles reports whether files that the base does not know matter: to
// be uploaded, or to be recognised as something that the server has.
func (r *run) wantsNewFiles(b *box) bool {
	return r.Policy.Push.New || r.Policy.Pull.New && !b.remoteSame || b.base.Known.Links > 0
}
