package synctest

import (
	"bytes"
	"context"
	"errors"
	"slices"

	"mailferry/syncer/mailbox"
)

var fetchCases = []remoteSubtest{
	{"FetchIsExactToTheOctet", func(c *remoteCase) {
		c.make()
		var sent []OddMessage
		for _, odd := range OddMessages() {
			if c.Takes == nil || c.Takes(odd) {
				sent = append(sent, odd)
				c.Witness.Append(c.box, mailbox.Flags{}, someDate(1), odd.Octets)
			}
		}
		c.wantFetched(c.box, sent)
	}},
	{"FetchOfAnEmptyMessage", func(c *remoteCase) {
		if c.Plant == nil {
			c.Witness.Append(mailbox.Inbox, mailbox.Flags{}, someDate(1), nil)
		} else {
			c.Plant(nil)
		}
		c.wantFetched(mailbox.Inbox, []OddMessage{{Name: "empty"}})
	}},
	{"FetchOfABigMessage", func(c *remoteCase) {
		big := BigMessage()
		c.Witness.Append(mailbox.Inbox, mailbox.Flags{}, someDate(1), big.Octets)
		c.wantFetched(mailbox.Inbox, []OddMessage{big})
	}},
	{"FetchOfHeaders", func(c *remoteCase) {
		messages := c.made(3)
		got := c.fetch(c.ref(c.box), uidsOf(messages), mailbox.HeaderOnly).got
		for _, message := range messages {
			if want := header(message.Octets); !bytes.Equal(got[message.UID], want) {
				c.Errorf("uid %d: %q, want %q", message.UID, got[message.UID], want)
			}
		}
	}},
	{"FetchLeavesOutWhatIsNotThere", func(c *remoteCase) {
		messages := c.made(4)
		c.Witness.Expunge(c.box, messages[1].UID)
		asked := mailbox.UIDs(messages[0].UID, messages[1].UID, messages[3].UID, messages[3].UID+1000)
		got := c.fetch(c.ref(c.box), asked, mailbox.Whole)
		if want := []mailbox.UID{messages[0].UID, messages[3].UID}; !slices.Equal(slices.Sorted(slices.Values(got.order)), want) {
			c.Errorf("got %v, want %v", got.order, want)
		}
	}},
	{"FetchOfNothingButAbsentMessages", func(c *remoteCase) {
		c.made(1)
		if got := c.fetch(c.ref(c.box), mailbox.UIDs(5000, 5001), mailbox.Whole); len(got.order) != 0 {
			c.Errorf("got %v", got.order)
		}
		if got := c.fetch(c.ref(c.box), nil, mailbox.Whole); len(got.order) != 0 {
			c.Errorf("got %v for no UIDs", got.order)
		}
	}},
	{"FetchLeavesMessagesUnseen", func(c *remoteCase) {
		messages := c.made(2)
		c.fetch(c.ref(c.box), uidsOf(messages), mailbox.Whole)
		for _, message := range c.Witness.Messages(c.box) {
			if !message.Flags.IsEmpty() {
				c.Errorf("uid %d has become %s", message.UID, message.Flags)
			}
		}
	}},
	{"FetchUnderAnotherUIDValidityHandsOverNothing", func(c *remoteCase) {
		messages := c.made(2)
		ref := c.ref(c.box)
		ref.UIDValidity++
		s := newSink()
		wantError(c, "fetch", c.Remote.Fetch(c.ctx, ref, uidsOf(messages), mailbox.Whole, s), mailbox.ErrUIDValidity)
		if len(s.got) > 0 || s.received {
			c.Errorf("handed over %v", s.order)
		}
	}},
	{"FetchOfNoMailboxIsErrNotFound", func(c *remoteCase) {
		err := c.Remote.Fetch(c.ctx, mailbox.Ref{Name: "Nowhere", UIDValidity: 1}, mailbox.UIDs(1), mailbox.Whole, newSink())
		wantRefusal(c, "fetch", err, mailbox.ErrNotFound)
	}},
	{"FetchReturnsTheSinksError", func(c *remoteCase) {
		messages := c.made(3)
		ref := c.ref(c.box)
		s := newSink()
		s.refuse = errors.New("disk full")
		wantError(c, "fetch", c.Remote.Fetch(c.ctx, ref, uidsOf(messages), mailbox.Whole, s), s.refuse)
		if got := c.fetch(ref, uidsOf(messages), mailbox.Whole); len(got.got) != 3 {
			c.Errorf("afterwards %v", got.order)
		}
	}},
	{"FetchEndsWhenCancelled", func(c *remoteCase) {
		messages := c.made(3)
		ref := c.ref(c.box)
		ctx, cancel := context.WithCancel(c.ctx)
		cancel()
		wantError(c, "fetch", c.Remote.Fetch(ctx, ref, uidsOf(messages), mailbox.Whole, newSink()), context.Canceled)
		if got := c.fetch(ref, uidsOf(messages), mailbox.Whole); len(got.got) != 3 {
			c.Errorf("afterwards %v", got.order)
		}
	}},
}

// wantFetched fetches a mailbox and compares with what the witness reads. The
// sent messages only name what differs.
func (c *remoteCase) wantFetched(name mailbox.Name, sent []OddMessage) {
	c.Helper()
	want := c.Witness.Messages(name)
	if len(want) != len(sent) {
		c.Fatalf("the witness sees %d messages of %d", len(want), len(sent))
	}
	got := c.fetch(c.ref(name), uidsOf(want), mailbox.Whole).got
	for i, message := range want {
		octets, found := got[message.UID]
		if !found || !bytes.Equal(octets, message.Octets) {
			c.Errorf("%s: %d octets, want %d (handed over: %v)", sent[i].Name, len(octets), len(message.Octets), found)
		}
	}
}
