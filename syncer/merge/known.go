package merge

import (
	"slices"
)

// Known answers, from a message's header and size alone, whether the sources
// have it, so that a target's messages need not be fetched to be recognised.
type Known struct {
	union   *Union
	idents  []uint64
	heads   []uint64
	content []knownContent
}

type knownContent struct {
	key  uint64
	copy int32
}

// Known prepares the answers from the sources that were added so far.
func (u *Union) Known() *Known {
	k := &Known{union: u}
	for i := range u.copies {
		c := &u.copies[i]
		if c.ident != 0 {
			k.idents = append(k.idents, c.ident)
		}
		k.heads = append(k.heads, c.head)
		k.content = append(k.content, knownContent{c.content, int32(i)})
	}
	slices.Sort(k.idents)
	slices.Sort(k.heads)
	slices.SortFunc(k.content, func(a, b knownContent) int {
		if a.key != b.key {
			if a.key < b.key {
				return -1
			}
			return 1
		}
		return int(a.copy - b.copy)
	})
	return k
}

// MayHave reports whether a message with this header may be one of the
// sources': its Message-ID, Date and From, or its whole header, are theirs.
func (k *Known) MayHave(r *Record) bool {
	if ident := short(r.Ident); ident != 0 {
		if _, found := slices.BinarySearch(k.idents, ident); found {
			return true
		}
	}
	_, found := slices.BinarySearch(k.heads, short(r.Head))
	return found
}

// Complete turns a record that was made of a header into that of the whole
// message where size and header are a known one's to the octet and it has a
// Message-ID: then the body need not be fetched.
func (k *Known) Complete(r *Record) bool {
	if r.MessageID == "" {
		return false
	}
	key := contentKey(r.Content.Size, r.Content.Header)
	i, _ := slices.BinarySearchFunc(k.content, key, func(c knownContent, key uint64) int {
		if c.key < key {
			return -1
		} else if c.key > key {
			return 1
		}
		return 0
	})
	for ; i < len(k.content) && k.content[i].key == key; i++ {
		_, known, err := k.union.record(&k.union.copies[k.content[i].copy])
		if err != nil || known.Content.Size != r.Content.Size || known.Content.Header != r.Content.Header || known.Partial {
			continue
		}
		offset, length, flags, filed := r.Offset, r.Length, r.Flags, r.Filed
		*r = known
		r.Offset, r.Length, r.Flags, r.Filed, r.Expunged, r.Partial = offset, length, flags, filed, false, false
		return true
	}
	return false
}
