package mailbox

import (
	"fmt"
	"slices"
)

// ID names a mailbox in the state; it survives renames. 0 is none.
type ID int64

// LinkID names a link in the state. 0 is a link that is not stored yet.
type LinkID int64

// LinkKind says what a link stands for.
type LinkKind uint8

// The kinds of links. They are stored: values never change their meaning.
const (
	// Linked: UID and Key are the same message and both existed.
	Linked LinkKind = iota
	// PendingDownload: the file of Key may or may not have its final name
	// yet. The next run's recovery settles it.
	PendingDownload
	// PendingUpload: Key was, or was about to be, appended; Since is the
	// UIDNext before. UID is what APPENDUID said, 0 without an answer. A
	// listing that shows the message makes it Linked.
	PendingUpload
	// KeptLocal: the server's copy is gone and the local one stays for good,
	// as the policy says: a backup's or an archive's message. It is neither
	// uploaded nor missed.
	KeptLocal
	// KeptRemote: the local copy is gone and the server's one stays.
	KeptRemote
	// Skipped: left on the server because it is over max_message_size.
	Skipped
	// PendingExpunge: Key is proved to hold the message, and the archive was
	// about to expunge UID, or did, or could only mark it \Deleted. A listing
	// tells: once the message is gone it is KeptLocal.
	PendingExpunge
)

var linkKindNames = [...]string{"linked", "pending-download", "pending-upload", "kept-local", "kept-remote", "skipped", "pending-expunge"}

func (k LinkKind) String() string {
	if int(k) < len(linkKindNames) {
		return linkKindNames[k]
	}
	return fmt.Sprintf("LinkKind(%d)", uint8(k))
}

// Link is what both sides last agreed on for one message.
type Link struct {
	ID   LinkID
	Kind LinkKind
	// UID is 0 where the server has no copy (KeptLocal) or did not name it.
	UID UID
	// Key is "" where the disk has no copy (KeptRemote, Skipped).
	Key Key
	// Agreed is the merged flags. Remote and Local are what each side held
	// after the last run: they differ from Agreed only where a side cannot
	// hold a flag, which therefore neither gets lost nor looks removed.
	Agreed, Remote, Local Flags
	Content               Content
	// ContentID is the server's name of the octets, 0 if it told none.
	ContentID ContentID
	// Date is the server's INTERNALDATE.
	Date Date
	// Unproven says that the server's octets were never compared with the
	// file's: size, date, header or the server's name of the octets told that
	// both are the same. An archive reads them before it deletes anything.
	Unproven bool
	// Since is the mailbox's UIDNext before the upload (PendingUpload).
	Since UID
}

// Unnumber takes the UID from a link, because it means nothing any more. A
// message that was being expunged is the archive's: whether it is still there
// shows when it is matched by content. (RFC 9051, section 2.3.1.1)
func (l *Link) Unnumber() {
	if l.Kind == PendingExpunge {
		l.Kind = KeptLocal
	}
	l.UID, l.Since = 0, min(l.Since, 1)
}

// Stamp tells whether a folder changed since it was listed: the modification
// times of cur and new and of the keywords file, and when the listing began,
// all in nanoseconds since 1970. The zero value never matches.
type Stamp struct {
	Cur, New, Keywords int64
	Taken              int64
}

// Status is a mailbox's state as STATUS and SELECT report it. HighestModSeq is
// 0 without CONDSTORE. (RFC 9051, section 6.3.11; RFC 7162, section 3.1.2)
type Status struct {
	Messages      uint32
	UIDNext       UID
	UIDValidity   UIDValidity
	HighestModSeq ModSeq
}

// Known is a mailbox in the state.
type Known struct {
	ID   ID
	Name Name
	// Remote is the checkpoint: the server's status when the last run that
	// did everything began. Never newer than what was acted on.
	Remote Status
	// Local is the folder's stamp at that time.
	Local Stamp
	// HasRemote and HasLocal say on which sides the mailbox existed.
	HasRemote, HasLocal bool
	// Leaving is the side whose messages are being removed because the mailbox
	// is gone from the other.
	Leaving Leaving
	// Links counts the links of the mailbox.
	Links int
	// Tally is what a listing of the folder adds up to as long as it is what
	// the links say: over all that have a Key, with their Local flags.
	Tally Tally
}

// Leaving says where a mailbox's deletion has begun. As long as it has not
// ended, a message that is missing there is no deletion by anybody else.
type Leaving uint8

// The sides that a mailbox can be leaving.
const (
	Staying Leaving = iota
	LeavingDisk
	LeavingServer
)

// Some says which of a mailbox's links are asked for: those that fit any of
// the fields. The zero value asks for all.
type Some struct {
	// UIDs are asked for by name, and all from From on (0: none).
	UIDs UIDSet
	From UID
	// IDs, in ascending order, are asked for by the state's own name.
	IDs []LinkID
	// Odd asks for the links that are not Linked or have no UID.
	Odd bool
}

// IsAll reports whether all links are asked for.
func (s Some) IsAll() bool { return s.UIDs.IsEmpty() && s.From == 0 && len(s.IDs) == 0 && !s.Odd }

// IsOdd reports whether a link is not of an ordinary message that both sides
// have.
func (l *Link) IsOdd() bool { return l.Kind != Linked || l.UID == 0 }

// Fits reports whether the link is asked for.
func (s Some) Fits(l *Link) bool {
	if _, isNamed := slices.BinarySearch(s.IDs, l.ID); isNamed {
		return true
	}
	return s.IsAll() || s.Odd && l.IsOdd() || s.From != 0 && l.UID >= s.From || l.UID != 0 && s.UIDs.Contains(l.UID)
}

// Listed is a mailbox in a complete listing of the server.
type Listed struct {
	Name Name
	// Attributes such as \Sent or \Trash, as sent. (RFC 6154)
	Attributes []string
	// Status is nil where the server did not tell it with the listing.
	Status *Status
	// MailboxID is the server's own immutable name, "" without OBJECTID.
	// (RFC 8474, section 4)
	MailboxID string
}

// A LeavesOut is a server that tells which mailboxes its last listing had to
// leave out.
type LeavesOut interface{ LeftOut() []LeftOut }

// LeftOut is a mailbox that a listing had to leave out.
type LeftOut struct {
	// Text is what the server calls it, to the octet; "" if it has no name.
	Text string
	Err  error
}

// Ref is a mailbox together with the UIDValidity that its UIDs belong to.
type Ref struct {
	Name        Name
	UIDValidity UIDValidity
}
