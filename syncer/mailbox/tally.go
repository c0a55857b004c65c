package mailbox

import "strings"

// Tally is what the listing of a folder adds up to: how many messages, and a
// sum over their keys and flags that does not depend on their order. Two
// listings with one Tally are the same but for a chance of one in 2^64.
type Tally struct {
	Files int64
	Sum   uint64
}

// Add counts a message.
func (t *Tally) Add(key Key, flags Flags) {
	t.Files++
	t.Sum += nameSum(string(key), flags)
}

// Remove takes a message out that was counted.
func (t *Tally) Remove(key Key, flags Flags) {
	t.Files--
	t.Sum -= nameSum(string(key), flags)
}

// nameSum is FNV-1a, and then mixed so that sums of differences do not cancel.
// It is stored: it never changes.
func nameSum(key string, flags Flags) uint64 {
	const offset, prime = 14695981039346656037, 1099511628211
	h := uint64(offset)
	octet := func(c byte) { h = (h ^ uint64(c)) * prime }
	for i := range len(key) {
		octet(key[i])
	}
	octet(0)
	octet(flags.system)
	if flags.keywords != "" {
		keywords := strings.ToLower(flags.keywords)
		for i := range len(keywords) {
			octet(keywords[i])
		}
	}
	h = (h ^ h>>33) * 0xff51afd7ed558ccd
	h = (h ^ h>>33) * 0xc4ceb9fe1a85ec53
	return h ^ h>>33
}
