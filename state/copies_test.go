package state

import (
	"slices"
	"testing"

	"mailferry/syncer/mailbox"
)

// alike returns the UIDs that Alike finds, by mailbox.
func alike(t *testing.T, s *Store, wanted ...mailbox.Likeness) map[mailbox.Name][]mailbox.UID {
	t.Helper()
	found, err := s.Alike(t.Context(), wanted)
	must(t, err)
	uids := map[mailbox.Name][]mailbox.UID{}
	for _, c := range found {
		uids[c.Mailbox] = append(uids[c.Mailbox], c.Link.UID)
	}
	for _, list := range uids {
		slices.Sort(list)
	}
	return uids
}

func TestAlikeFindsCopiesInAnyMailboxByEachOfTheirMarks(t *testing.T) {
	s := newWorld(t).open(t)
	a, b := add(t, s, "A"), add(t, s, "B")
	links := makeLinks(3)
	links[1].ContentID = 7
	links[2].Kind, links[2].ContentID, links[2].Content.Size = mailbox.PendingDownload, 7, links[1].Content.Size
	commitAll(t, s, a, links)
	other := *links[1]
	other.ID, other.UID, other.Key, other.Date.Unix = 0, 9, "other", 5
	commitAll(t, s, b, []*mailbox.Link{&other})

	for name, test := range map[string]struct {
		wanted mailbox.Likeness
		a, b   []mailbox.UID
	}{
		"size and date":         {mailbox.Likeness{Size: links[0].Content.Size, Unix: links[0].Date.Unix}, []mailbox.UID{1}, nil},
		"another date":          {mailbox.Likeness{Size: links[0].Content.Size, Unix: 1}, nil, nil},
		"the server's name":     {mailbox.Likeness{ContentID: 7, Size: links[1].Content.Size}, []mailbox.UID{2}, []mailbox.UID{9}},
		"the name, other size":  {mailbox.Likeness{ContentID: 7, Size: 1}, nil, nil},
		"an unknown name":       {mailbox.Likeness{ContentID: 8, Size: links[1].Content.Size}, nil, nil},
		"size and hash":         {mailbox.Likeness{Size: links[1].Content.Size, Hash: links[1].Content.Hash}, []mailbox.UID{2}, []mailbox.UID{9}},
		"size and another hash": {mailbox.Likeness{Size: links[1].Content.Size, Hash: links[0].Content.Hash}, nil, nil},
	} {
		if got := alike(t, s, test.wanted); !slices.Equal(got["A"], test.a) || !slices.Equal(got["B"], test.b) {
			t.Errorf("%s: found %v", name, got)
		}
	}
}

func TestAlikeReadsNoMoreThanItMust(t *testing.T) {
	s := newWorld(t).open(t)
	for _, from := range []string{alikeByContent, alikeByDate, alikeByHash} {
		var plan string
		must(t, s.rows(t.Context(), "EXPLAIN QUERY PLAN SELECT "+linkColumns+" FROM links"+from, []any{int64(1), int64(2)}, func(row []any) error {
			plan, _ = row[3].(string)
			return nil
		}))
		if want := "SEARCH links USING INDEX"; len(plan) < len(want) || plan[:len(want)] != want {
			t.Errorf("%s: %s", from, plan)
		}
	}
}

func TestALinkOutOfPlaceInTheIndexIsDamage(t *testing.T) {
	w := newWorld(t)
	s := w.open(t)
	id := add(t, s, "A")
	links := makeLinks(1)
	links[0].ContentID = 7
	commitAll(t, s, id, links)
	must(t, s.Close())
	tamper(t, w, "UPDATE links SET content_id = 8")
	s = w.open(t)
	if _, err := s.Alike(t.Context(), []mailbox.Likeness{{ContentID: 8, Size: links[0].Content.Size}}); err == nil {
		t.Error("a forged name of content was believed")
	}
}
