package mailbox

import (
	"encoding/hex"
	"errors"
	"fmt"
	"time"
)

// Key names a message in a Maildir folder: the file's name before the colon.
type Key string

// Hash is a SHA-256 over a message's wire form: the octets of BODY[], line
// ends as the server sent them. The zero value means "not known".
type Hash [32]byte

// IsZero reports whether the hash is not known.
func (h Hash) IsZero() bool { return h == Hash{} }

// String is the hash in hexadecimal.
func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// ErrHash is returned for text that is not 64 hexadecimal digits.
var ErrHash = errors.New("not a SHA-256")

// ParseHash is the inverse of Hash.String. Errors wrap ErrHash.
func ParseHash(text string) (Hash, error) {
	var h Hash
	if len(text) != 2*len(h) {
		return Hash{}, fmt.Errorf("%w: %.80q", ErrHash, text)
	}
	if _, err := hex.Decode(h[:], []byte(text)); err != nil {
		return Hash{}, fmt.Errorf("%w: %.80q", ErrHash, text)
	}
	return h, nil
}

// Date is an INTERNALDATE with its zone: whole seconds since 1970 (negative
// before) and the zone's seconds east of UTC. The zero value means that the
// server gave none that could be read. (RFC 9051, section 2.3.3)
type Date struct {
	Unix   int64
	Offset int32
	Known  bool
}

// DateOf converts a time, dropping what is finer than a second.
func DateOf(t time.Time) Date {
	_, offset := t.Zone()
	return Date{Unix: t.Unix(), Offset: int32(offset), Known: true}
}

// Time converts back; the zero time for an unknown Date.
func (d Date) Time() time.Time {
	if !d.Known {
		return time.Time{}
	}
	return time.Unix(d.Unix, 0).In(time.FixedZone("", int(d.Offset)))
}

// SameInstant reports whether both dates are known and name one second.
func (d Date) SameInstant(e Date) bool { return d.Known && e.Known && d.Unix == e.Unix }

// Content is what a message's octets are known by. Sizes and hashes are of the
// wire form.
type Content struct {
	// Size in octets.
	Size int64
	// Hash of the whole message.
	Hash Hash
	// Header is the hash of the header: everything up to and including the
	// first empty line (CRLF CRLF), or the whole message when there is none.
	Header Hash
	// Verbatim says that the file holds the wire form itself. Otherwise it
	// holds LF where the wire has CRLF. (DESIGN: rule 9)
	Verbatim bool
}

// RemoteMessage is a message as the server described it.
type RemoteMessage struct {
	UID   UID
	Flags Flags
	// Machines are the keywords of machines that have a verified copy; they
	// are not in Flags.
	Machines Flags
	ModSeq   ModSeq
	// HasFlags and HasSize say whether the server answered these items.
	HasFlags, HasSize bool
	Size              int64
	Date              Date
	// FirstSeen is since when we know of the message, where the server gives no
	// Date that could be relied on; retention counts from it. Unknown elsewhere.
	FirstSeen Date
	ContentID ContentID
	// Header and Body are known only where they were asked for and needed.
	Header, Body Hash
	// Alike is the hash of what is left of the message without what servers
	// and tools change on the way. It is known only where it was asked for.
	Alike Hash
	// HasMessageID says that the header has a Message-ID.
	HasMessageID bool
}

// LocalFile is a message file as a listing found it.
type LocalFile struct {
	Key   Key
	Flags Flags
}

// LocalMessage is a message file that a plan is about.
type LocalMessage struct {
	Key   Key
	Flags Flags
	// Content and Date (the file's mtime) are known only for files that are
	// not in the base, which the engine reads.
	Content Content
	Date    Date
}
