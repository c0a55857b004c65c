package former

import (
	"strings"

	"mailferry/syncer/mailbox"
)

// Folder is what another program remembers of one mailbox.
type Folder struct {
	// Path is the folder's, below the store, with "/"; "" is the store itself.
	Path string
	// Mailboxes are what it may be on the server, the likeliest first: names in
	// modified UTF-7, their levels joined with "/".
	Mailboxes []string
	// UIDValidity is what the server's numbers belong to; 0 is not known.
	UIDValidity mailbox.UIDValidity
	// Records are the messages, each as of the program's last run.
	Records []Record
	// ExpiredTo: messages up to this UID that have no record were taken off the
	// disk because newer ones came.
	ExpiredTo mailbox.UID
	// Numbers reads a message's number out of a file's name.
	Numbers Numbering
	// Doubt says why the numbers in file names mean nothing, or "".
	Doubt string
}

// Numbering returns the number that a program gave a message, which is part of
// the Key; 0 for a file that it did not write.
type Numbering func(mailbox.Key) uint32

// Record is what a program remembers of one message.
type Record struct {
	// UID on the server; 0: not there.
	UID mailbox.UID
	// Number on disk; 0: not there.
	Number uint32
	// Flags that both sides had. Keywords are not remembered.
	Flags mailbox.Flags
	// Stub says on which side there is only a placeholder, because the message
	// is too large.
	Stub Side
	// Expired: taken off the disk because newer messages came (MaxMessages).
	Expired bool
	// Skipped: too large to travel.
	Skipped bool
}

// Side is one of the two sides, or neither.
type Side uint8

// The sides.
const (
	Nowhere Side = iota
	OnServer
	OnDisk
)

// Refusal says why something cannot be taken over.
type Refusal struct {
	// Path is what it is about.
	Path, Reason string
	// Hint says what to do.
	Hint string
}

func (r *Refusal) Error() string { return r.Path + ": " + r.Reason }

// maildirFlags are the letters that both programs remember flags by.
var maildirFlags = map[byte]string{
	'D': mailbox.FlagDraft, 'F': mailbox.FlagFlagged, 'P': mailbox.FlagForwarded,
	'R': mailbox.FlagAnswered, 'S': mailbox.FlagSeen, 'T': mailbox.FlagDeleted,
}

// flagsOf reads letters. Others, offlineimap's own for keywords, are left out.
func flagsOf(letters string) mailbox.Flags {
	if letters == "" {
		return mailbox.Flags{}
	}
	names := make([]string, 0, len(letters))
	for i := range len(letters) {
		if flag := maildirFlags[letters[i]]; flag != "" {
			names = append(names, flag)
		}
	}
	return mailbox.NewFlags(names...)
}

// numberAfter reads the decimal number behind a tag such as ",U=" in a file's
// name, 0 if there is none.
func numberAfter(name, tag string) uint32 {
	_, rest, found := strings.Cut(name, tag)
	if !found {
		return 0
	}
	n := uint64(0)
	for i := range len(rest) {
		c := rest[i]
		if c < '0' || c > '9' {
			break
		}
		if n = 10*n + uint64(c-'0'); n > 1<<32-1 {
			return 0
		}
	}
	return uint32(n)
}

// otherwise returns a name and what it may be instead: without the INBOX that
// some servers put before every name, which names of ours do not have.
func otherwise(name string) []string {
	const prefix = "INBOX/"
	if len(name) > len(prefix) && strings.EqualFold(name[:len(prefix)], prefix) {
		return []string{name, name[len(prefix):]}
	}
	return []string{name}
}
