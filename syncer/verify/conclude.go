package verify

import (
	"errors"

	"mailferry/syncer/mailbox"
)

// isDamaged reports whether a file is not what was once written.
func (m *Message) isDamaged() bool {
	return !m.Hash.IsZero() && !m.Recorded.IsZero() && m.Hash != m.Recorded
}

// conclude writes a mailbox's findings down. What only one side has waits for
// the other mailboxes.
func (r *run) conclude(b *box, here, there []Message) {
	r.mu.Lock()
	defer r.mu.Unlock()
	report := MailboxReport{
		Name: b.name, RefHere: b.here, RefThere: b.other,
		HasHere: b.hasHere, HasThere: b.hasThere, Years: map[int][2]int{},
	}
	report.Here, report.There = tally(here, 0, report.Years), tally(there, 1, report.Years)
	for _, c := range b.couples {
		found := r.judge(c)
		if len(found) == 0 {
			report.Equal++
		}
		r.find(b, &report, found...)
	}
	if b.hasHere != b.hasThere && report.Here.Messages+report.There.Messages == 0 {
		where := "here"
		if b.hasThere {
			where = "there"
		}
		r.find(b, &report, Difference{Kind: Mailbox, Detail: "the mailbox is only " + where})
	}
	r.report.Mailboxes = append(r.report.Mailboxes, report)
	r.progress.Mailboxes++
	r.tell(true)
	if len(b.onlyHere)+len(b.onlyThere) > 0 {
		b.couples = nil
		r.left = append(r.left, b)
	}
}

func (r *run) find(b *box, report *MailboxReport, found ...Difference) {
	for _, d := range found {
		d.Mailbox = b.name
		if b.there != b.name {
			d.Other = b.there
		}
		if d.Kind.IsLoss() {
			report.Differences++
		}
		r.report.Differences = append(r.report.Differences, d)
	}
}

// judge says how two copies of a message differ.
func (r *run) judge(c couple) []Difference {
	link := c.here.Link
	switch {
	case link != nil && link.Kind == mailbox.KeptRemote && c.here.Key == "":
		r.report.KeptThere++
		return nil
	case link != nil && link.Kind == mailbox.Skipped:
		return []Difference{c.difference(MissingHere, "left on the server by max_message_size")}
	case errors.Is(c.here.Trouble, mailbox.ErrNotFound):
		return []Difference{c.difference(MissingHere, "its file is gone")}
	case c.here.Trouble != nil:
		return []Difference{c.difference(Unreadable, c.here.Trouble.Error())}
	case c.there.Trouble != nil:
		return []Difference{c.difference(Unreadable, "there: "+c.there.Trouble.Error())}
	}
	r.report.Pairs++
	var found []Difference
	if !c.here.Hash.IsZero() && !c.there.Hash.IsZero() {
		r.report.Read++
	}
	switch {
	case c.here.isDamaged():
		found = append(found, c.difference(Damaged, "the file changed since it was written"))
	case c.differInOctets() && c.rewritten != "":
		found = append(found, c.difference(Rewritten, "the server changed "+c.rewritten))
	case c.differInOctets():
		found = append(found, c.difference(Octets, "other octets than there"))
	case c.here.Hash.IsZero() && c.here.Size >= 0 && c.there.Size >= 0 && c.here.Size != c.there.Size:
		found = append(found, c.difference(Octets, "another size than there"))
	}
	return append(found, c.differing()...)
}

// acrossMailboxes looks for what one mailbox lacks in the others, and reports
// what is nowhere.
func (r *run) acrossMailboxes() {
	home := map[*Message]*box{}
	var all paired
	for _, b := range r.left {
		for _, m := range b.onlyHere {
			home[m] = b
		}
		for _, m := range b.onlyThere {
			home[m] = b
		}
		all.onlyHere, all.onlyThere = append(all.onlyHere, b.onlyHere...), append(all.onlyThere, b.onlyThere...)
	}
	all.match(func(m *Message) any {
		if link := m.Link; link != nil && link.Kind == mailbox.KeptLocal && r.Linked {
			return nil // it is not missed there
		}
		return contentKey(m)
	})
	for _, c := range all.couples {
		d := c.difference(Folder, "in another mailbox there")
		r.report.Pairs++
		d.Other = home[c.there].there
		r.addLate(home[c.here], d)
	}
	for _, m := range all.onlyHere {
		r.reportOnlyHere(home[m], m)
	}
	for _, m := range all.onlyThere {
		d := describe(m)
		d.Kind, d.Detail = MissingHere, "only there"
		if gone := goneFrom(home[m], m.UID); gone != nil && r.Linked {
			d.Key, d.Detail = gone.Key, "its file is gone"
		}
		if m.Trouble != nil {
			d.Kind, d.Detail = Unreadable, "there: "+m.Trouble.Error()
		}
		r.addLate(home[m], d)
	}
}

// goneFrom finds what the state remembers of a message that the disk lacks.
func goneFrom(b *box, uid mailbox.UID) *Message {
	for _, m := range b.onlyHere {
		if m.UID == uid && m.isGone() {
			return m
		}
	}
	return nil
}

func (r *run) reportOnlyHere(b *box, m *Message) {
	d := describe(m)
	isGone := errors.Is(m.Trouble, mailbox.ErrNotFound)
	switch link := m.Link; {
	case link != nil && link.Kind == mailbox.KeptLocal && r.Linked && !isGone:
		r.report.KeptHere++
		if m.isDamaged() {
			d.Kind, d.Detail = Damaged, "the file changed since it was written"
			r.addLate(b, d)
		}
		return
	case link != nil && (link.Key == "" || isGone && r.Linked):
		return // gone on both sides
	case isGone:
		d.Kind, d.Detail = MissingHere, "its file is gone"
	case m.Trouble != nil:
		d.Kind, d.Detail = Unreadable, m.Trouble.Error()
	case m.isDamaged():
		d.Kind, d.Detail = Damaged, "the file changed since it was written, and it is not there"
	default:
		d.Kind, d.Detail = MissingThere, "only here"
	}
	r.addLate(b, d)
}

// addLate adds a finding to a mailbox that was concluded.
func (r *run) addLate(b *box, d Difference) {
	for i := range r.report.Mailboxes {
		if m := &r.report.Mailboxes[i]; m.Name == b.name {
			other := d.Other
			r.find(b, m, d)
			if other != "" {
				r.report.Differences[len(r.report.Differences)-1].Other = other
			}
			return
		}
	}
}

// standAlone holds files against what the state remembers of them.
func (r *run) standAlone(b *box, here []Message) {
	r.mu.Lock()
	defer r.mu.Unlock()
	report := MailboxReport{Name: b.name, RefHere: b.here, HasHere: true, Years: map[int][2]int{}}
	report.Here = tally(here, 0, report.Years)
	for i := range here {
		m := &here[i]
		d := describe(m)
		switch {
		case m.Link == nil:
			r.report.Unknown++
			continue
		case m.Key == "":
			continue
		case errors.Is(m.Trouble, mailbox.ErrNotFound):
			d.Kind, d.Detail = MissingHere, "its file is gone"
		case m.Trouble != nil:
			d.Kind, d.Detail = Unreadable, m.Trouble.Error()
		case m.isDamaged():
			d.Kind, d.Detail = Damaged, "the file changed since it was written"
		default:
			report.Equal++
			r.report.Pairs++
			if !m.Hash.IsZero() {
				r.report.Read++
			}
			continue
		}
		r.find(b, &report, d)
	}
	r.report.Mailboxes = append(r.report.Mailboxes, report)
	r.progress.Mailboxes++
	r.tell(true)
}
