package mailbox

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// UID names a message within a mailbox and a UIDValidity. 0 is no message.
// (RFC 9051, section 2.3.1.1)
type UID uint32

// UIDValidity changes when the UIDs of a mailbox lose their meaning. 0 means
// that the server gave none, and then UIDs may not be relied on between runs.
type UIDValidity uint32

// ModSeq counts a mailbox's changes. 0 means that the server does not count
// them. (RFC 7162, section 3.1)
type ModSeq uint64

// MaxUID is the highest UID there can be.
const MaxUID UID = 1<<32 - 1

// UIDRange is the UIDs from First to Last, both included.
type UIDRange struct{ First, Last UID }

// UIDSet is a set of UIDs: ranges in ascending order that neither overlap nor
// touch. The zero value is empty. Its size in memory is that of its ranges.
type UIDSet []UIDRange

// ErrUIDSet is returned for text that is not a set of UIDs.
var ErrUIDSet = errors.New("not a set of UIDs")

// UIDs builds a set of single UIDs in any order.
func UIDs(uids ...UID) UIDSet {
	if !slices.IsSorted(uids) {
		uids = slices.Clone(uids)
		slices.Sort(uids)
	}
	var set UIDSet
	for _, uid := range uids {
		set = set.add(uid, uid)
	}
	return set
}

// Range is the set of all UIDs from first to last.
func Range(first, last UID) UIDSet {
	if first > last {
		return nil
	}
	return UIDSet{{first, last}}
}

// add extends the set by a range that starts at or behind its last one.
func (s UIDSet) add(first, last UID) UIDSet {
	if n := len(s); n > 0 && uint64(first) <= uint64(s[n-1].Last)+1 {
		s[n-1].Last = max(s[n-1].Last, last)
		return s
	}
	return append(s, UIDRange{first, last})
}

// Append returns s with uid, which must not be below the last UID of s. It is
// the cheap way to build a set in ascending order.
func (s UIDSet) Append(uid UID) UIDSet { return s.add(uid, uid) }

// Len counts the UIDs.
func (s UIDSet) Len() int {
	n := 0
	for _, r := range s {
		n += int(r.Last) - int(r.First) + 1
	}
	return n
}

// IsEmpty reports whether the set has no UID.
func (s UIDSet) IsEmpty() bool { return len(s) == 0 }

// Contains reports whether uid is in the set.
func (s UIDSet) Contains(uid UID) bool {
	_, found := slices.BinarySearchFunc(s, uid, func(r UIDRange, uid UID) int {
		switch {
		case r.Last < uid:
			return -1
		case r.First > uid:
			return 1
		}
		return 0
	})
	return found
}

// Max returns the highest UID, 0 for an empty set.
func (s UIDSet) Max() UID {
	if len(s) == 0 {
		return 0
	}
	return s[len(s)-1].Last
}

// All yields the UIDs in ascending order.
func (s UIDSet) All() func(yield func(UID) bool) {
	return func(yield func(UID) bool) {
		for _, r := range s {
			for uid := r.First; ; uid++ {
				if !yield(uid) {
					return
				}
				if uid == r.Last {
					break
				}
			}
		}
	}
}

// Union returns the UIDs that are in s or in t.
func (s UIDSet) Union(t UIDSet) UIDSet {
	all := slices.Concat(s, t)
	slices.SortFunc(all, func(a, b UIDRange) int { return cmp.Compare(a.First, b.First) })
	var set UIDSet
	for _, r := range all {
		set = set.add(r.First, r.Last)
	}
	return set
}

// Minus returns the UIDs of s that are not in t.
func (s UIDSet) Minus(t UIDSet) UIDSet {
	var set UIDSet
	for _, r := range s {
		first, left := uint64(r.First), true
		i, _ := slices.BinarySearchFunc(t, r.First, func(x UIDRange, uid UID) int { return cmp.Compare(x.Last, uid) })
		for ; i < len(t) && t[i].First <= r.Last; i++ {
			if uint64(t[i].First) > first {
				set = set.add(UID(first), t[i].First-1)
			}
			first = uint64(t[i].Last) + 1
			if first > uint64(r.Last) {
				left = false
				break
			}
		}
		if left {
			set = set.add(UID(first), r.Last)
		}
	}
	return set
}

// First cuts the set in two: its first n UIDs, and the others.
func (s UIDSet) First(n int) (first, rest UIDSet) {
	for i, r := range s {
		if size := int(r.Last) - int(r.First) + 1; size <= n {
			n -= size
			continue
		}
		if n > 0 {
			cut := r.First + UID(n)
			first = append(slices.Clone(s[:i]), UIDRange{r.First, cut - 1})
			return first, append(UIDSet{{cut, r.Last}}, s[i+1:]...)
		}
		return s[:i:i], s[i:]
	}
	return s, nil
}

// From returns the UIDs of s that are not below uid.
func (s UIDSet) From(uid UID) UIDSet {
	i, _ := slices.BinarySearchFunc(s, uid, func(r UIDRange, uid UID) int { return cmp.Compare(r.Last, uid) })
	if i == len(s) || s[i].First >= uid {
		return s[i:]
	}
	return append(UIDSet{{uid, s[i].Last}}, s[i+1:]...)
}

// Chunks cuts the set into sets of at most n UIDs, in order.
func (s UIDSet) Chunks(n int) []UIDSet {
	var chunks []UIDSet
	var chunk UIDSet
	room := n
	for _, r := range s {
		for first := uint64(r.First); first <= uint64(r.Last); {
			last := min(first+uint64(room)-1, uint64(r.Last))
			chunk = chunk.add(UID(first), UID(last))
			room -= int(last - first + 1)
			first = last + 1
			if room == 0 {
				chunks, chunk, room = append(chunks, chunk), nil, n
			}
		}
	}
	if len(chunk) > 0 {
		chunks = append(chunks, chunk)
	}
	return chunks
}

// String writes the set as IMAP does: "1:3,7". (RFC 9051, sequence-set)
func (s UIDSet) String() string {
	var b []byte
	for i, r := range s {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendUint(b, uint64(r.First), 10)
		if r.Last > r.First {
			b = append(b, ':')
			b = strconv.AppendUint(b, uint64(r.Last), 10)
		}
	}
	return string(b)
}

// ParseUIDSet reads "1:3,7" in any order. Ranges stay ranges, so a set that
// names four milliard UIDs costs a few octets. Errors wrap ErrUIDSet.
func ParseUIDSet(text string) (UIDSet, error) {
	var set UIDSet
	for part := range strings.SplitSeq(text, ",") {
		low, high, isRange := strings.Cut(part, ":")
		first, err := parseUID(low)
		if err != nil {
			return nil, err
		}
		last := first
		if isRange {
			if last, err = parseUID(high); err != nil {
				return nil, err
			}
		}
		set = append(set, UIDRange{min(first, last), max(first, last)})
	}
	return set.Union(nil), nil
}

func parseUID(text string) (UID, error) {
	n, err := strconv.ParseUint(text, 10, 32)
	if err != nil || n == 0 || text[0] == '+' {
		return 0, fmt.Errorf("%w: %.40q", ErrUIDSet, text)
	}
	return UID(n), nil
}
