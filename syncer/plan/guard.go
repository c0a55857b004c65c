package plan

import (
	"slices"

	"mailferry/syncer/mailbox"
)

// A guard refuses deletions that look like a disaster rather than a wish.
const (
	// freeDeletions a mailbox may see in one run whatever its size.
	freeDeletions = 10
	// freeShare of a mailbox's messages may go in one run: one in freeShare.
	freeShare = 5
)

// Guard takes the deletions that need the user's word out of the plans and
// says which. It lets them pass when all of them together are at most allow.
// untouched counts the messages of the mailboxes that nothing happened to.
func Guard(plans []*Plan, untouched, allow int) []Refusal {
	var refusals []Refusal
	total := 0
	for _, side := range []side{serverSide, diskSide} {
		everything := isEverythingGone(plans, untouched, side)
		for _, p := range plans {
			n := p.deletions(side)
			if n == 0 || !everything && !isTooMany(n, p.Known) {
				continue
			}
			refusal := Refusal{Mailbox: p.Mailbox, Reason: TooManyDeletions, Side: side.name, Deletions: n, Known: p.Known}
			if everything || n == p.Known {
				refusal.Reason = Emptied
			}
			refusal.TakenAway = refusal.Side == serverSide.name && TakenAway(p) > 0
			refusals = append(refusals, refusal)
			total += n
		}
	}
	if total <= allow {
		return nil
	}
	for _, refusal := range refusals {
		for _, p := range plans {
			p.refuseDeletions(refusal)
		}
	}
	return refusals
}

// Of how many messages, and which share of those known, INBOX must be emptied
// before another program is named for it.
const (
	takenAtLeast = 3
	takenShare   = 0.9
)

// TakenAway returns how many messages went from INBOX on the server if it looks
// as if another program collects mail there and deletes it, as POP3 programs do:
// nearly all that both sides had are gone. 0 otherwise.
func TakenAway(p *Plan) int {
	n := p.deletions(serverSide)
	if p.Mailbox != mailbox.Inbox || n < takenAtLeast || float64(n) < takenShare*float64(p.Known) {
		return 0
	}
	return n
}

// side says where messages are missing, and what would follow from it.
type side struct {
	name      string
	deletions []Kind
	mailbox   Kind
	rescue    Rule
}

var (
	serverSide = side{"server", []Kind{RemoveLocal}, DeleteMailboxLocal, "changed-beats-deleted-on-server"}
	diskSide   = side{"disk", []Kind{ExpungeRemote, MoveRemote}, DeleteMailboxRemote, "changed-beats-deleted-on-disk"}
)

func isTooMany(deletions, known int) bool {
	return deletions > max(freeDeletions, known/freeShare)
}

// isEverythingGone reports whether a side that had many messages has none
// left, in small mailboxes that would each pass on their own.
func isEverythingGone(plans []*Plan, untouched int, side side) bool {
	known, missing := untouched, 0
	for _, p := range plans {
		known += p.Known
		missing += p.deletions(side) + p.rescued(side)
	}
	return known > freeDeletions && missing == known
}

// rescued counts messages that are missing on a side and were kept because
// they changed on the other.
func (p *Plan) rescued(side side) int {
	n := 0
	for _, action := range p.Actions {
		if action.Rule == side.rescue {
			n++
		}
	}
	return n
}

func (p *Plan) deletions(side side) int {
	n := 0
	for _, action := range p.Actions {
		if slices.Contains(side.deletions, action.Kind) && action.IsDeletion() {
			n++
		}
	}
	return n
}

// IsDeletion reports whether the action follows the deletion of a message on
// the other side. A move between mailboxes that the user made is none, nor is
// what an archive takes from the server.
func (a Action) IsDeletion() bool {
	switch a.Kind {
	case RemoveLocal, ExpungeRemote:
		return !a.IsArchival()
	case MoveRemote:
		return a.Rule == "deleted-on-disk"
	}
	return false
}

// refuseDeletions takes the refused mailbox's deletions out of its plan, and
// the deletion of any mailbox on that side out of all: where messages vanish
// in numbers, an empty mailbox that is missing proves nothing either.
func (p *Plan) refuseDeletions(refusal Refusal) {
	side := serverSide
	if refusal.Side == diskSide.name {
		side = diskSide
	}
	n := len(p.Actions)
	p.Actions = slices.DeleteFunc(p.Actions, func(action Action) bool {
		isPart := slices.Contains(side.deletions, action.Kind) && action.IsDeletion()
		return action.Kind == side.mailbox || isPart && p.Mailbox == refusal.Mailbox
	})
	if len(p.Actions) != n {
		p.Settled = false
	}
}
