package plan

import (
	"fmt"
	"strings"
	"testing"

	"mailferry/syncer/mailbox"
)

// downloadOf is the download of a new message; id 0 is one that the server
// gives no name.
func downloadOf(uid mailbox.UID, id mailbox.ContentID, size, date int64) Action {
	link := &mailbox.Link{Kind: mailbox.PendingDownload, UID: uid, ContentID: id, Content: mailbox.Content{Size: size}, Date: mailbox.Date{Unix: date, Known: date != 0}}
	return Action{Kind: Download, Rule: "new-on-server", UID: uid, Size: size, Date: link.Date, Link: link}
}

func TestDownloadsThatAreAlikeWaitForTheFirst(t *testing.T) {
	const large, small = HeaderWorth, HeaderWorth - 1
	for _, test := range []struct {
		name  string
		a, b  []Action
		known []mailbox.Copy
		want  string
	}{
		{"one name", []Action{downloadOf(1, 7, small, 1)}, []Action{downloadOf(1, 7, small, 2), downloadOf(2, 8, small, 1)}, nil, "B1<A1"},
		{"one name and another size", []Action{downloadOf(1, 7, small, 1)}, []Action{downloadOf(1, 7, large, 1)}, nil, ""},
		{"a name and none", []Action{downloadOf(1, 7, large, 1)}, []Action{downloadOf(1, 0, large, 1)}, nil, ""},
		{"one size and date", []Action{downloadOf(1, 0, large, 1)}, []Action{downloadOf(1, 0, large, 1), downloadOf(2, 0, large, 2), downloadOf(3, 0, large, 1)}, nil, "B1<A1 B3<A1"},
		{"too small for a header", []Action{downloadOf(1, 0, small, 1)}, []Action{downloadOf(1, 0, small, 1)}, nil, ""},
		{"no dates", []Action{downloadOf(1, 0, large, 0)}, []Action{downloadOf(1, 0, large, 0)}, nil, ""},
		{"twice in one mailbox", []Action{downloadOf(1, 7, small, 1), downloadOf(2, 7, small, 1)}, nil, nil, "A2<A1"},
		{"known by name", nil, []Action{downloadOf(1, 7, small, 1), downloadOf(2, 7, small, 1)},
			[]mailbox.Copy{{Mailbox: "K", Link: mailbox.Link{ID: 5, UID: 9, ContentID: 7, Content: mailbox.Content{Size: small}}}}, "B1<K9 B2<K9"},
		{"known by size and date", nil, []Action{downloadOf(1, 0, large, 1)},
			[]mailbox.Copy{{Mailbox: "K", Link: mailbox.Link{ID: 5, UID: 9, ContentID: 7, Content: mailbox.Content{Size: large}, Date: mailbox.Date{Unix: 1, Known: true}}}}, "B1<K9"},
	} {
		plans := []*Plan{{Mailbox: "A", Actions: test.a}, {Mailbox: "B", Actions: test.b}}
		RecogniseCopies(plans, test.known)
		var got []string
		for _, p := range plans {
			for _, a := range p.Actions {
				if a.Source != nil {
					got = append(got, fmt.Sprintf("%s%d<%s%d", p.Mailbox, a.UID, a.From.Name, a.Source.UID))
				}
				if (a.Source != nil) != (a.Rule == "copied-on-server") {
					t.Errorf("%s: the rule is %s", test.name, a.Rule)
				}
			}
		}
		if strings.Join(got, " ") != test.want {
			t.Errorf("%s: %v, want %s", test.name, got, test.want)
		}
	}
}

func TestADownloadIsNoCopyOfItself(t *testing.T) {
	again := downloadOf(1, 7, 100, 1)
	again.Link.ID = 5
	plans := []*Plan{{Mailbox: "A", Actions: []Action{again}}}
	RecogniseCopies(plans, []mailbox.Copy{{Mailbox: "A", Link: mailbox.Link{ID: 5, UID: 1, ContentID: 7, Content: mailbox.Content{Size: 100}}}})
	if plans[0].Actions[0].Source != nil {
		t.Error("it waits for itself")
	}
}

// What counts as proof: DESIGN, section 4.
func TestProofOfACopy(t *testing.T) {
	const large, small = HeaderWorth, HeaderWorth - 1
	content := contentOf("m", large)
	linked := func(id mailbox.ContentID, size, date int64) *mailbox.Link {
		l := &mailbox.Link{Key: "k", UID: 9, ContentID: id, Content: content, Date: mailbox.Date{Unix: date, Known: true}}
		l.Content.Size = size
		return l
	}
	pending := linked(7, small, 1)
	pending.Kind = mailbox.PendingDownload
	same, other := HeaderOf{content.Header, true}, HeaderOf{contentOf("n", 1).Header, true}
	anonymous := HeaderOf{content.Header, false}
	for _, test := range []struct {
		name           string
		action         Action
		source         *mailbox.Link
		proven, header bool
		answer         HeaderOf
		withHeader     bool
	}{
		{"name, size and date", downloadOf(1, 7, small, 1), linked(7, small, 1), true, false, HeaderOf{}, false},
		{"the first was not had", downloadOf(1, 7, small, 1), pending, false, false, HeaderOf{}, false},
		{"another name", downloadOf(1, 7, large, 1), linked(8, large, 1), false, false, HeaderOf{}, false},
		{"another size", downloadOf(1, 7, large, 1), linked(7, large+1, 1), false, false, HeaderOf{}, false},
		{"another date, small", downloadOf(1, 7, small, 1), linked(7, small, 2), false, false, HeaderOf{}, false},
		{"another date, same header", downloadOf(1, 7, large, 1), linked(7, large, 2), false, true, anonymous, true},
		{"another date, another header", downloadOf(1, 7, large, 1), linked(7, large, 2), false, true, other, false},
		{"no name, same header", downloadOf(1, 0, large, 1), linked(7, large, 1), false, true, same, true},
		{"no name, no Message-ID", downloadOf(1, 0, large, 1), linked(0, large, 1), false, true, anonymous, false},
		{"no name, another date", downloadOf(1, 0, large, 1), linked(0, large, 2), false, true, same, false},
		{"no name, another header", downloadOf(1, 0, large, 1), linked(0, large, 1), false, true, other, false},
		{"no name, no answer", downloadOf(1, 0, large, 1), linked(0, large, 1), false, true, HeaderOf{}, false},
	} {
		test.action.Source = test.source
		proven, header := test.action.IsCopy()
		if proven != test.proven || header != test.header {
			t.Errorf("%s: proven %v, asks for the header %v", test.name, proven, header)
		}
		if header && test.action.IsCopyWith(test.answer) != test.withHeader {
			t.Errorf("%s: with the header %v", test.name, !test.withHeader)
		}
	}
}
