package mailbox

import (
	"fmt"
	"testing"
)

func TestTallyTellsListingsApart(t *testing.T) {
	seen, junk := NewFlags(FlagSeen), NewFlags("$Junk")
	of := func(files ...func(*Tally)) Tally {
		var tally Tally
		for _, add := range files {
			add(&tally)
		}
		return tally
	}
	file := func(key Key, flags Flags) func(*Tally) { return func(t *Tally) { t.Add(key, flags) } }
	all := map[Tally]string{}
	for _, c := range []struct {
		name  string
		tally Tally
	}{
		{"none", of()},
		{"a", of(file("a", Flags{}))},
		{"a seen", of(file("a", seen))},
		{"a junk", of(file("a", junk))},
		{"a seen, b", of(file("a", seen), file("b", Flags{}))},
		{"a, b seen", of(file("a", Flags{}), file("b", seen))},
		{"ab", of(file("ab", Flags{}))},
	} {
		if other, found := all[c.tally]; found {
			t.Errorf("%s and %s have one tally", c.name, other)
		}
		all[c.tally] = c.name
	}
}

func TestTallyKnowsNoOrderAndNoCase(t *testing.T) {
	var one, other Tally
	one.Add("a", NewFlags("$Junk", "alpha"))
	one.Add("b", Flags{})
	one.Add("c", Flags{})
	one.Remove("c", Flags{})
	other.Add("b", Flags{})
	other.Add("a", NewFlags("Alpha", "$junk"))
	if one != other {
		t.Errorf("%+v, %+v", one, other)
	}
}

// Flags that change places between messages must not cancel each other.
func TestTallySumsOfExchangesDiffer(t *testing.T) {
	sets := []Flags{{}, NewFlags(FlagSeen), NewFlags(FlagFlagged), NewFlags(FlagSeen, FlagFlagged)}
	sums := map[uint64]bool{}
	n := 0
	for i := range 300 {
		for _, a := range sets {
			for _, b := range sets {
				var tally Tally
				tally.Add(Key(fmt.Sprintf("1784000000.M%06dP1.host", i)), a)
				tally.Add(Key(fmt.Sprintf("1784000000.M%06dP1.host", i+1000)), b)
				sums[tally.Sum] = true
				n++
			}
		}
	}
	if len(sums) != n {
		t.Errorf("%d sums of %d listings", len(sums), n)
	}
}
