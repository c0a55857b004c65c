package plan

import (
	"cmp"
	"slices"

	"mailferry/syncer/mailbox"
)

// Rename is a mailbox that has another name on one side.
type Rename struct{ From, To mailbox.Name }

// Fresh is a mailbox that exists on one side only and that the base does not
// know: it may be an old one under a new name.
type Fresh struct {
	Name   mailbox.Name
	Remote Remote
	Local  Local
}

// RenamedOnServer pairs mailboxes that are provably gone from the server with
// new ones that hold the same messages under the same UIDs. UIDVALIDITY alone
// proves nothing: Dovecot gives mailboxes made in one second the same.
func RenamedOnServer(gone []Base, fresh []Fresh) []Rename {
	return pairMailboxes(gone, fresh, func(base Base, fresh Fresh) int {
		if fresh.Remote.Status.UIDValidity == 0 || fresh.Remote.Status.UIDValidity != base.Known.Remote.UIDValidity {
			return 0
		}
		same := 0
		for _, link := range base.Links {
			row, ok := fresh.Remote.find(link.UID)
			if link.UID == 0 || !ok || !row.HasSize {
				continue
			}
			if row.Size != link.Content.Size || row.Date != link.Date {
				return 0
			}
			same++
		}
		return same
	})
}

// RenamedOnDisk pairs folders that are gone with new ones that hold files of
// the same names.
func RenamedOnDisk(gone []Base, fresh []Fresh) []Rename {
	return pairMailboxes(gone, fresh, func(base Base, fresh Fresh) int {
		same := 0
		for _, link := range base.Links {
			if _, ok := fresh.Local.find(link.Key); ok && link.Key != "" {
				same++
			}
		}
		return same
	})
}

// pairMailboxes takes a pair whose likeness, a count of common messages, is at
// least half of what the base knew, most alike first.
func pairMailboxes(gone []Base, fresh []Fresh, likeness func(Base, Fresh) int) []Rename {
	type scored struct {
		Rename
		score int
	}
	var pairs []scored
	for _, base := range gone {
		if base.Known.Name == mailbox.Inbox {
			continue // renaming INBOX moves its messages; it stays (RFC 9051, section 6.3.6)
		}
		linked := 0
		for _, link := range base.Links {
			if link.Kind == mailbox.Linked {
				linked++
			}
		}
		for _, f := range fresh {
			if score := likeness(base, f); score > 0 && 2*score >= linked {
				pairs = append(pairs, scored{Rename{base.Known.Name, f.Name}, score})
			}
		}
	}
	slices.SortStableFunc(pairs, func(a, b scored) int {
		return cmp.Or(cmp.Compare(b.score, a.score), cmp.Compare(a.From, b.From), cmp.Compare(a.To, b.To))
	})
	var renames []Rename
	used := map[mailbox.Name]bool{}
	for _, pair := range pairs {
		if !used["from "+pair.From] && !used["to "+pair.To] {
			used["from "+pair.From], used["to "+pair.To] = true, true
			renames = append(renames, pair.Rename)
		}
	}
	slices.SortFunc(renames, func(a, b Rename) int { return cmp.Compare(a.From, b.From) })
	return renames
}
