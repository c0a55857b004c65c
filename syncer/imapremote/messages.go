package imapremote

import (
	"context"
	"fmt"

	"mailferry/syncer/imapremote/wire"
	"mailferry/syncer/mailbox"
)

// StoreFlags adds and removes flags. UNCHANGEDSINCE guards the first of the two
// commands: after it the messages count as changed, by us.
func (a *Account) StoreFlags(ctx context.Context, ref mailbox.Ref, uids mailbox.UIDSet, change mailbox.FlagChange, unchangedSince mailbox.ModSeq) (mailbox.UIDSet, error) {
	var modified mailbox.UIDSet
	if uids.IsEmpty() || change.IsEmpty() {
		return nil, nil
	}
	err := a.write(ctx, ref, func(s *session, x *wire.Exchange) error {
		for _, some := range splitSet(uids, maxSetText) {
			spared, err := s.store(x, some, change, unchangedSince)
			modified = modified.Union(spared)
			if err != nil {
				return err
			}
		}
		return nil
	})
	return modified, err
}

// write runs fn with the mailbox open for writing.
func (a *Account) write(ctx context.Context, ref mailbox.Ref, fn func(s *session, x *wire.Exchange) error) error {
	if a.opts.ReadOnly {
		return errReadOnly
	}
	wireName, err := a.names.toWire(ref.Name)
	if err != nil {
		return err
	}
	err = a.with(ctx, wireName, true, func(s *session) error {
		return s.raw(ctx, func(x *wire.Exchange) error {
			if err := s.ensure(x, wireName, ref.UIDValidity, true); err != nil {
				return err
			}
			return fn(s, x)
		})
	})
	if err != nil {
		return fmt.Errorf("%s: %w", ref.Name, err)
	}
	return nil
}

// store changes flags of the messages in one set and returns those that were
// spared.
func (s *session) store(x *wire.Exchange, uids mailbox.UIDSet, change mailbox.FlagChange, unchangedSince mailbox.ModSeq) (mailbox.UIDSet, error) {
	if !s.caps.hasCondStore() {
		unchangedSince = 0
	}
	var modified mailbox.UIDSet
	for _, req := range []wire.StoreRequest{{Flags: change.Add}, {Flags: change.Remove, Remove: true}} {
		if req.Flags.IsEmpty() {
			continue
		}
		if req.UIDs = uids.Minus(modified); req.UIDs.IsEmpty() {
			break
		}
		req.UnchangedSince = unchangedSince
		spared, err := x.Store(req)
		modified = modified.Union(spared)
		if err != nil {
			return modified, err
		}
		unchangedSince = 0
	}
	return modified, nil
}

// Expunge marks messages \Deleted, waits for the OK, and expunges just these.
// (RFC 4315, section 2.1)
func (a *Account) Expunge(ctx context.Context, ref mailbox.Ref, uids mailbox.UIDSet, unchangedSince mailbox.ModSeq) (mailbox.UIDSet, error) {
	var modified mailbox.UIDSet
	if uids.IsEmpty() {
		return nil, nil
	}
	if err := mayDestroy(ref); err != nil {
		return nil, err
	}
	err := a.write(ctx, ref, func(s *session, x *wire.Exchange) error {
		for _, some := range splitSet(uids, maxSetText) {
			spared, err := s.expunge(x, some, unchangedSince)
			modified = modified.Union(spared)
			if err != nil {
				return err
			}
		}
		if !s.caps.has("UIDPLUS") {
			return mailbox.ErrNoUIDPlus
		}
		return nil
	})
	return modified, err
}

// mayDestroy refuses where UIDs mean nothing from one run to the next.
func mayDestroy(ref mailbox.Ref) error {
	if ref.UIDValidity == 0 {
		return fmt.Errorf("%s: %w: the server gives no UIDVALIDITY", ref.Name, mailbox.ErrUIDValidity)
	}
	return nil
}

// expunge removes one set's messages, or only marks them without UIDPLUS: a
// bare EXPUNGE would remove what other clients marked.
func (s *session) expunge(x *wire.Exchange, uids mailbox.UIDSet, unchangedSince mailbox.ModSeq) (mailbox.UIDSet, error) {
	mark := mailbox.FlagChange{Add: mailbox.NewFlags(mailbox.FlagDeleted)}
	modified, err := s.store(x, uids, mark, unchangedSince)
	if err != nil || !s.caps.has("UIDPLUS") {
		return modified, err
	}
	// An empty set means nothing to some servers and everything to others.
	if marked := uids.Minus(modified); !marked.IsEmpty() {
		_, err = x.Expunge(marked)
	}
	return modified, err
}
