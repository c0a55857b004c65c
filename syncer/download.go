package syncer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"syscall"

	"mailferry/syncer/mailbox"
	"mailferry/syncer/plan"
)

// download fetches messages of one mailbox. A message that ends the connection
// each time is found by halving, so that it costs only itself.
func (r *run) download(ctx context.Context, ledger *ledger, b *box, actions []plan.Action) error {
	const tries = 2
	for attempt := 1; len(actions) > 0; attempt++ {
		rest, err := r.fetchOnce(ctx, ledger, b, actions)
		if err == nil {
			return r.explainSilence(ctx, b, rest)
		}
		if isFatal(err) || ctx.Err() != nil {
			return err
		}
		if len(rest) < len(actions) {
			attempt = 0
		}
		actions = rest
		if isElsewhere(err) || !isPassing(err) && !isServerError(err) {
			return r.giveUp(b, actions, err)
		}
		if isPassing(err) {
			if err := r.reconnect(ctx, err); err != nil {
				return err
			}
		}
		if attempt < tries {
			continue
		}
		if len(actions) == 1 || errors.Is(err, mailbox.ErrUnavailable) {
			return r.giveUp(b, actions, err)
		}
		half := len(actions) / 2
		if err := r.download(ctx, ledger, b, actions[:half]); err != nil {
			return err
		}
		actions, attempt = actions[half:], 0
	}
	return nil
}

// explainSilence tells messages that were expunged meanwhile from those that
// the server has and does not hand over, as Exchange does with some.
func (r *run) explainSilence(ctx context.Context, b *box, actions []plan.Action) error {
	if len(actions) == 0 {
		return nil
	}
	there, err := r.present(ctx, b)
	if err != nil {
		if isFatal(err) || ctx.Err() != nil {
			return err
		}
		return r.giveUp(b, actions, err)
	}
	r.halt(b)
	for _, action := range actions {
		if there.Contains(action.UID) {
			r.tally.failed(action, fmt.Errorf("%w: the server has the message and does not hand it over", mailbox.ErrProtocol))
		} else {
			r.tally.stale(action)
		}
	}
	return nil
}

// present lists the UIDs that a mailbox has now.
func (r *run) present(ctx context.Context, b *box) (mailbox.UIDSet, error) {
	var seen mailbox.Observation
	var listed []mailbox.UID
	err := r.retry(ctx, func() (err error) {
		listed = listed[:0]
		// Below is 0, so that no count makes up for the list.
		seen, err = r.Remote.Observe(ctx, b.name, mailbox.Since{Remote: b.remote.Status}, func(m mailbox.RemoteMessage) error {
			listed = append(listed, m.UID)
			return nil
		})
		return err
	})
	switch {
	case err != nil:
		return nil, err
	case seen.Status.UIDValidity != b.remote.Status.UIDValidity:
		return nil, mailbox.ErrUIDValidity
	case !seen.Complete:
		return nil, mailbox.ErrIncomplete
	}
	return mailbox.UIDs(listed...).Union(seen.Present).Union(seen.Spoiled), nil
}

func isServerError(err error) bool {
	var refused *mailbox.ServerError
	return errors.As(err, &refused)
}

// isElsewhere reports whether the mailbox is not the one that was looked at.
func isElsewhere(err error) bool {
	return errors.Is(err, mailbox.ErrUIDValidity) || errors.Is(err, mailbox.ErrNotFound)
}

// giveUp reports messages that could not be had. A mailbox that changed its
// UIDs or is gone makes the actions stale: the next run sees it anew.
func (r *run) giveUp(b *box, actions []plan.Action, err error) error {
	r.halt(b)
	if isElsewhere(err) {
		r.tally.mu.Lock()
		b.isElsewhere = true
		r.tally.mu.Unlock()
	}
	for _, action := range actions {
		if isElsewhere(err) {
			r.tally.stale(action)
		} else {
			r.tally.failed(action, err)
		}
	}
	return nil
}

// fetchOnce asks for the messages in one go and returns the actions that it
// got no answer for.
func (r *run) fetchOnce(ctx context.Context, ledger *ledger, b *box, actions []plan.Action) ([]plan.Action, error) {
	sink := &receiver{ctx: ctx, run: r, box: b, ledger: ledger, wanted: make(map[mailbox.UID]*plan.Action, len(actions))}
	var uids mailbox.UIDSet
	for i := range actions {
		uids = uids.Append(actions[i].UID)
		sink.wanted[actions[i].UID] = &actions[i]
	}
	err := r.Remote.Fetch(ctx, b.ref(), uids, mailbox.Whole, sink)
	sink.abandon()
	if err := sink.flush(); err != nil {
		return nil, err
	}
	var rest []plan.Action
	for _, action := range actions {
		if _, ok := sink.wanted[action.UID]; ok {
			rest = append(rest, action)
		}
	}
	if sink.fatal != nil {
		err = sink.fatal
	}
	return rest, err
}

// receiver is the FetchSink of a download: it writes each message to the
// folder's tmp and hands full batches to the ledger.
type receiver struct {
	ctx    context.Context
	run    *run
	box    *box
	ledger *ledger
	wanted map[mailbox.UID]*plan.Action
	draft  *mailbox.Draft
	batch  batch
	octets int64
	// passed are those handed to the ledger.
	passed mailbox.UIDSet
	fatal  error
}

// watched remembers that reading from the connection failed, to tell a lost
// connection from a disk that cannot be written.
type watched struct {
	io.Reader
	failed bool
}

func (w *watched) Read(p []byte) (int, error) {
	n, err := w.Reader.Read(p)
	if err != nil && err != io.EOF {
		w.failed = true
	}
	return n, err
}

func (s *receiver) Receive(size int64, body io.Reader) error {
	if s.run.isStopped() {
		s.fatal = mailbox.ErrStopped
		return s.fatal
	}
	source := &watched{Reader: body}
	draft, err := s.run.LocalDelivery.Receive(s.ctx, s.box.name, size, source)
	if err != nil {
		if !source.failed && s.ctx.Err() == nil && !errors.Is(err, io.ErrUnexpectedEOF) {
			s.fatal = &diskError{err}
		}
		return err
	}
	if dated, ok := body.(mailbox.Dated); ok {
		draft.Date = dated.Date()
	}
	s.draft = &draft
	return nil
}

func (s *receiver) Row(uid mailbox.UID) error {
	action, ok := s.wanted[uid]
	draft := s.draft
	s.draft = nil
	if !ok || draft == nil {
		return fmt.Errorf("%w: uid %d was not asked for", mailbox.ErrProtocol, uid)
	}
	delete(s.wanted, uid)
	if draft.Content.Size == 0 && action.Size > 0 {
		// What a server sends of a message that it cannot read. The draft is
		// an empty file; no message is lost by calling it a failure.
		s.draft = draft
		s.refuse(action, fmt.Errorf("%w: the server says that it has %d octets, and sent none", mailbox.ErrProtocol, action.Size))
		return nil
	}
	if action.Date.Known {
		draft.Date = action.Date
	}
	s.batch.box = s.box
	s.batch.items = append(s.batch.items, item{action, *draft})
	s.octets += draft.Content.Size
	s.run.carried(draft.Content.Size)
	if len(s.batch.items) >= chunkMessages || s.octets >= chunkOctets {
		return s.flush()
	}
	return nil
}

func (s *receiver) Drop(uid mailbox.UID, reason error) error {
	action, ok := s.wanted[uid]
	if ok {
		delete(s.wanted, uid)
		s.refuse(action, reason)
		return nil
	}
	s.abandon()
	return s.retract(uid, reason)
}

// refuse reports a message that did not come as it should.
func (s *receiver) refuse(action *plan.Action, reason error) {
	s.abandon()
	s.run.halt(s.box)
	s.run.tally.failed(*action, reason)
}

// retract takes a message back that the server answered once more: nobody knows
// which of the two answers was right.
func (s *receiver) retract(uid mailbox.UID, reason error) error {
	i := slices.IndexFunc(s.batch.items, func(it item) bool { return it.action.UID == uid })
	switch {
	case i >= 0:
		taken := s.batch.items[i]
		s.batch.items = slices.Delete(s.batch.items, i, i+1)
		s.draft = &taken.draft
		s.refuse(taken.action, reason)
	case s.passed.Contains(uid):
		// It is on its way to the disk: there it stays, and so does the
		// server's.
		s.run.halt(s.box)
		s.run.doubt(s.box, uid)
		s.run.tally.trouble(s.box.name, fmt.Errorf("uid %d: %w: %w", uid, mailbox.ErrProtocol, reason))
	}
	return nil
}

// abandon removes a draft that no answer named.
func (s *receiver) abandon() {
	if s.draft != nil {
		if err := s.run.LocalDelivery.Discard(s.ctx, []mailbox.Draft{*s.draft}); err != nil {
			s.run.Log.Warn("draft not removed", "mailbox", s.box.name, "error", err)
		}
		s.draft = nil
	}
}

func (s *receiver) flush() error {
	if len(s.batch.items) == 0 {
		return nil
	}
	full := s.batch
	for _, it := range full.items {
		s.passed = s.passed.Append(it.action.UID)
	}
	s.batch, s.octets = batch{}, 0
	if err := s.ledger.add(full); err != nil {
		s.fatal = err
		return err
	}
	return nil
}

// doubt keeps a message on the server whatever is archived in this run.
func (r *run) doubt(b *box, uid mailbox.UID) {
	r.tally.mu.Lock()
	defer r.tally.mu.Unlock()
	b.doubted = b.doubted.Union(mailbox.UIDs(uid))
}

func isDiskFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}
