package synctest

import (
	"bytes"
	"context"
	"errors"
	"slices"

	"mailferry/syncer/mailbox"
)

var (
	flagged = mailbox.NewFlags(mailbox.FlagFlagged)
	deleted = mailbox.NewFlags(mailbox.FlagDeleted)
)

// changeCases are about flags, expunging and moving.
var changeCases = []remoteSubtest{
	{"StoreFlagsLeavesOtherFlagsAlone", func(c *remoteCase) {
		messages := c.made(3)
		c.Witness.Store(work, messages[0].UID, "+FLAGS", mailbox.NewFlags(mailbox.FlagSeen, mailbox.FlagAnswered, "$Junk"))
		change := mailbox.FlagChange{Add: mailbox.NewFlags(mailbox.FlagFlagged, "$NotJunk"), Remove: mailbox.NewFlags(mailbox.FlagSeen, "$Junk")}
		modified, err := c.Messages.StoreFlags(c.ctx, c.ref(work), mailbox.UIDs(messages[0].UID, messages[1].UID), change, 0)
		must(c, "store", err)
		if !modified.IsEmpty() {
			c.Errorf("modified %s", modified)
		}
		want := []mailbox.Flags{mailbox.NewFlags(mailbox.FlagAnswered, mailbox.FlagFlagged, "$NotJunk"), change.Add, {}}
		c.wantFlags(work, want...)
	}},
	{"StoreFlagsPassesOverWhatIsNotThere", func(c *remoteCase) {
		messages := c.made(2)
		ref := c.ref(work)
		c.Witness.Expunge(work, messages[0].UID)
		_, err := c.Messages.StoreFlags(c.ctx, ref, uidsOf(messages).Union(mailbox.UIDs(7777)), mailbox.FlagChange{Add: flagged}, 0)
		must(c, "store", err)
		c.wantFlags(work, flagged)
	}},
	{"StoreFlagsUnderAnotherUIDValidityChangesNothing", func(c *remoteCase) {
		messages := c.made(1)
		ref := c.ref(work)
		ref.UIDValidity++
		_, err := c.Messages.StoreFlags(c.ctx, ref, uidsOf(messages), mailbox.FlagChange{Add: flagged}, 0)
		wantError(c, "store", err, mailbox.ErrUIDValidity)
		c.wantFlags(work, mailbox.Flags{})
	}},
	{"StoreFlagsSparesWhatChangedSince", func(c *remoteCase) {
		messages := c.made(3)
		since := c.observe(work, mailbox.Since{}).Status.HighestModSeq
		c.Witness.Store(work, messages[1].UID, "+FLAGS", mailbox.NewFlags(mailbox.FlagSeen))
		modified, err := c.Messages.StoreFlags(c.ctx, c.ref(work), uidsOf(messages), mailbox.FlagChange{Add: flagged}, since)
		must(c, "store", err)
		c.wantModified(modified, messages[1].UID)
		if c.CondStore {
			c.wantFlags(work, flagged, mailbox.NewFlags(mailbox.FlagSeen), flagged)
		}
	}},
	{"StoreFlagsAddsAndRemovesOrLeavesAlone", func(c *remoteCase) {
		// A change that needs two commands must not stop at its own first.
		messages := c.made(2)
		c.Witness.Store(work, messages[0].UID, "+FLAGS", mailbox.NewFlags(mailbox.FlagSeen))
		since := c.observe(work, mailbox.Since{}).Status.HighestModSeq
		modified, err := c.Messages.StoreFlags(c.ctx, c.ref(work), uidsOf(messages), mailbox.FlagChange{Add: flagged, Remove: mailbox.NewFlags(mailbox.FlagSeen)}, since)
		must(c, "store", err)
		if !modified.IsEmpty() {
			c.Errorf("modified %s", modified)
		}
		c.wantFlags(work, flagged, flagged)
	}},
	{"StoreFlagsInNoMailboxIsErrNotFound", func(c *remoteCase) {
		_, err := c.Messages.StoreFlags(c.ctx, mailbox.Ref{Name: "Nowhere", UIDValidity: 1}, mailbox.UIDs(1), mailbox.FlagChange{Add: flagged}, 0)
		wantRefusal(c, "store", err, mailbox.ErrNotFound)
	}},
	{"StoreFlagsEndsWhenCancelled", func(c *remoteCase) {
		messages := c.made(1)
		ref := c.ref(work)
		ctx, cancel := context.WithCancel(c.ctx)
		cancel()
		_, err := c.Messages.StoreFlags(ctx, ref, uidsOf(messages), mailbox.FlagChange{Add: flagged}, 0)
		wantError(c, "store", err, context.Canceled)
		c.wantFlags(work, mailbox.Flags{})
	}},
	{"ExpungeSparesWhatOthersMarkedDeleted", func(c *remoteCase) {
		messages := c.made(4)
		c.Witness.Store(work, messages[2].UID, "+FLAGS", deleted)
		_, err := c.Messages.Expunge(c.ctx, c.ref(work), mailbox.UIDs(messages[0].UID, messages[3].UID, 9999), 0)
		if !c.UIDPlus {
			wantError(c, "expunge", err, mailbox.ErrNoUIDPlus)
			c.wantFlags(work, deleted, mailbox.Flags{}, deleted, deleted)
			return
		}
		must(c, "expunge", err)
		c.wantUIDs(work, messages[1].UID, messages[2].UID)
		c.wantFlags(work, mailbox.Flags{}, deleted)
	}},
	{"ExpungeSparesWhatChangedSince", func(c *remoteCase) {
		messages := c.made(3)
		since := c.observe(work, mailbox.Since{}).Status.HighestModSeq
		c.Witness.Store(work, messages[1].UID, "+FLAGS", flagged)
		modified, err := c.Messages.Expunge(c.ctx, c.ref(work), uidsOf(messages), since)
		if !c.UIDPlus {
			wantError(c, "expunge", err, mailbox.ErrNoUIDPlus)
			return
		}
		must(c, "expunge", err)
		c.wantModified(modified, messages[1].UID)
		if c.CondStore {
			c.wantUIDs(work, messages[1].UID)
			c.wantFlags(work, flagged)
		}
	}},
	{"ExpungeUnderAnotherUIDValidityChangesNothing", func(c *remoteCase) {
		messages := c.made(2)
		ref := c.ref(work)
		ref.UIDValidity++
		_, err := c.Messages.Expunge(c.ctx, ref, uidsOf(messages), 0)
		wantError(c, "expunge", err, mailbox.ErrUIDValidity)
		c.wantFlags(work, mailbox.Flags{}, mailbox.Flags{})
	}},
	{"ExpungeOfNothingLeavesAll", func(c *remoteCase) {
		messages := c.made(2)
		c.Witness.Store(work, messages[0].UID, "+FLAGS", deleted)
		if _, err := c.Messages.Expunge(c.ctx, c.ref(work), nil, 0); err != nil && !errors.Is(err, mailbox.ErrNoUIDPlus) {
			c.Errorf("expunge: %v", err)
		}
		c.wantUIDs(work, messages[0].UID, messages[1].UID)
	}},
	{"MoveKeepsOctetsFlagsAndDate", moveKeeps},
	{"MoveToNoMailboxLosesNothing", func(c *remoteCase) {
		messages := c.made(2)
		_, err := c.Messages.Move(c.ctx, c.ref(work), uidsOf(messages), "Nowhere")
		wantRefusal(c, "move", err, mailbox.ErrNotFound)
		c.wantFlags(work, mailbox.Flags{}, mailbox.Flags{})
	}},
	{"MoveUnderAnotherUIDValidityMovesNothing", func(c *remoteCase) {
		messages := c.made(2)
		c.Witness.Create("Other")
		ref := c.ref(work)
		ref.UIDValidity++
		_, err := c.Messages.Move(c.ctx, ref, uidsOf(messages), "Other")
		wantError(c, "move", err, mailbox.ErrUIDValidity)
		c.wantFlags(work, mailbox.Flags{}, mailbox.Flags{})
		c.wantFlags("Other")
	}},
}

func moveKeeps(c *remoteCase) {
	messages := c.made(4)
	c.Witness.Create("Other")
	c.Witness.Store(work, messages[0].UID, "+FLAGS", mailbox.NewFlags(mailbox.FlagSeen, "$Junk"))
	c.Witness.Store(work, messages[2].UID, "+FLAGS", deleted)
	before := c.Witness.Messages(work)[:2]
	moved, err := c.Messages.Move(c.ctx, c.ref(work), mailbox.UIDs(messages[0].UID, messages[1].UID, 8888), "Other")
	if !c.UIDPlus && errors.Is(err, mailbox.ErrNoUIDPlus) {
		// Without MOVE and UIDPLUS the originals can only be marked.
		c.wantUIDs(work, messages[0].UID, messages[1].UID, messages[2].UID, messages[3].UID)
	} else {
		must(c, "move", err)
		c.wantUIDs(work, messages[2].UID, messages[3].UID)
	}
	got := c.Witness.Messages("Other")
	if len(got) != 2 {
		c.Fatalf("%d messages moved", len(got))
	}
	for i, message := range got {
		want := before[i]
		if !bytes.Equal(message.Octets, want.Octets) || !message.Flags.Equal(want.Flags) || message.Date.Unix != want.Date.Unix {
			c.Errorf("got %+v, want %+v", message, want)
		}
		if uid, told := moved[want.UID]; c.UIDPlus && uid != message.UID || told && uid != message.UID {
			c.Errorf("uid %d was told to be %d, is %d", want.UID, uid, message.UID)
		}
	}
	if len(moved) > 2 {
		c.Errorf("moved %v", moved)
	}
}

// wantFlags checks the flags of all of a mailbox's messages.
func (c *remoteCase) wantFlags(name mailbox.Name, want ...mailbox.Flags) {
	c.Helper()
	var got []mailbox.Flags
	for _, message := range c.Witness.Messages(name) {
		got = append(got, message.Flags)
	}
	if !slices.EqualFunc(got, want, mailbox.Flags.Equal) {
		c.Errorf("%s: flags %q, want %q", name, got, want)
	}
}

// wantUIDs checks which messages a mailbox has.
func (c *remoteCase) wantUIDs(name mailbox.Name, want ...mailbox.UID) {
	c.Helper()
	if got := uidsOf(c.Witness.Messages(name)); got.String() != mailbox.UIDs(want...).String() {
		c.Errorf("%s: uids %s, want %v", name, got, want)
	}
}

// wantModified checks what was left alone; without CONDSTORE that is nothing.
func (c *remoteCase) wantModified(got mailbox.UIDSet, want ...mailbox.UID) {
	c.Helper()
	if !c.CondStore {
		want = nil
	}
	if got.String() != mailbox.UIDs(want...).String() {
		c.Errorf("modified %s, want %v", got, want)
	}
}
