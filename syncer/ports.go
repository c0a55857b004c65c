package syncer

import (
	"context"
	"io"

	"mailferry/syncer/mailbox"
)

// Remote reads a mail server. Its errors wrap the sentinels of package mailbox.
// All methods may be called from several goroutines; each uses a connection of
// its own, up to the limit that the implementation was given, and waits for
// one when all are at work.
type Remote interface {
	// List returns every mailbox that can be selected, sorted by name. It
	// returns an error rather than part of them.
	List(ctx context.Context) ([]mailbox.Listed, error)
	// Exists asks for one mailbox by name. false is proof that it is not
	// there; whatever else the server may answer is an error.
	Exists(ctx context.Context, name mailbox.Name) (bool, error)
	// Observe opens a mailbox read-only and hands over the messages that are
	// new or changed since, or all of them, in ascending order of UID.
	Observe(ctx context.Context, name mailbox.Name, since mailbox.Since, each func(mailbox.RemoteMessage) error) (mailbox.Observation, error)
	// Fetch reads messages with PEEK into the sink. UIDs that the server does
	// not have are left out without an error. A mailbox with another
	// UIDValidity is ErrUIDValidity, and nothing was handed over.
	Fetch(ctx context.Context, ref mailbox.Ref, uids mailbox.UIDSet, part mailbox.Part, sink mailbox.FetchSink) error
	// Traffic tells what was carried so far.
	Traffic() mailbox.Traffic
	// Close logs out.
	Close() error
}

// Glances is a Remote that looks at several mailboxes in one turn.
type Glances interface {
	// Glance is Observe for several mailboxes. It calls done for each, with its
	// index and Observe's own error, in no order, after each has been called for
	// its messages. The returned error ends the whole: what done was not called
	// for is not known.
	Glance(ctx context.Context, looks []mailbox.Look, each func(i int, m mailbox.RemoteMessage) error, done func(i int, seen mailbox.Observation, err error)) error
}

// Preparer is a Remote that can open connections before they are needed.
type Preparer interface {
	// Prepare returns at once; until ctx ends, connections are opened in the
	// background, up to n in all. Failures show when one is needed.
	Prepare(ctx context.Context, n int)
}

// RemoteMessages changes messages on a server. A command is sent only after
// the tagged OK of those that it relies on.
type RemoteMessages interface {
	// Append uploads messages in order, or nearly so where several connections
	// take turns, and calls done for each that the server answered, with its
	// index. Of an upload whose answer was lost nothing is known. A message's
	// own refusal is done's err; the returned error ends the whole.
	Append(ctx context.Context, name mailbox.Name, uploads []mailbox.Upload, done func(i int, at mailbox.Appended, err error)) error
	// StoreFlags changes flags. Messages whose ModSeq is above unchangedSince
	// (0: do not look) are left alone and returned.
	StoreFlags(ctx context.Context, ref mailbox.Ref, uids mailbox.UIDSet, change mailbox.FlagChange, unchangedSince mailbox.ModSeq) (modified mailbox.UIDSet, err error)
	// Expunge marks messages \Deleted and expunges just these with UID
	// EXPUNGE. Messages changed above unchangedSince are left alone and
	// returned. Without UIDPLUS they are only marked: ErrNoUIDPlus.
	Expunge(ctx context.Context, ref mailbox.Ref, uids mailbox.UIDSet, unchangedSince mailbox.ModSeq) (modified mailbox.UIDSet, err error)
	// Copy copies messages to a mailbox, with flags and dates as far as the
	// server keeps them, and returns the new UIDs as far as it tells them. Of
	// those it does not tell, and on an error of all, nothing is known.
	Copy(ctx context.Context, ref mailbox.Ref, uids mailbox.UIDSet, to mailbox.Ref) (map[mailbox.UID]mailbox.UID, error)
	// Move moves messages to another mailbox and returns the new UIDs as far
	// as the server tells them. Without MOVE it copies, waits for the OK, and
	// expunges.
	Move(ctx context.Context, ref mailbox.Ref, uids mailbox.UIDSet, to mailbox.Name) (map[mailbox.UID]mailbox.UID, error)
}

// RemoteMailboxes changes mailboxes on a server.
type RemoteMailboxes interface {
	// Create makes mailboxes in order, those above before those below, and
	// subscribes to them. It calls done for each that the server answered, with
	// its index and how it is then, in no order: ErrExists if it was there
	// already. Of the others nothing is known; the returned error ends the whole.
	Create(ctx context.Context, names []mailbox.Name, done func(i int, seen mailbox.Observation, err error)) error
	// Rename renames a mailbox and, as IMAP has it, those below it.
	Rename(ctx context.Context, from, to mailbox.Name) error
	// Delete deletes a mailbox that is empty; with messages it refuses.
	Delete(ctx context.Context, name mailbox.Name) error
}

// Local reads a Maildir tree.
type Local interface {
	// Folders lists all folders, sorted by name.
	Folders(ctx context.Context) ([]mailbox.Name, error)
	// Stamp tells whether a folder may have changed, without listing it.
	Stamp(ctx context.Context, name mailbox.Name) (mailbox.Stamp, error)
	// Tally adds up what List would return, keeping none of it.
	// ErrIncomplete if the folder is not at rest.
	Tally(ctx context.Context, name mailbox.Name) (mailbox.Tally, mailbox.Stamp, error)
	// List returns every message of a folder sorted by key. The stamp was
	// taken before the listing began.
	List(ctx context.Context, name mailbox.Name) ([]mailbox.LocalFile, mailbox.Stamp, error)
	// Inspect reads one message for its Content and Date.
	Inspect(ctx context.Context, name mailbox.Name, key mailbox.Key) (mailbox.Content, mailbox.Date, error)
	// Open returns a message's wire form. ErrNotFound if it is gone.
	Open(ctx context.Context, name mailbox.Name, key mailbox.Key) (io.ReadCloser, error)
}

// LocalStream reads folders that are too large to be listed.
type LocalStream interface {
	// Each hands over what List would return, in no order, keeping none of it.
	// ErrIncomplete, perhaps only at the end, if the folder is not at rest: then
	// what was handed over proves nothing.
	Each(ctx context.Context, name mailbox.Name, each func(mailbox.LocalFile) error) error
}

// LocalDelivery brings new messages into a Maildir tree.
type LocalDelivery interface {
	// Receive writes a message of size octets, or of UnknownSize, to the
	// folder's tmp. A body that ends early or cannot be written leaves nothing
	// behind.
	Receive(ctx context.Context, name mailbox.Name, size int64, body io.Reader) (mailbox.Draft, error)
	// Seal sets the drafts' dates and makes them durable: when it returns, a
	// power cut loses none. It may be called while others still Receive.
	Seal(ctx context.Context, drafts []mailbox.Draft) error
	// Publish gives sealed drafts their final names and makes these durable.
	Publish(ctx context.Context, drafts []mailbox.Draft) error
	// Discard removes drafts that are not wanted.
	Discard(ctx context.Context, drafts []mailbox.Draft) error
}

// LocalMessages changes messages in a Maildir tree.
type LocalMessages interface {
	// Keep returns those of flags that the folder can hold, making room for
	// new keywords where there is any.
	Keep(ctx context.Context, name mailbox.Name, flags mailbox.Flags) (mailbox.Flags, error)
	// ChangeFlags changes a message's flags, whatever a mail reader made of
	// its name meanwhile, and returns those the file now has: keywords that
	// the folder has no room for are missing. ErrNotFound if it is gone.
	ChangeFlags(ctx context.Context, name mailbox.Name, key mailbox.Key, change mailbox.FlagChange) (mailbox.Flags, error)
	// Remove moves messages to the store's trash. Those not there are left
	// out without an error.
	Remove(ctx context.Context, name mailbox.Name, keys []mailbox.Key) error
	// Move gives a message another folder, and flags, of which it returns
	// those that there is room for. ErrNotFound if it is gone, ErrExists if
	// the other folder has its key.
	Move(ctx context.Context, from mailbox.Name, key mailbox.Key, to mailbox.Name, flags mailbox.Flags) (mailbox.Flags, error)
	// Flush makes flag changes, moves and removals durable.
	Flush(ctx context.Context) error
	// Persist makes messages durable that others wrote, with the names that
	// they have now, and the names of all others in the folder: what the
	// state is told to be there must not vanish in a power cut and then look
	// deleted. Keys that are not there are left out.
	Persist(ctx context.Context, name mailbox.Name, keys []mailbox.Key) error
}

// LocalFolders changes folders in a Maildir tree.
type LocalFolders interface {
	// Create makes a folder. ErrExists if it is there.
	Create(ctx context.Context, name mailbox.Name) error
	// Rename renames one folder; those below it stay.
	Rename(ctx context.Context, from, to mailbox.Name) error
	// Delete moves a folder with all that is in it to the store's trash;
	// those below it stay.
	Delete(ctx context.Context, name mailbox.Name) error
	// Sweep removes drafts that a killed run left behind and what has been in
	// the trash for more than 30 days.
	Sweep(ctx context.Context) error
}

// Base is the state: what both sides last agreed on.
type Base interface {
	// Mailboxes lists the known mailboxes, sorted by name.
	Mailboxes(ctx context.Context) ([]mailbox.Known, error)
	// Scan hands over the links that some asks for, each once, in no order.
	// The link is each's only until it returns; each must not use the state.
	Scan(ctx context.Context, id mailbox.ID, some mailbox.Some, each func(*mailbox.Link) error) error
	// UIDs returns the UIDs of a mailbox's links on the server, those of
	// uploads that no listing has confirmed left out.
	UIDs(ctx context.Context, id mailbox.ID) (mailbox.UIDSet, error)
	// Add makes a mailbox known.
	Add(ctx context.Context, name mailbox.Name) (mailbox.ID, error)
	// Rename gives a known mailbox another name.
	Rename(ctx context.Context, id mailbox.ID, to mailbox.Name) error
	// Forget removes a mailbox and its links.
	Forget(ctx context.Context, id mailbox.ID) error
	// Commit writes all of commits in one transaction; when it returns, it is
	// durable.
	Commit(ctx context.Context, commits ...mailbox.Commit) error
}

// Scratch is where a run puts down what it found on disk and cannot hold in
// memory. It is the run's own and goes with it. Its methods may be called from
// several goroutines.
type Scratch interface {
	// Put keeps a message and returns where. An error means that there is no
	// room for more; what was put before is still there.
	Put(message mailbox.LocalMessage) (place uint32, err error)
	// Get returns the message of a place.
	Get(place uint32) (mailbox.LocalMessage, error)
	Close() error
}

// Marks is what a store remembers of contents for good, beside the state and
// surviving its loss.
type Marks interface {
	// Marks returns all marks.
	Marks(ctx context.Context) (mailbox.Marks, error)
	// Mark gives contents a mark; when it returns, that is durable.
	Mark(ctx context.Context, mark mailbox.Mark, contents []mailbox.Hash) error
}

// LocalCopies brings messages into a Maildir tree that are in it already.
type LocalCopies interface {
	// Duplicate makes a draft of a message that a folder has already, sharing
	// its octets where the disk can and the date allows it. Content is as read
	// after that. ErrNotFound if the message is gone.
	Duplicate(ctx context.Context, from mailbox.Name, key mailbox.Key, to mailbox.Name, date mailbox.Date) (mailbox.Draft, error)
}

// Copies finds messages that the state has already, in whatever mailbox.
type Copies interface {
	// Alike returns Linked messages that are like those asked for, a few for
	// each. What they are the state says: files may have changed since.
	Alike(ctx context.Context, wanted []mailbox.Likeness) ([]mailbox.Copy, error)
}
