package synctest

import (
	"cmp"
	"context"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"mailferry/syncer"
	"mailferry/syncer/mailbox"
)

// BaseFixture is an empty state.
type BaseFixture struct {
	Base syncer.Base
	// Reopen closes the state and opens it again, as the next run does; nil
	// where it lives in memory only.
	Reopen func() syncer.Base
}

// baseCase is a fixture within one subtest.
type baseCase struct {
	*testing.T
	syncer.Base
	reopen func() syncer.Base
	ctx    context.Context
}

// TestBase holds an implementation of Base to the port's contract.
func TestBase(t *testing.T, open func(t *testing.T) BaseFixture) {
	for _, subtest := range baseCases {
		t.Run(subtest.name, func(t *testing.T) {
			fixture := open(t)
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
			defer cancel()
			subtest.run(&baseCase{t, fixture.Base, fixture.Reopen, ctx})
		})
	}
}

var baseCases = []struct {
	name string
	run  func(c *baseCase)
}{
	{"MailboxesAreSorted", func(c *baseCase) {
		names := []mailbox.Name{"b", mailbox.Inbox, "a/b", "a", "Büro", "%xff"}
		for _, name := range names {
			c.add(name)
		}
		slices.Sort(names)
		var got []mailbox.Name
		for _, known := range c.mailboxes() {
			got = append(got, known.Name)
		}
		if !slices.Equal(got, names) {
			c.Errorf("got %q, want %q", got, names)
		}
	}},
	{"AddGivesEachMailboxItsOwnID", func(c *baseCase) {
		a, b := c.add("a"), c.add("b")
		if a == b || a == 0 || b == 0 {
			c.Errorf("%d and %d", a, b)
		}
		_, err := c.Add(c.ctx, "a")
		wantError(c, "add again", err, mailbox.ErrExists)
	}},
	{"EveryFieldOfALinkRoundTrips", func(c *baseCase) {
		id := c.add("a")
		links := sampleLinks()
		c.commit(mailbox.Commit{Mailbox: id, Put: links})
		c.again()
		c.wantLinks(id, links)
	}},
	{"EveryFieldOfACheckpointRoundTrips", func(c *baseCase) {
		id := c.add("a")
		checkpoint := mailbox.Checkpoint{
			Remote:    mailbox.Status{Messages: 1<<32 - 1, UIDNext: mailbox.MaxUID, UIDValidity: 1<<32 - 1, HighestModSeq: 1<<63 - 1},
			Local:     mailbox.Stamp{Cur: 1, New: -2, Keywords: 3, Taken: 1<<63 - 1},
			HasRemote: true, HasLocal: true,
		}
		for _, want := range []mailbox.Checkpoint{checkpoint, {}, {HasRemote: true}, {HasLocal: true},
			{HasRemote: true, HasLocal: true, Leaving: mailbox.LeavingDisk}, {HasRemote: true, HasLocal: true, Leaving: mailbox.LeavingServer}} {
			c.commit(mailbox.Commit{Mailbox: id, Checkpoint: &want})
			c.again()
			got := c.mailboxes()[0]
			if got.Remote != want.Remote || got.Local != want.Local || got.HasRemote != want.HasRemote || got.HasLocal != want.HasLocal || got.Leaving != want.Leaving {
				c.Errorf("got %+v, want %+v", got, want)
			}
		}
	}},
	{"CommitWithoutACheckpointKeepsIt", func(c *baseCase) {
		id := c.add("a")
		c.commit(mailbox.Commit{Mailbox: id, Checkpoint: &mailbox.Checkpoint{Remote: mailbox.Status{UIDNext: 7}, HasRemote: true}})
		c.commit(mailbox.Commit{Mailbox: id, Put: []*mailbox.Link{{UID: 1, Key: "k"}}})
		if got := c.mailboxes()[0]; got.Remote.UIDNext != 7 || !got.HasRemote || got.Links != 1 {
			c.Errorf("%+v", got)
		}
	}},
	{"CommitSetsIDsAndUpdatesByThem", func(c *baseCase) {
		id := c.add("a")
		a, b := &mailbox.Link{UID: 1, Key: "a"}, &mailbox.Link{UID: 2, Key: "b"}
		c.commit(mailbox.Commit{Mailbox: id, Put: []*mailbox.Link{a, b}})
		if a.ID == 0 || b.ID == 0 || a.ID == b.ID {
			c.Fatalf("ids %d and %d", a.ID, b.ID)
		}
		before := a.ID
		a.Agreed, a.Kind, a.UID, b.UID = flagged, mailbox.KeptLocal, 2, 1
		c.commit(mailbox.Commit{Mailbox: id, Put: []*mailbox.Link{a, b}})
		if a.ID != before {
			c.Errorf("the id became %d", a.ID)
		}
		c.wantLinks(id, []*mailbox.Link{b, a})
	}},
	{"LinksAreSortedByUIDThenKey", func(c *baseCase) {
		id := c.add("a")
		links := []*mailbox.Link{{UID: 9, Key: "a"}, {Key: "z", Kind: mailbox.PendingUpload}, {UID: 3, Key: "q"}, {Key: "b", Kind: mailbox.KeptLocal}, {UID: 10}}
		c.commit(mailbox.Commit{Mailbox: id, Put: links})
		c.wantLinks(id, []*mailbox.Link{links[3], links[1], links[2], links[0], links[4]})
	}},
	{"ForgottenLinksAreGone", func(c *baseCase) {
		id := c.add("a")
		links := []*mailbox.Link{{UID: 1, Key: "a"}, {UID: 2, Key: "b"}, {UID: 3, Key: "c"}}
		c.commit(mailbox.Commit{Mailbox: id, Put: links})
		// One commit may put anew what it forgets.
		anew := &mailbox.Link{UID: 1, Key: "a", Agreed: flagged}
		c.commit(mailbox.Commit{Mailbox: id, Forget: []mailbox.LinkID{links[0].ID, links[2].ID}, Put: []*mailbox.Link{anew}})
		c.wantLinks(id, []*mailbox.Link{anew, links[1]})
		if got := c.mailboxes()[0].Links; got != 2 {
			c.Errorf("counts %d links", got)
		}
	}},
	{"ScanFindsLinksByID", func(c *baseCase) {
		id := c.add("a")
		links := sampleLinks()
		c.commit(mailbox.Commit{Mailbox: id, Put: links})
		want := []mailbox.LinkID{links[1].ID, links[4].ID}
		slices.Sort(want)
		some := mailbox.Some{IDs: append(slices.Clone(want), 1<<40)}
		var got []mailbox.LinkID
		for _, link := range c.scan(id, some) {
			got = append(got, link.ID)
		}
		if slices.Sort(got); !slices.Equal(got, want) {
			c.Errorf("got %v, want %v", got, want)
		}
		// What fits twice is handed over once.
		some.UIDs, some.Odd = mailbox.UIDs(links[1].UID, links[4].UID, links[5].UID), true
		seen := map[mailbox.LinkID]int{}
		for _, link := range c.scan(id, some) {
			if seen[link.ID]++; seen[link.ID] > 1 || !some.Fits(&link) {
				c.Errorf("%+v: %d times", link, seen[link.ID])
			}
		}
		if seen[links[1].ID]+seen[links[4].ID]+seen[links[5].ID] != 3 {
			c.Errorf("got %v", seen)
		}
	}},
	{"UnnumberTakesAllUIDsAtOnce", func(c *baseCase) {
		id, other := c.add("a"), c.add("b")
		beside := &mailbox.Link{UID: 7, Key: "beside"}
		c.commit(mailbox.Commit{Mailbox: other, Put: []*mailbox.Link{beside}})
		var links []*mailbox.Link
		for i := range 1200 {
			links = append(links, &mailbox.Link{
				UID: mailbox.UID(i + 1), Key: mailbox.Key(fmt.Sprintf("key%04d", i)), Since: mailbox.UID(i % 3),
				Kind: mailbox.LinkKind(i % int(mailbox.PendingExpunge+1)), Agreed: flagged, Local: flagged,
			})
		}
		c.commit(mailbox.Commit{Mailbox: id, Put: links})
		before := c.mailboxes()[0]
		// Two get others' UIDs in the same transaction.
		links[0].UID, links[1].UID = 2, 1
		c.commit(mailbox.Commit{Mailbox: id, Unnumber: true, Put: links[:2], Checkpoint: &mailbox.Checkpoint{Remote: mailbox.Status{UIDValidity: 9}}})
		for _, link := range links[2:] {
			link.Unnumber()
		}
		c.again()
		c.wantLinks(id, slices.Concat(links[2:], []*mailbox.Link{links[1], links[0]}))
		c.wantLinks(other, []*mailbox.Link{beside})
		if after := c.mailboxes()[0]; after.Tally != before.Tally || after.Links != 1200 || after.Remote.UIDValidity != 9 {
			c.Errorf("%+v, before %+v", after, before)
		}
		for i, link := range links {
			link.UID = mailbox.UID(3000 - i)
		}
		c.commit(mailbox.Commit{Mailbox: id, Put: links})
		slices.Reverse(links)
		c.wantLinks(id, links)
	}},
	{"CommitIsAllOrNothing", commitIsAtomic},
	{"CommitMovesALinkBetweenMailboxes", func(c *baseCase) {
		from, to := c.add("a"), c.add("b")
		link := &mailbox.Link{UID: 1, Key: "k"}
		c.commit(mailbox.Commit{Mailbox: from, Put: []*mailbox.Link{link}})
		moved := &mailbox.Link{UID: 5, Key: "k"}
		c.commit(mailbox.Commit{Mailbox: from, Forget: []mailbox.LinkID{link.ID}}, mailbox.Commit{Mailbox: to, Put: []*mailbox.Link{moved}})
		c.wantLinks(from, nil)
		c.wantLinks(to, []*mailbox.Link{moved})
	}},
	{"CommitOfNothingIsNoError", func(c *baseCase) {
		c.commit()
		c.commit(mailbox.Commit{Mailbox: c.add("a")})
	}},
	{"RenameKeepsLinksAndCheckpoint", func(c *baseCase) {
		id := c.add("a")
		other := c.add("c")
		link := &mailbox.Link{UID: 1, Key: "k"}
		c.commit(mailbox.Commit{Mailbox: id, Put: []*mailbox.Link{link}, Checkpoint: &mailbox.Checkpoint{Remote: mailbox.Status{UIDNext: 7}}})
		must(c, "rename", c.Rename(c.ctx, id, "b"))
		c.again()
		if got := c.mailboxes(); got[0].Name != "b" || got[0].ID != id || got[0].Remote.UIDNext != 7 || len(got) != 2 {
			c.Errorf("%+v", got)
		}
		c.wantLinks(id, []*mailbox.Link{link})
		wantError(c, "rename", c.Rename(c.ctx, other, "b"), mailbox.ErrExists)
		wantError(c, "rename", c.Rename(c.ctx, 999, "d"), mailbox.ErrNotFound)
	}},
	{"ForgetRemovesTheMailboxAndItsLinks", func(c *baseCase) {
		a, b := c.add("a"), c.add("b")
		kept := &mailbox.Link{UID: 1, Key: "k"}
		c.commit(mailbox.Commit{Mailbox: a, Put: []*mailbox.Link{{UID: 1, Key: "k"}}}, mailbox.Commit{Mailbox: b, Put: []*mailbox.Link{kept}})
		must(c, "forget", c.Forget(c.ctx, a))
		c.again()
		if got := c.mailboxes(); len(got) != 1 || got[0].ID != b {
			c.Errorf("%+v", got)
		}
		c.wantLinks(b, []*mailbox.Link{kept})
		again := c.add("a")
		if again == a {
			c.Errorf("the id %d came back", a)
		}
		c.wantLinks(again, nil)
	}},
	{"ManyLinksInOneCommit", func(c *baseCase) {
		id := c.add("a")
		var links []*mailbox.Link
		for i := range 5000 {
			links = append(links, &mailbox.Link{UID: mailbox.UID(i + 1), Key: mailbox.Key(text(i)[:16]), Content: ContentOf(text(i))})
		}
		c.commit(mailbox.Commit{Mailbox: id, Put: links})
		c.again()
		c.wantLinks(id, links)
	}},
	{"EndsWhenCancelled", func(c *baseCase) {
		id := c.add("a")
		ctx, cancel := context.WithCancel(c.ctx)
		cancel()
		err := c.Commit(ctx, mailbox.Commit{Mailbox: id, Put: []*mailbox.Link{{UID: 1, Key: "k"}}})
		wantError(c, "commit", err, context.Canceled)
		c.wantLinks(id, nil)
	}},
}

// commitIsAtomic has the last part of a transaction fail.
func commitIsAtomic(c *baseCase) {
	a, b := c.add("a"), c.add("b")
	old := &mailbox.Link{UID: 1, Key: "old"}
	c.commit(mailbox.Commit{Mailbox: a, Put: []*mailbox.Link{old}})
	for what, bad := range map[string]mailbox.Commit{
		"no such mailbox": {Mailbox: 999, Put: []*mailbox.Link{{UID: 1, Key: "x"}}},
		"no such link":    {Mailbox: b, Forget: []mailbox.LinkID{999}},
		"one UID twice":   {Mailbox: b, Put: []*mailbox.Link{{UID: 4, Key: "x"}, {UID: 4, Key: "y"}}},
	} {
		added := &mailbox.Link{UID: 2, Key: "added"}
		good := mailbox.Commit{
			Mailbox: a, Put: []*mailbox.Link{added}, Forget: []mailbox.LinkID{old.ID}, Checkpoint: &mailbox.Checkpoint{HasRemote: true},
		}
		if err := c.Commit(c.ctx, good, bad); err == nil {
			c.Errorf("%s: no error", what)
		}
		if added.ID != 0 {
			c.Errorf("%s: the link has the id %d", what, added.ID)
		}
		c.again()
		c.wantLinks(a, []*mailbox.Link{old})
		c.wantLinks(b, nil)
		if c.mailboxes()[0].HasRemote {
			c.Errorf("%s: the checkpoint was written", what)
		}
	}
}

// sampleLinks have every kind and every extreme of every field.
func sampleLinks() []*mailbox.Link {
	var links []*mailbox.Link
	for kind := mailbox.Linked; kind <= mailbox.Skipped; kind++ {
		links = append(links, &mailbox.Link{
			Kind: kind, UID: mailbox.UID(kind) + 10, Key: mailbox.Key("key" + kind.String()),
			Agreed: flagged, Remote: mailbox.NewFlags("$Junk", "UPPER"), Local: mailbox.NewFlags(mailbox.FlagSeen),
			Content: mailbox.Content{Size: 1 << 40, Hash: mailbox.Hash{1, 2, 3}, Header: mailbox.Hash{31: 9}, Verbatim: kind%2 == 0},
			Date:    mailbox.Date{Unix: -1 << 33, Offset: -12600, Known: true}, Since: mailbox.MaxUID,
		})
	}
	return append(links,
		&mailbox.Link{UID: 100, Key: "plain"},
		&mailbox.Link{UID: 101, Key: "agreed", Agreed: flagged, Remote: flagged, Local: flagged},
		&mailbox.Link{UID: 102, Key: "lost on both sides", Agreed: flagged},
		&mailbox.Link{UID: 103, Key: "odd\xff name,U=5 'quoted'", Date: mailbox.Date{Unix: 1, Offset: 50400, Known: true}},
		&mailbox.Link{UID: mailbox.MaxUID, Kind: mailbox.KeptRemote},
	)
}

func (c *baseCase) again() {
	if c.reopen != nil {
		c.Base = c.reopen()
	}
}

func (c *baseCase) add(name mailbox.Name) mailbox.ID {
	c.Helper()
	id, err := c.Add(c.ctx, name)
	must(c, "add", err)
	return id
}

func (c *baseCase) commit(commits ...mailbox.Commit) {
	c.Helper()
	must(c, "commit", c.Commit(c.ctx, commits...))
}

func (c *baseCase) mailboxes() []mailbox.Known {
	c.Helper()
	list, err := c.Mailboxes(c.ctx)
	must(c, "mailboxes", err)
	return list
}

func (c *baseCase) wantLinks(id mailbox.ID, want []*mailbox.Link) {
	c.Helper()
	got := c.scan(id, mailbox.Some{})
	slices.SortFunc(got, func(a, b mailbox.Link) int {
		return cmp.Or(cmp.Compare(a.UID, b.UID), cmp.Compare(a.Key, b.Key))
	})
	if len(got) != len(want) {
		c.Errorf("%d links, want %d", len(got), len(want))
		return
	}
	for i := range got {
		if !reflect.DeepEqual(got[i], *want[i]) {
			c.Errorf("link %d is %+v, want %+v", i, got[i], *want[i])
		}
	}
}

func (c *baseCase) scan(id mailbox.ID, some mailbox.Some) []mailbox.Link {
	c.Helper()
	var links []mailbox.Link
	must(c, "scan", c.Scan(c.ctx, id, some, func(link *mailbox.Link) error {
		links = append(links, *link)
		return nil
	}))
	return links
}
