package plan

import "mailferry/syncer/mailbox"

// adoptRenamedFiles recognises files that a mail reader gave a new name, and
// messages of which a copy came back, by their hash.
func (m *maker) adoptRenamedFiles() {
	if m.local.Unchanged {
		return
	}
	lost := m.lostLinks()
	if len(lost) == 0 {
		return
	}
	for i := range m.local.Messages {
		file := &m.local.Messages[i]
		links := lost[file.Content.Hash]
		if m.files[file.Key] || file.Content.Hash.IsZero() || len(links) == 0 {
			continue
		}
		link := links[0]
		lost[file.Content.Hash] = links[1:]
		m.files[file.Key] = true
		if m.mayBeGone(link) {
			m.plan.Settled = false // whose file it is shows in a complete listing
			continue
		}
		link.Key = file.Key
		switch link.Kind {
		case mailbox.KeptRemote:
			m.reunite(link, file)
		case mailbox.PendingDownload:
			link.Kind = mailbox.Linked
		}
		m.dirty[link] = true
	}
}

// lostLinks are the links that have no file. Of identical messages those come
// first that had one and that the server surely has: the others may have been
// deleted there, and to wait for a complete listing would take their twin's file
// from it. One that was never on disk has no file that could have been renamed.
func (m *maker) lostLinks() map[mailbox.Hash][]*mailbox.Link {
	lost := map[mailbox.Hash][]*mailbox.Link{}
	var doubtful []*mailbox.Link
	for i := range m.links {
		link := &m.links[i]
		switch {
		case link.Content.Hash.IsZero() || !m.isLost(link):
		case m.mayBeGone(link) || link.Kind != mailbox.Linked:
			doubtful = append(doubtful, link)
		default:
			lost[link.Content.Hash] = append(lost[link.Content.Hash], link)
		}
	}
	for _, link := range doubtful {
		lost[link.Content.Hash] = append(lost[link.Content.Hash], link)
	}
	return lost
}

// mayBeGone reports whether no complete listing tells where a message is.
func (m *maker) mayBeGone(link *mailbox.Link) bool {
	return link.UID != 0 && m.remote.side(link, m.below) == Unknown
}

// isLost reports whether a link has no file, and may be given another one with
// the same octets. A message that is gone from the server is given none: what
// follows from that would be the deletion of a file that the base never had.
func (m *maker) isLost(link *mailbox.Link) bool {
	disk := m.local.side(link)
	if disk != Gone && disk != Unknown {
		return false
	}
	if link.UID == 0 || link.Kind == mailbox.PendingUpload {
		return link.Kind != mailbox.KeptRemote
	}
	return m.remote.side(link, m.below) != Gone
}

// reunite links a message that was kept on the server with a file that came
// back. Their flags are united.
func (m *maker) reunite(link *mailbox.Link, file *mailbox.LocalMessage) {
	link.Kind = mailbox.Linked
	row, ok := m.remote.find(link.UID)
	if ok && row.HasFlags {
		common := row.Flags.Intersect(file.Flags)
		link.Agreed, link.Remote, link.Local = common, common, common
		return
	}
	link.Local = link.Remote.Intersect(file.Flags)
	if missing := link.Remote.Minus(file.Flags); m.policy.Pull.Flags && !missing.IsEmpty() {
		m.act(Action{
			Kind: FlagLocal, Rule: "flags-from-server", UID: link.UID, Key: link.Key,
			Flags: file.Flags.Union(missing), Change: mailbox.FlagChange{Add: missing}, Link: link,
		})
	}
}
