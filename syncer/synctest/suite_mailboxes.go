package synctest

import (
	"cmp"
	"slices"

	"mailferry/syncer/mailbox"
)

var mailboxCases = []remoteSubtest{
	{"CreateMakesAMailbox", func(c *remoteCase) {
		c.create(work)
		c.create("Work/Sub")
		for _, name := range []mailbox.Name{work, "Work/Sub"} {
			if !slices.Contains(c.Witness.Mailboxes(), name) {
				c.Errorf("%s is not there: %q", name, c.Witness.Mailboxes())
			}
		}
	}},
	{"CreateTwiceIsErrExists", func(c *remoteCase) {
		c.made(1)
		wantError(c, "create", c.tryCreate(work), mailbox.ErrExists)
		wantError(c, "create", c.tryCreate(mailbox.Inbox), mailbox.ErrExists)
		if got := c.Witness.Messages(work); len(got) != 1 {
			c.Errorf("%d messages", len(got))
		}
	}},
	{"CreateMakesManyAndTellsHowTheyAre", func(c *remoteCase) {
		messages := c.made(2)
		names := []mailbox.Name{"A", "A/B", work, "A/B/C", "D"}
		told := map[mailbox.Name]error{}
		must(c, "create", c.Mailboxes.Create(c.ctx, names, func(i int, seen mailbox.Observation, err error) {
			name := names[i]
			want := mailbox.Status{Messages: 0, UIDNext: 1}
			if name == work {
				want = mailbox.Status{Messages: 2, UIDNext: messages[1].UID + 1}
			}
			if seen.Status.Messages != want.Messages || seen.Status.UIDNext != want.UIDNext || seen.Status.UIDValidity == 0 {
				c.Errorf("%s: %+v", name, seen.Status)
			}
			if !seen.Holds.AnyKeyword && seen.Holds.Flags.IsEmpty() {
				c.Errorf("%s holds %+v", name, seen.Holds)
			}
			told[name] = err
		}))
		if len(told) != len(names) {
			c.Errorf("told %v", told)
		}
		for _, name := range names {
			if !slices.Contains(c.Witness.Mailboxes(), name) {
				c.Errorf("%s is not there: %q", name, c.Witness.Mailboxes())
			}
			if name != work {
				must(c, string(name), told[name])
			} else {
				wantError(c, string(name), told[name], mailbox.ErrExists)
			}
			if seen := c.observe(name, mailbox.Since{}); seen.Status.UIDValidity == 0 {
				c.Errorf("%s: %+v", name, seen.Status)
			}
		}
	}},
	{"RenameTakesMessagesAndThoseBelow", func(c *remoteCase) {
		messages := c.made(2)
		c.Witness.Create("Work/Sub")
		c.Witness.Append("Work/Sub", mailbox.Flags{}, someDate(1), text(1))
		must(c, "rename", c.Mailboxes.Rename(c.ctx, work, "Renamed"))
		c.wantUIDs("Renamed", messages[0].UID, messages[1].UID)
		if got := c.Witness.Messages("Renamed/Sub"); len(got) != 1 {
			c.Errorf("%d messages below", len(got))
		}
		if slices.Contains(c.Witness.Mailboxes(), work) {
			c.Errorf("the old name is there: %q", c.Witness.Mailboxes())
		}
	}},
	{"RenameOfNoMailboxIsErrNotFound", func(c *remoteCase) {
		wantRefusal(c, "rename", c.Mailboxes.Rename(c.ctx, "Nowhere", "Elsewhere"), mailbox.ErrNotFound)
	}},
	{"RenameToAMailboxIsErrExists", func(c *remoteCase) {
		c.made(1)
		c.Witness.Create("Other")
		wantRefusal(c, "rename", c.Mailboxes.Rename(c.ctx, work, "Other"), mailbox.ErrExists)
		if got := c.Witness.Messages(work); len(got) != 1 {
			c.Errorf("%d messages", len(got))
		}
	}},
	{"DeleteOfAnEmptyMailbox", func(c *remoteCase) {
		c.made(0)
		// Having looked into it must not be in the way.
		c.observe(work, mailbox.Since{})
		must(c, "delete", c.Mailboxes.Delete(c.ctx, work))
		if slices.Contains(c.Witness.Mailboxes(), work) {
			c.Error("it is still there")
		}
	}},
	{"DeleteRefusesAMailboxWithMessages", func(c *remoteCase) {
		c.made(1)
		if err := c.Mailboxes.Delete(c.ctx, work); err == nil {
			c.Error("no error")
		}
		if got := c.Witness.Messages(work); len(got) != 1 {
			c.Errorf("%d messages", len(got))
		}
	}},
	{"DeleteRefusesInbox", func(c *remoteCase) {
		if err := c.Mailboxes.Delete(c.ctx, mailbox.Inbox); err == nil {
			c.Error("no error")
		}
	}},
	{"DeleteOfNoMailboxIsErrNotFound", func(c *remoteCase) {
		wantRefusal(c, "delete", c.Mailboxes.Delete(c.ctx, "Nowhere"), mailbox.ErrNotFound)
	}},
	{"AMailboxMadeAgainHasAnotherUIDValidity", func(c *remoteCase) {
		c.made(0)
		before := c.ref(work)
		must(c, "delete", c.Mailboxes.Delete(c.ctx, work))
		c.create(work)
		if after := c.ref(work); after == before {
			c.Errorf("still %+v", after)
		}
	}},
}

// create makes a mailbox.
func (c *remoteCase) create(name mailbox.Name) {
	c.Helper()
	must(c, "create "+string(name), c.tryCreate(name))
}

func (c *remoteCase) tryCreate(name mailbox.Name) error {
	c.Helper()
	var refused error
	told := 0
	err := c.Mailboxes.Create(c.ctx, []mailbox.Name{name}, func(_ int, _ mailbox.Observation, err error) {
		refused = err
		told++
	})
	if err == nil && told != 1 {
		c.Errorf("create %s: told %d times", name, told)
	}
	return cmp.Or(err, refused)
}
