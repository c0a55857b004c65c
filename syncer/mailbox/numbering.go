package mailbox

// Numbered is a message of a server that gives no UIDs (POP3), and the UID that
// we gave it.
type Numbered struct {
	UID UID
	// ID is what the message is known by: the server's unique-id, or one made
	// of its content. Two messages never share one.
	ID string
	// Size is what the server says; it is good only to be compared with what
	// it said before.
	Size int64
	// Header is the hash of the header as it was read; zero: not yet.
	Header Hash
	// Seen is when it was first seen, Gone when it was first missing (0: it is
	// there), both in seconds since 1970.
	Seen, Gone int64
}

// Numbering is all that was numbered.
type Numbering struct {
	// UIDValidity is 0 before anything was numbered.
	UIDValidity UIDValidity
	// Next is the lowest UID that was never given.
	Next     UID
	Messages []Numbered
}
