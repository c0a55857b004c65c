package syncer

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"mailferry/syncer/mailbox"
	"mailferry/syncer/plan"
)

// gate is what a message has to pass before an archive takes it from the
// server. (DESIGN, section 3) That its body came behind a tagged OK, in exactly
// one answer, with as many octets as the literal had, and was hashed as it came,
// is what made the link, or is done again for one that was made without it: the
// gate asks for all the rest, in the order of checks.
type gate struct {
	run *run
	box *box
	// rows are a complete new listing of the server, status what it began
	// with; present are the UIDs there are, asked those that were expunged.
	rows    map[mailbox.UID]mailbox.RemoteMessage
	status  mailbox.Status
	present mailbox.UIDSet
	asked   mailbox.UIDSet
	isFirst bool
	// files and links are what disk and state have now.
	files []mailbox.LocalFile
	links map[mailbox.LinkID]mailbox.Link
	// bodies are what the server sent just now of messages that it never sent
	// whole before.
	bodies map[mailbox.UID]mailbox.Hash
	// isShut: something went wrong; no other message of the mailbox passes.
	isShut atomic.Bool
}

// openGate looks at server, disk and state once more, and makes the files of all
// messages that want to pass durable: one barrier, not one a group. The gate is
// there even when there is an error.
func (r *run) openGate(ctx context.Context, b *box, actions []plan.Action) (*gate, error) {
	g := &gate{run: r, box: b, links: map[mailbox.LinkID]mailbox.Link{}, isFirst: true}
	if err := g.lookAtServer(ctx); err != nil {
		return g, err
	}
	files, _, err := r.Local.List(ctx, b.name)
	if err != nil {
		return g, err
	}
	g.files = files
	if err := r.LocalMessages.Persist(ctx, b.name, keysOfLinks(actions)); err != nil {
		return g, &diskError{err}
	}
	err = r.scan(ctx, b.base.Known.ID, mailbox.Some{}, func(link *mailbox.Link) error {
		g.links[link.ID] = *link
		return nil
	})
	if err == nil {
		err = g.readUnproven(ctx, actions)
	}
	return g, err
}

// readUnproven reads from the server, and hashes, the messages that were found
// to be on disk without their octets ever having come here.
func (g *gate) readUnproven(ctx context.Context, actions []plan.Action) error {
	var uids []mailbox.UID
	for i := range actions {
		if actions[i].Link.Unproven {
			uids = append(uids, actions[i].UID)
		}
	}
	if len(uids) == 0 {
		return nil
	}
	return g.run.retry(ctx, func() error {
		g.bodies = map[mailbox.UID]mailbox.Hash{}
		sink := newHasher()
		sink.row = func(uid mailbox.UID) { g.bodies[uid] = sink.sum }
		return g.run.Remote.Fetch(ctx, g.box.ref(), mailbox.UIDs(uids...), mailbox.Whole, sink)
	})
}

func (g *gate) lookAtServer(ctx context.Context) error {
	var seen mailbox.Observation
	err := g.run.retry(ctx, func() (err error) {
		g.rows = map[mailbox.UID]mailbox.RemoteMessage{}
		seen, err = g.run.Remote.Observe(ctx, g.box.name, mailbox.Since{}, func(m mailbox.RemoteMessage) error {
			g.rows[m.UID] = m
			return nil
		})
		return err
	})
	switch {
	case err != nil:
		return err
	case !seen.Complete:
		return fmt.Errorf("%w: nothing is archived because of it", mailbox.ErrIncomplete)
	}
	g.status = seen.Status
	uids := make([]mailbox.UID, 0, len(g.rows))
	for uid := range g.rows {
		uids = append(uids, uid)
	}
	slices.Sort(uids)
	g.present = mailbox.UIDs(uids...).Union(seen.Present).Union(seen.Spoiled)
	return nil
}

// errStays is why a message stays that merely changed: the next run decides
// anew.
var errStays = errors.New("changed meanwhile")

// check is one question of the gate about a message. content is what its file
// has when it is opened again.
type check func(g *gate, action *plan.Action, content mailbox.Content) error

// checks are asked in this order; the first error keeps the message.
var checks = []check{
	(*gate).isOnDisk, (*gate).wasSent, (*gate).isCommitted, (*gate).hasSameUIDs, (*gate).hasServersSize, (*gate).hasServersDate, (*gate).isUntouched,
	(*gate).isUndoubted,
}

// proof is a group of messages that was looked at: those of it that passed, or
// why there is none.
type proof struct {
	gate    *gate
	actions []plan.Action
	// isLast: no other group of the mailbox follows.
	isLast bool
	err    error
}

// proveAhead proves one group after the other, through all mailboxes, and notes
// that they are about to go, while the server still takes the groups before:
// disk and server work at the same time. A mailbox ends with its first error.
func (r *run) proveAhead(ctx context.Context, boxes []*box) <-chan proof {
	// One waits, one is in the making.
	proofs := make(chan proof, 1)
	go func() {
		defer close(proofs)
		for _, b := range boxes {
			actions := r.toArchive(b)
			if len(actions) == 0 {
				continue
			}
			for p := range r.proofsOf(ctx, b, actions) {
				select {
				case proofs <- p:
				case <-ctx.Done():
					return
				}
				if p.err != nil {
					break
				}
			}
		}
	}()
	return proofs
}

// proofsOf proves the messages of one mailbox, group by group.
func (r *run) proofsOf(ctx context.Context, b *box, actions []plan.Action) iter.Seq[proof] {
	return func(yield func(proof) bool) {
		g, err := r.openGate(ctx, b, actions)
		if err != nil {
			yield(proof{gate: g, err: err})
			return
		}
		for group := range slices.Chunk(actions, archiveGroup) {
			if g.isShut.Load() {
				return
			}
			p := proof{gate: g, isLast: group[len(group)-1].UID == actions[len(actions)-1].UID, err: mailbox.ErrStopped}
			if !r.isStopped() {
				p.actions, p.err = g.prove(ctx, group)
			}
			if p.err == nil {
				p.err = r.intend(ctx, b, ofKind(p.actions, plan.MoveRemote, plan.ExpungeRemote))
			}
			if !yield(p) {
				return
			}
		}
	}
}

// prove returns the actions whose messages passed. Those that did not are
// reported and stay on the server.
func (g *gate) prove(ctx context.Context, group []plan.Action) ([]plan.Action, error) {
	r := g.run
	contents, errs, err := g.readAgain(ctx, group)
	if err != nil {
		return nil, err
	}
	var proved []plan.Action
	for i := range group {
		action, verdict := withKey(group[i], group[i].Link.Key), errs[i]
		for _, ask := range checks {
			if verdict == nil {
				verdict = ask(g, &action, contents[i])
			}
		}
		switch {
		case verdict == nil:
			proved = append(proved, action)
		case errors.Is(verdict, errStays):
			r.halt(g.box)
			r.tally.stale(action)
		default:
			r.halt(g.box)
			r.tally.failed(action, fmt.Errorf("kept on the server: %w", verdict))
		}
	}
	return proved, nil
}

func keysOfLinks(actions []plan.Action) []mailbox.Key {
	keys := make([]mailbox.Key, len(actions))
	for i, action := range actions {
		keys[i] = action.Link.Key
	}
	return keys
}

// readAgain opens and hashes the files of a group.
func (g *gate) readAgain(ctx context.Context, group []plan.Action) ([]mailbox.Content, []error, error) {
	contents, errs := make([]mailbox.Content, len(group)), make([]error, len(group))
	readers, ctx := errgroup.WithContext(ctx)
	readers.SetLimit(max(g.run.Connections, 1))
	for i := range group {
		readers.Go(func() error {
			contents[i], _, errs[i] = g.run.Local.Inspect(ctx, g.box.name, group[i].Link.Key)
			if errors.Is(errs[i], mailbox.ErrNotFound) {
				errs[i] = errStays // moved, or deleted: the next run sees which
			}
			return ctx.Err()
		})
	}
	return contents, errs, readers.Wait()
}

// isOnDisk: the file that was made durable and opened again is, to the octet,
// the message that was hashed while it arrived.
func (g *gate) isOnDisk(action *plan.Action, content mailbox.Content) error {
	known := action.Link.Content
	if known.Hash.IsZero() || content.Size != known.Size || content.Hash != known.Hash {
		return fmt.Errorf("file %s is not the message that was downloaded", action.Link.Key)
	}
	return nil
}

// wasSent: the server sent the message, in this run or when it was downloaded,
// and it is the file's. That size, date and header are the same is no proof.
func (g *gate) wasSent(action *plan.Action, content mailbox.Content) error {
	if !action.Link.Unproven {
		return nil
	}
	switch body, isThere := g.bodies[action.UID]; {
	case !isThere:
		return errors.New("the server did not send it to be compared with the file")
	case body != content.Hash:
		return fmt.Errorf("the server has other octets than file %s, which was recognised without comparing all of them", action.Link.Key)
	}
	action.Link.Unproven = false
	return nil
}

// isCommitted: the state, when it is read again, has the link.
func (g *gate) isCommitted(action *plan.Action, _ mailbox.Content) error {
	stored, ok := g.links[action.Link.ID]
	isThere := stored.Kind == mailbox.Linked || stored.Kind == mailbox.PendingExpunge
	if !ok || !isThere || stored.UID != action.UID || stored.Key != action.Link.Key ||
		stored.Content.Hash != action.Link.Content.Hash {
		return errors.New("the state does not have it as downloaded")
	}
	return nil
}

// hasSameUIDs: the mailbox still has the UIDVALIDITY that the UID belongs to.
func (g *gate) hasSameUIDs(*plan.Action, mailbox.Content) error {
	if v := g.status.UIDValidity; v == 0 || v != g.box.remote.Status.UIDValidity {
		return mailbox.ErrUIDValidity
	}
	return nil
}

// isUndoubted: there was exactly one answer.
func (g *gate) isUndoubted(action *plan.Action, _ mailbox.Content) error {
	if g.box.doubted.Contains(action.UID) {
		return fmt.Errorf("%w: the server answered the message twice", mailbox.ErrProtocol)
	}
	return nil
}

// hasServersSize: as many octets as the server says the message has. A protocol
// whose sizes mean nothing tells none.
func (g *gate) hasServersSize(action *plan.Action, content mailbox.Content) error {
	row, ok := g.rows[action.UID]
	switch {
	case !ok:
		return errStays
	case row.HasSize && row.Size != content.Size:
		return fmt.Errorf("the server says that it has %d octets (RFC822.SIZE), and sent %d", row.Size, content.Size)
	}
	return nil
}

// hasServersDate: the date by which its age was told is the server's.
func (g *gate) hasServersDate(action *plan.Action, _ mailbox.Content) error {
	if row := g.rows[action.UID]; row.Date.Known && action.Link.Date.Known && !row.Date.SameInstant(action.Link.Date) {
		return errors.New("the server gives it another INTERNALDATE than before")
	}
	return nil
}

// isUntouched: nobody flagged it, or did anything else with it, since it was
// decided on.
func (g *gate) isUntouched(action *plan.Action, _ mailbox.Content) error {
	if row := g.rows[action.UID]; row.HasFlags && !row.Flags.Equal(action.Flags) {
		return errStays
	}
	file, ok := findKey(g.files, action.Link.Key)
	keepFlagged := g.run.Policy.Retention.KeepFlagged
	if !ok || keepFlagged && file.Flags.Has(mailbox.FlagFlagged) {
		return errStays
	}
	return nil
}
