package syncer

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"mailferry/syncer/mailbox"
	"mailferry/syncer/plan"
)

// Options is everything a run needs.
type Options struct {
	Policy plan.Policy
	// The ports. RemoteMessages and RemoteMailboxes may be nil where the
	// policy pushes nothing: then nothing can be written.
	Remote          Remote
	RemoteMessages  RemoteMessages
	RemoteMailboxes RemoteMailboxes
	Local           Local
	LocalDelivery   LocalDelivery
	LocalMessages   LocalMessages
	LocalFolders    LocalFolders
	Base            Base
	// Glances may be nil: then mailboxes are looked at one at a time.
	Glances Glances
	// Preparer may be nil: then connections are opened when they are needed.
	Preparer Preparer
	// Marks may be nil for a store that never was an archive.
	Marks Marks
	// LocalCopies may be nil: then everything travels. Copies may be nil: then
	// only copies are recognised that would travel in the same run.
	LocalCopies LocalCopies
	Copies      Copies
	// Scratch makes a Scratch when one is first needed; nil: memory is used.
	Scratch func() (Scratch, error)
	// LocalStream may be nil: then folders are listed, however large they are.
	LocalStream LocalStream
	// Selects says which mailboxes take part; nil: all.
	Selects func(mailbox.Name) bool
	// Sends says which of the uploads are wanted; nil: all.
	Sends func(plan.Action) bool
	// Essence reads a message and hashes what is left of it without what
	// servers and tools change on the way, so that messages which another tool
	// brought to the server are recognised. nil: only octets count.
	Essence func(message io.Reader) (mailbox.Hash, error)
	// LeftOut, if not nil, tells which mailboxes the listing just made had to
	// leave out. They are trouble: not everything is done.
	LeftOut func() []mailbox.LeftOut
	// Listed, if not nil, is handed the server's complete listing.
	Listed func([]mailbox.Listed) error
	// Connections is how many workers transfer at once, at least 1.
	Connections int
	// Window bounds how many new messages are looked at together, so that
	// memory does not grow with a mailbox; 0: a default.
	Window int
	// DryRun plans and reports, and changes nothing.
	DryRun bool
	// Foretell, if not nil, is told what an archive takes from the server
	// before anything is done. Its error ends the run.
	Foretell func(losses []plan.Loss) error
	// Recover says that the last run did not end cleanly.
	Recover bool
	// Calm is how long a mailbox must not change before an upload whose answer
	// was lost, and which is not listed, counts as not arrived. 0: 1 s.
	Calm time.Duration
	// Patience is how long a server may stay away before the run ends. 0: 60 s.
	Patience time.Duration
	// Stop, when closed, ends the run after the message at hand.
	Stop     <-chan struct{}
	Reporter Reporter
	Log      *slog.Logger
	Now      func() time.Time
}

// Summary counts what a run did, or in a dry run would have done.
type Summary struct {
	Downloaded, Uploaded         int
	FlagsLocal, FlagsRemote      int
	RemovedLocal, ExpungedRemote int
	Moved, Conflicts             int
	Failed, Stale, Guarded       int
	Mailboxes                    int
	Traffic                      mailbox.Traffic
	// MailboxesCreated, MailboxesDeleted and MailboxesRenamed count both sides.
	MailboxesCreated, MailboxesDeleted, MailboxesRenamed int
	// TakenAway counts messages that another program seems to take from INBOX.
	TakenAway int
}

// Run makes both sides agree as far as the policy goes. The error is what
// ended the run early; what failed on the way was reported and is counted in
// the summary, which is valid in either case.
func Run(ctx context.Context, opts Options) (Summary, error) {
	opts.Connections = max(opts.Connections, 1)
	if opts.Calm == 0 {
		opts.Calm = time.Second
	}
	opts.Patience = cmp.Or(max(opts.Patience, 0), time.Minute)
	opts.Window = cmp.Or(max(opts.Window, 0), defaultWindow)
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	r := &run{Options: opts, tally: tally{reporter: opts.Reporter}}
	err := r.straight(ctx)
	if closing := r.pad.close(); closing != nil {
		r.Log.Warn("temporary file not closed", "error", closing)
	}
	summary := r.tally.summary()
	summary.Traffic = opts.Remote.Traffic()
	return summary, err
}

// run is one run; its methods are the steps.
type run struct {
	Options
	tally   tally
	silence silence
	// settling writes down what an archive's server let go.
	settling errgroup.Group
	pad      scratchpad
}

// straight is the whole run in a straight line.
func (r *run) straight(ctx context.Context) error {
	if r.Recover && !r.DryRun {
		if err := r.LocalFolders.Sweep(ctx); err != nil {
			return err
		}
	}
	boxes, untouched, err := r.census(ctx)
	if err != nil {
		return err
	}
	ahead, cancel := context.WithCancel(ctx)
	defer cancel()
	r.prepareConnections(ahead, boxes)
	if err := r.round(ctx, boxes, untouched, r.observe); err != nil {
		return err
	}
	for {
		waiting := r.unfinished(boxes)
		if len(waiting) == 0 {
			break
		}
		if err := r.round(ctx, waiting, untouched, r.observeRest); err != nil {
			return err
		}
	}
	if r.tally.summary().RemovedLocal > 0 && !r.DryRun {
		return r.LocalFolders.Sweep(ctx)
	}
	return nil
}

// round is the line for as many messages as are looked at together. Only the
// first round finds anything to delete.
func (r *run) round(ctx context.Context, boxes []*box, untouched int, look func(context.Context, []*box) error) error {
	err := look(ctx, boxes)
	if err != nil {
		return err
	}
	if boxes, err = r.recogniseRenames(ctx, slices.Clone(boxes)); err != nil {
		return err
	}
	if err := r.decide(ctx, boxes); err != nil {
		return err
	}
	boxes = taking(boxes)
	if err := r.recogniseMoves(ctx, boxes); err != nil {
		return err
	}
	if err := r.recogniseArchived(ctx, boxes); err != nil {
		return err
	}
	if err := r.recogniseCopies(ctx, boxes); err != nil {
		return err
	}
	r.guard(boxes, untouched)
	if err := r.foretell(boxes); err != nil {
		return err
	}
	if r.DryRun {
		r.reportPlanned(boxes)
		return nil
	}
	return r.apply(ctx, boxes)
}

// guard takes deletions out of the plans that need the user's word.
func (r *run) guard(boxes []*box, untouched int) {
	for _, b := range boxes {
		if n := plan.TakenAway(&b.plan); n > 0 {
			r.tally.takenAway(n)
			r.tally.notice(b.name, fmt.Sprintf("%d messages went from the server without us: perhaps another POP client deletes mail here", n))
		}
	}
	for _, refusal := range plan.Guard(plansOf(boxes), untouched, r.Policy.AllowDeletes) {
		r.tally.refused(refusal)
	}
}

func (r *run) reportPlanned(boxes []*box) {
	for _, b := range boxes {
		for _, action := range b.plan.Actions {
			r.tally.planned(action)
		}
	}
}

// isStopped reports whether the user asked to stop.
func (r *run) isStopped() bool {
	select {
	case <-r.Stop:
		return true
	default:
		return false
	}
}
