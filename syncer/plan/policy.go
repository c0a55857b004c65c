package plan

import "mailferry/syncer/mailbox"

// Travel says what goes in one direction.
type Travel struct {
	New, Flags, Deletions, Mailboxes bool
}

// Fate says what becomes of a message whose other copy was deleted.
type Fate string

// The fates.
const (
	// Keep leaves the message where it is, for good.
	Keep Fate = "keep"
	// Trash moves it to the store's trash, or to the server's \Trash mailbox.
	Trash Fate = "trash"
	// Expunge removes it from the server.
	Expunge Fate = "expunge"
)

// Policy is what distinguishes sync, backup, archive and restore.
type Policy struct {
	// Pull is what goes from the server to the disk, Push the other way.
	Pull, Push Travel
	// OnRemoteDelete is the fate of local messages deleted on the server:
	// Trash or Keep.
	OnRemoteDelete Fate
	// OnLocalDelete is the fate of the server's messages deleted on disk:
	// Expunge, Trash or Keep.
	OnLocalDelete Fate
	// Heal downloads again what is missing on disk, instead of taking it for
	// a deletion.
	Heal bool
	// Refill uploads again what was on the server and is gone from it, instead
	// of taking it for a deletion.
	Refill bool
	// MaxMessageSize in octets; larger messages stay where they are. 0: none.
	MaxMessageSize int64
	// AllowDeletes is how many deletions beyond a guard the user confirmed.
	AllowDeletes int
	// Retention makes it an archive: what it lets go is taken from the server
	// once it is proved to be on disk. nil: nothing goes.
	Retention *Retention
	// BringBack are the files, by key, that an archive or a backup keeps
	// alone and that are to be on the server again.
	BringBack map[mailbox.Key]bool
}

// LooksAtAll reports whether mailboxes are of interest in which nothing
// changed: messages grow old all the same, or are to be sent once more.
func (p Policy) LooksAtAll() bool { return p.Retention != nil || len(p.BringBack) > 0 || p.Refill }

// Sync keeps both sides the same.
func Sync() Policy {
	all := Travel{New: true, Flags: true, Deletions: true, Mailboxes: true}
	return Policy{Pull: all, Push: all, OnRemoteDelete: Trash, OnLocalDelete: Expunge}
}

// Backup pulls only: nothing is deleted on either side and nothing written to
// the server.
func Backup() Policy {
	return Policy{
		Pull:           Travel{New: true, Flags: true, Mailboxes: true},
		OnRemoteDelete: Keep,
		OnLocalDelete:  Keep,
		Heal:           true,
	}
}

// Mirror is Backup that follows deletions into the store's trash.
func Mirror() Policy {
	p := Backup()
	p.Pull.Deletions = true
	p.OnRemoteDelete = Trash
	return p
}

// Restore pushes only: the server gets what it lacks, nothing is deleted on
// either side and nothing comes from the server.
func Restore() Policy {
	return Policy{
		Push:           Travel{New: true, Flags: true, Mailboxes: true},
		OnRemoteDelete: Keep,
		OnLocalDelete:  Keep,
	}
}

// Archive is Backup that afterwards takes from the server what the limits let
// go and what is proved to be on disk.
func Archive(limits Retention) Policy {
	p := Backup()
	p.OnLocalDelete = Expunge
	p.Retention = &limits
	return p
}

// Collect brings new messages and mailboxes from the server and leaves all
// else alone, on both sides.
func Collect() Policy {
	return Policy{Pull: Travel{New: true, Mailboxes: true}, OnRemoteDelete: Keep, OnLocalDelete: Keep}
}
