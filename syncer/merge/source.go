package merge

import (
	"context"
	"io"

	"mailferry/syncer/mailbox"
)

// Kind says what a source is. Its text is what people write before a colon to
// force it.
type Kind string

// The kinds.
const (
	Maildir     Kind = "maildir"
	Store       Kind = "store" // a Maildir that mailferry keeps
	Mbox        Kind = "mbox"
	Thunderbird Kind = "thunderbird"
	EML         Kind = "eml"
	EMLX        Kind = "emlx"
	Outlook     Kind = "outlook"
	IMAP        Kind = "imap"
	POP3        Kind = "pop3"
)

// Kinds lists the kinds that a path can be forced to.
func Kinds() []Kind { return []Kind{Maildir, Store, Mbox, Thunderbird, EML, EMLX, Outlook} }

// Source is a collection of messages that is read and never written. Its
// methods are called by one goroutine at a time, but for Open.
type Source interface {
	Kind() Kind
	// Name is how the user named it.
	Name() string
	// ID names the source's index: equal for the same source in another run.
	ID() string
	// Size tells how many octets there are to read, as far as that is cheap
	// to say; 0 if it is not known.
	Size(ctx context.Context) (int64, error)
	// Units lists what the source consists of, in the order of CompareKeys.
	// One that cannot be listed is told to the sink, and the rest goes on.
	Units(ctx context.Context, each func(Unit) error, damage func(Damage)) error
	// Read reads units from their start to their end, one after the other.
	Read(ctx context.Context, units []Unit, sink Sink) error
	// Open returns a message's wire form, which has been checked to be what
	// the record says. ErrChanged if the source no longer has it.
	Open(ctx context.Context, unit Unit, record Record) (io.ReadCloser, error)
	// Notes says what the user should know, such as that the source is in
	// use, after Units and Read.
	Notes() []Note
	Close() error
}

// Note is what should be known of a source as a whole.
type Note struct {
	Text string
	// Unsure says that mail may have been missed.
	Unsure bool
}

// Unit is a part of a source that is read as a whole: a file, or a message on a
// server. It is not read again as long as Size and Stamp are what they were.
type Unit struct {
	// Key names it within the source: a relative path with "/".
	Key string
	// Mailbox is the source's own name for where its messages are.
	Mailbox mailbox.Name
	// Stamp tells one state of the unit from another: an mtime in nanoseconds,
	// a UIDVALIDITY. 0 never matches.
	Size, Stamp int64
	// File is where a file is below the source's root, with "/".
	File   string
	Format Format
	// Flags are those that the unit's listing tells, of a single message.
	Flags mailbox.Flags
	// Date is the unit's own.
	Date mailbox.Date
}

// Format says how a unit's octets are messages.
type Format uint8

// The formats.
const (
	// FormatRemote: a message on a server.
	FormatRemote Format = iota
	// FormatMaildir: the message, with LF for CRLF unless it has a CR.
	FormatMaildir
	// FormatStore is FormatMaildir whose mtime is INTERNALDATE, and to which
	// no client added anything.
	FormatStore
	// FormatMbox: many.
	FormatMbox
	// FormatEML: the message with any line ends.
	FormatEML
	// FormatEMLX: Apple Mail's length, message and property list.
	FormatEMLX
)

// Record is one message as a unit has it.
type Record struct {
	Identity
	// Offset and Length are the place in the unit's file.
	Offset, Length int64
	// Quoted says that one > is taken off quoted From_ lines.
	Quoted bool
	// Flags are those that the message's octets tell.
	Flags mailbox.Flags
	// Expunged: the client deleted it and has not compacted the file yet.
	Expunged bool
	// Filed is the date of an mbox file's From_ line, or of the file; of
	// other units it is the unit's.
	Filed mailbox.Date
	// Partial: only the header was read, because it showed that the message is
	// none of those that were looked for.
	Partial bool
}

// Sink takes what Read finds: for each unit begin, its messages and damages,
// end.
type Sink interface {
	Begin(Unit) error
	Message(Record) error
	Damage(Damage)
	// End says whether the unit was read to its end and stayed what it was
	// meanwhile.
	End(sure bool) error
	// Octets tells of progress.
	Octets(n int64)
}

// CompareKeys orders keys as a walk through folders meets them.
func CompareKeys(a, b string) int {
	for i := range min(len(a), len(b)) {
		if x, y := rankOf(a[i]), rankOf(b[i]); x != y {
			return int(x) - int(y)
		}
	}
	return len(a) - len(b)
}

func rankOf(c byte) byte {
	if c == '/' {
		return 0
	}
	return c
}
