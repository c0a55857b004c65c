package syncer

import (
	"cmp"
	"context"
	"errors"
	"hash/maphash"
	"math"
	"slices"

	"mailferry/syncer/mailbox"
	"mailferry/syncer/plan"
)

// mayPoolFiles reports whether a folder's files, of which the base knows none,
// may be matched with the server's many messages part by part.
func (r *run) mayPoolFiles(b *box) bool {
	odd := b.odd
	return b.limit != 0 && r.LocalStream != nil && r.Essence == nil && r.wantsNewFiles(b) &&
		b.base.Known.Tally.Files == 0 && odd.loose+odd.downloads+odd.uploads == 0
}

// poolFiles reads all files of a folder into a pool. false: that cannot be, and
// the folder has to be listed. It is read through once for the names, while it
// stands still, and only then are the files opened.
func (r *run) poolFiles(ctx context.Context, b *box) (bool, error) {
	pad, err := r.scratch()
	if err != nil {
		r.Log.Warn("no temporary file", "error", err)
		return false, nil
	}
	tally, stamp, err := r.Local.Tally(ctx, b.name)
	isSmall := tally.Files == 0 || !b.isCounted() && tally.Files <= int64(r.Window)
	if err != nil || isSmall {
		return false, unlessIncomplete(err)
	}
	var read mailbox.Tally
	places := make([]uint32, 0, tally.Files)
	names := make([]uint64, 0, tally.Files)
	seed := maphash.MakeSeed()
	var full error
	err = r.LocalStream.Each(ctx, b.name, func(file mailbox.LocalFile) error {
		read.Add(file.Key, file.Flags)
		place, err := pad.Put(mailbox.LocalMessage{Key: file.Key, Flags: file.Flags})
		full = err
		places, names = append(places, place), append(names, maphash.String(seed, string(file.Key)))
		return err
	})
	slices.Sort(names)
	isTwice := len(slices.Compact(names)) < len(places) // of two files with one key one does not count
	if full != nil {
		r.Log.Warn("temporary file", "error", full)
		return false, nil
	}
	if err != nil || isTwice || read != tally {
		return false, unlessIncomplete(err)
	}
	b.local.Stamp = stamp
	b.pool, err = r.inspectPooled(ctx, b, pad, places)
	b.isOfFiles = b.pool != nil
	return b.isOfFiles, err
}

func unlessIncomplete(err error) error {
	if errors.Is(err, mailbox.ErrIncomplete) {
		return nil
	}
	return err
}

// inspectPooled reads the files of those places and returns a pool of them, nil
// if there is no room. A file that cannot be read is left out and keeps the
// checkpoint where it is.
func (r *run) inspectPooled(ctx context.Context, b *box, pad Scratch, places []uint32) (*plan.Pool, error) {
	pool := plan.NewPool(len(places))
	for _, place := range places {
		file, err := pad.Get(place)
		if err != nil {
			return nil, &diskError{err}
		}
		isThere, err := r.inspectFile(ctx, b, &file)
		if err != nil {
			return nil, err
		}
		if !isThere {
			continue
		}
		if place, err = pad.Put(file); err != nil {
			r.Log.Warn("temporary file", "error", err)
			return nil, nil
		}
		pool.Add(place, file.Content, file.Date)
	}
	return pool, nil
}

// mayPool reports whether the messages that the server shows and the base
// does not know may be matched part by part: there are more than are looked at
// together, and what they may be the same as is all in the pool already, or
// among links that have no UIDs and whose files are as the state has them.
func (r *run) mayPool(b *box) bool {
	seen := b.remote.Observation
	switch {
	case b.limit == 0, seen.Rest.IsEmpty(), !seen.Complete, !seen.HasPresent, !seen.Spoiled.IsEmpty(),
		seen.Status.UIDValidity == 0, b.odd.uploads > 0, r.Essence != nil:
		return false
	case b.isOfFiles:
		return !b.isNumberedAnew()
	}
	return b.local.Unchanged && (b.isNumberedAnew() || b.odd.loose > 0)
}

func (b *box) isNumberedAnew() bool {
	known := b.base.Known
	return known.HasRemote && known.Links > 0 && known.Remote.UIDValidity != b.remote.Status.UIDValidity
}

// poolRest prepares the matching of a mailbox that is too large to be matched
// in one piece: its first round decides only what needs no matching. false: it
// is matched in one piece all the same.
func (r *run) poolRest(ctx context.Context, b *box) (bool, error) {
	known, isOfFiles := b.base.Known, b.isOfFiles
	if r.mayPool(b) {
		if done, err := r.fillPool(ctx, b); done || err != nil {
			return done, err
		}
	}
	b.base.Known, b.pool, b.former, b.mustUnnumber, b.toMatch = known, nil, nil, false, 0
	if b.isOfFiles = false; isOfFiles {
		return false, r.listFiles(ctx, b)
	}
	return false, nil
}

// fillPool puts the links without UIDs into the pool, and the rows that have
// the header of anything in it.
func (r *run) fillPool(ctx context.Context, b *box) (bool, error) {
	var onServer mailbox.UIDSet
	known := &b.base.Known
	switch {
	case b.isNumberedAnew():
		former := known.Remote.UIDValidity
		b.former, b.mustUnnumber = &former, true
		known.Remote = mailbox.Status{UIDValidity: b.remote.Status.UIDValidity}
	case known.ID != 0:
		var err error
		if onServer, err = r.Base.UIDs(ctx, known.ID); err != nil {
			return false, &stateError{err}
		}
	}
	var unknown mailbox.UIDSet
	for i := range b.remote.Messages {
		unknown = unknown.Append(b.remote.Messages[i].UID)
	}
	unknown = unknown.Union(b.remote.Rest).Minus(onServer)
	base, remote, ok, err := r.poolLinks(ctx, b, onServer)
	if !ok || err != nil {
		return false, err
	}
	b.pool.Sort()
	if ok, err := r.poolRows(ctx, b, unknown); !ok || err != nil {
		return false, err
	}
	isUnknown := func(m mailbox.RemoteMessage) bool { return !onServer.Contains(m.UID) }
	remote.Messages = slices.DeleteFunc(remote.Messages, isUnknown)
	b.base, b.remote = base, remote
	b.rest = unknown.Minus(b.pool.UIDs())
	return true, nil
}

// poolLinks puts the links without UIDs into the pool and returns the snapshots
// without them. Not ok: a message that the base has on the server is gone, and
// may be there under another UID, or may be no more than marked for that.
func (r *run) poolLinks(ctx context.Context, b *box, onServer mailbox.UIDSet) (base plan.Base, remote plan.Remote, ok bool, err error) {
	known := b.base.Known
	sieve := plan.NewSieve(known, b.local, nil, b.remote, r.Policy)
	ok = !sieve.KeepsAll() && !plan.HasUnaccounted(onServer, b.remote)
	if b.pool == nil {
		size := b.odd.loose
		if b.mustUnnumber {
			size = known.Links
		}
		b.pool = plan.NewPool(size)
	}
	if known.ID != 0 && ok {
		some := mailbox.Some{}
		if !b.mustUnnumber {
			some = sieve.Wants(onServer)
		}
		err = r.scan(ctx, known.ID, some, func(link *mailbox.Link) error {
			if b.mustUnnumber {
				link.Unnumber()
			}
			if link.UID != 0 {
				sieve.Take(link)
				return nil
			}
			if link.Kind == mailbox.Linked {
				b.toMatch++
			}
			ok = ok && link.ID <= math.MaxUint32
			b.pool.Add(uint32(link.ID), link.Content, link.Date)
			return nil
		})
	}
	base, remote = sieve.Base(), sieve.Remote()
	isDoubtful := func(link mailbox.Link) bool {
		return !remote.Present.Contains(link.UID) || link.Kind == mailbox.PendingExpunge
	}
	ok = ok && !sieve.HasStrangers() && !slices.ContainsFunc(base.Links, isDoubtful)
	return base, remote, ok, err
}

// poolRows looks at messages, a window at a time, and reads the headers of
// those that may be in the pool. Not ok: the server does not tell all of it.
func (r *run) poolRows(ctx context.Context, b *box, uids mailbox.UIDSet) (ok bool, err error) {
	at := &box{name: b.name, formerly: b.formerly, listed: b.listed}
	validity := mailbox.Status{UIDValidity: b.remote.Status.UIDValidity}
	for !uids.IsEmpty() {
		if r.isStopped() {
			return false, mailbox.ErrStopped
		}
		var some, asked mailbox.UIDSet
		some, uids = uids.First(r.partSize())
		if err := r.look(ctx, at, mailbox.Since{Remote: validity, Only: some}); err != nil {
			return false, err
		}
		if !at.remote.Complete || !at.remote.Spoiled.IsEmpty() {
			return false, nil
		}
		for i := range at.remote.Messages {
			if row := &at.remote.Messages[i]; b.pool.IsPlausible(row) {
				asked = asked.Append(row.UID)
			}
		}
		if err := r.answer(ctx, at, plan.Questions{Headers: asked}); err != nil {
			return false, err
		}
		for uid := range asked.All() {
			row := at.row(uid)
			if row.Header.IsZero() {
				return false, nil
			}
			b.pool.AddRow(row)
		}
	}
	return true, nil
}

// observePart looks at what is matched in this round.
func (r *run) observePart(ctx context.Context, b *box) error {
	first, asked := b.remote.Observation, b.part.UIDs
	b.remote.Messages = nil
	if !asked.IsEmpty() {
		if err := r.lookAt(ctx, b, asked); err != nil {
			return err
		}
		for i := range b.remote.Messages {
			b.pool.Tell(&b.remote.Messages[i])
		}
		// Of what went meanwhile nobody knows which of the files it was.
		first.Complete = b.remote.Complete && len(b.remote.Messages) == asked.Len()
		first.Spoiled = b.remote.Spoiled
	}
	b.remote.Observation = first
	if b.isOfFiles {
		return r.partOfFiles(b)
	}
	b.local = plan.Local{Unchanged: true, Stamp: b.local.Stamp}
	some := mailbox.Some{IDs: make([]mailbox.LinkID, len(b.part.Places))}
	for i, place := range b.part.Places {
		some.IDs[i] = mailbox.LinkID(place)
	}
	var links []mailbox.Link
	if len(some.IDs) > 0 {
		err := r.scan(ctx, b.base.Known.ID, some, func(link *mailbox.Link) error {
			links = append(links, *link)
			return nil
		})
		if err != nil {
			return err
		}
	}
	for i := range links {
		if b.mustUnnumber {
			links[i].Unnumber() // a dry run
		}
	}
	b.base = plan.BaseOf(b.base.Known, links)
	return nil
}

func (r *run) partOfFiles(b *box) error {
	pad, err := r.scratch()
	if err != nil {
		return &diskError{err}
	}
	b.base = plan.BaseOf(b.base.Known, nil)
	b.local = plan.Local{Stamp: b.local.Stamp}
	for _, place := range b.part.Places {
		file, err := pad.Get(place)
		if err != nil {
			return &diskError{err}
		}
		b.local.Messages = append(b.local.Messages, file)
	}
	slices.SortFunc(b.local.Messages, func(a, b mailbox.LocalMessage) int { return cmp.Compare(a.Key, b.Key) })
	return nil
}
