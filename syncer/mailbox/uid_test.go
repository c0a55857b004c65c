package mailbox

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// A model of a UIDSet: few UIDs at both ends of what there can be.
type model map[UID]bool

const modelWidth = 12

var modelBases = []UID{1, MaxUID - modelWidth + 1}

func anySet(t *rapid.T) (UIDSet, model) {
	var set UIDSet
	m := model{}
	for range rapid.IntRange(0, 5).Draw(t, "ranges") {
		base := rapid.SampledFrom(modelBases).Draw(t, "base")
		first := base + UID(rapid.IntRange(0, modelWidth-1).Draw(t, "first"))
		last := first + min(UID(rapid.IntRange(0, 4).Draw(t, "more")), base+modelWidth-1-first)
		set = set.Union(Range(first, last))
		for uid := uint64(first); uid <= uint64(last); uid++ {
			m[UID(uid)] = true
		}
	}
	return set, m
}

// check holds a set against its model and its own invariants.
func (m model) check(t *rapid.T, what string, set UIDSet) {
	t.Helper()
	want := slices.Sorted(maps.Keys(m))
	if got := slices.Collect(set.All()); !slices.Equal(got, want) {
		t.Fatalf("%s: %s holds %v, want %v", what, set, got, want)
	}
	if set.Len() != len(m) || set.IsEmpty() != (len(m) == 0) {
		t.Fatalf("%s: %s has length %d, want %d", what, set, set.Len(), len(m))
	}
	for _, base := range modelBases {
		for uid := uint64(base) - 1; uid < uint64(base)+modelWidth; uid++ {
			if set.Contains(UID(uid)) != m[UID(uid)] {
				t.Fatalf("%s: %s contains %d: %v", what, set, uid, set.Contains(UID(uid)))
			}
		}
	}
	for i, r := range set {
		if r.First > r.Last || i > 0 && uint64(r.First) <= uint64(set[i-1].Last)+1 {
			t.Fatalf("%s: ranges of %v overlap, touch or are out of order", what, set)
		}
	}
	if len(want) > 0 && set.Max() != want[len(want)-1] || len(want) == 0 && set.Max() != 0 {
		t.Fatalf("%s: highest of %s is %d", what, set, set.Max())
	}
}

func TestUIDSetsBehaveAsSets(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, inA := anySet(t)
		b, inB := anySet(t)
		before := a.String() + " " + b.String()
		inA.check(t, "a", a)
		union, minus := maps.Clone(inA), maps.Clone(inA)
		maps.Copy(union, inB)
		maps.DeleteFunc(minus, func(uid UID, _ bool) bool { return inB[uid] })
		union.check(t, "union", a.Union(b))
		minus.check(t, "minus", a.Minus(b))
		inA.check(t, "of single UIDs", UIDs(slices.Collect(maps.Keys(inA))...))
		var ascending UIDSet
		for uid := range a.All() {
			ascending = ascending.Append(uid)
		}
		inA.check(t, "appended", ascending)
		if after := a.String() + " " + b.String(); after != before {
			t.Fatalf("operations changed their operands: %s, were %s", after, before)
		}
		if len(a) > 0 {
			parsed, err := ParseUIDSet(a.String())
			if err != nil {
				t.Fatal(err)
			}
			inA.check(t, "parsed", parsed)
		}
	})
}

func TestChunksAreAllOfTheSetInOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		set, m := anySet(t)
		n := rapid.IntRange(1, 9).Draw(t, "n")
		var all UIDSet
		chunks := set.Chunks(n)
		for i, chunk := range chunks {
			if chunk.Len() > n || chunk.IsEmpty() || i < len(chunks)-1 && chunk.Len() != n {
				t.Fatalf("chunk %d of %s by %d has %d UIDs", i, set, n, chunk.Len())
			}
			if !all.IsEmpty() && chunk[0].First <= all.Max() {
				t.Fatalf("chunk %d of %s is out of order", i, set)
			}
			all = all.Union(chunk)
		}
		m.check(t, "chunks together", all)
	})
}

// TestHugeRangesStayRanges: a hostile answer that names every UID costs octets,
// not memory for each. (HOSTILE 21)
func TestHugeRangesStayRanges(t *testing.T) {
	all, err := ParseUIDSet("1:4294967295")
	if err != nil || len(all) != 1 || all.Len() != 1<<32-1 {
		t.Fatalf("%v, %v", all, err)
	}
	if got := all.Minus(UIDs(7)).String(); got != "1:6,8:4294967295" {
		t.Errorf("without 7: %s", got)
	}
	if got := all.Minus(all); !got.IsEmpty() {
		t.Errorf("without itself: %s", got)
	}
	if got := all.Minus(UIDs(MaxUID)).String(); got != "1:4294967294" {
		t.Errorf("without the highest: %s", got)
	}
	if got := all.Union(Range(5, MaxUID)).String(); got != "1:4294967295" {
		t.Errorf("with a part of itself: %s", got)
	}
	if got := Range(MaxUID-1, MaxUID).Append(MaxUID).String(); got != "4294967294:4294967295" {
		t.Errorf("appended the highest twice: %s", got)
	}
	if chunks := Range(MaxUID-4, MaxUID).Chunks(2); len(chunks) != 3 || chunks[2].String() != "4294967295" {
		t.Errorf("chunks at the end: %v", chunks)
	}
	if chunks := all.Chunks(1 << 30); len(chunks) != 4 {
		t.Errorf("%d chunks", len(chunks))
	}
	for uid := range all.All() {
		if uid > 3 {
			break
		}
	}
}

func TestParseUIDSet(t *testing.T) {
	for text, want := range map[string]string{
		"1": "1", "1:3,7": "1:3,7", "7,1:3": "1:3,7", "3:1": "1:3", "1,2,3": "1:3", "1:3,2:5": "1:5",
		"5,5,5": "5", "4294967295": "4294967295", "01": "1",
	} {
		set, err := ParseUIDSet(text)
		if err != nil || set.String() != want {
			t.Errorf("%q: %s, %v; want %s", text, set, err, want)
		}
	}
	for _, text := range []string{"", "0", "*", "1:*", "1,", ",1", "1:", ":1", "1:2:3", "-1", "+1", "1:+2", "4294967296", "18446744073709551617", " 1", "1 ", "a", "0:3", "１"} {
		if set, err := ParseUIDSet(text); !errors.Is(err, ErrUIDSet) || set != nil {
			t.Errorf("%q: %v, %v; want ErrUIDSet", text, set, err)
		}
	}
	if _, err := ParseUIDSet(strings.Repeat("x", 1<<16)); len(err.Error()) > 200 {
		t.Errorf("the error repeats what a server sent: %d octets", len(err.Error()))
	}
}

func FuzzParseUIDSet(f *testing.F) {
	for _, seed := range []string{"1", "1:3,7", "4294967295:1", "0", "1:*", "+1", ",", "1:2:3"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		set, err := ParseUIDSet(text)
		if err != nil {
			if !errors.Is(err, ErrUIDSet) {
				t.Errorf("%q: %v", text, err)
			}
			return
		}
		again, err := ParseUIDSet(set.String())
		if err != nil || !slices.Equal(again, set) || set.Contains(0) || set.IsEmpty() {
			t.Errorf("%q: %v, again %v, %v", text, set, again, err)
		}
	})
}

func TestRangeOfNothing(t *testing.T) {
	if set := Range(5, 4); !set.IsEmpty() || set.Len() != 0 || set.String() != "" || len(set.Chunks(3)) != 0 {
		t.Errorf("5 to 4 is %v", set)
	}
}

func TestFirstAndFromCutASetInTwo(t *testing.T) {
	set := UIDs(1, 2, 3, 7, 9, 10)
	for n := range 8 {
		first, rest := set.First(n)
		if first.Len() != min(n, 6) || first.Len()+rest.Len() != 6 || first.Union(rest).String() != set.String() ||
			len(rest) > 0 && first.Max() >= rest[0].First {
			t.Errorf("First(%d): %s and %s", n, first, rest)
		}
	}
	for uid := UID(0); uid < 12; uid++ {
		want := set
		if uid > 0 {
			want = set.Minus(Range(1, uid-1))
		}
		if got := set.From(uid); got.String() != want.String() {
			t.Errorf("From(%d): %s, want %s", uid, got, want)
		}
	}
	if set.String() != "1:3,7,9:10" {
		t.Errorf("the set itself changed: %s", set)
	}
}
