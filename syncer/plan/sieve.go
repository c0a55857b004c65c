package plan

import (
	"cmp"
	"slices"

	"mailferry/syncer/mailbox"
)

// Sieve makes a mailbox's snapshots small: it leaves out the messages that both
// sides have as the base does. What Make decides of the rest is the same, and a
// mailbox of a million messages costs what changed in it.
type Sieve struct {
	known  mailbox.Known
	remote Remote
	local  Local
	files  []mailbox.LocalFile
	policy Policy
	// whole: nothing is left out; claimed: these UIDs' links are not.
	whole   bool
	claimed mailbox.UIDSet

	links     []mailbox.Link
	seenFiles bits
	seenRows  bits
	// missing are keys of the base that the listing lacks.
	missing map[mailbox.Key]bool
}

// NewSieve takes the snapshots of both sides; files is the listing, sorted by
// key, of a folder that is neither Missing nor Unchanged. It keeps everything
// if the mailbox is missing on a side or was renumbered, or if the policy looks
// at all messages: then all is decided together.
func NewSieve(known mailbox.Known, local Local, files []mailbox.LocalFile, remote Remote, policy Policy) *Sieve {
	whole := local.Missing || remote.Missing || policy.LooksAtAll()
	if IsRenumbered(Base{Known: known, Rest: known.Links}, remote) {
		whole = true
	}
	return &Sieve{
		known: known, local: local, remote: remote, files: files, policy: policy, whole: whole,
		seenFiles: newBits(len(files)), seenRows: newBits(len(remote.Messages)),
		missing: map[mailbox.Key]bool{},
	}
}

// Claimed names UIDs that uploads were told and that may be other messages':
// the links that have them are kept.
func (s *Sieve) Claimed(uids mailbox.UIDSet) { s.claimed = uids }

// KeepAll says that nothing is to be left out.
func (s *Sieve) KeepAll() { s.whole = true }

// KeepsAll reports whether nothing is left out, so that all links are needed.
func (s *Sieve) KeepsAll() bool { return s.whole }

// Wants says which links can matter at all, given the UIDs that the base has
// on the server if the snapshot of the server tells which are present. Of a
// folder that was listed it is all of them.
func (s *Sieve) Wants(onServer mailbox.UIDSet) mailbox.Some {
	if s.whole || !s.local.Unchanged {
		return mailbox.Some{}
	}
	some := mailbox.Some{Odd: true}
	rows := make([]mailbox.UID, len(s.remote.Messages))
	for i := range s.remote.Messages {
		rows[i] = s.remote.Messages[i].UID
	}
	some.UIDs = mailbox.UIDs(rows...).Union(s.claimed)
	if s.remote.HasPresent {
		some.UIDs = some.UIDs.Union(onServer.Minus(s.remote.Present))
	} else if some.From = max(s.known.Remote.UIDNext, 1); !s.remote.Delta && s.remote.Complete {
		some.From = 1 // absence from the rows says that a message is gone
	}
	// Many lookups cost more than reading everything once.
	if len(some.UIDs) > max(500, s.known.Links/16) {
		return mailbox.Some{}
	}
	return some
}

// Take is given the links that Wants asks for, one after the other.
func (s *Sieve) Take(link *mailbox.Link) {
	onDisk := s.isOnDiskAsIs(link)
	if row, found := s.remote.index(link.UID); found && link.Kind != mailbox.PendingUpload {
		s.seenRows.set(row)
	}
	if !s.whole && onDisk && !s.claimed.Contains(link.UID) && s.remote.HasAsIs(link, s.known.Remote.UIDNext) {
		return
	}
	s.links = append(s.links, *link)
}

func (s *Sieve) isOnDiskAsIs(link *mailbox.Link) bool {
	if s.local.Unchanged || s.local.Missing || link.Key == "" {
		return s.local.Unchanged
	}
	i, found := s.find(link.Key)
	if !found {
		s.missing[link.Key] = true
		return false
	}
	s.seenFiles.set(i)
	return s.files[i].Flags.Equal(link.Local)
}

func (s *Sieve) find(key mailbox.Key) (int, bool) {
	return slices.BinarySearchFunc(s.files, key, func(f mailbox.LocalFile, key mailbox.Key) int { return cmp.Compare(f.Key, key) })
}

// IsMissing reports whether the base has a key that the listing lacks: the
// engine looks a second time before it believes that the file is gone.
func (s *Sieve) IsMissing(key mailbox.Key) bool { return s.missing[key] }

// HasMissing reports whether any key of the base is missing.
func (s *Sieve) HasMissing() bool { return len(s.missing) > 0 }

// AddFile adds a file that a second look found: one that was missing, or a new
// one. A file that the first listing has is left as it was.
func (s *Sieve) AddFile(file mailbox.LocalFile) {
	if _, found := s.find(file.Key); !found {
		s.local.Messages = append(s.local.Messages, mailbox.LocalMessage{Key: file.Key, Flags: file.Flags})
	}
}

// NewKeys lists the files that the base does not know: the engine reads these.
func (s *Sieve) NewKeys() []mailbox.Key {
	var keys []mailbox.Key
	for i, file := range s.files {
		if !s.seenFiles.has(i) {
			keys = append(keys, file.Key)
		}
	}
	for _, m := range s.local.Messages {
		if !s.missing[m.Key] {
			keys = append(keys, m.Key)
		}
	}
	return keys
}

// HasStrangers reports whether a Delta shows a message below the checkpoint's
// UIDNext that the base does not have. Then base and checkpoint contradict each
// other, and everything has to be asked. (Where nothing is pulled, the base
// need not have it.)
func (s *Sieve) HasStrangers() bool {
	for i, row := range s.remote.Messages {
		if s.policy.Pull.New && s.remote.Delta && row.UID < s.known.Remote.UIDNext && !s.seenRows.has(i) {
			return true
		}
	}
	return false
}

// Base returns what is left of the base.
func (s *Sieve) Base() Base { return BaseOf(s.known, s.links) }

// Local returns what is left of the listing, new files without Content.
func (s *Sieve) Local() Local {
	local := s.local
	needed := newBits(len(s.files))
	for i := range s.links {
		if at, found := s.find(s.links[i].Key); found {
			needed.set(at)
		}
	}
	for i, file := range s.files {
		if needed.has(i) || !s.seenFiles.has(i) || s.whole {
			local.Messages = append(local.Messages, mailbox.LocalMessage{Key: file.Key, Flags: file.Flags})
		}
	}
	slices.SortFunc(local.Messages, func(a, b mailbox.LocalMessage) int { return cmp.Compare(a.Key, b.Key) })
	return local
}

// Remote returns what is left of the rows.
func (s *Sieve) Remote() Remote {
	remote := s.remote
	if s.whole {
		return remote
	}
	kept := newBits(len(remote.Messages))
	for i := range s.links {
		if at, found := remote.index(s.links[i].UID); found {
			kept.set(at)
		}
	}
	rows := remote.Messages[:0:0]
	for i, row := range remote.Messages {
		if kept.has(i) || !s.seenRows.has(i) {
			rows = append(rows, row)
		}
	}
	remote.Messages = rows
	return remote
}

// bits is a set of small numbers.
type bits []uint64

func newBits(n int) bits      { return make(bits, (n+63)/64) }
func (b bits) set(i int)      { b[i/64] |= 1 << (i % 64) }
func (b bits) has(i int) bool { return b[i/64]&(1<<(i%64)) != 0 }
