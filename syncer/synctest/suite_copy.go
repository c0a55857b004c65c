package synctest

import (
	"bytes"

	"mailferry/syncer/mailbox"
)

// copyCases are about copies of messages in other mailboxes.
var copyCases = []remoteSubtest{
	{"CopyKeepsOctetsAndDateAndLeavesTheFirst", func(c *remoteCase) {
		messages := c.made(3)
		c.Witness.Create("Other")
		c.Witness.Append("Other", mailbox.Flags{}, someDate(99), text(99))
		c.Witness.Store(work, messages[0].UID, "+FLAGS", mailbox.NewFlags(mailbox.FlagSeen, "$Junk"))
		before := c.Witness.Messages(work)
		copied, err := c.Messages.Copy(c.ctx, c.ref(work), mailbox.UIDs(messages[0].UID, messages[2].UID, 8888), c.ref("Other"))
		must(c, "copy", err)
		got := c.Witness.Messages("Other")
		if len(got) != 3 || len(copied) > 2 || c.UIDPlus && len(copied) != 2 {
			c.Fatalf("%d messages there, copied %v", len(got), copied)
		}
		for i, want := range []Message{before[0], before[2]} {
			message := got[i+1]
			if !bytes.Equal(message.Octets, want.Octets) || message.Date.Unix != want.Date.Unix {
				c.Errorf("got %+v, want %+v", message, want)
			}
			if uid, told := copied[want.UID]; told && uid != message.UID {
				c.Errorf("uid %d was told to be %d, is %d", want.UID, uid, message.UID)
			}
		}
		c.wantUIDs(work, messages[0].UID, messages[1].UID, messages[2].UID)
	}},
	{"CopyIntoAMailboxOfAnotherUIDValidityTellsNoUIDs", func(c *remoteCase) {
		messages := c.made(1)
		c.Witness.Create("Other")
		to := c.ref("Other")
		to.UIDValidity++
		copied, err := c.Messages.Copy(c.ctx, c.ref(work), uidsOf(messages), to)
		must(c, "copy", err)
		if len(copied) > 0 {
			c.Errorf("copied %v", copied)
		}
	}},
	{"CopyToNoMailboxChangesNothing", func(c *remoteCase) {
		messages := c.made(2)
		_, err := c.Messages.Copy(c.ctx, c.ref(work), uidsOf(messages), mailbox.Ref{Name: "Nowhere", UIDValidity: 1})
		wantRefusal(c, "copy", err, mailbox.ErrNotFound)
		c.wantFlags(work, mailbox.Flags{}, mailbox.Flags{})
	}},
	{"CopyUnderAnotherUIDValidityCopiesNothing", func(c *remoteCase) {
		messages := c.made(2)
		c.Witness.Create("Other")
		ref := c.ref(work)
		ref.UIDValidity++
		_, err := c.Messages.Copy(c.ctx, ref, uidsOf(messages), c.ref("Other"))
		wantError(c, "copy", err, mailbox.ErrUIDValidity)
		c.wantFlags("Other")
	}},
	{"CopiesHaveOneContentIDAndNoOthersHaveIt", func(c *remoteCase) {
		messages := c.made(2)
		c.Witness.Create("Other")
		_, err := c.Messages.Copy(c.ctx, c.ref(work), uidsOf(messages), c.ref("Other"))
		must(c, "copy", err)
		first, second := c.contents(work), c.contents("Other")
		if len(first) != 2 || len(second) != 2 || first[0] != second[0] || first[1] != second[1] {
			c.Fatalf("%v and %v", first, second)
		}
		if named := first[0] != 0; named != c.ContentIDs || named && first[0] == first[1] {
			c.Errorf("names %v", first)
		}
	}},
}

// contents returns the names of a mailbox's contents, in order of UID.
func (c *remoteCase) contents(name mailbox.Name) (ids []mailbox.ContentID) {
	c.Helper()
	_, err := c.Remote.Observe(c.ctx, name, mailbox.Since{}, func(m mailbox.RemoteMessage) error {
		ids = append(ids, m.ContentID)
		return nil
	})
	must(c, "observe", err)
	return ids
}
