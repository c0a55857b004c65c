package plan

import (
	"cmp"
	"slices"

	"mailferry/syncer/mailbox"
)

// NeedsMarks reports whether what the store remembers of contents can matter
// to any of the plans.
func NeedsMarks(plans []*Plan) bool {
	return slices.ContainsFunc(plans, func(p *Plan) bool {
		return len(p.Strange) > 0 || slices.ContainsFunc(p.Actions, func(a Action) bool {
			return a.IsArchival() || a.Kind == RemoveLocal || a.Kind == Upload && a.Rule == "new-on-disk"
		})
	})
}

// RecogniseArchived takes files that are an archive's out of what is to be
// uploaded: a mail reader moved or copied them, their folder has a new name,
// undo put them back, or the state was lost. Nor are they removed because the
// server has them no more: another machine's archive took them (leave_for). It
// comes after RecogniseMoves: a message that only moved is moved. What was
// brought back to the server is no longer an archive's to take.
func RecogniseArchived(plans []*Plan, marks mailbox.Marks) {
	for _, p := range plans {
		keeps := false
		p.Actions = slices.DeleteFunc(p.Actions, func(a Action) bool {
			if a.Link == nil {
				return false
			}
			switch mark := marks[a.Link.Content.Hash]; {
			case a.IsArchival():
				return mark == mailbox.Returned
			case mark != mailbox.Archived:
				return false
			case a.Kind == RemoveLocal:
				keeps = true
			case a.Kind != Upload || a.Rule != "new-on-disk":
				return false
			}
			p.keepLocal(*a.Link)
			return true
		})
		if keeps { // the folder has something left
			p.Actions = slices.DeleteFunc(p.Actions, func(a Action) bool { return a.Kind == DeleteMailboxLocal })
		}
		for _, file := range p.Strange {
			if marks[file.Content.Hash] == mailbox.Archived {
				p.Put = append(p.Put, &mailbox.Link{
					Kind: mailbox.KeptLocal, Key: file.Key, Content: file.Content, Date: file.Date,
					Agreed: file.Flags, Remote: file.Flags, Local: file.Flags,
				})
			}
		}
		p.Strange = nil
	}
}

// keepLocal puts a link as an archive's, instead of whatever the plan had for
// it.
func (p *Plan) keepLocal(link mailbox.Link) {
	link.Kind, link.UID, link.Since = mailbox.KeptLocal, 0, 0
	p.Put = slices.DeleteFunc(p.Put, func(other *mailbox.Link) bool { return link.ID != 0 && other.ID == link.ID })
	p.Put = append(p.Put, &link)
}

// DoubtClock takes an archive's steps out of all plans if its limit of age
// cannot be told: this machine's clock is behind the last run's end, or more
// than a day behind the mail that the server took last. It returns the moment
// that the clock is behind of.
func DoubtClock(plans []*Plan, limits Retention) (ahead mailbox.Date, isDoubtful bool) {
	if !limits.Before.Known {
		return mailbox.Date{}, false
	}
	now := limits.Now.Unix
	if limits.LastRun.Known && limits.LastRun.Unix > now {
		ahead = limits.LastRun
	}
	for _, p := range plans {
		// Only INBOX: elsewhere programs put mail of any date.
		if arrival := p.LastArrival; p.Mailbox == mailbox.Inbox && arrival.Known && arrival.Unix > now+24*60*60 {
			ahead = arrival
		}
	}
	if !ahead.Known {
		return ahead, false
	}
	for _, p := range plans {
		p.Actions = slices.DeleteFunc(p.Actions, Action.IsArchival)
	}
	return ahead, true
}

// UntilFreed leaves only as many of an archive's expunges as free that many
// octets, the oldest messages of all mailboxes first.
func UntilFreed(plans []*Plan, octets int64) {
	type leaving struct {
		plan   *Plan
		action *Action
	}
	var list []leaving
	for _, p := range plans {
		for i := range p.Actions {
			if p.Actions[i].Rule == archived {
				list = append(list, leaving{p, &p.Actions[i]})
			}
		}
	}
	slices.SortStableFunc(list, func(a, b leaving) int {
		known := func(d mailbox.Date) int {
			if d.Known {
				return 0
			}
			return 1
		}
		return cmp.Or(cmp.Compare(known(a.action.Date), known(b.action.Date)), cmp.Compare(a.action.Date.Unix, b.action.Date.Unix),
			cmp.Compare(a.plan.Mailbox, b.plan.Mailbox), cmp.Compare(a.action.UID, b.action.UID))
	})
	stays := map[*Action]bool{}
	for _, l := range list {
		if octets <= 0 {
			stays[l.action] = true
		}
		octets -= l.action.Size
	}
	for _, p := range plans {
		var kept []Action
		for i := range p.Actions {
			if !stays[&p.Actions[i]] {
				kept = append(kept, p.Actions[i])
			}
		}
		p.Actions = kept
	}
}

// Losses says what each mailbox on the server loses to the archive, of those
// that lose anything, and what remains there.
func Losses(plans []*Plan) []Loss {
	var losses []Loss
	for _, p := range plans {
		loss := Loss{Mailbox: p.Mailbox, Remains: p.OnServer}
		for _, a := range p.Actions {
			if a.Rule == archived {
				loss.Goes.add(a.Size)
				loss.Remains.Messages--
				loss.Remains.Octets -= a.Size
			}
		}
		if loss.Goes.Messages > 0 {
			losses = append(losses, loss)
		}
	}
	return losses
}
