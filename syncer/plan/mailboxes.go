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
		if !staysBehind(base, p) {
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

// staysBehind reports whether the mailbox holds messages that one side keeps
// for itself: it stays then, on that side only.
func staysBehind(base Base, p Plan) bool {
	return slices.ContainsFunc(base.Links, func(link mailbox.Link) bool {
		isKept := link.Kind == mailbox.KeptLocal || link.Kind == mailbox.KeptRemote || link.Kind == mailbox.Skipped
		return isKept && !slices.Contains(p.Forget, link.ID)
	})
}

// makeAnew brings a mailbox back on the side that lacks it, as if it were new.
func makeAnew(base Base, local Local, remote Remote, policy Policy) Plan {
	fresh := Base{Known: mailbox.Known{ID: base.Known.ID, Name: base.Known.Name, Remote: base.Known.Remote}}
	local.Messages = slices.Clone(local.Messages)
	for i := range local.Messages {
		for _, link := range base.Links {
			if link.Key == local.Messages[i].Key && local.Messages[i].Content.Hash.IsZero() {
				local.Messages[i].Content, local.Messages[i].Date = link.Content, link.Date
			}
		}
	}
	var forget []mailbox.LinkID
	for _, link := range base.Links {
		if link.Kind == mailbox.KeptLocal {
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
