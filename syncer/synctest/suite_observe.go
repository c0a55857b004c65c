package synctest

import (
	"context"
	"errors"

	"mailferry/syncer/mailbox"
)

var observeCases = []remoteSubtest{
	{"ObserveOfAnEmptyMailboxIsComplete", func(c *remoteCase) {
		c.made(0)
		s := c.observe(c.box, mailbox.Since{})
		if !s.Complete || len(s.messages) != 0 || s.Status.Messages != 0 || s.Status.UIDNext == 0 || s.Status.UIDValidity == 0 {
			c.Errorf("%+v", s)
		}
		if s = c.observe(c.box, since(s, nil)); !s.Complete || !s.present(nil).IsEmpty() {
			c.Errorf("again: %+v", s)
		}
	}},
	{"ObserveHandsOverEveryMessage", observeEverything},
	{"ObserveSaysWhatTheMailboxHolds", func(c *remoteCase) {
		flags := mailbox.NewFlags(mailbox.FlagSeen, mailbox.FlagAnswered, mailbox.FlagFlagged, mailbox.FlagDraft)
		c.fill(mailbox.Inbox, 1)
		if got := c.observe(mailbox.Inbox, mailbox.Since{}).Holds.Keep(flags); !got.Equal(flags) {
			c.Errorf("holds %s of %s", got, flags)
		}
	}},
	{"ObserveOfNoMailboxIsErrNotFound", func(c *remoteCase) {
		_, err := c.Remote.Observe(c.ctx, "Nowhere", mailbox.Since{}, func(mailbox.RemoteMessage) error { return nil })
		wantRefusal(c, "observe", err, mailbox.ErrNotFound)
	}},
	{"ObserveWithoutAChangeHandsOverNothing", func(c *remoteCase) {
		known := c.made(5)
		s := c.observe(c.box, since(c.observe(c.box, mailbox.Since{}), known))
		c.wantPresent(s, known, known)
		if c.CondStore != s.Delta {
			c.Errorf("delta %v, CONDSTORE %v", s.Delta, c.CondStore)
		}
		if s.Delta && len(s.messages) > 0 {
			c.Errorf("handed over %v", s.messages)
		}
	}},
	{"ObserveSeesWhatChangedAndWhatIsNew", func(c *remoteCase) {
		known := c.made(5)
		before := c.observe(c.box, mailbox.Since{})
		changed := known[2].UID
		c.Witness.Store(c.box, changed, "+FLAGS", mailbox.NewFlags(mailbox.FlagFlagged))
		now := c.fill(c.box, 1)
		s := c.observe(c.box, since(before, known))
		c.wantPresent(s, known, now)
		if m, found := s.find(changed); !found || !m.HasFlags || !m.Flags.Has(mailbox.FlagFlagged) {
			c.Errorf("changed message: %+v", m)
		}
		if m, found := s.find(now[5].UID); !found || !m.HasFlags || !m.HasSize || !m.Date.Known {
			c.Errorf("new message: %+v", m)
		}
	}},
	{"ObserveInWindowsTellsWhatIsLeftAndThenThat", observeWindows},
	{"GlanceSeesWhatObserveSees", glanceSeesWhatObserveSees},
	{"ObserveOfAWindowUnderAnotherUIDValidityIsRefused", func(c *remoteCase) {
		known := c.made(3)
		s := c.observe(c.box, mailbox.Since{Limit: 1})
		other := mailbox.Status{UIDValidity: s.Status.UIDValidity + 1}
		_, err := c.Remote.Observe(c.ctx, c.box, mailbox.Since{Remote: other, Only: uidsOf(known[1:])}, func(m mailbox.RemoteMessage) error {
			c.Errorf("handed over uid %d", m.UID)
			return nil
		})
		wantError(c, "observe", err, mailbox.ErrUIDValidity)
	}},
	{"ObserveProvesThatAMessageIsGone", func(c *remoteCase) {
		known := c.made(5)
		before := c.observe(c.box, mailbox.Since{})
		c.Witness.Expunge(c.box, known[1].UID, known[4].UID)
		c.wantPresent(c.observe(c.box, since(before, known)), known, c.Witness.Messages(c.box))
	}},
	{"ObserveIsNotFooledByEqualCounts", func(c *remoteCase) {
		known := c.made(4)
		before := c.observe(c.box, mailbox.Since{})
		c.Witness.Expunge(c.box, known[0].UID)
		c.Witness.Append(c.box, mailbox.Flags{}, someDate(9), text(9))
		c.wantPresent(c.observe(c.box, since(before, known)), known, c.Witness.Messages(c.box))
	}},
	{"ObserveSeesANewMessageThatIsGoneAgain", func(c *remoteCase) {
		known := c.made(3)
		before := c.observe(c.box, mailbox.Since{})
		now := c.fill(c.box, 2)
		c.Witness.Expunge(c.box, now[3].UID)
		c.wantPresent(c.observe(c.box, since(before, known)), known, c.Witness.Messages(c.box))
	}},
	{"ObserveSeesAMailboxThatWasEmptied", func(c *remoteCase) {
		known := c.made(3)
		before := c.observe(c.box, mailbox.Since{})
		for _, message := range known {
			c.Witness.Expunge(c.box, message.UID)
		}
		c.wantPresent(c.observe(c.box, since(before, known)), known, nil)
	}},
	{"ObserveWithTooFewBelowListsAll", func(c *remoteCase) {
		// The base lost links: what it does not know must be told again.
		known := c.made(4)
		before := since(c.observe(c.box, mailbox.Since{}), known[:2])
		s := c.observe(c.box, before)
		if !s.Complete || s.present(uidsOf(known[:2])).String() != uidsOf(known).String() {
			c.Errorf("complete %v, present %s, want %s", s.Complete, s.present(uidsOf(known[:2])), uidsOf(known))
		}
	}},
	{"ObserveUnderAnotherUIDValidityTellsEverything", func(c *remoteCase) {
		known := c.made(3)
		before := since(c.observe(c.box, mailbox.Since{}), known)
		before.Remote.UIDValidity++
		s := c.observe(c.box, before)
		if s.Delta || !s.Complete || len(s.messages) != len(known) {
			c.Errorf("%+v", s)
		}
	}},
	{"ObserveSeesKeywordsComeAndGo", func(c *remoteCase) {
		known := c.made(2)
		keyword := mailbox.NewFlags("$Junk")
		c.Witness.Store(c.box, known[0].UID, "+FLAGS", keyword)
		s := c.observe(c.box, mailbox.Since{})
		if m, _ := s.find(known[0].UID); !m.Flags.Equal(keyword) {
			c.Errorf("flags %s, want %s", m.Flags, keyword)
		}
		c.Witness.Store(c.box, known[0].UID, "-FLAGS", keyword)
		if m, found := c.observe(c.box, since(s, known)).find(known[0].UID); !found || !m.Flags.IsEmpty() {
			c.Errorf("keyword taken away: found %v, flags %s", found, m.Flags)
		}
	}},
	{"ObserveTellsMachinesFromFlags", func(c *remoteCase) {
		known := c.made(1)
		machine, keyword := mailbox.MachineFlag("work"), mailbox.NewFlags("$Junk")
		c.Witness.Store(c.box, known[0].UID, "+FLAGS", keyword.Union(machine))
		m, _ := c.observe(c.box, mailbox.Since{}).find(known[0].UID)
		if !m.Flags.Equal(keyword) || !m.Machines.Equal(machine) {
			c.Errorf("flags %s, machines %s", m.Flags, m.Machines)
		}
	}},
	{"ObserveReturnsTheErrorOfEach", func(c *remoteCase) {
		c.made(3)
		stop, calls := errors.New("stop"), 0
		_, err := c.Remote.Observe(c.ctx, c.box, mailbox.Since{}, func(mailbox.RemoteMessage) error { calls++; return stop })
		wantError(c, "observe", err, stop)
		if calls != 1 {
			c.Errorf("each was called %d times after its error", calls-1)
		}
		if s := c.observe(c.box, mailbox.Since{}); len(s.messages) != 3 {
			c.Errorf("afterwards %d messages", len(s.messages))
		}
	}},
	{"ObserveEndsWhenCancelled", func(c *remoteCase) {
		c.made(3)
		ctx, cancel := context.WithCancel(c.ctx)
		cancel()
		_, err := c.Remote.Observe(ctx, c.box, mailbox.Since{}, func(mailbox.RemoteMessage) error { return nil })
		wantError(c, "observe", err, context.Canceled)
	}},
}

// wantPresent checks that an observation proves what is there: to a base that
// knows known, just the messages in now.
// observeWindows looks at a mailbox a few messages at a time. A remote may tell
// all of them at once; then nothing is left.
func observeWindows(c *remoteCase) {
	all := c.made(7)
	for _, limit := range []int{-1, 2, 7, 9} {
		s := c.observe(c.box, mailbox.Since{Limit: limit})
		if !s.Complete || s.present(uidsOf(all)).String() != uidsOf(all).String() {
			c.Fatalf("limit %d: complete %v, present %s", limit, s.Complete, s.present(uidsOf(all)))
		}
		if told := len(s.messages); s.Rest.Len() != len(all)-told || told > max(limit, 0) && told < len(all) {
			c.Errorf("limit %d: %d described, %s left", limit, told, s.Rest)
		}
		for i, m := range s.messages {
			if m.UID != all[i].UID || !m.HasFlags || !m.Date.Known {
				c.Errorf("limit %d: message %d is %+v", limit, i, m)
			}
		}
		if s.Rest.IsEmpty() {
			continue
		}
		some, _ := s.Rest.First(3)
		validity := mailbox.Status{UIDValidity: s.Status.UIDValidity}
		part := c.observe(c.box, mailbox.Since{Remote: validity, Only: some})
		if !part.Complete || len(part.messages) != some.Len() || part.Delta {
			c.Errorf("limit %d: of %s came %d messages, complete %v", limit, some, len(part.messages), part.Complete)
		}
		for _, m := range part.messages {
			if !some.Contains(m.UID) {
				c.Errorf("limit %d: uid %d was not asked for", limit, m.UID)
			}
		}
	}
	gone := all[3].UID
	c.Witness.Expunge(c.box, gone)
	s := c.observe(c.box, mailbox.Since{Limit: -1})
	if s.Rest.IsEmpty() {
		return
	}
	part := c.observe(c.box, mailbox.Since{Remote: mailbox.Status{UIDValidity: s.Status.UIDValidity}, Only: uidsOf(all[2:5])})
	if _, found := part.find(gone); found || !part.Complete || len(part.messages) != 2 || part.Spoiled.Contains(gone) {
		c.Errorf("uid %d is gone: %d messages, complete %v, spoiled %s", gone, len(part.messages), part.Complete, part.Spoiled)
	}
}

func (c *remoteCase) wantPresent(s seen, known, now []Message) {
	c.Helper()
	if !s.Complete {
		c.Fatalf("not complete: %+v", s)
	}
	if got, want := s.present(uidsOf(known)).String(), uidsOf(now).String(); got != want {
		c.Errorf("present %q, want %q (%+v)", got, want, s)
	}
	if int(s.Status.Messages) != len(now) {
		c.Errorf("status %+v, want %d messages", s.Status, len(now))
	}
}

func observeEverything(c *remoteCase) {
	c.make()
	flags := []mailbox.Flags{
		{}, mailbox.NewFlags(mailbox.FlagSeen), mailbox.NewFlags(mailbox.FlagSeen, mailbox.FlagFlagged, mailbox.FlagAnswered),
		mailbox.NewFlags(mailbox.FlagDraft), mailbox.NewFlags(mailbox.FlagDeleted), mailbox.NewFlags("$Forwarded", "Custom"),
	}
	for i, f := range flags {
		c.Witness.Append(c.box, f, someDate(i), text(i))
	}
	want := c.Witness.Messages(c.box)
	s := c.observe(c.box, mailbox.Since{})
	if !s.Complete || s.Delta || len(s.messages) != len(want) || int(s.Status.Messages) != len(want) {
		c.Fatalf("%+v", s)
	}
	if s.Status.UIDNext <= want[len(want)-1].UID {
		c.Errorf("UIDNEXT %d, highest UID %d", s.Status.UIDNext, want[len(want)-1].UID)
	}
	if c.CondStore != (s.Status.HighestModSeq > 0) {
		c.Errorf("HIGHESTMODSEQ %d, CONDSTORE %v", s.Status.HighestModSeq, c.CondStore)
	}
	for i, m := range s.messages {
		w := want[i]
		if m.UID != w.UID || !m.HasFlags || !m.HasSize || m.Size != int64(len(w.Octets)) || !m.Flags.Equal(w.Flags) || m.Date != w.Date {
			c.Errorf("got %+v, want uid %d, (%s), %d octets, %+v", m, w.UID, w.Flags, len(w.Octets), w.Date)
		}
		// Whether a full listing asks for MODSEQ is left to the implementation.
		if m.ModSeq > s.Status.HighestModSeq {
			c.Errorf("uid %d: MODSEQ %d above HIGHESTMODSEQ %d", m.UID, m.ModSeq, s.Status.HighestModSeq)
		}
	}
}
