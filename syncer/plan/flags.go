package plan

import "mailferry/syncer/mailbox"

// mergeFlags carries each side's changes to the other, one flag at a time.
//
// A side's base moves only with the change that it stands for: what a policy
// leaves alone, or what fails, still looks changed in the next run. What a side
// cannot hold never enters its base, so it does not look removed there.
func (m *maker) mergeFlags(link *mailbox.Link, rule Rule) {
	now := *link
	if row, ok := m.remote.find(link.UID); ok && row.HasFlags {
		now.Remote = row.Flags
	}
	if file, ok := m.fileOf(link); ok {
		now.Local = file.Flags
	}
	fromServer := mailbox.ChangeBetween(link.Remote, now.Remote)
	fromDisk := mailbox.ChangeBetween(link.Local, now.Local)

	both := mailbox.FlagChange{Add: fromServer.Add.Intersect(fromDisk.Add), Remove: fromServer.Remove.Intersect(fromDisk.Remove)}
	if !both.IsEmpty() {
		m.book(link, both)
		fromServer, fromDisk = without(fromServer, both), without(fromDisk, both)
	}
	if m.policy.Pull.Flags && !fromServer.IsEmpty() {
		if after := fromServer.Apply(now.Local); after.Equal(now.Local) {
			m.book(link, fromServer)
		} else {
			m.act(Action{Kind: FlagLocal, Rule: rule, UID: link.UID, Key: link.Key, Flags: after, Change: fromServer, Link: link})
		}
	}
	if fromDisk.IsEmpty() {
		return
	}
	if !m.policy.Push.Flags {
		m.plan.LocalSettled = false
		return
	}
	storable := mailbox.FlagChange{Add: m.remote.Holds.Keep(fromDisk.Add), Remove: fromDisk.Remove}
	if after := storable.Apply(now.Remote); after.Equal(now.Remote) {
		// Nothing that the server could keep: the state keeps it.
		link.Agreed, link.Local = fromDisk.Apply(link.Agreed), fromDisk.Apply(link.Local)
		link.Remote = storable.Apply(link.Remote)
		m.dirty[link] = true
	} else {
		m.act(Action{Kind: FlagRemote, Rule: rule, UID: link.UID, Key: link.Key, Flags: after, Change: fromDisk, Link: link})
	}
}

// book records a change that both sides already show.
func (m *maker) book(link *mailbox.Link, change mailbox.FlagChange) {
	link.Agreed, link.Remote, link.Local = change.Apply(link.Agreed), change.Apply(link.Remote), change.Apply(link.Local)
	m.dirty[link] = true
}

func without(change, done mailbox.FlagChange) mailbox.FlagChange {
	return mailbox.FlagChange{Add: change.Add.Minus(done.Add), Remove: change.Remove.Minus(done.Remove)}
}

// FlagsStored updates a link after the server was asked to make the change of
// a FlagRemote action, of which it can hold only some.
func FlagsStored(link *mailbox.Link, change mailbox.FlagChange, holds mailbox.Holds) {
	stored := mailbox.FlagChange{Add: holds.Keep(change.Add), Remove: change.Remove}
	link.Agreed = change.Apply(link.Agreed)
	link.Local = change.Apply(link.Local)
	link.Remote = stored.Apply(link.Remote)
}

// FlagsSet updates a link after the file was given the change of a FlagLocal
// action and now has the flags held.
func FlagsSet(link *mailbox.Link, change mailbox.FlagChange, held mailbox.Flags) {
	set := mailbox.FlagChange{Add: change.Add.Intersect(held), Remove: change.Remove}
	link.Agreed = change.Apply(link.Agreed)
	link.Remote = change.Apply(link.Remote)
	link.Local = set.Apply(link.Local)
}
