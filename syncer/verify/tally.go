package verify

import (
	"crypto/sha256"
	"errors"
	"slices"

	"mailferry/syncer/mailbox"
)

// tally counts one side's messages; side is 0 for here and 1 for there.
func tally(messages []Message, side int, years map[int][2]int) Tally {
	t := Tally{}
	complete := true
	for i := range messages {
		m := &messages[i]
		if errors.Is(m.Trouble, mailbox.ErrNotFound) {
			continue
		}
		t.Messages++
		t.Octets += max(m.Size, 0)
		year := 0
		if m.Date.Known {
			year = m.Date.Time().Year()
		}
		count := years[year]
		count[side]++
		years[year] = count
		if m.Hash.IsZero() {
			complete = false
			continue
		}
		t.Hashes = append(t.Hashes, m.Hash)
	}
	slices.SortFunc(t.Hashes, func(a, b mailbox.Hash) int { return slices.Compare(a[:], b[:]) })
	if complete {
		sum := sha256.New()
		for i := range t.Hashes {
			sum.Write(t.Hashes[i][:])
		}
		sum.Sum(t.Digest[:0])
	}
	return t
}
