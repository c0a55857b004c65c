package verify

import (
	"errors"

	"mailferry/syncer/mailbox"
)

// couple is one message as both sides have it.
type couple struct {
	here, there *Message
	// rewritten says what a server changed of the octets, "" for nothing.
	rewritten string
}

// paired is a mailbox's messages, told apart.
type paired struct {
	couples             []couple
	onlyHere, onlyThere []*Message
}

// pairUp finds each message's other copy, one to one: by the link that a run
// made, if the UIDs here are those of there, and by content otherwise.
func pairUp(here, there []*Message, linked bool) paired {
	p := paired{onlyHere: here, onlyThere: there}
	if linked {
		p.match(func(m *Message) any {
			if m.UID == 0 || m.isGone() {
				return nil // its file may be in another folder now
			}
			return m.UID
		})
	}
	// Copies with equal flags first, so that identical messages do not cross.
	p.match(func(m *Message) any {
		if key := contentKey(m); key != nil {
			return [2]any{key, m.Flags}
		}
		return nil
	})
	p.match(contentKey)
	return p
}

// isGone reports whether a message that both sides had is not on disk.
func (m *Message) isGone() bool {
	return errors.Is(m.Trouble, mailbox.ErrNotFound) && m.Link != nil && m.Link.Kind == mailbox.Linked
}

// contentKey is what messages are known by: the hash of one that was read, else
// size and date. nil is not known at all.
func contentKey(m *Message) any {
	switch {
	case !m.Hash.IsZero():
		return m.Hash
	case m.Trouble == nil && m.Size >= 0 && m.Date.Known:
		return [2]int64{m.Size, m.Date.Unix}
	}
	return nil
}

// match couples messages of the same key in their order.
func (p *paired) match(key func(*Message) any) {
	if len(p.onlyHere) == 0 || len(p.onlyThere) == 0 {
		return
	}
	waiting := make(map[any][]*Message, len(p.onlyThere))
	for _, m := range p.onlyThere {
		if k := key(m); k != nil {
			waiting[k] = append(waiting[k], m)
		}
	}
	taken := map[*Message]bool{}
	var left []*Message
	for _, m := range p.onlyHere {
		k := key(m)
		if k == nil || len(waiting[k]) == 0 {
			left = append(left, m)
			continue
		}
		other := waiting[k][0]
		waiting[k] = waiting[k][1:]
		taken[other] = true
		p.couples = append(p.couples, couple{here: m, there: other})
	}
	var rest []*Message
	for _, m := range p.onlyThere {
		if !taken[m] {
			rest = append(rest, m)
		}
	}
	p.onlyHere, p.onlyThere = left, rest
}

// differing compares what does not change a message's octets.
func (c couple) differing() []Difference {
	var found []Difference
	here, there := c.here.Flags, c.there.Flags
	if link := c.here.Link; link != nil && here.Equal(link.Local) {
		if there.Equal(link.Remote) && link.UID == c.there.UID {
			here, there = mailbox.Flags{}, mailbox.Flags{} // as the last run left both
		} else {
			here = link.Agreed // a keyword that the disk has no room for counts
		}
	}
	if a, b := here.Minus(here.OnlyKeywords()), there.Minus(there.OnlyKeywords()); !a.Equal(b) {
		found = append(found, c.difference(Flags, flagText(a)+" here, "+flagText(b)+" there"))
	}
	if a, b := here.OnlyKeywords(), there.OnlyKeywords(); !a.Equal(b) {
		found = append(found, c.difference(Keywords, flagText(a)+" here, "+flagText(b)+" there"))
	}
	if a, b := c.here.Date, c.there.Date; a.Known && b.Known && a.Unix != b.Unix {
		const form = "2006-01-02 15:04:05 -0700"
		found = append(found, c.difference(Date, a.Time().Format(form)+" here, "+b.Time().Format(form)+" there"))
	}
	return found
}

func flagText(flags mailbox.Flags) string {
	if flags.IsEmpty() {
		return "none"
	}
	return flags.String()
}

func (c couple) difference(kind Kind, detail string) Difference {
	d := describe(c.here)
	d.Kind, d.Detail = kind, detail
	if c.there != nil {
		d.UID = c.there.UID
	}
	return d
}

func describe(m *Message) Difference {
	return Difference{UID: m.UID, Key: m.Key, Size: max(m.Size, 0), Date: m.Date, Hash: m.Hash}
}
