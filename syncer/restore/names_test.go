package restore

import (
	"errors"
	"strings"
	"testing"

	"mailferry/syncer/mailbox"
)

// listed reads "Sent \Sent" and the like.
func listed(texts ...string) []mailbox.Listed {
	var list []mailbox.Listed
	for _, text := range texts {
		name, uses, _ := strings.Cut(text, " \\")
		l := mailbox.Listed{Name: mailbox.Name(name)}
		if uses != "" {
			l.Attributes = []string{`\` + uses}
		}
		list = append(list, l)
	}
	return list
}

// refuses is a server that takes no level with its separator in it.
func refuses(separator string) func(mailbox.Name) error {
	return func(name mailbox.Name) error {
		for _, level := range name.Split() {
			if level.Raw || strings.Contains(level.Text, separator) {
				return errors.New("refused")
			}
		}
		return nil
	}
}

func TestNames(t *testing.T) {
	for _, test := range []struct {
		name          string
		store, target []string
		rules         Rules
		separator     string
		want          string
	}{
		{"stay", []string{"INBOX", "Work/2024"}, nil, Rules{}, "/", "INBOX, Work/2024"},
		{
			"special use, whatever it is called, with what is below it",
			[]string{"Sent \\Sent", "Sent/2023", "Trash \\Trash"}, []string{"Gesendet \\Sent", "Papierkorb \\Trash"}, Rules{}, "/",
			"Gesendet (special-use), Gesendet/2023 (special-use), Papierkorb (special-use)",
		},
		{
			"the attribute beats the name",
			[]string{"Out \\Sent", "Sent"}, []string{"Sent Items \\Sent"}, Rules{}, "/",
			"Sent Items (special-use), Sent",
		},
		{"by common names where no server tells", []string{"Entwürfe"}, []string{"Drafts"}, Rules{}, "/", "Drafts (special-use)"},
		{"a store that has both keeps both", []string{"Gesendet \\Sent", "Sent"}, []string{"Sent \\Sent"}, Rules{}, "/", "Gesendet, Sent"},
		{"no such mailbox there", []string{"Sent \\Sent"}, []string{"INBOX"}, Rules{}, "/", "Sent"},
		{
			"map, and what is below", []string{"Old", "Old/A", "Older"}, nil,
			Rules{Map: map[mailbox.Name]mailbox.Name{"Old": "Archive/Old"}}, "/",
			"Archive/Old (map), Archive/Old/A (map), Older",
		},
		{
			"prefix", []string{"INBOX", "Sent \\Sent"}, []string{"Sent Items \\Sent"}, Rules{Prefix: "me"}, "/",
			"me/INBOX (prefix), me/Sent (prefix)",
		},
		{
			"what was used before", []string{"Sent \\Sent"}, []string{"Sent Items \\Sent"},
			Rules{Earlier: map[mailbox.Name]mailbox.Name{"Sent": "Sent"}}, "/", "Sent (earlier)",
		},
		{"separator within a level", []string{"v1.2", "v1_2"}, nil, Rules{}, ".", "v1_2_2 (already-taken), v1_2"},
		{"no text", []string{"a%xff"}, nil, Rules{}, "/", "a_ (not-allowed)"},
	} {
		t.Run(test.name, func(t *testing.T) {
			target := Target{Listed: listed(test.target...), Separator: test.separator, Allows: refuses(test.separator)}
			choices, err := Names(listed(test.store...), test.rules, target)
			if err != nil {
				t.Fatal(err)
			}
			var texts []string
			for i, c := range choices {
				if string(c.From) != string(listed(test.store...)[i].Name) || c.Err != nil {
					t.Errorf("choice %d: %+v", i, c)
				}
				text := string(c.To)
				if c.Why != "" {
					text += " (" + string(c.Why) + ")"
				}
				texts = append(texts, text)
			}
			if got := strings.Join(texts, ", "); got != test.want {
				t.Errorf("%s\nwant %s", got, test.want)
			}
		})
	}
}

func TestNamesRefusesToMakeOneMailboxOfTwo(t *testing.T) {
	rules := Rules{Map: map[mailbox.Name]mailbox.Name{"A": "X", "B": "X"}}
	if _, err := Names(listed("A", "B"), rules, Target{}); !errors.Is(err, ErrClash) {
		t.Errorf("err = %v", err)
	}
}

func TestNamesSaysWhatCannotBeThere(t *testing.T) {
	rules := Rules{Map: map[mailbox.Name]mailbox.Name{"A": "v1.2"}}
	choices, err := Names(listed("A", "B"), rules, Target{Separator: ".", Allows: refuses(".")})
	if err != nil || choices[0].Err == nil || choices[1].Err != nil {
		t.Errorf("%+v, %v", choices, err)
	}
}

// FuzzNames: no two mailboxes of a store become one, whatever they are called.
func FuzzNames(f *testing.F) {
	f.Add("a.b,a_b,a_b_2,A", ".")
	f.Add("x/y,x_y", "")
	f.Fuzz(func(t *testing.T, names, separator string) {
		var store []mailbox.Listed
		seen := map[mailbox.Name]bool{}
		for text := range strings.SplitSeq(names, ",") {
			if name := mailbox.JoinText(text); name != "" && !seen[name] {
				seen[name] = true
				store = append(store, mailbox.Listed{Name: name})
			}
		}
		if len(separator) > 1 {
			return
		}
		choices, err := Names(store, Rules{}, Target{Separator: separator, Allows: refuses(separator)})
		if err != nil {
			t.Fatal(err)
		}
		used := map[mailbox.Name]bool{}
		for i, c := range choices {
			if c.From != store[i].Name {
				t.Fatalf("choice %d is for %q instead of %q", i, c.From, store[i].Name)
			}
			if c.Err == nil && used[c.To] {
				t.Fatalf("two mailboxes are %q: %v", c.To, choices)
			}
			used[c.To] = c.Err == nil
		}
	})
}
