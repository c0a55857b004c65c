package config

import (
	"strings"
	"testing"

	"mailferry/syncer/mailbox"
)

func TestPatternsSelect(t *testing.T) {
	for _, test := range []struct {
		patterns string
		yes, no  string
	}{
		{"", "INBOX A A/B", ""},
		{"*", "INBOX A A/B", ""},
		{"* !Junk", "INBOX A Junk/Sub Junk2", "Junk"},
		{"!Junk !Spam*", "INBOX A", "Junk Spam Spam/2024"},
		{"%", "INBOX A", "A/B A/B/C"},
		{"A/%", "A/B", "A A/B/C INBOX"},
		{"A/*", "A/B A/B/C", "A INBOX"},
		{"* !A/* A/B", "A A/B INBOX", "A/C A/B/C"},
		{"inbox", "INBOX", "INBOX/x A"},
		{"InBox/*", "INBOX/x", "INBOX"},
		{"!inbox", "A", "INBOX"},
		{"*2024*", "2024 A/2024/x x2024", "A"},
		{"a", "a", "A"},
		{"Entwürfe", "Entwürfe", "Entwurfe"},
		{"%a%/%", "xax/y a/b", "x/y a xa/b/c"},
	} {
		patterns, err := ParsePatterns(strings.Fields(test.patterns))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range strings.Fields(test.yes) {
			if !patterns.Selects(mailbox.Name(name)) {
				t.Errorf("%q leaves %q out", test.patterns, name)
			}
		}
		for _, name := range strings.Fields(test.no) {
			if patterns.Selects(mailbox.Name(name)) {
				t.Errorf("%q selects %q", test.patterns, name)
			}
		}
	}
}

func TestHostilePatternTakesNoTime(t *testing.T) {
	patterns, err := ParsePatterns([]string{strings.Repeat("*a", 200) + "b"})
	if err != nil {
		t.Fatal(err)
	}
	if patterns.Selects(mailbox.Name(strings.Repeat("a", 2000))) {
		t.Error("selected")
	}
}
