package synctest

import "mailferry/syncer/mailbox"

// Message is what a witness saw of a message on a server.
type Message struct {
	UID   mailbox.UID
	Flags mailbox.Flags
	// Date is the INTERNALDATE.
	Date   mailbox.Date
	Octets []byte
}

// Witness is another client of the same account: it makes changes that
// mailferry did not make and tells what is really there. Whatever goes wrong
// ends the test.
type Witness interface {
	WitnessMessages
	WitnessMailboxes
}

// WitnessMessages is the part of a Witness about messages.
type WitnessMessages interface {
	// Append adds a message; an unknown date leaves it to the server. The
	// UID is 0 if the server does not tell it.
	Append(name mailbox.Name, flags mailbox.Flags, date mailbox.Date, octets []byte) mailbox.UID
	// Store changes one message's flags, as STORE's item says: "FLAGS",
	// "+FLAGS" or "-FLAGS".
	Store(name mailbox.Name, uid mailbox.UID, item string, flags mailbox.Flags)
	// Expunge removes messages for good.
	Expunge(name mailbox.Name, uids ...mailbox.UID)
	// Messages lists a mailbox in ascending order of UID.
	Messages(name mailbox.Name) []Message
}

// WitnessMailboxes is the part of a Witness about mailboxes.
type WitnessMailboxes interface {
	Create(name mailbox.Name)
	Rename(from, to mailbox.Name)
	Delete(name mailbox.Name)
	// Mailboxes lists those that can be selected, sorted.
	Mailboxes() []mailbox.Name
}

// File is what a LocalWitness saw of a message on disk.
type File struct {
	Key   mailbox.Key
	Flags mailbox.Flags
	// Date is the file's mtime.
	Date mailbox.Date
	// Octets is the message's wire form.
	Octets []byte
	// New says that the file lies in new, not in cur.
	New bool
}

// LocalWitness is a mail reader that works in the same Maildir tree. Whatever
// goes wrong ends the test.
type LocalWitness interface {
	// Deliver adds a message of this wire form.
	Deliver(name mailbox.Name, flags mailbox.Flags, date mailbox.Date, octets []byte) mailbox.Key
	// SetFlags renames a message so that it has these flags.
	SetFlags(name mailbox.Name, key mailbox.Key, flags mailbox.Flags)
	// Unlink removes a message for good.
	Unlink(name mailbox.Name, key mailbox.Key)
	// Files lists a folder sorted by key.
	Files(name mailbox.Name) []File
	// Names lists the folders, sorted.
	Names() []mailbox.Name
	// Drafts counts what lies in the folder's tmp.
	Drafts(name mailbox.Name) int
}
