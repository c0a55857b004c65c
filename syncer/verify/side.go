package verify

import (
	"context"
	"io"

	"mailferry/syncer/mailbox"
)

// Message is one message as a side holds it.
type Message struct {
	// UID is 0 on disk for a message that no server is known to have, Key ""
	// on a server.
	UID mailbox.UID
	Key mailbox.Key
	// Size is of the wire form, -1 where it is not known.
	Size  int64
	Flags mailbox.Flags
	Date  mailbox.Date
	// Hash is over the wire form; zero for a message that was not read.
	Hash mailbox.Hash
	// Recorded is the hash that the state remembers, zero for none.
	Recorded mailbox.Hash
	// Link is what the state says about a message on disk, nil for nothing.
	Link *mailbox.Link
	// Trouble is why the message could not be read.
	Trouble error
}

// Side is one of the two that are compared. Its methods may be called from
// several goroutines.
type Side interface {
	// Mailboxes lists what there is, sorted by name.
	Mailboxes(ctx context.Context) ([]mailbox.Name, error)
	// List returns a mailbox's messages, not hashed, and on a server the
	// UIDValidity of their UIDs. It returns an error rather than part of them.
	List(ctx context.Context, name mailbox.Name) ([]Message, mailbox.UIDValidity, error)
	// Hash reads messages of one listing and fills in Hash, Size and Trouble.
	// read is told of each message's octets as they were read.
	Hash(ctx context.Context, ref mailbox.Ref, messages []*Message, read func(octets int64)) error
	// Canonical reads messages and returns what is left of them without what
	// servers change. Messages that cannot be read are left out.
	Canonical(ctx context.Context, ref mailbox.Ref, messages []*Message) (map[*Message]Canonical, error)
	// Header returns the beginning of a message, at least its header unless
	// that is over 64 KB; nothing for one that is gone.
	Header(ctx context.Context, ref mailbox.Ref, uid mailbox.UID, key mailbox.Key) ([]byte, error)
}

// Remote is what a server side needs; syncer.Remote has it.
type Remote interface {
	List(ctx context.Context) ([]mailbox.Listed, error)
	Observe(ctx context.Context, name mailbox.Name, since mailbox.Since, each func(mailbox.RemoteMessage) error) (mailbox.Observation, error)
	Fetch(ctx context.Context, ref mailbox.Ref, uids mailbox.UIDSet, part mailbox.Part, sink mailbox.FetchSink) error
}

// Local is what a store side needs of the disk; syncer.Local has it.
type Local interface {
	Folders(ctx context.Context) ([]mailbox.Name, error)
	List(ctx context.Context, name mailbox.Name) ([]mailbox.LocalFile, mailbox.Stamp, error)
	Inspect(ctx context.Context, name mailbox.Name, key mailbox.Key) (mailbox.Content, mailbox.Date, error)
	Open(ctx context.Context, name mailbox.Name, key mailbox.Key) (io.ReadCloser, error)
}

// Base is what a store side needs of the state; syncer.Base has it.
type Base interface {
	Mailboxes(ctx context.Context) ([]mailbox.Known, error)
	Links(ctx context.Context, id mailbox.ID) ([]mailbox.Link, error)
}
