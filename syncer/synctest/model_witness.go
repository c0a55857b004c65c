package synctest

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"mailferry/syncer/mailbox"
)

// OtherClient is a Witness of a Model. What it does costs no fuse and meets no
// fault.
type OtherClient struct {
	m  *Model
	tb testing.TB
}

var _ Witness = OtherClient{}

// Other returns another client of the same account.
func (m *Model) Other(tb testing.TB) OtherClient { return OtherClient{m, tb} }

// open locks the model and finds a mailbox.
func (o OtherClient) open(name mailbox.Name) (*modelMailbox, func()) {
	o.tb.Helper()
	o.m.mu.Lock()
	box := o.m.boxes[name]
	if box == nil {
		o.m.mu.Unlock()
		o.tb.Fatalf("witness: no mailbox %s", name)
	}
	return box, o.m.mu.Unlock
}

// Append implements Witness.
func (o OtherClient) Append(name mailbox.Name, flags mailbox.Flags, date mailbox.Date, octets []byte) mailbox.UID {
	o.tb.Helper()
	box, done := o.open(name)
	defer done()
	if !date.Known {
		date = mailbox.Date{Known: true}
	}
	return box.add(Message{Flags: o.m.holds().Keep(flags), Date: date, Octets: slices.Clone(octets)})
}

// Store implements Witness.
func (o OtherClient) Store(name mailbox.Name, uid mailbox.UID, item string, flags mailbox.Flags) {
	o.tb.Helper()
	box, done := o.open(name)
	defer done()
	message := box.message(uid)
	if message == nil {
		return
	}
	switch item {
	case "+FLAGS":
		flags = message.Flags.Union(flags)
	case "-FLAGS":
		flags = message.Flags.Minus(flags)
	}
	box.setFlags(message, o.m.holds().Keep(flags))
}

// Expunge implements Witness.
func (o OtherClient) Expunge(name mailbox.Name, uids ...mailbox.UID) {
	o.tb.Helper()
	box, done := o.open(name)
	defer done()
	for _, uid := range uids {
		box.remove(uid)
	}
}

// Messages implements Witness.
func (o OtherClient) Messages(name mailbox.Name) []Message {
	o.tb.Helper()
	box, done := o.open(name)
	defer done()
	messages := []Message{}
	for _, message := range box.messages {
		messages = append(messages, message.Message)
	}
	return messages
}

// Create implements Witness.
func (o OtherClient) Create(name mailbox.Name) {
	o.tb.Helper()
	o.m.mu.Lock()
	defer o.m.mu.Unlock()
	if o.m.boxes[name] != nil {
		o.tb.Fatalf("witness: mailbox %s is there", name)
	}
	o.m.create(name)
}

// Rename implements Witness.
func (o OtherClient) Rename(from, to mailbox.Name) {
	o.tb.Helper()
	_, done := o.open(from)
	defer done()
	if o.m.boxes[to] != nil {
		o.tb.Fatalf("witness: mailbox %s is there", to)
	}
	o.m.rename(from, to)
}

// Delete implements Witness. Like IMAP's DELETE it takes the messages along.
func (o OtherClient) Delete(name mailbox.Name) {
	o.tb.Helper()
	_, done := o.open(name)
	defer done()
	delete(o.m.boxes, name)
}

// Mailboxes implements Witness.
func (o OtherClient) Mailboxes() []mailbox.Name {
	o.m.mu.Lock()
	defer o.m.mu.Unlock()
	return slices.Sorted(maps.Keys(o.m.boxes))
}

// Renumber gives a mailbox's messages new UIDs under a new UIDValidity, as a
// server that was restored from a backup does.
func (o OtherClient) Renumber(name mailbox.Name) {
	o.tb.Helper()
	box, done := o.open(name)
	defer done()
	o.m.validity[name]++
	if !o.m.opts.NoUIDValidity {
		box.validity = o.m.validity[name]
	}
	messages := box.messages
	box.messages, box.next = nil, 1
	for _, message := range messages {
		box.add(message.Message)
	}
}

// String lists all there is, for failures.
func (o OtherClient) String() string {
	text := ""
	for _, name := range o.Mailboxes() {
		text += fmt.Sprintf("%s:\n", name)
		for _, message := range o.Messages(name) {
			text += fmt.Sprintf("  %d (%s) %.40q\n", message.UID, message.Flags, message.Octets)
		}
	}
	return text
}
