package mailbox

import "io"

// Since is what the base knows of a mailbox when it is observed again, so that
// the server need only tell what changed. The zero value asks for everything.
type Since struct {
	// Remote is the checkpoint. It counts only if UIDValidity is unchanged.
	Remote Status
	// Below is how many messages with a UID below Remote.UIDNext the base
	// knows on the server: when they and the new ones add up to the messages
	// there are, none has gone.
	Below int
	// Limit, if not 0, asks for the list of all UIDs, and for a description of
	// at most so many of the messages that the base may not know: the first
	// ones (none, if negative). Observation.Rest names the others.
	Limit int
	// Only, if not empty, asks for just these messages, all that there is to
	// tell of them. It is how a Rest is worked off; it counts only if
	// Remote.UIDValidity is unchanged: ErrUIDValidity otherwise.
	Only UIDSet
}

// Look is a mailbox to be looked at, and what is known of it.
type Look struct {
	Name  Name
	Since Since
}

// Observation is what a look at a mailbox on the server found. The messages
// themselves were handed over one by one.
type Observation struct {
	// Status as SELECT or EXAMINE reported it before the messages.
	Status Status
	// Delta says that messages known to the base were handed over only if
	// they changed.
	Delta bool
	// Complete says that what is absent is provably gone: the listing's count
	// agrees with the server's. Without it absence means "unknown".
	Complete bool
	// Present holds the UIDs there are, if Complete and HasPresent. A Delta
	// that is Complete without HasPresent proves that every UID known to the
	// base is still there.
	Present    UIDSet
	HasPresent bool
	// Holds is what the mailbox can keep for good, from PERMANENTFLAGS.
	Holds Holds
	// Spoiled lists messages whose description could not be read; they are
	// present, and nothing more is known of them.
	Spoiled UIDSet
	// Rest lists messages that are present and were not described because of
	// Since.Limit.
	Rest UIDSet
}

// Holds says which flags a side can keep.
type Holds struct {
	// AnyKeyword: new flags can be made (PERMANENTFLAGS has \*). Then all can
	// be kept, also system flags that the server does not name because no
	// message has them yet.
	AnyKeyword bool
	// Flags are those that can be kept by name.
	Flags Flags
}

// Keep returns those of flags that the side can keep.
func (h Holds) Keep(flags Flags) Flags {
	if h.AnyKeyword {
		return flags
	}
	return flags.Intersect(h.Flags)
}

// Part says what of a message is fetched.
type Part uint8

const (
	// Whole is BODY.PEEK[].
	Whole Part = iota
	// HeaderOnly is BODY.PEEK[HEADER].
	HeaderOnly
)

// UnknownSize is the size of a message whose protocol tells it only by where
// the message ends. (RFC 1939, section 5)
const UnknownSize int64 = -1

// Dated is what a body is, too, where the protocol has no INTERNALDATE: once it
// was read to its end, it tells when the message was received.
type Dated interface{ Date() Date }

// FetchSink takes the messages of a Fetch, one at a time: one Receive, then
// either one Row or one Drop. The first error ends the fetch, and Fetch
// returns it; the connection is then closed unless the body was read whole.
type FetchSink interface {
	// Receive reads exactly size octets from body, or up to io.EOF when size is
	// UnknownSize. A body that is cut short is a broken connection, and body's
	// error says so; it is never a short message. body may be Dated.
	Receive(size int64, body io.Reader) error
	// Row names the message that was received. It is called only for a UID
	// that was asked for, once a UID, and only if the section is the one that
	// was asked for.
	Row(uid UID) error
	// Drop says that what was received last is not what was asked for, or
	// that the server has no content for uid (0 if unknown) and Receive was
	// not called.
	Drop(uid UID, reason error) error
}

// FlagChange adds and removes flags, leaving others alone.
type FlagChange struct{ Add, Remove Flags }

// IsEmpty reports whether nothing is to change.
func (c FlagChange) IsEmpty() bool { return c.Add.IsEmpty() && c.Remove.IsEmpty() }

// Apply returns flags after the change.
func (c FlagChange) Apply(flags Flags) Flags { return flags.Minus(c.Remove).Union(c.Add) }

// ChangeBetween returns the change that makes to of from.
func ChangeBetween(from, to Flags) FlagChange {
	return FlagChange{Add: to.Minus(from), Remove: from.Minus(to)}
}

// Upload is a message to append.
type Upload struct {
	Flags Flags
	Date  Date
	// Size is of the wire form.
	Size int64
	// Open returns the wire form from its start. It is called once; again when
	// the server refused a group of messages and each is sent by itself; or,
	// when the server made the client wait, never.
	Open func() (io.ReadCloser, error)
}

// Appended is where an upload ended up; zero without UIDPLUS.
type Appended struct {
	UID         UID
	UIDValidity UIDValidity
	// Redated is the date that the message was given because the server does
	// not take its own; the zero Date: it has its own.
	Redated Date
}

// Traffic counts what an account's connections carried.
type Traffic struct {
	OctetsDown, OctetsUp int64
	// RoundTrips counts how often the client spoke after the server had.
	RoundTrips int64
	// Selected counts SELECT and EXAMINE.
	Selected int64
}
