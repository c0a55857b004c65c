package plan

import (
	"cmp"
	"slices"

	"mailferry/syncer/mailbox"
)

// Base is what both sides of a mailbox last agreed on.
type Base struct {
	// Known is zero for a mailbox that the state does not have.
	Known mailbox.Known
	// Links sorted by UID, then Key: all of them, or those that anything may
	// have to be done about.
	Links []mailbox.Link
	// Rest counts the messages whose links were left out, because both sides
	// have them as the base does.
	Rest int
}

// BaseOf is the part of a mailbox's base that has these links. It sorts them.
func BaseOf(known mailbox.Known, links []mailbox.Link) Base {
	slices.SortFunc(links, func(a, b mailbox.Link) int {
		return cmp.Or(cmp.Compare(a.UID, b.UID), cmp.Compare(a.Key, b.Key), cmp.Compare(a.ID, b.ID))
	})
	return Base{Known: known, Links: links, Rest: max(known.Links-len(links), 0)}
}

// has reports whether a link stands for a message on the server. An upload that
// no listing has confirmed does not.
func (b Base) has(uid mailbox.UID) bool {
	i, _ := slices.BinarySearchFunc(b.Links, uid, func(link mailbox.Link, uid mailbox.UID) int {
		return cmp.Compare(link.UID, uid)
	})
	for ; i < len(b.Links) && b.Links[i].UID == uid; i++ {
		if b.Links[i].Kind != mailbox.PendingUpload {
			return true
		}
	}
	return false
}

// Remote is what the server has now.
type Remote struct {
	// Missing says that the mailbox provably does not exist.
	Missing bool
	mailbox.Observation
	// Messages are the rows that were handed over, in ascending order of UID.
	Messages []mailbox.RemoteMessage
	// Rewritten are messages that AskRewritten asked about and that differ
	// from what was sent by their line ends only.
	Rewritten mailbox.UIDSet
	// Trash is the mailbox with the attribute \Trash, "" if there is none.
	Trash mailbox.Name
}

// Local is what the disk has now.
type Local struct {
	// Missing says that there is no such folder.
	Missing bool
	// Unchanged says that the folder was not listed, since its stamp proves
	// that it is as the base has it.
	Unchanged bool
	// Incomplete says that what is absent is unknown, not gone.
	Incomplete bool
	// Messages sorted by Key. Those not in the base have Content and Date.
	Messages []mailbox.LocalMessage
	Stamp    mailbox.Stamp
	// Alike are the hashes that AskAlike asked for: RemoteMessage's.
	Alike map[mailbox.Key]mailbox.Hash
}

// IsRenumbered reports whether the UIDs in the base mean nothing any more.
// (RFC 9051, section 2.3.1.1)
func IsRenumbered(base Base, remote Remote) bool {
	if remote.Missing || !base.Known.HasRemote || len(base.Links)+base.Rest == 0 {
		return false
	}
	validity := remote.Status.UIDValidity
	return validity == 0 || validity != base.Known.Remote.UIDValidity || isContradicted(base, remote)
}

// isContradicted reports whether a message has another size and another date
// than the base knows under its UID. They never change: another mailbox got
// the name, and by chance its UIDVALIDITY, as Dovecot gives mailboxes made in
// one second the same.
func isContradicted(base Base, remote Remote) bool {
	for i := range base.Links {
		link := &base.Links[i]
		if link.Kind != mailbox.Linked || link.UID == 0 || !link.Date.Known {
			continue
		}
		if row, ok := remote.find(link.UID); ok && contradicts(row, link) {
			return true
		}
	}
	return false
}

func contradicts(row mailbox.RemoteMessage, link *mailbox.Link) bool {
	return row.HasSize && row.Size != link.Content.Size && row.Date.Known && row.Date.Unix != link.Date.Unix
}

// HasAsIs reports whether the server provably has a message that both sides
// had, as the base knows it: then its link may be left out of a Base, together
// with its row. below is the checkpoint's UIDNext.
func (r Remote) HasAsIs(link *mailbox.Link, below mailbox.UID) bool {
	if link.IsOdd() || r.side(link, below) != Same {
		return false
	}
	row, ok := r.find(link.UID)
	return !ok || !contradicts(row, link)
}

func (r Remote) find(uid mailbox.UID) (mailbox.RemoteMessage, bool) {
	i, ok := r.index(uid)
	if !ok {
		return mailbox.RemoteMessage{}, false
	}
	return r.Messages[i], true
}

func (r Remote) index(uid mailbox.UID) (int, bool) {
	return slices.BinarySearchFunc(r.Messages, uid, func(m mailbox.RemoteMessage, uid mailbox.UID) int {
		return cmp.Compare(m.UID, uid)
	})
}

// side classifies a link's UID. below is the checkpoint's UIDNext: a Delta
// without Present vouches only for UIDs below it.
func (r Remote) side(link *mailbox.Link, below mailbox.UID) Side {
	if r.Missing {
		return Gone
	}
	if m, ok := r.find(link.UID); ok {
		if m.HasFlags && !m.Flags.Equal(link.Remote) {
			return Changed
		}
		return Same
	}
	switch {
	case r.Spoiled.Contains(link.UID):
		return Unknown // there, but perhaps with other flags
	case r.HasPresent && r.Present.Contains(link.UID):
		return Same
	case !r.Complete:
		return Unknown
	case r.Delta && !r.HasPresent && link.UID < below:
		return Same
	}
	return Gone
}

func (l Local) find(key mailbox.Key) (mailbox.LocalMessage, bool) {
	i, ok := slices.BinarySearchFunc(l.Messages, key, func(m mailbox.LocalMessage, key mailbox.Key) int {
		return cmp.Compare(m.Key, key)
	})
	if !ok {
		return mailbox.LocalMessage{}, false
	}
	return l.Messages[i], true
}

// side classifies a link's Key.
func (l Local) side(link *mailbox.Link) Side {
	switch {
	case link.Key == "":
		return Gone
	case l.Unchanged:
		return Same
	case l.Missing:
		return Gone
	}
	m, ok := l.find(link.Key)
	switch {
	case ok && m.Flags.Equal(link.Local):
		return Same
	case ok:
		return Changed
	case l.Incomplete:
		return Unknown
	}
	return Gone
}

// withContent returns the listing with the content of every file that the base
// knows; of a folder that was not listed, the files that the base has.
func (l Local) withContent(base Base) Local {
	known := make(map[mailbox.Key]*mailbox.Link, len(base.Links))
	for i := range base.Links {
		known[base.Links[i].Key] = &base.Links[i]
	}
	l.Messages = slices.Clone(l.Messages)
	if l.Unchanged {
		l.Unchanged = false
		for key, link := range known {
			if key != "" {
				l.Messages = append(l.Messages, mailbox.LocalMessage{Key: key, Flags: link.Local})
			}
		}
		slices.SortFunc(l.Messages, func(a, b mailbox.LocalMessage) int { return cmp.Compare(a.Key, b.Key) })
	}
	for i := range l.Messages {
		m := &l.Messages[i]
		if link := known[m.Key]; link != nil && m.Content.Hash.IsZero() {
			m.Content, m.Date = link.Content, link.Date
		}
	}
	return l
}

func keySet(links []mailbox.Link) map[mailbox.Key]bool {
	set := make(map[mailbox.Key]bool, len(links))
	for i := range links {
		set[links[i].Key] = true
	}
	return set
}

// HasUnaccounted reports whether the server has messages that neither the base
// nor the rows of a Delta know. The checkpoint is wrong then, and everything
// has to be asked. known are the UIDs that the base has on the server.
func HasUnaccounted(known mailbox.UIDSet, remote Remote) bool {
	if !remote.Delta || !remote.HasPresent {
		return false
	}
	rows := make([]mailbox.UID, len(remote.Messages))
	for i := range remote.Messages {
		rows[i] = remote.Messages[i].UID
	}
	told := mailbox.UIDs(rows...).Union(remote.Spoiled).Union(remote.Rest)
	return !remote.Present.Minus(known).Minus(told).IsEmpty()
}
