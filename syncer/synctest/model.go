package synctest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"mailferry/syncer"
	"mailferry/syncer/mailbox"
)

// ModelOptions is what a Model can do. The zero value is a server that can do
// next to nothing.
type ModelOptions struct {
	// CondStore: ModSeq and unchangedSince. UIDPlus: Append and Move tell new
	// UIDs, Expunge expunges. Move: MOVE.
	CondStore, UIDPlus, Move bool
	// ListStatus: List tells each mailbox's status.
	ListStatus bool
	// ObjectID: mailboxes and contents have names of the server's own.
	ObjectID bool
	// NoUIDValidity: the server gives none.
	NoUIDValidity bool
	// Keywords the server can keep; nil is any.
	Keywords []string
	// MaxSize of a message, 0 for none.
	MaxSize int64
	// Fuse, if not nil, kills the process under test.
	Fuse *Fuse
}

// FullModel is a server that can do everything.
func FullModel() ModelOptions {
	return ModelOptions{CondStore: true, UIDPlus: true, Move: true, ListStatus: true, ObjectID: true}
}

// Model is an IMAP server in memory: the meaning of the ports Remote,
// RemoteMessages and RemoteMailboxes. It is deterministic, and mailboxes made
// at the same time have the same UIDValidity, as Dovecot's have.
type Model struct {
	port
	opts ModelOptions

	mu       sync.Mutex
	boxes    map[mailbox.Name]*modelMailbox
	validity map[mailbox.Name]mailbox.UIDValidity // the last one a name had
	made     int
	hidden   []mailbox.Name
	traffic  mailbox.Traffic
}

var (
	_ syncer.Remote          = (*Model)(nil)
	_ syncer.RemoteMessages  = (*Model)(nil)
	_ syncer.RemoteMailboxes = (*Model)(nil)
	_ syncer.Glances         = (*Model)(nil)
)

type modelMailbox struct {
	id       string
	validity mailbox.UIDValidity
	next     mailbox.UID
	modSeq   mailbox.ModSeq
	messages []*modelMessage // ascending by UID
}

type modelMessage struct {
	Message
	modSeq mailbox.ModSeq
}

// NewModel makes a server with an empty INBOX.
func NewModel(opts ModelOptions) *Model {
	m := &Model{port: port{fuse: opts.Fuse}, opts: opts, boxes: map[mailbox.Name]*modelMailbox{}, validity: map[mailbox.Name]mailbox.UIDValidity{}}
	m.create(mailbox.Inbox)
	return m
}

// Hide leaves mailboxes out of List, as broken servers do, though they exist.
// Without names it hides none.
func (m *Model) Hide(names ...mailbox.Name) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.hidden = names
}

func (m *Model) begin(ctx context.Context, op string) (*Fault, error) {
	m.mu.Lock()
	m.traffic.RoundTrips++
	m.mu.Unlock()
	return m.port.begin(ctx, op)
}

func (m *Model) create(name mailbox.Name) *modelMailbox {
	m.made++
	box := &modelMailbox{id: fmt.Sprintf("m%d", m.made), next: 1, modSeq: 1}
	if !m.opts.NoUIDValidity {
		m.validity[name]++
		box.validity = m.validity[name]
	}
	m.boxes[name] = box
	return box
}

// find returns a mailbox, if ref's UIDs mean what they did.
func (m *Model) find(ref mailbox.Ref) (*modelMailbox, error) {
	box := m.boxes[ref.Name]
	switch {
	case box == nil:
		return nil, fmt.Errorf("model: %s: %w", ref.Name, mailbox.ErrNotFound)
	case box.validity != ref.UIDValidity:
		return nil, fmt.Errorf("model: %s: %w", ref.Name, mailbox.ErrUIDValidity)
	}
	return box, nil
}

func (b *modelMailbox) message(uid mailbox.UID) *modelMessage {
	i, found := slices.BinarySearchFunc(b.messages, uid, func(m *modelMessage, uid mailbox.UID) int {
		return int(int64(m.UID) - int64(uid))
	})
	if !found {
		return nil
	}
	return b.messages[i]
}

// selected lists those of uids that there are.
func (b *modelMailbox) selected(uids mailbox.UIDSet) []*modelMessage {
	var messages []*modelMessage
	for _, message := range b.messages {
		if uids.Contains(message.UID) {
			messages = append(messages, message)
		}
	}
	return messages
}

func (b *modelMailbox) add(message Message) mailbox.UID {
	b.modSeq++
	message.UID = b.next
	b.messages = append(b.messages, &modelMessage{message, b.modSeq})
	b.next++
	return message.UID
}

func (b *modelMailbox) remove(uid mailbox.UID) {
	b.messages = slices.DeleteFunc(b.messages, func(m *modelMessage) bool { return m.UID == uid })
}

func (b *modelMailbox) setFlags(message *modelMessage, flags mailbox.Flags) {
	if message.Flags.Equal(flags) {
		return
	}
	b.modSeq++
	message.modSeq, message.Flags = b.modSeq, flags
}

func (m *Model) status(b *modelMailbox) mailbox.Status {
	status := mailbox.Status{Messages: uint32(len(b.messages)), UIDNext: b.next, UIDValidity: b.validity}
	if m.opts.CondStore {
		status.HighestModSeq = b.modSeq
	}
	return status
}

func (m *Model) holds() mailbox.Holds {
	system := mailbox.NewFlags(mailbox.FlagSeen, mailbox.FlagAnswered, mailbox.FlagFlagged, mailbox.FlagDeleted, mailbox.FlagDraft)
	return mailbox.Holds{AnyKeyword: m.opts.Keywords == nil, Flags: system.Union(mailbox.NewFlags(m.opts.Keywords...))}
}

// List implements syncer.Remote.
func (m *Model) List(ctx context.Context) ([]mailbox.Listed, error) {
	fault, err := m.begin(ctx, "List")
	if err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if fault != nil && fault.Kind == Lost {
		return nil, fault.error()
	}
	var listed []mailbox.Listed
	for _, name := range slices.Sorted(maps.Keys(m.boxes)) {
		if slices.Contains(m.hidden, name) {
			continue
		}
		entry := mailbox.Listed{Name: name}
		if m.opts.ListStatus {
			status := m.status(m.boxes[name])
			entry.Status = &status
		}
		if m.opts.ObjectID {
			entry.MailboxID = m.boxes[name].id
		}
		listed = append(listed, entry)
	}
	return listed, nil
}

// Exists implements syncer.Remote.
func (m *Model) Exists(ctx context.Context, name mailbox.Name) (bool, error) {
	fault, err := m.begin(ctx, "Exists")
	if err != nil {
		return false, err
	}
	if fault != nil && fault.Kind == Lost {
		return false, fault.error()
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.boxes[name] != nil, nil
}

// Observe implements syncer.Remote.
func (m *Model) Observe(ctx context.Context, name mailbox.Name, since mailbox.Since, each func(mailbox.RemoteMessage) error) (mailbox.Observation, error) {
	fault, err := m.begin(ctx, "Observe")
	if err != nil {
		return mailbox.Observation{}, err
	}
	observation, messages, err := m.look(name, since)
	if err != nil {
		return mailbox.Observation{}, err
	}
	for i, message := range messages {
		if fault != nil && i == fault.After {
			if fault.Kind == Lost {
				return mailbox.Observation{}, fault.error()
			}
			observation.Complete, observation.Present, observation.HasPresent, observation.Rest = false, nil, false, nil
			return observation, nil
		}
		if err := each(message); err != nil {
			return mailbox.Observation{}, err
		}
		if err := ctx.Err(); err != nil {
			return mailbox.Observation{}, err
		}
	}
	return observation, m.fuse.dead()
}

// Glance implements syncer.Glances.
func (m *Model) Glance(ctx context.Context, looks []mailbox.Look, each func(i int, m mailbox.RemoteMessage) error, done func(i int, seen mailbox.Observation, err error)) error {
	for i, look := range looks {
		seen, err := m.Observe(ctx, look.Name, look.Since, func(message mailbox.RemoteMessage) error { return each(i, message) })
		if err != nil && !errors.Is(err, mailbox.ErrNotFound) {
			return err
		}
		done(i, seen, err)
	}
	return nil
}

// look takes the picture that Observe hands over.
func (m *Model) look(name mailbox.Name, since mailbox.Since) (mailbox.Observation, []mailbox.RemoteMessage, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	box := m.boxes[name]
	if box == nil {
		return mailbox.Observation{}, nil, fmt.Errorf("model: %s: %w", name, mailbox.ErrNotFound)
	}
	m.traffic.Selected++
	observation := mailbox.Observation{Status: m.status(box), Complete: true, Holds: m.holds()}
	if !since.Only.IsEmpty() {
		if box.validity != since.Remote.UIDValidity {
			return mailbox.Observation{}, nil, fmt.Errorf("model: %s: %w", name, mailbox.ErrUIDValidity)
		}
		var messages []mailbox.RemoteMessage
		for _, message := range box.selected(since.Only) {
			messages = append(messages, m.describe(message))
		}
		return observation, messages, nil
	}
	observation.Delta = m.opts.CondStore && box.validity != 0 && since.Remote.UIDValidity == box.validity && since.Remote.HighestModSeq > 0
	var messages []mailbox.RemoteMessage
	old, fresh := 0, 0
	for _, message := range box.messages {
		if message.UID < since.Remote.UIDNext {
			old++
		}
		if observation.Delta && message.modSeq <= since.Remote.HighestModSeq {
			continue
		}
		if isNew := !observation.Delta || message.UID >= since.Remote.UIDNext; isNew && since.Limit != 0 {
			if fresh++; fresh > max(since.Limit, 0) {
				observation.Rest = observation.Rest.Append(message.UID)
				continue
			}
		}
		messages = append(messages, m.describe(message))
	}
	// A count that adds up proves that none has gone; else they are listed.
	if observation.Delta && old != since.Below || since.Limit != 0 {
		observation.HasPresent = true
		for _, message := range box.messages {
			observation.Present = observation.Present.Append(message.UID)
		}
	}
	return observation, messages, nil
}

func (m *Model) describe(message *modelMessage) mailbox.RemoteMessage {
	flags, machines := mailbox.SplitMachines(message.Flags)
	entry := mailbox.RemoteMessage{
		UID: message.UID, Flags: flags, Machines: machines, HasFlags: true,
		Size: int64(len(message.Octets)), HasSize: true, Date: message.Date,
	}
	if m.opts.CondStore {
		entry.ModSeq = message.modSeq
	}
	if m.opts.ObjectID {
		entry.ContentID = mailbox.NewContentID("model", message.Octets)
	}
	return entry
}

// Fetch implements syncer.Remote.
func (m *Model) Fetch(ctx context.Context, ref mailbox.Ref, uids mailbox.UIDSet, part mailbox.Part, sink mailbox.FetchSink) error {
	fault, err := m.begin(ctx, "Fetch")
	if err != nil {
		return err
	}
	m.mu.Lock()
	box, err := m.find(ref)
	var wanted []*modelMessage
	if err == nil {
		m.traffic.Selected++
		wanted = box.selected(uids)
	}
	m.mu.Unlock()
	if err != nil {
		return err
	}
	for i, message := range wanted {
		octets := message.Octets
		if part == mailbox.HeaderOnly {
			octets = header(octets)
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := m.fuse.dead(); err != nil {
			return err
		}
		if fault != nil && i == fault.After && fault.Kind == Lost {
			broken := &brokenReader{octets: octets[:len(octets)/2], err: fault.error()}
			if err := sink.Receive(int64(len(octets)), broken); err != nil {
				return err
			}
			return fault.error()
		}
		if err := sink.Receive(int64(len(octets)), bytes.NewReader(octets)); err != nil {
			return err
		}
		if err := sink.Row(message.UID); err != nil {
			return err
		}
		m.mu.Lock()
		m.traffic.OctetsDown += int64(len(octets))
		m.mu.Unlock()
	}
	return nil
}

// brokenReader ends with an error, as a connection that is cut.
type brokenReader struct {
	octets []byte
	err    error
}

func (r *brokenReader) Read(p []byte) (int, error) {
	if len(r.octets) == 0 {
		return 0, r.err
	}
	n := copy(p, r.octets)
	r.octets = r.octets[n:]
	return n, nil
}

// Traffic implements syncer.Remote.
func (m *Model) Traffic() mailbox.Traffic {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.traffic
}

// Close implements syncer.Remote.
func (m *Model) Close() error { return nil }
