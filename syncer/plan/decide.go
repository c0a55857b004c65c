package plan

import "mailferry/syncer/mailbox"

// decideLink looks up what is to become of a message that the base knows.
func (m *maker) decideLink(link *mailbox.Link) {
	if m.forgotten[link] {
		return
	}
	switch link.Kind {
	case mailbox.Linked:
		m.decideLinked(link)
	case mailbox.PendingUpload:
		m.decidePendingUpload(link)
	case mailbox.KeptLocal:
		m.decideKeptLocal(link)
	case mailbox.KeptRemote, mailbox.Skipped, mailbox.PendingDownload:
		m.decideLeftOnServer(link)
	}
}

// decideKeptLocal leaves the file alone, unless it is asked for or the policy is
// to fill the server up. What the server took and altered (Since is not 0) is
// not missing there.
func (m *maker) decideKeptLocal(link *mailbox.Link) {
	file, isThere := m.fileOf(link)
	switch {
	case m.local.side(link) == Gone:
		m.forget(link)
	case !isThere:
	case m.policy.BringBack[link.Key] && m.mayBeThere(link.Content, link.Date, 0):
		m.plan.Settled = false
	case m.policy.BringBack[link.Key]:
		file.Content, file.Date = link.Content, link.Date
		m.send(file, link, BroughtBack)
	case m.policy.Refill && link.Since == 0 && !m.mayBeThere(link.Content, link.Date, 0):
		m.sendAgain(link, "new-on-disk")
	}
}

func (m *maker) decideLinked(link *mailbox.Link) {
	if link.UID == 0 {
		m.decideUnmatched(link)
		return
	}
	server, disk := m.remote.side(link, m.below), m.local.side(link)
	if server == Changed && disk == Gone && m.isOnlyMarkedDeleted(link) {
		// Both sides want it gone. It may be our own mark: a run that was
		// killed between UID STORE and UID EXPUNGE leaves it behind.
		server = Same
	}
	row := rule(server, disk)
	switch row.Effect {
	case Nothing:
		if row.Rule != "in-step" {
			m.plan.Settled = false
		}
	case MergeFlags:
		m.mergeFlags(link, row.Rule)
	case FollowServer:
		m.followServer(link, row.Rule)
	case FollowDisk:
		m.followDisk(link, row.Rule)
	case SendAgain:
		m.plan.Conflicts++
		m.sendAgain(link, row.Rule)
	case FetchAgain:
		m.plan.Conflicts++
		m.fetchAgain(link, row.Rule)
	case Unlink:
		m.forget(link)
	}
}

// isOnlyMarkedDeleted reports whether \Deleted is all that the server changed.
func (m *maker) isOnlyMarkedDeleted(link *mailbox.Link) bool {
	row, ok := m.remote.find(link.UID)
	mark := mailbox.NewFlags(mailbox.FlagDeleted)
	return ok && row.HasFlags && !link.Remote.Has(mailbox.FlagDeleted) && row.Flags.Equal(link.Remote.Union(mark))
}

// decideUnmatched deals with a message that lost its UID when the server
// renumbered, and that no message there matches.
func (m *maker) decideUnmatched(link *mailbox.Link) {
	file, ok := m.fileOf(link)
	switch {
	case !ok && m.local.side(link) == Gone:
		m.forget(link)
	case !ok, m.mayBeThere(link.Content, link.Date, 0):
		m.plan.Settled = false
	case !m.policy.Push.New:
		m.become(link, mailbox.KeptLocal)
	default:
		m.forget(link)
		file.Content, file.Date = link.Content, link.Date
		m.send(file, nil, "new-on-disk")
	}
}

// decidePendingUpload deals with an upload that no listing has confirmed and
// no message on the server matches.
func (m *maker) decidePendingUpload(link *mailbox.Link) {
	file, ok := m.fileOf(link)
	switch {
	case !ok && m.local.side(link) == Gone:
		m.forget(link)
	case !ok, m.mayBeThere(link.Content, link.Date, max(link.Since, 1)):
		// Sending it now could make it twice.
		m.plan.Settled = false
	case m.policy.Push.New:
		file.Content = link.Content
		file.Date = link.Date
		m.send(file, link, "new-on-disk")
	default:
		m.plan.LocalSettled = false
	}
}

// decideLeftOnServer deals with messages that the disk lacks, on purpose or
// because a run was killed before the file had its name.
func (m *maker) decideLeftOnServer(link *mailbox.Link) {
	// Only a listing tells whether a download got its name.
	mayBeHere := link.Kind == mailbox.PendingDownload && (m.local.Unchanged || m.local.side(link) == Unknown)
	if link.UID == 0 {
		if mayBeHere || m.mayBeThere(link.Content, link.Date, 0) {
			m.plan.Settled = false
		} else {
			m.forget(link)
		}
		return
	}
	switch m.remote.side(link, m.below) {
	case Gone:
		m.forget(link)
		return
	case Unknown:
		m.plan.Settled = false
		return
	}
	if mayBeHere {
		m.plan.Settled = false
		return
	}
	wanted := link.Kind == mailbox.PendingDownload || m.policy.Heal && link.Kind == mailbox.KeptRemote
	if link.Kind == mailbox.Skipped {
		wanted = !m.tooLarge(link.Content.Size)
	}
	switch {
	case wanted && m.policy.Pull.New:
		m.fetchAgain(link, "new-on-server")
	case link.Kind == mailbox.Skipped:
		m.plan.LocalSettled = false // another limit may bring it
	}
}

func (m *maker) followServer(link *mailbox.Link, rule Rule) {
	if m.policy.Refill {
		m.sendAgain(link, "new-on-disk")
		return
	}
	if !m.policy.Pull.Deletions || m.policy.OnRemoteDelete == Keep {
		m.plan.Dropped++
		link.UID, link.Since = 0, 0
		m.become(link, mailbox.KeptLocal)
		return
	}
	m.act(Action{Kind: RemoveLocal, Rule: rule, UID: link.UID, Key: link.Key, Size: link.Content.Size, Flags: link.Local, Link: link})
}

func (m *maker) followDisk(link *mailbox.Link, rule Rule) {
	switch {
	case m.policy.Heal:
		m.fetchAgain(link, rule)
	case !m.policy.Push.Deletions || m.policy.OnLocalDelete == Keep:
		link.Key = ""
		m.become(link, mailbox.KeptRemote)
	case m.policy.OnLocalDelete == Trash && m.remote.Trash == "":
		// To expunge is not what was asked for.
		m.plan.Settled = false
		m.plan.TrashMissing++
	default:
		action := Action{Kind: ExpungeRemote, Rule: rule, UID: link.UID, Key: link.Key, Size: link.Content.Size, Flags: link.Remote, Link: link}
		if trash := m.remote.Trash; m.policy.OnLocalDelete == Trash && trash != m.base.Known.Name {
			action.Kind, action.To = MoveRemote, trash
		}
		m.act(action)
	}
}

func (m *maker) sendAgain(link *mailbox.Link, rule Rule) {
	if !m.policy.Push.New {
		link.UID = 0
		m.become(link, mailbox.KeptLocal)
		return
	}
	file, _ := m.fileOf(link)
	file.Content, file.Date = link.Content, link.Date
	m.send(file, link, rule)
}

// fetchAgain downloads a message whose link is there. The link is used again.
func (m *maker) fetchAgain(link *mailbox.Link, rule Rule) {
	row, ok := m.remote.find(link.UID)
	if !ok || !row.HasFlags {
		row.Flags = link.Remote
	}
	if !ok || !row.HasSize {
		row.Size = link.Content.Size
	}
	row.UID = link.UID
	if !row.Date.Known {
		row.Date = link.Date
	}
	if row.ContentID == 0 {
		row.ContentID = link.ContentID
	}
	m.receive(row, link, rule)
}

// decideNewRows receives what is on the server only.
func (m *maker) decideNewRows() {
	for _, row := range m.remote.Messages {
		if !m.isLinked(row.UID) && m.policy.Pull.New && !m.plan.Unanswered.Contains(row.UID) {
			m.receive(row, nil, "new-on-server")
		}
	}
}

// decideNewFiles sends what is on the disk only.
func (m *maker) decideNewFiles() {
	for _, file := range m.local.Messages {
		switch {
		case m.files[file.Key]:
		case !m.policy.Push.New:
			m.plan.LocalSettled = false
			if !file.Content.Hash.IsZero() {
				m.plan.Strange = append(m.plan.Strange, file)
			}
		case m.mayBeThere(file.Content, file.Date, 0):
			m.plan.Settled = false
		default:
			m.send(file, nil, "new-on-disk")
		}
	}
}

func (m *maker) tooLarge(size int64) bool {
	return m.policy.MaxMessageSize > 0 && size > m.policy.MaxMessageSize
}

func (m *maker) receive(row mailbox.RemoteMessage, old *mailbox.Link, rule Rule) {
	link := &mailbox.Link{
		Kind: mailbox.PendingDownload, UID: row.UID, Date: row.Date,
		Agreed: row.Flags, Remote: row.Flags, Local: row.Flags,
		Content: mailbox.Content{Size: row.Size}, ContentID: row.ContentID,
	}
	if old != nil {
		link.ID = old.ID
		m.fetched[old.ID] = true
	}
	if m.tooLarge(row.Size) {
		m.plan.LocalSettled = false
		if old == nil || old.Kind != mailbox.Skipped {
			link.Kind = mailbox.Skipped
			m.plan.Put = append(m.plan.Put, link)
		}
		return
	}
	m.act(Action{Kind: Download, Rule: rule, UID: row.UID, Size: row.Size, Flags: row.Flags, Date: row.Date, Link: link})
}

func (m *maker) send(file mailbox.LocalMessage, old *mailbox.Link, rule Rule) {
	if m.tooLarge(file.Content.Size) {
		m.plan.LocalSettled = false
		if old != nil && old.UID != 0 {
			// The base still has it on the server, where it is gone: a
			// checkpoint would vouch for it.
			m.plan.Settled = false
		}
		return
	}
	kept := m.remote.Holds.Keep(file.Flags)
	link := &mailbox.Link{
		Kind: mailbox.PendingUpload, Key: file.Key, Content: file.Content, Date: file.Date,
		Agreed: file.Flags, Remote: kept, Local: file.Flags, Since: max(m.remote.Status.UIDNext, 1),
	}
	if old != nil {
		link.ID = old.ID
	}
	m.act(Action{Kind: Upload, Rule: rule, Key: file.Key, Size: file.Content.Size, Flags: kept, Date: file.Date, Link: link})
}

func (m *maker) act(action Action) {
	action.Mailbox = m.base.Known.Name
	m.plan.Actions = append(m.plan.Actions, action)
}
