package verify

import (
	"context"
	"slices"
)

// recogniseRewritten couples what is left over on both sides if only line ends
// or header fields differ, and tells such couples from others by their octets.
func (r *run) recogniseRewritten(ctx context.Context, b *box) error {
	here, there := readable(b.onlyHere), readable(b.onlyThere)
	for _, c := range b.couples {
		if c.differInOctets() {
			here, there = append(here, c.here), append(there, c.there)
		}
	}
	if len(here) == 0 || len(there) == 0 {
		return nil
	}
	ours, err := r.Here.Canonical(ctx, b.here, here)
	if err != nil {
		return err
	}
	theirs, err := r.There.Canonical(ctx, b.other, there)
	if err != nil {
		return err
	}
	same := b.couples[:0:0]
	for _, c := range b.couples {
		if c.differInOctets() {
			c.rewritten = rewriting(ours, theirs, c)
		}
		same = append(same, c)
	}
	b.couples = nil
	b.match(func(m *Message) any {
		if found, ok := ours[m]; ok {
			return found.Identity
		}
		if found, ok := theirs[m]; ok {
			return found.Identity
		}
		return nil
	})
	for _, c := range b.couples {
		c.rewritten = rewriting(ours, theirs, c)
		same = append(same, c)
	}
	b.couples = same
	return nil
}

func readable(messages []*Message) []*Message {
	return slices.DeleteFunc(slices.Clone(messages), func(m *Message) bool { return m.Hash.IsZero() })
}

// rewriting says what a server changed, "" if the messages differ otherwise.
func rewriting(ours, theirs map[*Message]Canonical, c couple) string {
	a, okA := ours[c.here]
	b, okB := theirs[c.there]
	switch {
	case !okA || !okB:
		return ""
	case a.LineEnds == b.LineEnds:
		return "line ends"
	case a.Identity == b.Identity:
		return "header fields"
	}
	return ""
}

func (c couple) differInOctets() bool {
	return !c.here.Hash.IsZero() && !c.there.Hash.IsZero() && c.here.Hash != c.there.Hash
}
