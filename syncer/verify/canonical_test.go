package verify_test

import (
	"strings"
	"testing"

	"mailferry/syncer/verify"
)

func canonical(t *testing.T, text string) verify.Canonical {
	t.Helper()
	c, err := verify.Canonicalize(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestCanonicalizeLeavesAsideWhatServersChange(t *testing.T) {
	const original = "Message-ID: <1@x>\r\nFrom: a\r\nDate: today\r\nSubject: a\r\n b\r\n\r\none\r\n\r\ntwo\r\n"
	first := canonical(t, original)
	cases := []struct {
		name, text         string
		identity, lineEnds bool
	}{
		{"itself", original, true, true},
		{"LF", strings.ReplaceAll(original, "\r\n", "\n"), true, true},
		{"CR", strings.ReplaceAll(original, "\r\n", "\r"), false, true},
		{"mixed", strings.Replace(original, "one\r\n", "one\n", 1), true, true},
		{"empty lines at the end", original + "\r\n\r\n", true, true},
		{"field added", "Received: by x\r\n\tfor y\r\n" + original, true, false},
		{"field moved", strings.Replace(original, "From: a\r\nDate: today\r\n", "Date: today\r\nFrom: a\r\n", 1), true, false},
		{"subject", strings.Replace(original, "Subject: a", "Subject: c", 1), false, false},
		{"message-id", strings.Replace(original, "<1@x>", "<2@x>", 1), false, false},
		{"body", strings.Replace(original, "two", "tow", 1), false, false},
		{"empty line gone", strings.Replace(original, "\r\n\r\ntwo", "\r\ntwo", 1), false, false},
		{"truncated", original[:len(original)-4], false, false},
	}
	for _, c := range cases {
		got := canonical(t, c.text)
		if (got.Identity == first.Identity) != c.identity {
			t.Errorf("%s: same identity is %v", c.name, !c.identity)
		}
		if (got.LineEnds == first.LineEnds) != c.lineEnds {
			t.Errorf("%s: same but for line ends is %v", c.name, !c.lineEnds)
		}
	}
}

func FuzzCanonicalizeDoesNotDependOnLineEnds(f *testing.F) {
	f.Add("Subject: x\n\nbody\n\nmore\n")
	f.Add("\n\n")
	f.Add("no header")
	f.Add(strings.Repeat("x", 70000) + "\n\nbody")
	f.Fuzz(func(t *testing.T, text string) {
		if strings.Contains(text, "\r") {
			return
		}
		lf, crlf := canonical(t, text), canonical(t, strings.ReplaceAll(text, "\n", "\r\n"))
		if lf.LineEnds != crlf.LineEnds {
			t.Errorf("%q: other line ends, another hash", text)
		}
	})
}
