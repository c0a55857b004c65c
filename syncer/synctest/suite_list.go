package synctest

import (
	"context"
	"slices"
	"sync"

	"mailferry/syncer/mailbox"
)

var listCases = []remoteSubtest{
	{"ListIsSortedAndHasEveryMailbox", func(c *remoteCase) {
		for _, name := range append([]mailbox.Name{work, "Work/Sub", "B", "a"}, c.Names...) {
			c.Witness.Create(name)
		}
		listed, err := c.Remote.List(c.ctx)
		must(c, "list", err)
		var names []mailbox.Name
		for _, entry := range listed {
			names = append(names, entry.Name)
		}
		if !slices.IsSorted(names) {
			c.Errorf("not sorted: %q", names)
		}
		if want := c.Witness.Mailboxes(); !slices.Equal(names, want) {
			c.Errorf("got %q, want %q", names, want)
		}
	}},
	{"ListTellsTheStatusThatObserveFinds", func(c *remoteCase) {
		c.made(3)
		listed, err := c.Remote.List(c.ctx)
		must(c, "list", err)
		for _, entry := range listed {
			if entry.Status == nil {
				continue
			}
			if got := c.observe(entry.Name, mailbox.Since{}).Status; got != *entry.Status {
				c.Errorf("%s: list says %+v, observe %+v", entry.Name, *entry.Status, got)
			}
		}
	}},
	{"ListEndsWhenCancelled", func(c *remoteCase) {
		ctx, cancel := context.WithCancel(c.ctx)
		cancel()
		_, err := c.Remote.List(ctx)
		wantError(c, "list", err, context.Canceled)
		_, err = c.Remote.List(c.ctx)
		must(c, "list after a cancelled one", err)
	}},
	{"ExistsProvesPresenceAndAbsence", func(c *remoteCase) {
		c.Witness.Create(work)
		for name, want := range map[mailbox.Name]bool{work: true, mailbox.Inbox: true, "Nowhere": false, "Work/Sub": false} {
			got, err := c.Remote.Exists(c.ctx, name)
			if err != nil || got != want {
				c.Errorf("%s: %v, %v; want %v", name, got, err, want)
			}
		}
		c.Witness.Delete(work)
		got, err := c.Remote.Exists(c.ctx, work)
		if err != nil || got {
			c.Errorf("deleted: %v, %v", got, err)
		}
	}},
	{"ExistsTakesNamesLiterally", func(c *remoteCase) {
		c.Witness.Create("ab")
		for _, name := range []mailbox.Name{"a%", "a*", "%", "*"} {
			if got, err := c.Remote.Exists(c.ctx, name); got {
				c.Errorf("%s: %v, %v", name, got, err)
			}
		}
	}},
	{"EveryNameCanBeUsed", func(c *remoteCase) {
		for _, name := range c.Names {
			c.create(name)
			must(c, "append", c.Messages.Append(c.ctx, name, []mailbox.Upload{upload(mailbox.Flags{}, someDate(1), text(1))}, func(_ int, _ mailbox.Appended, err error) {
				must(c, "append to "+string(name), err)
			}))
			if got := c.Witness.Messages(name); len(got) != 1 {
				c.Errorf("%s: the witness sees %d messages", name, len(got))
			}
			if got, err := c.Remote.Exists(c.ctx, name); err != nil || !got {
				c.Errorf("%s: exists: %v, %v", name, got, err)
			}
		}
	}},
	{"MethodsMayBeCalledAtOnce", func(c *remoteCase) {
		messages := c.made(20)
		ref := c.ref(work)
		var calls sync.WaitGroup
		for range 8 {
			calls.Go(func() {
				s := newSink()
				if err := c.Remote.Fetch(c.ctx, ref, uidsOf(messages), mailbox.Whole, s); err != nil || len(s.got) != len(messages) {
					c.Errorf("fetch: %d messages, %v", len(s.got), err)
				}
				if _, err := c.Remote.List(c.ctx); err != nil {
					c.Errorf("list: %v", err)
				}
				_, err := c.Remote.Observe(c.ctx, mailbox.Inbox, mailbox.Since{}, func(mailbox.RemoteMessage) error { return nil })
				if err != nil {
					c.Errorf("observe: %v", err)
				}
			})
		}
		calls.Wait()
	}},
	{"TrafficGrows", func(c *remoteCase) {
		before := c.Remote.Traffic()
		c.fetch(c.ref(mailbox.Inbox), uidsOf(c.fill(mailbox.Inbox, 1)), mailbox.Whole)
		after := c.Remote.Traffic()
		if after.OctetsDown <= before.OctetsDown || after.RoundTrips <= before.RoundTrips || after.Selected <= before.Selected {
			c.Errorf("before %+v, after %+v", before, after)
		}
	}},
}
