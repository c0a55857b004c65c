package plan

import "mailferry/syncer/mailbox"

// Kind says what an action does. Its text is what JSON and journals show.
type Kind string

// The kinds of actions.
const (
	Download            Kind = "download"
	Upload              Kind = "upload"
	FlagLocal           Kind = "flag-local"
	FlagRemote          Kind = "flag-remote"
	RemoveLocal         Kind = "remove-local"
	ExpungeRemote       Kind = "expunge-remote"
	MoveLocal           Kind = "move-local"
	MoveRemote          Kind = "move-remote"
	CreateMailboxLocal  Kind = "create-mailbox-local"
	CreateMailboxRemote Kind = "create-mailbox-remote"
	DeleteMailboxLocal  Kind = "delete-mailbox-local"
	DeleteMailboxRemote Kind = "delete-mailbox-remote"
	RenameMailboxLocal  Kind = "rename-mailbox-local"
	RenameMailboxRemote Kind = "rename-mailbox-remote"
)

// Action is one step of a plan: dry-run output, progress, test expectation and
// report line alike.
type Action struct {
	Kind    Kind
	Mailbox mailbox.Name
	// To is the other mailbox of a move or rename.
	To mailbox.Name
	// UID and Key name the message as far as it has them already.
	UID mailbox.UID
	Key mailbox.Key
	// Size in octets of the wire form; 0 where it does not matter.
	Size int64
	// Flags are those that the message has after the action.
	Flags mailbox.Flags
	// Change is what a flag action adds and removes; a move on the server makes
	// it to the message where that is then.
	Change mailbox.FlagChange
	// Date is the INTERNALDATE that a download or upload carries.
	Date mailbox.Date
	// Rule names the row of the table of rules that decided.
	Rule Rule
	// Link is the message's link as it will be once the action is done.
	Link *mailbox.Link
	// Source is the link that a move takes the message from. For a download
	// or an upload it is a message in the mailbox From that may be the same:
	// then its octets need not travel.
	Source *mailbox.Link
	From   mailbox.Ref
}

// Rule names a row of the table in rules.go.
type Rule string

// GuardReason says why deletions were refused. Its text is what JSON shows.
type GuardReason string

// The reasons for a refusal.
const (
	MarkerMissing    GuardReason = "marker-missing"
	Emptied          GuardReason = "emptied"
	TooManyDeletions GuardReason = "too-many-deletions"
	UIDValidity      GuardReason = "uidvalidity"
)

// Refusal says that a guard held back a mailbox's deletions.
type Refusal struct {
	Mailbox mailbox.Name
	Reason  GuardReason
	// Side is where the messages are missing: "server" or "disk".
	Side string
	// Deletions were asked for, of Known messages.
	Deletions, Known int
	// TakenAway: it looks as if another program empties INBOX, see TakenAway.
	TakenAway bool
}
