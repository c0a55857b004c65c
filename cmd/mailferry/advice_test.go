package main

import (
	"slices"
	"testing"
)

func TestAdviceAnswersTheOldQuestion(t *testing.T) {
	for _, c := range []struct {
		name string
		u    usage
		mode string
		age  string
	}{
		{"reads here and elsewhere", usage{hasOthers: true, changesHere: true}, "sync", ""},
		{"reads here only", usage{changesHere: true}, "sync", ""},
		{"wants a copy", usage{hasOthers: true}, "backup", ""},
		{"is short of room, reads elsewhere", usage{hasOthers: true, isShort: true, changesHere: true}, "archive", "90d"},
		{"is short of room, one computer", usage{isShort: true}, "archive", "30d"},
		{"POP3", usage{isPOP3: true, changesHere: true}, "backup", ""},
		{"POP3, short of room", usage{isPOP3: true, isShort: true}, "archive", "30d"},
		{"a server that takes no changes", usage{isReadOnly: true, changesHere: true}, "backup", ""},
	} {
		if got := advise(c.u); got.mode != c.mode || got.olderThan != c.age || got.why == "" {
			t.Errorf("%s: %+v", c.name, got)
		}
	}
}

func TestSplitWordsReadsACommandLineAsAShellDoes(t *testing.T) {
	for text, want := range map[string][]string{
		`pass show mail/home`:      {"pass", "show", "mail/home"},
		`  gpg  -d "a b" `:         {"gpg", "-d", "a b"},
		`sh -c 'echo "$X"'`:        {"sh", "-c", `echo "$X"`},
		`a\ b c\\d`:                {"a b", `c\d`},
		`x ""`:                     {"x", ""},
		`"C:\\Program Files\\p" x`: {`C:\Program Files\p`, "x"},
		``:                         nil,
		`"open`:                    nil,
		`end\`:                     nil,
		`""`:                       nil,
	} {
		got, err := splitWords(text)
		if !slices.Equal(got, want) || (err == nil) != (want != nil) {
			t.Errorf("%s: %q, %v", text, got, err)
		}
	}
}
