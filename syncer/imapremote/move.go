package imapremote

import (
	"context"
	"fmt"
	"iter"
	"maps"

	"github.com/emersion/go-imap/v2"

	"mailferry/syncer/imapremote/wire"
	"mailferry/syncer/mailbox"
)

// Move moves messages to another mailbox. (RFC 6851) Without MOVE it copies,
// waits for the OK, and only then expunges what was copied; without UIDPLUS the
// copies exist and the originals are marked: ErrNoUIDPlus. The new UIDs are
// paired with the old ones in ascending order, which is how servers copy.
func (a *Account) Move(ctx context.Context, ref mailbox.Ref, uids mailbox.UIDSet, to mailbox.Name) (map[mailbox.UID]mailbox.UID, error) {
	moved := map[mailbox.UID]mailbox.UID{}
	if !uids.IsEmpty() {
		if err := mayDestroy(ref); err != nil {
			return nil, err
		}
	}
	return moved, a.bring(ctx, ref, uids, to, func(s *session, some mailbox.UIDSet, target string) error {
		pairs, err := s.move(ctx, some, target)
		maps.Copy(moved, pairs)
		return err
	})
}

// Copy copies messages to a mailbox. COPYUID tells the new UIDs; it counts only
// for the mailbox that was meant, and names what was copied. (RFC 4315, section 3)
func (a *Account) Copy(ctx context.Context, ref mailbox.Ref, uids mailbox.UIDSet, to mailbox.Ref) (map[mailbox.UID]mailbox.UID, error) {
	copied := map[mailbox.UID]mailbox.UID{}
	return copied, a.bring(ctx, ref, uids, to.Name, func(s *session, some mailbox.UIDSet, target string) error {
		pairs, validity, _, err := s.copy(ctx, some, target)
		if err == nil && validity == to.UIDValidity {
			maps.Copy(copied, pairs)
		}
		return err
	})
}

// bring opens a mailbox and has its messages brought to another one, as many at
// a time as a command may name.
func (a *Account) bring(ctx context.Context, ref mailbox.Ref, uids mailbox.UIDSet, to mailbox.Name, some func(*session, mailbox.UIDSet, string) error) error {
	if a.opts.ReadOnly {
		return errReadOnly
	}
	if uids.IsEmpty() {
		return nil
	}
	from, err := a.names.toWire(ref.Name)
	if err != nil {
		return err
	}
	target, err := a.controlName(to)
	if err != nil {
		return err
	}
	err = a.with(ctx, from, true, func(s *session) error {
		if err := s.raw(ctx, func(x *wire.Exchange) error { return s.ensure(x, from, ref.UIDValidity, true) }); err != nil {
			return err
		}
		for _, set := range splitSet(uids, maxSetText) {
			if err := some(s, set, target); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("%s to %s: %w", ref.Name, to, err)
	}
	return nil
}

// move moves one set's messages out of the open mailbox.
func (s *session) move(ctx context.Context, uids mailbox.UIDSet, target string) (map[mailbox.UID]mailbox.UID, error) {
	// go-imap falls back to commands that expunge too early when it does not
	// see MOVE itself, so both have to see it; guard is the second line.
	if s.caps.has("MOVE") && s.client.Caps().Has(imap.CapMove) {
		return s.moveAtOnce(ctx, uids, target)
	}
	pairs, _, copied, err := s.copy(ctx, uids, target)
	if err != nil || copied.IsEmpty() {
		return pairs, err
	}
	err = s.raw(ctx, func(x *wire.Exchange) error {
		_, err := s.expunge(x, copied, 0)
		return err
	})
	if err == nil && !s.caps.has("UIDPLUS") {
		err = mailbox.ErrNoUIDPlus
	}
	return pairs, err
}

func (s *session) moveAtOnce(ctx context.Context, uids mailbox.UIDSet, target string) (map[mailbox.UID]mailbox.UID, error) {
	var pairs map[mailbox.UID]mailbox.UID
	err := s.control(ctx, "UID MOVE", func() error {
		data, err := s.client.Move(numSet(uids), target).Wait()
		if err != nil {
			return err
		}
		sources, _ := data.SourceUIDs.(imap.UIDSet)
		targets, _ := data.DestUIDs.(imap.UIDSet)
		pairs, _ = pair(uids, sources, targets)
		return nil
	})
	return pairs, err
}

// copy copies messages and says which of uids certainly were: all, unless
// COPYUID names fewer. (RFC 4315, section 3)
func (s *session) copy(ctx context.Context, uids mailbox.UIDSet, target string) (pairs map[mailbox.UID]mailbox.UID, validity mailbox.UIDValidity, copied mailbox.UIDSet, err error) {
	err = s.control(ctx, "UID COPY", func() error {
		data, err := s.client.Copy(numSet(uids), target).Wait()
		if err != nil {
			return err
		}
		copied, validity = uids, mailbox.UIDValidity(data.UIDValidity)
		if len(data.SourceUIDs) > 0 || s.caps.has("UIDPLUS") && data.UIDValidity != 0 {
			pairs, copied = pair(uids, data.SourceUIDs, data.DestUIDs)
		}
		return nil
	})
	return pairs, validity, copied, err
}

// pair matches old and new UIDs. Sets that differ in size, or name UIDs that
// were not asked for, are not believed. They stay ranges until that is known.
func pair(asked mailbox.UIDSet, sources, targets imap.UIDSet) (map[mailbox.UID]mailbox.UID, mailbox.UIDSet) {
	before, after := uidSet(sources), uidSet(targets)
	if before.Len() != after.Len() || !before.Minus(asked).IsEmpty() {
		return nil, nil
	}
	pairs := make(map[mailbox.UID]mailbox.UID, before.Len())
	next, stop := iter.Pull(iter.Seq[mailbox.UID](after.All()))
	defer stop()
	for uid := range before.All() {
		pairs[uid], _ = next()
	}
	return pairs, before
}

func numSet(uids mailbox.UIDSet) imap.UIDSet {
	var set imap.UIDSet
	for _, r := range uids {
		set = append(set, imap.UIDRange{Start: imap.UID(r.First), Stop: imap.UID(r.Last)})
	}
	return set
}

func uidSet(set imap.UIDSet) mailbox.UIDSet {
	var uids mailbox.UIDSet
	for _, r := range set {
		if r.Start == 0 || r.Stop == 0 {
			return nil
		}
		uids = append(uids, mailbox.UIDRange{First: mailbox.UID(min(r.Start, r.Stop)), Last: mailbox.UID(max(r.Start, r.Stop))})
	}
	return uids.Union(nil)
}

// controlName is how go-imap wants a mailbox to be named: decoded, for it
// encodes by itself. Names that only exist raw cannot pass through it.
func (a *Account) controlName(name mailbox.Name) (string, error) {
	wireName, err := a.names.toWire(name)
	if err != nil {
		return "", err
	}
	text, ok := decodeUTF7(wireName)
	if !ok {
		return "", fmt.Errorf("%w: %q is not modified UTF-7", errName, name)
	}
	return text, nil
}
