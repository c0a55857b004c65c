package main

import (
	"slices"
	"testing"
)

func TestQuotesGroupTheWordsOfAQuery(t *testing.T) {
	for text, want := range map[string]query{
		`subject:"letter 1"`:                {terms: []queryTerm{{"subject", "letter 1"}}},
		`subject:"letter 1" from:ann`:       {terms: []queryTerm{{"subject", "letter 1"}, {"from", "ann"}}},
		`"subject:letter 1" From:"Ann B"`:   {terms: []queryTerm{{"subject", "letter 1"}, {"from", "Ann B"}}},
		`subject:letter 1 mailbox:A/B`:      {terms: []queryTerm{{"subject", "letter 1"}, {"mailbox", "A/B"}}},
		`subject:"from: me" to:ann`:         {terms: []queryTerm{{"subject", "from: me"}, {"to", "ann"}}},
		`subject:don't`:                     {terms: []queryTerm{{"subject", "don't"}}},
		`mailbox:"Old Mail"`:                {terms: []queryTerm{{"mailbox", "Old Mail"}}},
		`<"a b"@example.com>`:               {name: `<"a b"@example.com>`},
		` 1700000000.M1P2.host `:            {name: "1700000000.M1P2.host"},
		`"quoted key"`:                      {name: `"quoted key"`},
		`since:"2024-01-31"  subject:" x "`: {terms: []queryTerm{{"since", "2024-01-31"}, {"subject", " x "}}},
	} {
		got, err := parseQuery(text)
		if err != nil || got.name != want.name || !slices.Equal(got.terms, want.terms) {
			t.Errorf("%s: %+v, %v; want %+v", text, got, err, want)
		}
	}
	for _, text := range []string{``, ` `, `subject:"letter`, `subject:""`, `subject:"" from:ann`, `since:"last week"`} {
		if got, err := parseQuery(text); err == nil {
			t.Errorf("%q: %+v", text, got)
		}
	}
}
