package mailbox

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestNamesReadAsPeopleKnowThem(t *testing.T) {
	for _, test := range []struct {
		levels []Level
		want   Name
	}{
		{[]Level{{Text: "INBOX"}}, "INBOX"},
		{[]Level{{Text: "inbox"}}, "INBOX"},
		{[]Level{{Text: "InBoX"}, {Text: "Inbox"}}, "INBOX/Inbox"},
		{[]Level{{Text: "Old Mail"}}, "Old Mail"},
		{[]Level{{Text: "P"}, {Text: "Q"}}, "P/Q"},
		{[]Level{{Text: "P/Q"}}, "P%2FQ"},
		{[]Level{{Text: "100%"}}, "100%"},
		{[]Level{{Text: "100% sure"}}, "100% sure"},
		{[]Level{{Text: "%2F"}}, "%252F"},
		{[]Level{{Text: "%x41"}}, "%25x41"},
		{[]Level{{Text: "%x4"}}, "%x4"},
		{[]Level{{Text: "Entwürfe"}}, "Entwürfe"},
		{[]Level{{Text: "a&b"}}, "a&b"},
		{[]Level{{Text: "&Jjo!", Raw: true}}, "%x26Jjo!"},
		{[]Level{{Text: "a\xff/%", Raw: true}}, "a%xff%x2f%x25"},
		{[]Level{{Text: "a\x00\r\n", Raw: true}}, "a%x00%x0d%x0a"},
		{[]Level{{Text: ""}, {Text: "b"}}, "/b"},
		{[]Level{{Text: ".."}, {Text: "etc"}}, "../etc"},
	} {
		if got := Join(test.levels...); got != test.want {
			t.Errorf("Join(%v) = %q, want %q", test.levels, got, test.want)
		}
	}
}

// anyLevel draws levels that are hard to tell apart once they are joined.
func anyLevel(t *rapid.T) Level {
	parts := rapid.SliceOfN(rapid.SampledFrom([]string{"%", "/", "2F", "25", "x", "2f", "4", "a", "é", "&", "\x00", "\xff", "INBOX", "inbox", ".", " "}), 0, 6)
	level := Level{Text: strings.Join(parts.Draw(t, "parts"), ""), Raw: rapid.Bool().Draw(t, "raw")}
	if rapid.Bool().Draw(t, "free") {
		level.Text = rapid.String().Draw(t, "text")
	}
	if level.Raw && !needsRaw(level.Text) {
		level.Raw = false // Raw is for what cannot be decoded; it never is plain
	}
	return level
}

// needsRaw reports whether a level, being raw, is written with an escape.
func needsRaw(text string) bool {
	return strings.ContainsFunc(text, func(r rune) bool { return r == '&' || r == '/' || r == '%' || r < 0x20 || r >= 0x7f })
}

func isInbox(level Level) bool { return strings.EqualFold(level.Text, string(Inbox)) }

// TestSplitIsTheInverseOfJoin holds for whatever a server may send.
func TestSplitIsTheInverseOfJoin(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		levels := rapid.SliceOfN(rapid.Custom(anyLevel), 1, 4).Draw(t, "levels")
		want := slices.Clone(levels)
		if isInbox(want[0]) {
			want[0] = Level{Text: string(Inbox)}
		}
		name := Join(levels...)
		if got := name.Split(); !slices.Equal(got, want) {
			t.Fatalf("%q splits into %v, not %v", name, got, want)
		}
		if got := Join(name.Split()...); got != name {
			t.Fatalf("%q becomes %q", name, got)
		}
		if len(name.Elements()) != len(levels) {
			t.Fatalf("%q has %d elements, not %d", name, len(name.Elements()), len(levels))
		}
	})
}

// TestJoinIsInjective: two mailboxes never share a name, but for INBOX.
func TestJoinIsInjective(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := rapid.SliceOfN(rapid.Custom(anyLevel), 1, 3).Draw(t, "a")
		b := rapid.SliceOfN(rapid.Custom(anyLevel), 1, 3).Draw(t, "b")
		if isInbox(a[0]) || isInbox(b[0]) || slices.Equal(a, b) {
			return
		}
		if Join(a...) == Join(b...) {
			t.Fatalf("%v and %v are both %q", a, b, Join(a...))
		}
	})
}

func FuzzNameSplit(f *testing.F) {
	for _, seed := range []string{"INBOX", "a/b", "%2F", "%x41%xff", "%25x41", "%", "%x", "//", "%x4g", "INBOX/%252F", "%2f%2F"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		levels := Name(text).Split()
		name := Join(levels...)
		if again := name.Split(); len(again) != len(levels) {
			t.Errorf("%q has %d levels, and %d once joined as %q", text, len(levels), len(again), name)
		}
		if Join(name.Split()...) != name {
			t.Errorf("%q, joined as %q, does not stay what it is", text, name)
		}
	})
}

func TestParentAndIsBelow(t *testing.T) {
	for _, test := range []struct {
		name, parent Name
	}{{"a/b/c", "a/b"}, {"a/b", "a"}, {"a", ""}, {"INBOX", ""}, {"a%2Fb", ""}, {"/a", ""}} {
		if got := test.name.Parent(); got != test.parent {
			t.Errorf("Parent(%q) = %q, want %q", test.name, got, test.parent)
		}
	}
	for _, test := range []struct {
		name, parent Name
		want         bool
	}{{"a/b", "a", true}, {"a/b/c", "a", true}, {"ab", "a", false}, {"a", "a", false}, {"a", "a/b", false}, {"a%2Fb", "a", false}, {"ab/c", "a", false}} {
		if got := test.name.IsBelow(test.parent); got != test.want {
			t.Errorf("%q below %q: %v", test.name, test.parent, got)
		}
	}
}

func TestJoinText(t *testing.T) {
	if got := JoinText("inbox", "a/b", "c"); got != "INBOX/a%2Fb/c" {
		t.Errorf("got %q", got)
	}
}
