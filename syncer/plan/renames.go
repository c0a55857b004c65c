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

// sampleSize is how many messages of a mailbox are compared by their content
// before it is taken for a renamed one.
const sampleSize = 50

// AskRenamed returns messages of a fresh mailbox whose hashes RenamedOnServer
// needs to take it for the one that is gone: none if it cannot be.
func AskRenamed(gone Base, fresh Remote) mailbox.UIDSet {
	common := commonRows(gone, fresh)
	step := max(len(common)/sampleSize, 1)
	var uids mailbox.UIDSet
	for i := 0; i < len(common); i += step {
		uids = uids.Append(common[i].row.UID)
	}
	return uids
}

type common struct {
	link *mailbox.Link
	row  mailbox.RemoteMessage
}

// commonRows lists the messages that both mailboxes have under one UID with
// one size and date; none if any other message has a UID of the old one's, or
// may get one: UIDNEXT never goes back. (RFC 9051, section 2.3.1.1)
func commonRows(gone Base, fresh Remote) []common {
	if fresh.Status.UIDValidity == 0 || fresh.Status.UIDValidity != gone.Known.Remote.UIDValidity {
		return nil
	}
	var list []common
	for i := range gone.Links {
		link := &gone.Links[i]
		row, ok := fresh.find(link.UID)
		if next := fresh.Status.UIDNext; next != 0 && link.UID >= next && link.Kind != mailbox.PendingUpload {
			return nil
		}
		if link.UID == 0 || !ok || !row.HasSize {
			continue
		}
		if row.Size != link.Content.Size || row.Date != link.Date {
			return nil
		}
		list = append(list, common{link, row})
	}
	return list
}

// RenamedOnServer pairs mailboxes that are provably gone from the server with
// new ones that hold the same messages under the same UIDs, and the same
// content as far as AskRenamed's sample goes. UIDVALIDITY alone proves nothing:
// Dovecot gives mailboxes made in one second the same.
func RenamedOnServer(gone []Base, fresh []Fresh) []Rename {
	return pairMailboxes(gone, fresh, func(base Base, fresh Fresh) int {
		rows := commonRows(base, fresh.Remote)
		proven := 0
		for _, c := range rows {
			if !c.row.Header.IsZero() && c.row.Header != c.link.Content.Header || !c.row.Body.IsZero() && c.row.Body != c.link.Content.Hash {
				return 0
			}
			if c.row.HasMessageID || !c.row.Body.IsZero() {
				proven++
			}
		}
		if proven == 0 {
			return 0
		}
		return len(rows)
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
