package plan

import (
	"slices"

	"mailferry/syncer/mailbox"
)

// Moved are the headers of messages that may have been moved between
// mailboxes on the server, by mailbox and UID.
type Moved map[mailbox.Name]map[mailbox.UID]HeaderOf

// HeaderOf is what a message's header says of it.
type HeaderOf struct {
	Hash         mailbox.Hash
	HasMessageID bool
}

// sizeAndDate is what two copies of a message on one server have in common.
type sizeAndDate struct {
	size int64
	unix int64
}

func sizeAndDateOf(link *mailbox.Link) (sizeAndDate, bool) {
	return sizeAndDate{link.Content.Size, link.Date.Unix}, link.Date.Known
}

// AskMoved returns, by mailbox, the messages about to be downloaded that are
// as large and as old as one about to be removed elsewhere: their headers tell
// whether they were only moved.
func AskMoved(plans []*Plan) map[mailbox.Name]mailbox.UIDSet {
	removed := map[sizeAndDate]bool{}
	for _, p := range plans {
		for _, a := range p.Actions {
			if a.Kind != RemoveLocal {
				continue
			}
			if id, ok := sizeAndDateOf(a.Link); ok {
				removed[id] = true
			}
		}
	}
	ask := map[mailbox.Name]mailbox.UIDSet{}
	if len(removed) == 0 {
		return ask
	}
	for _, p := range plans {
		for _, a := range p.Actions {
			if a.Kind != Download {
				continue
			}
			if id, ok := sizeAndDateOf(a.Link); ok && removed[id] {
				ask[p.Mailbox] = ask[p.Mailbox].Append(a.UID)
			}
		}
	}
	return ask
}

// RecogniseMoves turns pairs of actions in two mailboxes into one: what is
// new in one and gone from the other was moved, and needs no transfer.
func RecogniseMoves(plans []*Plan, headers Moved) {
	moveOnServer(plans)
	moveOnDisk(plans, headers)
}

// leaving is an action that takes a message out of a mailbox.
type leaving struct {
	plan  *Plan
	index int
}

func (s leaving) action() *Action { return &s.plan.Actions[s.index] }

func takers[K comparable](plans []*Plan, kind Kind, id func(*Action) K) map[K][]leaving {
	found := map[K][]leaving{}
	for _, p := range plans {
		for i := range p.Actions {
			if a := &p.Actions[i]; a.Kind == kind && a.IsDeletion() {
				found[id(a)] = append(found[id(a)], leaving{p, i})
			}
		}
	}
	return found
}

// moveOnServer makes moves of files that a mail reader moved: an upload whose
// octets another mailbox is about to lose. Of several, one with the same flags
// is taken first; other flags follow the message.
func moveOnServer(plans []*Plan) {
	for _, sameFlags := range []bool{true, false} {
		gone := takers(plans, ExpungeRemote, func(a *Action) mailbox.Hash { return a.Link.Content.Hash })
		pairActions(plans, Upload, func(p *Plan, a *Action) *leaving {
			return take(gone, a.Link.Content.Hash, func(s leaving) bool {
				return s.plan != p && (!sameFlags || s.action().Link.Local.Equal(a.Link.Local))
			})
		}, moveRemote)
	}
}

// moveRemote is what becomes of an upload and the expunge that it belongs to.
func moveRemote(a, from *Action) Action {
	link := a.Link
	change := mailbox.ChangeBetween(from.Link.Local, link.Local)
	link.Agreed, link.Remote, link.Local = from.Link.Agreed, from.Link.Remote, from.Link.Local
	link.Unproven = from.Link.Unproven
	link.Date = from.Link.Date
	return Action{
		Kind: MoveRemote, Rule: "moved-on-disk", Mailbox: from.Mailbox, To: a.Mailbox, UID: from.UID, Key: a.Key,
		Size: a.Size, Flags: change.Apply(link.Remote), Change: change, Link: link, Source: from.Link,
	}
}

// moveOnDisk makes moves of messages that were moved on the server: a download
// that has the size, date and header of a file about to be removed. The file
// keeps its key, so it does not go where another message is about to be deleted
// because a file of that key is not there.
func moveOnDisk(plans []*Plan, headers Moved) {
	gone := takers(plans, RemoveLocal, func(a *Action) mailbox.Hash { return a.Link.Content.Header })
	missed := map[*Plan]map[mailbox.Key]bool{}
	for _, p := range plans {
		missed[p] = map[mailbox.Key]bool{}
		for _, a := range p.Actions {
			if a.IsDeletion() && (a.Kind == ExpungeRemote || a.Kind == MoveRemote) {
				missed[p][a.Key] = true
			}
		}
	}
	pairActions(plans, Download, func(p *Plan, a *Action) *leaving {
		header := headers[p.Mailbox][a.UID]
		if !header.HasMessageID || header.Hash.IsZero() {
			return nil
		}
		id, known := sizeAndDateOf(a.Link)
		var fits []leaving
		for _, s := range gone[header.Hash] {
			if other, ok := sizeAndDateOf(s.action().Link); ok && known && id == other && s.plan != p && !missed[p][s.action().Key] {
				fits = append(fits, s)
			}
		}
		if len(fits) != 1 {
			return nil // none, or not to be told apart without their octets
		}
		return take(gone, header.Hash, func(s leaving) bool { return s == fits[0] })
	}, func(a *Action, from *Action) Action {
		link := a.Link
		link.Key, link.Content, link.Unproven = from.Key, from.Link.Content, true
		return Action{
			Kind: MoveLocal, Rule: "moved-on-server", Mailbox: from.Mailbox, To: a.Mailbox, UID: a.UID, Key: from.Key,
			Size: a.Size, Flags: a.Flags, Link: link, Source: from.Link,
		}
	})
}

func take[K comparable](from map[K][]leaving, key K, fits func(leaving) bool) *leaving {
	i := slices.IndexFunc(from[key], fits)
	if i < 0 {
		return nil
	}
	s := from[key][i]
	from[key] = slices.Delete(slices.Clone(from[key]), i, i+1)
	return &s
}

// pairActions replaces each action of a kind that has a partner by a move in
// the plan that the message leaves.
func pairActions(plans []*Plan, kind Kind, partner func(*Plan, *Action) *leaving, move func(a, from *Action) Action) {
	moved := map[*Plan]map[int]bool{}
	drop := func(p *Plan, i int) {
		if moved[p] == nil {
			moved[p] = map[int]bool{}
		}
		moved[p][i] = true
	}
	added := map[*Plan][]Action{}
	for _, p := range plans {
		for i := range p.Actions {
			if p.Actions[i].Kind != kind {
				continue
			}
			if s := partner(p, &p.Actions[i]); s != nil {
				added[s.plan] = append(added[s.plan], move(&p.Actions[i], s.action()))
				drop(p, i)
				drop(s.plan, s.index)
			}
		}
	}
	for p, gone := range moved {
		var kept []Action
		for i, a := range p.Actions {
			if !gone[i] {
				kept = append(kept, a)
			}
		}
		p.Actions = append(kept, added[p]...)
		slices.SortStableFunc(p.Actions, compareActions)
	}
}
