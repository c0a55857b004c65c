package mailbox

// Commit is what one transaction writes to the state for one mailbox.
type Commit struct {
	Mailbox ID
	// Unnumber takes the UIDs from all links first: the server numbered its
	// messages anew. The Checkpoint tells with which UIDValidity.
	Unnumber bool
	// Put inserts links whose ID is 0, and sets it, and updates the others.
	Put []*Link
	// Forget removes links.
	Forget []LinkID
	// Checkpoint, if not nil, replaces the mailbox's. It is written last.
	Checkpoint *Checkpoint
}

// Checkpoint is up to where both sides of a mailbox are agreed.
type Checkpoint struct {
	Remote              Status
	Local               Stamp
	HasRemote, HasLocal bool
	Leaving             Leaving
}
