package synctest

import (
	"slices"

	"mailferry/syncer/mailbox"
)

var mailboxCases = []remoteSubtest{
	{"CreateMakesAMailbox", func(c *remoteCase) {
		must(c, "create", c.Mailboxes.Create(c.ctx, work))
		must(c, "create", c.Mailboxes.Create(c.ctx, "Work/Sub"))
		for _, name := range []mailbox.Name{work, "Work/Sub"} {
			if !slices.Contains(c.Witness.Mailboxes(), name) {
				c.Errorf("%s is not there: %q", name, c.Witness.Mailboxes())
			}
		}
	}},
	{"CreateTwiceIsErrExists", func(c *remoteCase) {
		c.made(1)
		wantError(c, "create", c.Mailboxes.Create(c.ctx, work), mailbox.ErrExists)
		wantError(c, "create", c.Mailboxes.Create(c.ctx, mailbox.Inbox), mailbox.ErrExists)
		if got := c.Witness.Messages(work); len(got) != 1 {
			c.Errorf("%d messages", len(got))
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
		must(c, "create", c.Mailboxes.Create(c.ctx, work))
		if after := c.ref(work); after == before {
			c.Errorf("still %+v", after)
		}
	}},
}
