package plan

import (
	"slices"

	"mailferry/syncer/mailbox"
)

// MakeMailbox is Make for a mailbox that may be missing on one side: it also
// decides whether the mailbox is made there or deleted here.
func MakeMailbox(base Base, local Local, remote Remote, policy Policy) Plan {
	switch known := base.Known; {
	case local.Missing && remote.Missing:
		p := Plan{Mailbox: known.Name, Settled: true, LocalSettled: true}
		for _, link := range base.Links {
			p.Forget = append(p.Forget, link.ID)
		}
		return p
	case remote.Missing && known.HasRemote && known.Name == mailbox.Inbox:
		// Every account has an INBOX: a server that says it has gone is not
		// to be believed. (RFC 9051, section 5.1)
		return Plan{Mailbox: known.Name}
	case remote.Missing && known.HasRemote && known.HasLocal:
		return makeDeleted(base, local, remote, policy, deletion{
			follows: policy.Pull.Deletions && policy.Pull.Mailboxes && policy.OnRemoteDelete != Keep,
			kind:    DeleteMailboxLocal, part: RemoveLocal,
		})
	case local.Missing && known.HasLocal && known.HasRemote && !policy.Heal:
		return makeDeleted(base, local, remote, policy, deletion{
			follows: policy.Push.Deletions && policy.Push.Mailboxes && policy.OnLocalDelete != Keep,
			kind:    DeleteMailboxRemote, part: ExpungeRemote,
		})
	}
	return makeMissing(base, local, remote, policy)
}

type deletion struct {
	follows bool
	// kind deletes the mailbox, part one message of it.
	kind, part Kind
}

// makeDeleted follows the deletion of a mailbox only if everything in it was
// known and has not changed since. Otherwise the mailbox comes back whole on
// the side that lacks it: what somebody still cares about is not torn apart.
func makeDeleted(base Base, local Local, remote Remote, policy Policy, d deletion) Plan {
	p := Make(base, local, remote, policy)
	if base.Known.Name == mailbox.Inbox && d.kind == DeleteMailboxRemote {
		// INBOX cannot be deleted on a server: what is in it is decided
		// message by message, and the folder comes back.
		p.Actions = slices.Insert(p.Actions, 0, Action{Kind: CreateMailboxLocal, Mailbox: p.Mailbox})
		slices.SortStableFunc(p.Actions, compareActions)
		return p
	}
	if !d.follows {
		return withMailbox(p, base, local, remote, policy)
	}
	isPart := func(a Action) bool { return a.Kind == d.part || a.Kind == MoveRemote && a.IsDeletion() }
	if p.Settled && !slices.ContainsFunc(p.Actions, func(a Action) bool { return !isPart(a) }) {
		if leavesNothing(p, base, local, remote) {
			p.act(Action{Kind: d.kind})
		}
		return p
	}
	if !p.Settled && !slices.ContainsFunc(p.Actions, func(a Action) bool { return a.Kind == Upload || a.Kind == Download }) {
		// Nobody can tell what is in it: nothing happens in this run.
		p.Actions = nil
		return p
	}
	return makeAnew(base, local, remote, policy)
}

// leavesNothing reports whether the plan takes away every message of a mailbox
// that one side lacks: what is kept there for good keeps the mailbox.
func leavesNothing(p Plan, base Base, local Local, remote Remote) bool {
	uids, keys := map[mailbox.UID]bool{}, map[mailbox.Key]bool{}
	for _, action := range p.Actions {
		uids[action.UID], keys[action.Key] = true, true
	}
	for i := range base.Links {
		link := &base.Links[i]
		isLeft := link.UID != 0 && !uids[link.UID] && remote.side(link, base.Known.Remote.UIDNext) != Gone
		if isLeft || !keys[link.Key] && local.side(link) != Gone {
			return false
		}
	}
	return !slices.ContainsFunc(local.Messages, func(m mailbox.LocalMessage) bool { return !keys[m.Key] }) &&
		!slices.ContainsFunc(remote.Messages, func(m mailbox.RemoteMessage) bool { return !uids[m.UID] })
}

// makeAnew brings a mailbox back on the side that lacks it, as if it were new.
func makeAnew(base Base, local Local, remote Remote, policy Policy) Plan {
	fresh := Base{Known: mailbox.Known{ID: base.Known.ID, Name: base.Known.Name, Remote: base.Known.Remote}}
	local = local.withContent(base)
	var forget []mailbox.LinkID
	for _, link := range base.Links {
		if link.Kind == mailbox.KeptLocal || link.Kind == mailbox.PendingExpunge {
			fresh.Links = append(fresh.Links, link)
		} else {
			forget = append(forget, link.ID)
		}
	}
	p := Make(fresh, local, remote, policy)
	p.Forget = append(forget, p.Forget...)
	p.Conflicts++
	p.Anew = true
	return withMailbox(p, fresh, local, remote, policy)
}

// makeMissing decides the messages, and makes the mailbox where it is missing
// if it is new or if messages are to go there.
func makeMissing(base Base, local Local, remote Remote, policy Policy) Plan {
	return withMailbox(Make(base, local, remote, policy), base, local, remote, policy)
}

func withMailbox(p Plan, base Base, local Local, remote Remote, policy Policy) Plan {
	has := func(kind Kind) bool {
		return slices.ContainsFunc(p.Actions, func(a Action) bool { return a.Kind == kind })
	}
	isNew := !base.Known.HasRemote && !base.Known.HasLocal
	if local.Missing && (has(Download) || isNew && policy.Pull.Mailboxes) {
		p.act(Action{Kind: CreateMailboxLocal})
	}
	if remote.Missing && (has(Upload) || isNew && policy.Push.Mailboxes) {
		p.act(Action{Kind: CreateMailboxRemote})
	}
	return p
}

func (p *Plan) act(action Action) {
	action.Mailbox = p.Mailbox
	p.Actions = append(p.Actions, action)
	slices.SortStableFunc(p.Actions, compareActions)
}
