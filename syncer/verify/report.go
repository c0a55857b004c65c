package verify

import (
	"cmp"
	"slices"

	"mailferry/syncer/mailbox"
)

// Kind says how two sides differ. Its text is what JSON shows.
type Kind string

// The kinds of differences. "Here" is the first side, "there" the second.
const (
	MissingHere  Kind = "missing-here"
	MissingThere Kind = "missing-there"
	// Octets: the same message by its link, with other octets.
	Octets   Kind = "octets"
	Flags    Kind = "flags"
	Keywords Kind = "keywords"
	Date     Kind = "date"
	// Folder: both have it, in different mailboxes.
	Folder Kind = "folder"
	// Damaged: a file is not what was written.
	Damaged Kind = "damaged"
	// Unreadable: a side could not hand the message over.
	Unreadable Kind = "unreadable"
	// Mailbox: a mailbox without messages is on one side only.
	Mailbox Kind = "mailbox"
	// Rewritten: the same message, whose line ends or header fields the server
	// changed when it took it in. It is told and is no loss.
	Rewritten Kind = "rewritten"
)

// IsLoss reports whether a difference is one that verification exists to find.
func (k Kind) IsLoss() bool { return k != Rewritten }

// Difference is one finding.
type Difference struct {
	Kind    Kind
	Mailbox mailbox.Name
	// Other is the mailbox on the second side, where it is another.
	Other mailbox.Name
	// UID and Key are those of the sides that have them.
	UID  mailbox.UID
	Key  mailbox.Key
	Size int64
	Date mailbox.Date
	Hash mailbox.Hash
	// Detail says what each side has.
	Detail string
	// Subject is the message's, decoded; filled in by Report.Describe.
	Subject string
}

// Tally is what one side holds of a mailbox or of everything.
type Tally struct {
	Messages int
	Octets   int64
	// Digest is the SHA-256 over the sorted hashes of the messages; zero where
	// not every message was read.
	Digest mailbox.Hash
	// Hashes are those of the messages, sorted.
	Hashes []mailbox.Hash
}

// MailboxReport is one mailbox on both sides.
type MailboxReport struct {
	Name        mailbox.Name
	Here, There Tally
	// RefHere and RefThere name the mailbox on both sides.
	RefHere, RefThere mailbox.Ref
	// HasHere and HasThere say where the mailbox exists.
	HasHere, HasThere bool
	// Equal counts the pairs that do not differ, Differences those that do.
	Equal, Differences int
	// Years counts messages by the year of their date; 0 is undated.
	Years map[int][2]int
}

// Report is what a comparison found.
type Report struct {
	Mailboxes   []MailboxReport
	Differences []Difference
	// Read counts the messages whose octets were read on both sides, Pairs the
	// messages that are on both.
	Read, Pairs int
	// KeptHere counts messages that are only on disk, as was wished: archived,
	// or kept after the server deleted them. KeptThere counts those that the
	// server keeps though they were removed on disk.
	KeptHere, KeptThere int
	// Unknown counts files that no run has seen yet, in a comparison without a
	// server.
	Unknown int
}

// Losses counts the differences that are not only rewritten messages.
func (r *Report) Losses() int {
	n := 0
	for _, d := range r.Differences {
		if d.Kind.IsLoss() {
			n++
		}
	}
	return n
}

// Count counts the differences of a kind.
func (r *Report) Count(kind Kind) int {
	n := 0
	for _, d := range r.Differences {
		if d.Kind == kind {
			n++
		}
	}
	return n
}

func (r *Report) sort() {
	slices.SortFunc(r.Mailboxes, func(a, b MailboxReport) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortStableFunc(r.Differences, func(a, b Difference) int {
		return cmp.Or(cmp.Compare(a.Mailbox, b.Mailbox), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.UID, b.UID), cmp.Compare(a.Key, b.Key))
	})
}

func distinct(names []mailbox.Name) []mailbox.Name {
	slices.Sort(names)
	return slices.Compact(names)
}
