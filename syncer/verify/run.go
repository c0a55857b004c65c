package verify

import (
	"context"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"mailferry/syncer/mailbox"
)

// Options is everything a comparison needs.
type Options struct {
	// Here is compared with There. There may be nil: then a store is held
	// against what its state remembers.
	Here, There Side
	// Linked says that the UIDs of a store are those of There's server.
	Linked bool
	// Quick compares without reading messages: by UID or else by size and
	// date, and flags.
	Quick bool
	// Sample, if above 0, is Quick with this share of the pairs read.
	Sample float64
	// Chosen decides whether a pair is in the sample; nil takes none.
	Chosen func(share float64) bool
	// Selects says which mailboxes take part; nil: all.
	Selects func(mailbox.Name) bool
	// Translate gives the name that a mailbox of Here has there; nil: the same.
	Translate func(mailbox.Name) mailbox.Name
	// Workers is how many mailboxes are looked at at once, at least 1.
	Workers int
	// Progress is told how far it has come; nil: nobody. Calls never overlap.
	Progress func(Progress)
}

// Progress counts messages and octets of all sides.
type Progress struct {
	Messages, TotalMessages   int64
	Octets, TotalOctets       int64
	Mailboxes, TotalMailboxes int64
}

// Run compares two sides. A mailbox that cannot be read to its end ends the
// comparison with an error: a report is about everything or there is none.
func Run(ctx context.Context, opts Options) (*Report, error) {
	r := &run{Options: opts, report: &Report{}}
	boxes, err := r.boxes(ctx)
	if err != nil {
		return nil, err
	}
	r.progress.TotalMailboxes = int64(len(boxes))
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(max(opts.Workers, 1))
	for _, b := range boxes {
		group.Go(func() error { return r.compare(groupCtx, b) })
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	r.acrossMailboxes()
	r.report.sort()
	return r.report, nil
}

// run is one comparison.
type run struct {
	Options
	mu       sync.Mutex
	report   *Report
	progress Progress
	told     time.Time
	left     []*box // with messages that only one side has
}

// box is one mailbox under comparison.
type box struct {
	name, there       mailbox.Name
	hasHere, hasThere bool
	here, other       mailbox.Ref
	paired
}

// boxes joins both sides' mailboxes.
func (r *run) boxes(ctx context.Context) ([]*box, error) {
	here, err := r.Here.Mailboxes(ctx)
	if err != nil {
		return nil, err
	}
	there := here
	if r.There != nil {
		if there, err = r.There.Mailboxes(ctx); err != nil {
			return nil, err
		}
	}
	has := map[mailbox.Name]bool{}
	for _, name := range there {
		has[name] = true
	}
	var boxes []*box
	claimed := map[mailbox.Name]bool{}
	for _, name := range here {
		other := name
		if r.Translate != nil {
			other = r.Translate(name)
		}
		claimed[other] = true
		if r.selects(name) {
			boxes = append(boxes, &box{name: name, there: other, hasHere: true, hasThere: has[other]})
		}
	}
	for _, name := range there {
		if !claimed[name] && r.selects(name) {
			boxes = append(boxes, &box{name: name, there: name, hasThere: true})
		}
	}
	return boxes, nil
}

func (r *run) selects(name mailbox.Name) bool { return r.Selects == nil || r.Selects(name) }

// compare looks at one mailbox on both sides at once.
func (r *run) compare(ctx context.Context, b *box) error {
	here, there, err := r.read(ctx, b)
	if err != nil {
		return err
	}
	b.here.Name, b.other.Name = b.name, b.there
	if r.There == nil {
		r.standAlone(b, here)
		return nil
	}
	b.paired = pairUp(pointers(here), pointers(there), r.Linked && b.here.UIDValidity == b.other.UIDValidity)
	if err := r.sample(ctx, b); err != nil {
		return err
	}
	if err := r.recogniseRewritten(ctx, b); err != nil {
		return err
	}
	r.conclude(b, here, there)
	return nil
}

// read lists and hashes both sides of a mailbox.
func (r *run) read(ctx context.Context, b *box) (here, there []Message, err error) {
	group, ctx := errgroup.WithContext(ctx)
	one := func(side Side, name mailbox.Name, into *[]Message, ref *mailbox.Ref) func() error {
		return func() (err error) {
			*into, ref.UIDValidity, err = side.List(ctx, name)
			if err != nil {
				return err
			}
			ref.Name = name
			r.expect(*into)
			if r.Quick || r.Sample > 0 {
				return nil
			}
			return side.Hash(ctx, *ref, pointers(*into), r.carried)
		}
	}
	if b.hasHere {
		group.Go(one(r.Here, b.name, &here, &b.here))
	}
	if b.hasThere && r.There != nil {
		group.Go(one(r.There, b.there, &there, &b.other))
	}
	return here, there, group.Wait()
}

// sample reads the chosen pairs of a quick comparison.
func (r *run) sample(ctx context.Context, b *box) error {
	if r.Sample <= 0 || r.Chosen == nil {
		return nil
	}
	var here, there []*Message
	for _, c := range b.couples {
		if c.here.Trouble == nil && r.Chosen(r.Sample) {
			here, there = append(here, c.here), append(there, c.there)
		}
	}
	if err := r.Here.Hash(ctx, b.here, here, r.carried); err != nil {
		return err
	}
	return r.There.Hash(ctx, b.other, there, r.carried)
}

func pointers(messages []Message) []*Message {
	list := make([]*Message, len(messages))
	for i := range messages {
		list[i] = &messages[i]
	}
	return list
}
