package mailbox

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

var flagWords = []string{`\Seen`, `\SEEN`, `\flagged`, `\Deleted`, `\Draft`, `\Answered`, "$Work", "$work", "$WORK", "$Forwarded", "a", "A", "b", "NonJunk", "Zed"}

func fold(name string) string { return strings.ToLower(name) }

func anyFlags(t *rapid.T) (Flags, map[string]bool) {
	names := rapid.SliceOfN(rapid.SampledFrom(flagWords), 0, 6).Draw(t, "flags")
	set := map[string]bool{}
	for _, name := range names {
		set[fold(name)] = true
	}
	return NewFlags(names...), set
}

func checkFlags(t *rapid.T, what string, flags Flags, want map[string]bool) {
	t.Helper()
	var got []string
	for _, name := range flags.Names() {
		got = append(got, fold(name))
	}
	if len(got) != len(want) {
		t.Fatalf("%s: %q, want %v", what, flags, slices.Sorted(maps.Keys(want)))
	}
	for _, name := range got {
		if !want[name] {
			t.Fatalf("%s: %q has %s", what, flags, name)
		}
	}
	for _, word := range flagWords {
		if flags.Has(word) != want[fold(word)] {
			t.Fatalf("%s: %q has %s: %v", what, flags, word, flags.Has(word))
		}
	}
	if flags.IsEmpty() != (len(want) == 0) {
		t.Fatalf("%s: %q is empty: %v", what, flags, flags.IsEmpty())
	}
	if again := NewFlags(flags.Names()...); !again.Equal(flags) || again != flags {
		t.Fatalf("%s: %q made anew is %q", what, flags, again)
	}
}

// TestFlagsBehaveAsSetsWithoutRegardToCase holds against a set of folded names.
func TestFlagsBehaveAsSetsWithoutRegardToCase(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f, inF := anyFlags(t)
		g, inG := anyFlags(t)
		checkFlags(t, "f", f, inF)
		union, minus, common := maps.Clone(inF), map[string]bool{}, map[string]bool{}
		maps.Copy(union, inG)
		for name := range inF {
			if inG[name] {
				common[name] = true
			} else {
				minus[name] = true
			}
		}
		checkFlags(t, "union", f.Union(g), union)
		checkFlags(t, "minus", f.Minus(g), minus)
		checkFlags(t, "intersection", f.Intersect(g), common)
		maps.DeleteFunc(inF, func(name string, _ bool) bool { return strings.HasPrefix(name, `\`) })
		checkFlags(t, "keywords", f.OnlyKeywords(), inF)
		if f.Equal(g) != (f.Minus(g).IsEmpty() && g.Minus(f).IsEmpty()) {
			t.Fatalf("%q equals %q: %v", f, g, f.Equal(g))
		}
		if change := ChangeBetween(f, g); !change.Apply(f).Equal(g) || change.IsEmpty() != f.Equal(g) {
			t.Fatalf("from %q to %q: %v gives %q", f, g, change, change.Apply(f))
		}
	})
}

func TestFlagsKeepTheSpellingTheyCameWith(t *testing.T) {
	for _, test := range []struct {
		name string
		got  Flags
		want string
	}{
		{"new", NewFlags("$Work", `\SEEN`), `\Seen $Work`},
		{"the first of two", NewFlags("$Work", "$WORK"), "$Work"},
		{"union", NewFlags("$Work").Union(NewFlags("$WORK", "b")), "$Work b"},
		{"union the other way", NewFlags("$WORK", "b").Union(NewFlags("$Work")), "$WORK b"},
		{"union with nothing", Flags{}.Union(NewFlags("$Work")), "$Work"},
		{"intersection", NewFlags("$Work", "b").Intersect(NewFlags("$WORK")), "$Work"},
		{"difference", NewFlags("$Work", "b").Minus(NewFlags("$WORK")), "b"},
		{"sorted without regard to case", NewFlags("b", "A", "C", "$a"), "$a A b C"},
	} {
		if test.got.String() != test.want {
			t.Errorf("%s: %q, want %q", test.name, test.got, test.want)
		}
	}
}

// TestWhatIsNoFlagIsLeftOut covers what servers and hostile servers send.
func TestWhatIsNoFlagIsLeftOut(t *testing.T) {
	for _, name := range []string{"", `\Recent`, `\*`, `\`, `\Unknown`, "foo]bar", `"quoted"`, "with space", "a\x1b[31m", "a\r\n", "Zweité", "a(b", "a)b", "a{1}", "a%", "a*", `a\b`, "\x7f"} {
		if flags := NewFlags(name); !flags.IsEmpty() {
			t.Errorf("%q became %q", name, flags)
		}
		if IsKeyword(name) {
			t.Errorf("%q is taken for a keyword", name)
		}
	}
	for _, name := range []string{"$Junk", "NonJunk", ":FLAG", "a.b", "[Gmail]"[:6], "1", "~", "a}", "a&b"} {
		if !IsKeyword(name) {
			t.Errorf("%q is not taken for a keyword", name)
		}
	}
}

func FuzzNewFlags(f *testing.F) {
	for _, seed := range []string{`\Seen $Work`, `\Recent \*`, "foo]bar\x1b", `A a B b`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		flags := NewFlags(strings.Split(text, " ")...)
		if again := NewFlags(flags.Names()...); again != flags {
			t.Errorf("%q: %q made anew is %q", text, flags, again)
		}
		for _, name := range flags.Keywords() {
			if !IsKeyword(name) || !flags.Has(name) {
				t.Errorf("%q: keyword %q", text, name)
			}
		}
	})
}

func TestHoldsKeep(t *testing.T) {
	flags := NewFlags(`\Seen`, `\Draft`, "$Work", "$Home")
	for _, test := range []struct {
		name  string
		holds Holds
		want  string
	}{
		{"nothing", Holds{}, ""},
		{"what it names", Holds{Flags: NewFlags(`\Seen`, "$WORK")}, `\Seen $Work`},
		{"everything where new keywords can be made", Holds{AnyKeyword: true, Flags: NewFlags(`\Seen`)}, `\Draft \Seen $Home $Work`},
	} {
		if got := test.holds.Keep(flags); got.String() != test.want {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
}

func TestFlagsAreValues(t *testing.T) {
	f := NewFlags("a", "c")
	_ = f.Union(NewFlags("b"))
	_ = f.Minus(NewFlags("a"))
	if f.String() != "a c" {
		t.Errorf("became %q", f)
	}
	if many := NewFlags(manyKeywords(10_000)...); len(many.Keywords()) != 10_000 {
		t.Errorf("%d keywords", len(many.Keywords()))
	}
}

func manyKeywords(n int) []string {
	names := make([]string, n)
	for i := range names {
		names[i] = "k" + strings.Repeat("x", i%7) + string(rune('a'+i%26)) + string(rune('0'+i/26%10)) + string(rune('0'+i/260%10)) + string(rune('0'+i/2600))
	}
	return names
}
