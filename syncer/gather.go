package syncer

import (
	"context"
	"slices"

	"mailferry/syncer/mailbox"
	"mailferry/syncer/plan"
)

// oddLinks is what matters beforehand of the links that no plan leaves out, and
// of those that the checkpoint does not know.
type oddLinks struct {
	// beyond counts those that are no message below the checkpoint's UIDNext,
	// loose those without a UID.
	beyond, loose int
	// downloads and uploads are pending.
	downloads, uploads int
	// claimed are the UIDs that uploads were told and no listing has confirmed.
	claimed []mailbox.UID
}

func (r *run) readOddLinks(ctx context.Context, b *box) error {
	known := b.base.Known
	b.odd = oddLinks{}
	if known.ID == 0 {
		return nil
	}
	some := mailbox.Some{Odd: true}
	if known.Remote.UIDNext > 1 {
		some.From = known.Remote.UIDNext
	}
	return r.scan(ctx, known.ID, some, func(link *mailbox.Link) error {
		b.odd.add(link, known.Remote.UIDNext)
		return nil
	})
}

func (o *oddLinks) add(link *mailbox.Link, next mailbox.UID) {
	if link.UID == 0 || link.UID >= next || link.Kind == mailbox.PendingUpload {
		o.beyond++
	}
	if link.UID == 0 {
		o.loose++
	}
	switch link.Kind {
	case mailbox.PendingDownload:
		o.downloads++
	case mailbox.PendingUpload:
		o.uploads++
		if link.UID != 0 {
			o.claimed = append(o.claimed, link.UID)
		}
	}
}

func (r *run) scan(ctx context.Context, id mailbox.ID, some mailbox.Some, each func(*mailbox.Link) error) error {
	if err := r.Base.Scan(ctx, id, some, each); err != nil {
		return &stateError{err}
	}
	return nil
}

// since says what the base knows, of which readOddLinks has read the rest.
func (b *box) since() mailbox.Since {
	return mailbox.Since{Remote: b.base.Known.Remote, Below: b.base.Known.Links - b.odd.beyond}
}

// gather reads the links that matter for what both sides show, and leaves out
// of the snapshots what is in step.
func (r *run) gather(ctx context.Context, b *box) error {
	local := b.local
	local.Messages = nil
	sieve := plan.NewSieve(b.base.Known, local, b.files, b.remote, r.Policy)
	sieve.Claimed(mailbox.UIDs(b.odd.claimed...))
	if b.keepsAll {
		sieve.KeepAll()
	}
	b.unaccounted = false
	if id := b.base.Known.ID; id != 0 {
		var onServer mailbox.UIDSet
		if b.remote.HasPresent && (b.local.Unchanged || b.remote.Delta) && !sieve.KeepsAll() {
			var err error
			if onServer, err = r.Base.UIDs(ctx, id); err != nil {
				return &stateError{err}
			}
			b.unaccounted = plan.HasUnaccounted(onServer, b.remote)
		}
		take := func(link *mailbox.Link) error {
			sieve.Take(link)
			return nil
		}
		if err := r.scan(ctx, id, sieve.Wants(onServer), take); err != nil {
			return err
		}
	}
	b.unaccounted = b.unaccounted || sieve.HasStrangers()
	if !b.local.Missing && sieve.HasMissing() {
		if err := r.lookAgain(ctx, b, sieve); err != nil {
			return err
		}
	}
	b.newKeys = sieve.NewKeys()
	b.base, b.local, b.remote = sieve.Base(), sieve.Local(), sieve.Remote()
	return nil
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
