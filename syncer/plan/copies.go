package plan

import (
	"cmp"
	"slices"

	"mailferry/syncer/mailbox"
)

// HeaderWorth is the size from which on a message's header is read to find out
// whether another mailbox has the message already: below, it is half of it.
const HeaderWorth = 8 << 10

// likenessOf says what copies of a message that is to travel have in common with
// it; false if there is too little to tell, or to save. A file that is on its
// way from an earlier run is none: it may have arrived.
func likenessOf(a *Action) (mailbox.Likeness, bool) {
	switch a.Kind {
	case Download:
		return likenessOfRow(a)
	case Upload:
		return mailbox.Likeness{Size: a.Size, Hash: a.Link.Content.Hash}, a.Size > 0 && a.Link.ID == 0 && !a.Link.Content.Hash.IsZero()
	}
	return mailbox.Likeness{}, false
}

func likenessOfRow(a *Action) (mailbox.Likeness, bool) {
	w := mailbox.Likeness{ContentID: a.Link.ContentID, Size: a.Size}
	if w.ContentID != 0 {
		return w, a.Size > 0
	}
	w.Unix = a.Date.Unix
	return w, a.Date.Known && a.Size >= HeaderWorth
}

// AskCopies returns what the downloads and uploads of plans are like: the state
// may have such messages in other mailboxes.
func AskCopies(plans []*Plan) []mailbox.Likeness {
	var wanted []mailbox.Likeness
	for _, p := range plans {
		for i := range p.Actions {
			if w, ok := likenessOf(&p.Actions[i]); ok {
				wanted = append(wanted, w)
			}
		}
	}
	return wanted
}

// RecogniseCopies notes where each message's octets may be had without a
// transfer: from a message that both sides have or, for a download, from the
// first of several that are alike. Whether downloads are the same is proven
// once there is something to compare with; until then they are candidates.
func RecogniseCopies(plans []*Plan, known []mailbox.Copy) {
	sameAsKnown(plans, known)
	sameAsFirst(plans)
}

func sameAsKnown(plans []*Plan, known []mailbox.Copy) {
	if len(known) == 0 {
		return
	}
	byLikeness := map[mailbox.Likeness][]*mailbox.Copy{}
	for i := range known {
		c := &known[i]
		size := c.Link.Content.Size
		for _, w := range []mailbox.Likeness{
			{Size: size, Hash: c.Link.Content.Hash}, {Size: size, Unix: c.Link.Date.Unix}, {Size: size, ContentID: c.Link.ContentID},
		} {
			byLikeness[w] = append(byLikeness[w], c)
		}
	}
	gone := goneFromServer(plans)
	for _, p := range plans {
		for i := range p.Actions {
			a := &p.Actions[i]
			w, ok := likenessOf(a)
			if !ok {
				continue
			}
			for _, c := range byLikeness[w] {
				if a.Kind == Upload && !gone[c.Link.ID] && c.Link.UID != 0 && c.Mailbox != p.Mailbox ||
					a.Kind == Download && c.Link.ID != a.Link.ID {
					a.copies(mailbox.Ref{Name: c.Mailbox, UIDValidity: c.UIDValidity}, &c.Link)
					break
				}
			}
		}
	}
}

// goneFromServer are the links whose messages plans know not to be where, or as,
// the state has them: a copy would have flags that nobody expects.
func goneFromServer(plans []*Plan) map[mailbox.LinkID]bool {
	gone := map[mailbox.LinkID]bool{}
	for _, p := range plans {
		for _, id := range p.Forget {
			gone[id] = true
		}
		for i := range p.Actions {
			switch a := &p.Actions[i]; a.Kind {
			case RemoveLocal, Upload, Download, FlagLocal:
				gone[a.Link.ID] = true
			case MoveLocal:
				gone[a.Source.ID] = true
			}
		}
	}
	return gone
}

// place is an action of one of several plans.
type place struct {
	hash  uint64
	plan  int32
	index int32
}

// sameAsFirst has all downloads that are alike wait for the first. It keeps 16
// octets for each.
func sameAsFirst(plans []*Plan) {
	var places []place
	for i, p := range plans {
		for j := range p.Actions {
			if a := &p.Actions[j]; a.Kind == Download && a.Source == nil {
				if w, ok := likenessOf(a); ok {
					places = append(places, place{hashOf(w), int32(i), int32(j)})
				}
			}
		}
	}
	slices.SortFunc(places, func(a, b place) int {
		return cmp.Or(cmp.Compare(a.hash, b.hash), cmp.Compare(a.plan, b.plan), cmp.Compare(a.index, b.index))
	})
	at := func(s place) *Action { return &plans[s.plan].Actions[s.index] }
	for i := 0; i < len(places); {
		first := i
		for i++; i < len(places) && places[i].hash == places[first].hash; i++ {
			a, leader := at(places[i]), at(places[first])
			w, _ := likenessOf(a)
			if other, _ := likenessOf(leader); w == other {
				a.copies(mailbox.Ref{Name: plans[places[first].plan].Mailbox}, leader.Link)
			}
		}
	}
}

// hashOf brings likenesses that are the same together. Others that come along
// by chance are only not noticed.
func hashOf(w mailbox.Likeness) uint64 {
	h := uint64(w.ContentID)
	for _, n := range []int64{w.Size, w.Unix} {
		h = (h ^ uint64(n)) * 0x9e3779b97f4a7c15
		h ^= h >> 32
	}
	return h
}

// copies makes a transfer one that takes its octets from another message.
func (a *Action) copies(from mailbox.Ref, source *mailbox.Link) {
	a.From, a.Source = from, source
	switch a.Rule {
	case "new-on-server":
		a.Rule = "copied-on-server"
	case "new-on-disk":
		a.Rule = "copied-on-disk"
	}
}

// Travels makes a transfer again of one whose Source is not the same, or gone.
func (a *Action) Travels() {
	a.From, a.Source = mailbox.Ref{}, nil
	switch a.Rule {
	case "copied-on-server":
		a.Rule = "new-on-server"
	case "copied-on-disk":
		a.Rule = "new-on-disk"
	}
}

// IsCopy reports whether a download is a copy of its Source, as far as the
// server's names tell; header asks for its header where they do not.
func (a *Action) IsCopy() (proven, header bool) {
	source := a.Source
	switch {
	case source == nil || source.Kind != mailbox.Linked || source.Key == "" || source.Content.Hash.IsZero(),
		source.Content.Size != a.Size:
		return false, false
	case a.Link.ContentID != 0 && source.ContentID != 0 && a.Link.ContentID != source.ContentID:
		return false, false
	case a.Link.ContentID != 0 && a.Link.ContentID == source.ContentID && a.Date.SameInstant(source.Date):
		return true, false
	}
	return false, a.Size >= HeaderWorth
}

// IsCopyWith is IsCopy once the header is known: size, date and a header with a
// Message-ID, all the same, are proof, as are a name and a header.
func (a *Action) IsCopyWith(header HeaderOf) bool {
	if header.Hash.IsZero() || header.Hash != a.Source.Content.Header {
		return false
	}
	return a.Link.ContentID != 0 && a.Link.ContentID == a.Source.ContentID ||
		header.HasMessageID && a.Date.SameInstant(a.Source.Date)
}
