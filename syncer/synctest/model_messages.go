package synctest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"mailferry/syncer/mailbox"
)

// Append implements syncer.RemoteMessages.
func (m *Model) Append(ctx context.Context, name mailbox.Name, uploads []mailbox.Upload, done func(i int, at mailbox.Appended, err error)) error {
	fault, err := m.begin(ctx, "Append")
	if err != nil {
		return err
	}
	for i, upload := range uploads {
		if err := ctx.Err(); err != nil {
			return err
		}
		at, refusal, err := m.appendOne(name, upload)
		if err != nil {
			return err
		}
		if fault != nil && i == fault.After && fault.Kind == Lost {
			return fault.error()
		}
		done(i, at, refusal)
	}
	return nil
}

// appendOne appends a message; refusal is the message's own error.
func (m *Model) appendOne(name mailbox.Name, upload mailbox.Upload) (at mailbox.Appended, refusal, err error) {
	octets, refusal := readUpload(upload)
	m.mu.Lock()
	defer m.mu.Unlock()
	box := m.boxes[name]
	switch {
	case box == nil:
		return at, nil, fmt.Errorf("model: append to %s: %w", name, mailbox.ErrNotFound)
	case refusal != nil:
		return at, refusal, nil
	case m.opts.MaxSize > 0 && upload.Size > m.opts.MaxSize:
		return at, fmt.Errorf("model: append to %s: %w", name, mailbox.ErrTooLarge), nil
	}
	err = m.fuse.around(func() {
		date := upload.Date
		if !date.Known {
			date = mailbox.Date{Known: true}
		}
		uid := box.add(Message{Flags: m.holds().Keep(upload.Flags), Date: date, Octets: octets})
		m.traffic.OctetsUp += upload.Size
		if m.opts.UIDPlus {
			at = mailbox.Appended{UID: uid, UIDValidity: box.validity}
		}
	})
	return at, nil, err
}

func readUpload(upload mailbox.Upload) ([]byte, error) {
	body, err := upload.Open()
	if err != nil {
		return nil, err
	}
	octets, err := io.ReadAll(body)
	if closeErr := body.Close(); err == nil {
		err = closeErr
	}
	if err == nil && int64(len(octets)) != upload.Size {
		err = fmt.Errorf("model: upload has %d octets, not %d", len(octets), upload.Size)
	}
	return octets, err
}

// StoreFlags implements syncer.RemoteMessages.
func (m *Model) StoreFlags(ctx context.Context, ref mailbox.Ref, uids mailbox.UIDSet, change mailbox.FlagChange, unchangedSince mailbox.ModSeq) (mailbox.UIDSet, error) {
	fault, err := m.begin(ctx, "StoreFlags")
	if err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.store(fault, ref, uids, change, unchangedSince)
}

func (m *Model) store(fault *Fault, ref mailbox.Ref, uids mailbox.UIDSet, change mailbox.FlagChange, unchangedSince mailbox.ModSeq) (modified mailbox.UIDSet, err error) {
	box, err := m.find(ref)
	if err != nil {
		return nil, err
	}
	for i, message := range box.selected(uids) {
		if m.opts.CondStore && unchangedSince > 0 && message.modSeq > unchangedSince {
			modified = modified.Append(message.UID)
			continue
		}
		flags := m.holds().Keep(change.Apply(message.Flags))
		if err := m.fuse.around(func() { box.setFlags(message, flags) }); err != nil {
			return nil, err
		}
		if fault != nil && fault.Kind == Lost && i >= fault.After {
			return nil, fault.error()
		}
	}
	return modified, nil
}

// Expunge implements syncer.RemoteMessages.
func (m *Model) Expunge(ctx context.Context, ref mailbox.Ref, uids mailbox.UIDSet, unchangedSince mailbox.ModSeq) (mailbox.UIDSet, error) {
	fault, err := m.begin(ctx, "Expunge")
	if err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	modified, err := m.store(nil, ref, uids, mailbox.FlagChange{Add: mailbox.NewFlags(mailbox.FlagDeleted)}, unchangedSince)
	if err != nil {
		return nil, err
	}
	if !m.opts.UIDPlus {
		return modified, fmt.Errorf("model: %s: %w", ref.Name, mailbox.ErrNoUIDPlus)
	}
	if fault != nil && fault.Kind == Lost && fault.After < 0 {
		return nil, fault.error()
	}
	box := m.boxes[ref.Name]
	for i, message := range box.selected(uids.Minus(modified)) {
		if err := m.fuse.around(func() { box.remove(message.UID) }); err != nil {
			return nil, err
		}
		if fault != nil && fault.Kind == Lost && i >= fault.After {
			return nil, fault.error()
		}
	}
	return modified, nil
}

// bothEnds are the mailboxes that messages leave and arrive in.
func (m *Model) bothEnds(ref mailbox.Ref, to mailbox.Name) (source, target *modelMailbox, err error) {
	if source, err = m.find(ref); err != nil {
		return nil, nil, err
	}
	if target = m.boxes[to]; target == nil {
		return nil, nil, fmt.Errorf("model: to %s: %w", to, mailbox.ErrNotFound)
	}
	return source, target, nil
}

// Copy implements syncer.RemoteMessages.
func (m *Model) Copy(ctx context.Context, ref mailbox.Ref, uids mailbox.UIDSet, to mailbox.Ref) (map[mailbox.UID]mailbox.UID, error) {
	fault, err := m.begin(ctx, "Copy")
	if err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	source, target, err := m.bothEnds(ref, to.Name)
	if err != nil {
		return nil, err
	}
	copied := map[mailbox.UID]mailbox.UID{}
	for _, message := range source.selected(uids) {
		err := m.fuse.around(func() {
			uid := target.add(message.Message)
			if m.opts.UIDPlus && target.validity == to.UIDValidity {
				copied[message.UID] = uid
			}
		})
		if err != nil {
			return nil, err
		}
		if fault != nil && fault.Kind == Lost {
			return nil, fault.error()
		}
	}
	return copied, nil
}

// Move implements syncer.RemoteMessages. Without MOVE the copies are all made
// before the first message is expunged, and without UIDPLUS the originals
// stay, marked \Deleted, with ErrNoUIDPlus.
func (m *Model) Move(ctx context.Context, ref mailbox.Ref, uids mailbox.UIDSet, to mailbox.Name) (map[mailbox.UID]mailbox.UID, error) {
	fault, err := m.begin(ctx, "Move")
	if err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	source, target, err := m.bothEnds(ref, to)
	if err != nil {
		return nil, err
	}
	moved := map[mailbox.UID]mailbox.UID{}
	wanted := source.selected(uids)
	for _, message := range wanted {
		move := func() {
			uid := target.add(message.Message)
			if m.opts.UIDPlus {
				moved[message.UID] = uid
			}
			if m.opts.Move {
				source.remove(message.UID)
			}
		}
		if err := m.fuse.around(move); err != nil {
			return nil, err
		}
		if fault != nil && fault.Kind == Lost {
			return nil, fault.error()
		}
	}
	if m.opts.Move {
		return moved, nil
	}
	return moved, m.expungeMoved(ref.Name, source, wanted)
}

func (m *Model) expungeMoved(name mailbox.Name, source *modelMailbox, messages []*modelMessage) error {
	for _, message := range messages {
		expunge := func() {
			if m.opts.UIDPlus {
				source.remove(message.UID)
			} else {
				source.setFlags(message, message.Flags.Union(mailbox.NewFlags(mailbox.FlagDeleted)))
			}
		}
		if err := m.fuse.around(expunge); err != nil {
			return err
		}
	}
	if len(messages) > 0 && !m.opts.UIDPlus {
		return fmt.Errorf("model: %s: %w", name, mailbox.ErrNoUIDPlus)
	}
	return nil
}

// Create implements syncer.RemoteMailboxes.
func (m *Model) Create(ctx context.Context, names []mailbox.Name, done func(i int, seen mailbox.Observation, err error)) error {
	for i, name := range names {
		err := m.change(ctx, "Create", func() (func(), error) {
			if m.boxes[name] != nil {
				return nil, fmt.Errorf("model: create %s: %w", name, mailbox.ErrExists)
			}
			return func() { m.create(name) }, nil
		})
		if err != nil && !errors.Is(err, mailbox.ErrExists) {
			return err
		}
		seen, _, lookErr := m.look(name, mailbox.Since{})
		if lookErr != nil {
			return lookErr
		}
		done(i, seen, err)
	}
	return nil
}

// Rename implements syncer.RemoteMailboxes. INBOX stays, emptied into the new
// mailbox. (RFC 9051, section 6.3.6)
func (m *Model) Rename(ctx context.Context, from, to mailbox.Name) error {
	return m.change(ctx, "Rename", func() (func(), error) {
		if m.boxes[from] == nil {
			return nil, fmt.Errorf("model: rename %s: %w", from, mailbox.ErrNotFound)
		}
		if m.boxes[to] != nil {
			return nil, fmt.Errorf("model: rename to %s: %w", to, mailbox.ErrExists)
		}
		return func() { m.rename(from, to) }, nil
	})
}

func (m *Model) rename(from, to mailbox.Name) {
	if from == mailbox.Inbox {
		source, target := m.boxes[from], m.create(to)
		for _, message := range source.messages {
			target.add(message.Message)
		}
		source.messages = nil
		return
	}
	for _, name := range slices.Sorted(maps.Keys(m.boxes)) {
		if name != from && !name.IsBelow(from) {
			continue
		}
		box := m.boxes[name]
		renamed := to + mailbox.Name(strings.TrimPrefix(string(name), string(from)))
		delete(m.boxes, name)
		m.boxes[renamed] = box
		// The name must not come back with a UIDValidity that it has had.
		box.validity = max(box.validity, m.validity[renamed]+1)
		if m.opts.NoUIDValidity {
			box.validity = 0
		}
		m.validity[renamed] = box.validity
	}
}

// Delete implements syncer.RemoteMailboxes.
func (m *Model) Delete(ctx context.Context, name mailbox.Name) error {
	return m.change(ctx, "Delete", func() (func(), error) {
		box := m.boxes[name]
		switch {
		case box == nil:
			return nil, fmt.Errorf("model: delete %s: %w", name, mailbox.ErrNotFound)
		case len(box.messages) > 0 || name == mailbox.Inbox:
			return nil, &mailbox.ServerError{Status: "NO", Text: "not empty", Command: "DELETE"}
		}
		return func() { delete(m.boxes, name) }, nil
	})
}

// change makes one change of mailboxes, unless decide says why not.
func (m *Model) change(ctx context.Context, op string, decide func() (func(), error)) error {
	fault, err := m.begin(ctx, op)
	if err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	effect, err := decide()
	if err != nil {
		return err
	}
	if err := m.fuse.around(effect); err != nil {
		return err
	}
	if fault != nil && fault.Kind == Lost {
		return fault.error()
	}
	return nil
}
