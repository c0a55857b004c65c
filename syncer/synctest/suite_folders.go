package synctest

import (
	"bytes"
	"context"
	"fmt"
	"slices"

	"mailferry/syncer/mailbox"
)

// localChangeCases are about flags and removing.
var localChangeCases = []localSubtest{
	{"ChangeFlagsLeavesOtherFlagsAlone", func(c *localCase) {
		c.make(work)
		key := c.Reader.Deliver(work, mailbox.NewFlags(mailbox.FlagSeen, mailbox.FlagAnswered, "$Junk"), someDate(1), text(1))
		change := mailbox.FlagChange{Add: mailbox.NewFlags(mailbox.FlagFlagged, "Custom"), Remove: mailbox.NewFlags(mailbox.FlagSeen, "$Junk")}
		got, err := c.Messages.ChangeFlags(c.ctx, work, key, change)
		must(c, "change", err)
		want := mailbox.NewFlags(mailbox.FlagAnswered, mailbox.FlagFlagged, "Custom")
		file := c.file(work, key)
		if !got.Equal(want) || !file.Flags.Equal(want) || !bytes.Equal(file.Octets, text(1)) || file.Date.Unix != someDate(1).Unix {
			c.Errorf("returned %s, is %+v, want %s", got, file, want)
		}
	}},
	{"ChangeFlagsTakesANewMessageOutOfNew", func(c *localCase) {
		c.make(work)
		key := c.Reader.Deliver(work, mailbox.Flags{}, someDate(1), text(1))
		_, err := c.Messages.ChangeFlags(c.ctx, work, key, mailbox.FlagChange{Add: mailbox.NewFlags(mailbox.FlagSeen)})
		must(c, "change", err)
		if file := c.file(work, key); file.New || !file.Flags.Has(mailbox.FlagSeen) {
			c.Errorf("%+v", file)
		}
	}},
	{"ChangeFlagsKeepsWhatAReaderDidMeanwhile", func(c *localCase) {
		c.make(work)
		key := c.Reader.Deliver(work, mailbox.Flags{}, someDate(1), text(1))
		c.list(work)
		c.Reader.SetFlags(work, key, mailbox.NewFlags(mailbox.FlagSeen))
		got, err := c.Messages.ChangeFlags(c.ctx, work, key, mailbox.FlagChange{Add: flagged})
		must(c, "change", err)
		want := mailbox.NewFlags(mailbox.FlagSeen, mailbox.FlagFlagged)
		if file := c.file(work, key); !got.Equal(want) || !file.Flags.Equal(want) {
			c.Errorf("returned %s, is %s, want %s", got, file.Flags, want)
		}
	}},
	{"ChangeFlagsOfWhatIsGoneIsErrNotFound", func(c *localCase) {
		c.make(work)
		key := c.Reader.Deliver(work, mailbox.Flags{}, someDate(1), text(1))
		c.Reader.Unlink(work, key)
		_, err := c.Messages.ChangeFlags(c.ctx, work, key, mailbox.FlagChange{Add: flagged})
		wantError(c, "change", err, mailbox.ErrNotFound)
	}},
	{"KeywordsBeyondTheRoomAreMissing", keywordRoom},
	{"KeepTellsWhatTheFolderHolds", func(c *localCase) {
		c.make(work)
		flags := mailbox.NewFlags(mailbox.FlagSeen, mailbox.FlagAnswered, mailbox.FlagFlagged, mailbox.FlagDeleted, mailbox.FlagDraft, mailbox.FlagForwarded, "$Junk")
		got, err := c.Messages.Keep(c.ctx, work, flags)
		must(c, "keep", err)
		if !got.Equal(flags) {
			c.Errorf("keeps %s of %s", got, flags)
		}
		_, err = c.Messages.Keep(c.ctx, "Nowhere", flags)
		wantError(c, "keep", err, mailbox.ErrNotFound)
	}},
	{"RemovedMessagesAreGone", func(c *localCase) {
		c.make(work)
		var keys []mailbox.Key
		for i := range 3 {
			keys = append(keys, c.Reader.Deliver(work, mailbox.Flags{}, someDate(i), text(i)))
		}
		c.Reader.SetFlags(work, keys[1], flagged)
		must(c, "remove", c.Messages.Remove(c.ctx, work, []mailbox.Key{keys[0], keys[1], "absent"}))
		must(c, "flush", c.Messages.Flush(c.ctx))
		if got := c.list(work); len(got) != 1 || got[0].Key != keys[2] {
			c.Errorf("left %+v", got)
		}
		must(c, "remove again", c.Messages.Remove(c.ctx, work, keys[:2]))
		_, err := c.Local.Open(c.ctx, work, keys[0])
		wantError(c, "open", err, mailbox.ErrNotFound)
	}},
	{"ChangingIsDoneOrNotWhenCancelled", func(c *localCase) {
		c.make(work)
		key := c.Reader.Deliver(work, mailbox.Flags{}, someDate(1), text(1))
		ctx, cancel := context.WithCancel(c.ctx)
		cancel()
		_, err := c.Messages.ChangeFlags(ctx, work, key, mailbox.FlagChange{Add: flagged})
		if changed := c.file(work, key).Flags.Equal(flagged); changed != (err == nil) {
			c.Errorf("change: error %v, changed %v", err, changed)
		}
		err = c.Messages.Remove(ctx, work, []mailbox.Key{key})
		if removed := len(c.Reader.Files(work)) == 0; removed != (err == nil) {
			c.Errorf("remove: error %v, removed %v", err, removed)
		}
	}},
}

// keywordRoom fills a folder's letters and goes on.
func keywordRoom(c *localCase) {
	c.make(work)
	key := c.Reader.Deliver(work, mailbox.Flags{}, someDate(1), text(1))
	var names []string
	for i := range c.Room + 3 {
		names = append(names, fmt.Sprintf("key%02d", i))
	}
	held := mailbox.NewFlags(names[:c.Room]...)
	got, err := c.Messages.ChangeFlags(c.ctx, work, key, mailbox.FlagChange{Add: held})
	must(c, "change", err)
	if !got.Equal(held) {
		c.Errorf("holds %s", got)
	}
	more := mailbox.NewFlags(append(names[c.Room:], mailbox.FlagSeen)...)
	got, err = c.Messages.ChangeFlags(c.ctx, work, key, mailbox.FlagChange{Add: more})
	must(c, "change", err)
	want := held.Union(mailbox.NewFlags(mailbox.FlagSeen))
	if file := c.file(work, key); !got.Equal(want) || !file.Flags.Equal(want) {
		c.Errorf("returned %s, is %s, want %s", got, file.Flags, want)
	}
	kept, err := c.Messages.Keep(c.ctx, work, mailbox.NewFlags(names...))
	must(c, "keep", err)
	if !kept.Equal(held) {
		c.Errorf("keep says %s", kept)
	}
	published := c.deliver(work, mailbox.NewFlags(names[0], names[c.Room]), text(2))
	if file := c.file(work, published); !file.Flags.Equal(mailbox.NewFlags(names[0])) {
		c.Errorf("published with %s", file.Flags)
	}
}

var folderCases = []localSubtest{
	{"CreateFolderTwiceIsErrExists", func(c *localCase) {
		must(c, "create", c.Folders.Create(c.ctx, work))
		c.Reader.Deliver(work, mailbox.Flags{}, someDate(1), text(1))
		wantError(c, "create", c.Folders.Create(c.ctx, work), mailbox.ErrExists)
		if got := c.list(work); len(got) != 1 {
			c.Errorf("%+v", got)
		}
	}},
	{"CreateBelowWhatIsNoFolder", func(c *localCase) {
		must(c, "create", c.Folders.Create(c.ctx, "A/B/C"))
		if got := c.names(); !slices.Equal(got, []mailbox.Name{"A/B/C"}) {
			c.Errorf("%q", got)
		}
		must(c, "create", c.Folders.Create(c.ctx, "A"))
		if got := c.names(); !slices.Equal(got, []mailbox.Name{"A", "A/B/C"}) {
			c.Errorf("%q", got)
		}
	}},
	{"RenameFolderTakesItsMessagesAndNotThoseBelow", func(c *localCase) {
		c.make(work)
		c.make("Work/Sub")
		key := c.Reader.Deliver(work, mailbox.NewFlags("$Junk"), someDate(1), text(1))
		below := c.Reader.Deliver("Work/Sub", mailbox.Flags{}, someDate(2), text(2))
		must(c, "rename", c.Folders.Rename(c.ctx, work, "Renamed"))
		if got := c.names(); !slices.Equal(got, []mailbox.Name{"Renamed", "Work/Sub"}) {
			c.Errorf("%q", got)
		}
		if file := c.file("Renamed", key); !file.Flags.Equal(mailbox.NewFlags("$Junk")) {
			c.Errorf("%+v", file)
		}
		c.file("Work/Sub", below)
	}},
	{"RenameFolderRefusesWhatWouldLoseMail", func(c *localCase) {
		c.make(work)
		c.make("Other")
		c.Reader.Deliver("Other", mailbox.Flags{}, someDate(1), text(1))
		wantError(c, "rename", c.Folders.Rename(c.ctx, work, "Other"), mailbox.ErrExists)
		wantError(c, "rename", c.Folders.Rename(c.ctx, "Nowhere", "Elsewhere"), mailbox.ErrNotFound)
		if got := c.list("Other"); len(got) != 1 {
			c.Errorf("%+v", got)
		}
	}},
	{"DeleteFolderLeavesThoseBelow", func(c *localCase) {
		c.make(work)
		c.make("Work/Sub")
		c.Reader.Deliver(work, mailbox.Flags{}, someDate(1), text(1))
		below := c.Reader.Deliver("Work/Sub", mailbox.Flags{}, someDate(2), text(2))
		must(c, "delete", c.Folders.Delete(c.ctx, work))
		if got := c.names(); !slices.Equal(got, []mailbox.Name{"Work/Sub"}) {
			c.Errorf("%q", got)
		}
		c.file("Work/Sub", below)
		wantError(c, "delete again", c.Folders.Delete(c.ctx, work), mailbox.ErrNotFound)
		must(c, "create again", c.Folders.Create(c.ctx, work))
		if got := c.list(work); len(got) != 0 {
			c.Errorf("%+v", got)
		}
	}},
	{"SweepSparesMessages", func(c *localCase) {
		c.make(work)
		key := c.Reader.Deliver(work, flagged, someDate(1), text(1))
		published := c.deliver(work, mailbox.Flags{}, text(2))
		must(c, "sweep", c.Folders.Sweep(c.ctx))
		c.file(work, key)
		c.file(work, published)
	}},
}

// names lists the folders but INBOX, which a tree may always have.
func (c *localCase) names() []mailbox.Name {
	c.Helper()
	names, err := c.Local.Folders(c.ctx)
	must(c, "folders", err)
	return slices.DeleteFunc(names, func(name mailbox.Name) bool { return name == mailbox.Inbox })
}
