package plan

import (
	"slices"

	"mailferry/syncer/mailbox"
)

// put writes a link to the state and checks what the state would refuse.
func (w *world) put(link *mailbox.Link) {
	if link.ID == 0 {
		w.lastLink++
		link.ID = w.lastLink
	}
	for id, other := range w.links {
		if id == link.ID {
			continue
		}
		sameUID := other.UID != 0 && other.UID == link.UID && other.Kind != mailbox.PendingUpload && link.Kind != mailbox.PendingUpload
		if sameUID || other.Key != "" && other.Key == link.Key {
			w.fail("two links for one message: %s and %s", textOfLink(link), textOfLink(&other))
		}
	}
	w.links[link.ID] = *link
}

// writeBooks does what the engine does before the first action.
func (w *world) writeBooks(p Plan) {
	for _, id := range p.Forget {
		delete(w.links, id)
	}
	for _, link := range p.Put { // two links may change places
		if old, ok := w.links[link.ID]; ok {
			old.UID, old.Key = 0, ""
			w.links[link.ID] = old
		}
	}
	for _, link := range p.Put {
		w.put(link)
	}
	if isFirst := !w.known.HasRemote; isFirst || p.Renumbered || p.Anew {
		w.known.HasRemote, w.known.HasLocal = true, true
		w.known.Remote, w.known.Local = mailbox.Status{UIDValidity: w.status.UIDValidity}, mailbox.Stamp{}
	}
}

// stages is how many steps an action has that a kill can come between.
const stages = 3

// round plans once and carries the plan out in any order. With a crash each
// action gets as far as chance has it, and no checkpoint is written.
func (w *world) round(server, disk look, crash bool) Plan {
	base := w.base()
	remote, local := w.observeServer(base, server), w.observeDisk(base, disk)
	p := w.decide(base, local, remote)
	w.note("server %d disk %d crash %v delta %v unchanged %v: %s", server, disk, crash, remote.Delta, local.Unchanged, textOf(p))
	w.checkPolicy(p)
	if crash && w.intn(4) == 0 {
		return p
	}
	w.writeBooks(p)
	actions := slices.Clone(p.Actions)
	for i := range actions {
		j := i + w.intn(len(actions)-i)
		actions[i], actions[j] = actions[j], actions[i]
	}
	for _, action := range actions {
		steps := stages
		if crash {
			steps = w.intn(stages + 1)
		}
		w.apply(action, steps)
	}
	if !crash {
		w.settle(p, local, remote)
	}
	return p
}

// apply carries out the first steps of an action.
func (w *world) apply(a Action, steps int) {
	link := a.Link
	switch a.Kind {
	case Download:
		w.applyDownload(a, steps)
	case Upload:
		w.applyUpload(a, steps)
	case FlagLocal:
		m := w.disk[a.Key]
		if steps > 0 {
			m.flags = a.Change.Apply(m.flags).Intersect(w.diskHolds)
			w.store(a.Key, m)
		}
		if steps > 1 {
			FlagsSet(link, a.Change, m.flags)
			w.put(link)
		}
	case FlagRemote:
		m := w.server[a.UID]
		if steps > 0 {
			m.flags = w.serverHolds.Keep(a.Change.Apply(m.flags))
			w.touch(a.UID, m)
		}
		if steps > 1 {
			FlagsStored(link, a.Change, w.serverHolds)
			w.put(link)
		}
	case RemoveLocal:
		if m, ok := w.disk[a.Key]; !ok || !m.flags.Equal(link.Local) {
			w.fail("removes a file that changed: %s", textOfAction(a))
		}
		if steps > 0 {
			w.remove(a.Key)
		}
		if steps > 1 {
			delete(w.links, link.ID)
		}
	case ExpungeRemote:
		if _, ok := w.disk[a.Key]; ok {
			w.fail("expunges a message whose file is there: %s", textOfAction(a))
		}
		if steps > 0 { // UID STORE, and then UID EXPUNGE
			m := w.server[a.UID]
			m.flags = m.flags.Union(mailbox.NewFlags(mailbox.FlagDeleted))
			w.touch(a.UID, m)
		}
		if steps > 1 {
			delete(w.server, a.UID)
			w.status.HighestModSeq++
		}
		if steps > 2 {
			delete(w.links, link.ID)
		}
	default:
		w.fail("cannot do %s", textOfAction(a))
	}
}

func (w *world) applyDownload(a Action, steps int) {
	m, ok := w.server[a.UID]
	if !ok {
		w.fail("downloads what is not there: %s", textOfAction(a))
	}
	link := a.Link
	w.lastKey++
	m.flags, m.lie = a.Flags.Intersect(w.diskHolds), 0
	link.Key, link.Content, link.Local = mailbox.Key("d"+textOfKey(w.lastKey)), contentOf(m.name, sizeOf(m.name)), m.flags
	if a.Date.Unix != m.date || !a.Date.Known {
		w.fail("downloads with another date than %d: %s", m.date, textOfAction(a))
	}
	if steps > 0 {
		w.put(link)
	}
	if steps > 1 {
		w.store(link.Key, m)
	}
	if steps > 2 {
		link.Kind = mailbox.Linked
		w.put(link)
	}
}

func textOfKey(n int) string {
	const digits = "0123456789"
	return string([]byte{digits[n/100%10], digits[n/10%10], digits[n%10]})
}

func (w *world) applyUpload(a Action, steps int) {
	m, ok := w.disk[a.Key]
	if !ok {
		w.fail("uploads what is not there: %s", textOfAction(a))
	}
	if contentOf(m.name, sizeOf(m.name)).Hash != a.Link.Content.Hash {
		w.fail("uploads %q under another hash: %s", m.name, textOfAction(a))
	}
	link := a.Link
	if steps > 0 {
		w.put(link)
	}
	if steps > 1 {
		m.flags, m.date = a.Flags, a.Date.Unix
		if w.liesSize {
			m.lie = 13
		}
		uid := w.arrive(m)
		switch {
		case !w.tellsUID:
		case w.liesUID:
			link.UID = w.lie(uid)
		default:
			link.UID = uid
		}
	}
	if steps > 2 {
		w.put(link)
	}
}

// lie returns a UID that is not the message's: one that nothing has, or that of
// a message of another size. A server that names one of the same size lies too
// cleverly to be found out.
func (w *world) lie(truth mailbox.UID) mailbox.UID {
	uid := mailbox.UID(1 + w.intn(int(w.status.UIDNext)))
	if other, ok := w.server[uid]; ok && sizeOf(other.name) != sizeOf(w.server[truth].name) {
		return uid
	}
	return w.status.UIDNext + 1000
}

// settle moves the checkpoint as the engine does: after writing to the server
// only if another look finds nothing but what was written.
func (w *world) settle(p Plan, local Local, remote Remote) {
	if !p.Settled {
		return
	}
	status := remote.Status
	isPush := func(kinds ...Kind) bool {
		return slices.ContainsFunc(p.Actions, func(a Action) bool { return slices.Contains(kinds, a.Kind) })
	}
	if isPush(Upload, FlagRemote, ExpungeRemote) {
		base := w.base()
		base.Known.Remote = remote.Status
		again := w.observeServer(base, well)
		confirmed := w.decide(base, Local{Unchanged: true}, again)
		w.note("confirm: %s", textOf(confirmed))
		w.writeBooks(Plan{Put: confirmed.Put, Forget: confirmed.Forget})
		if confirmed.Settled && len(confirmed.Actions) == 0 {
			status = again.Status
		} else if isPush(Upload) {
			return
		}
	}
	w.known.Remote = status
	w.known.Local = mailbox.Stamp{}
	if p.LocalSettled {
		w.known.Local = local.Stamp
	}
}

// checkPolicy fails for an action that the policy does not allow at all.
func (w *world) checkPolicy(p Plan) {
	for _, a := range p.Actions {
		switch a.Kind {
		case Upload, FlagRemote, ExpungeRemote, MoveRemote, CreateMailboxRemote, DeleteMailboxRemote, RenameMailboxRemote:
			if !w.policy.Push.New {
				w.fail("a policy that pulls writes to the server: %s", textOfAction(a))
			}
		case RemoveLocal:
			if !w.policy.Pull.Deletions {
				w.fail("a policy that keeps everything removes: %s", textOfAction(a))
			}
		}
	}
}
