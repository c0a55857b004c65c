package synctest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"

	"mailferry/syncer/mailbox"
)

var deliveryCases = []localSubtest{
	{"DeliveryIsExactToTheOctet", func(c *localCase) {
		c.make(work)
		for _, odd := range append(OddMessages(), BigMessage()) {
			draft := c.receive(work, odd.Octets)
			if want := ContentOf(odd.Octets); draft.Content != want {
				c.Errorf("%s: content %+v, want %+v", odd.Name, draft.Content, want)
			}
			key := c.deliver(work, flagged, odd.Octets)
			if got := c.read(work, key); !bytes.Equal(got, odd.Octets) {
				c.Errorf("%s: %.80q, want %.80q", odd.Name, got, odd.Octets)
			}
			content, date, err := c.Local.Inspect(c.ctx, work, key)
			must(c, "inspect", err)
			if content != draft.Content || date.Unix != someDate(7).Unix {
				c.Errorf("%s: inspect says %+v %+v", odd.Name, content, date)
			}
		}
	}},
	{"AReceivedDraftIsNotAMessageYet", func(c *localCase) {
		c.make(work)
		draft := c.receive(work, text(1))
		draft.Date = someDate(1)
		must(c, "seal", c.Delivery.Seal(c.ctx, []mailbox.Draft{draft}))
		if got := c.list(work); len(got) != 0 {
			c.Errorf("listed %+v", got)
		}
		if got := c.Reader.Files(work); len(got) != 0 {
			c.Errorf("the reader sees %+v", got)
		}
	}},
	{"PublishSetsKeyFlagsDateAndFolder", func(c *localCase) {
		c.make(work)
		sets := []mailbox.Flags{{}, mailbox.NewFlags(mailbox.FlagSeen), mailbox.NewFlags(mailbox.FlagAnswered, "$Junk", "Custom")}
		for i, flags := range sets {
			key := c.deliver(work, flags, text(i))
			file := c.file(work, key)
			if !file.Flags.Equal(flags) || file.Date.Unix != someDate(7).Unix || !bytes.Equal(file.Octets, text(i)) {
				c.Errorf("%+v, want flags %s", file, flags)
			}
		}
		if n := c.Reader.Drafts(work); n != 0 {
			c.Errorf("%d files in tmp", n)
		}
	}},
	{"AnIdenticalMessageIsAMessageOfItsOwn", func(c *localCase) {
		c.make(work)
		if a, b := c.deliver(work, mailbox.Flags{}, text(1)), c.deliver(work, mailbox.Flags{}, text(1)); a == b {
			c.Errorf("both are %s", a)
		}
		if got := c.list(work); len(got) != 2 {
			c.Errorf("%+v", got)
		}
	}},
	{"ABodyThatEndsEarlyLeavesNothing", func(c *localCase) {
		c.make(work)
		cut := errors.New("connection lost")
		for _, body := range []io.Reader{
			strings.NewReader("Subject: short\r\n"), strings.NewReader(""), &brokenReader{[]byte("Subject: cut\r\n\r\n"), cut},
		} {
			if _, err := c.Delivery.Receive(c.ctx, work, 5000, body); err == nil {
				c.Error("no error")
			}
		}
		_, err := c.Delivery.Receive(c.ctx, work, 5000, &brokenReader{nil, cut})
		wantError(c, "receive", err, cut)
		if n := c.Reader.Drafts(work); n != 0 {
			c.Errorf("%d files in tmp", n)
		}
		if got := c.list(work); len(got) != 0 {
			c.Errorf("listed %+v", got)
		}
	}},
	{"ReceiveReadsNoFurtherThanTheMessage", func(c *localCase) {
		c.make(work)
		body := strings.NewReader("Subject: a\r\n\r\nREST")
		_, err := c.Delivery.Receive(c.ctx, work, 14, body)
		must(c, "receive", err)
		if rest, _ := io.ReadAll(body); string(rest) != "REST" {
			c.Errorf("left %q", rest)
		}
	}},
	{"AMessageOfUnknownSizeEndsWithItsBody", func(c *localCase) {
		c.make(work)
		for _, odd := range append(OddMessages(), BigMessage()) {
			draft, err := c.Delivery.Receive(c.ctx, work, mailbox.UnknownSize, bytes.NewReader(odd.Octets))
			must(c, "receive", err)
			if want := ContentOf(odd.Octets); draft.Content != want {
				c.Errorf("%s: content %+v, want %+v", odd.Name, draft.Content, want)
			}
			must(c, "discard", c.Delivery.Discard(c.ctx, []mailbox.Draft{draft}))
		}
		// What says that it was cut is no end, whatever it wraps.
		for _, cut := range []error{errors.New("connection lost"), io.ErrUnexpectedEOF, fmt.Errorf("cut: %w", io.EOF)} {
			_, err := c.Delivery.Receive(c.ctx, work, mailbox.UnknownSize, &brokenReader{[]byte("Subject: cut\r\n\r\n"), cut})
			wantError(c, "receive", err, cut)
		}
		if n := c.Reader.Drafts(work); n != 0 {
			c.Errorf("%d files in tmp", n)
		}
	}},
	{"DiscardLeavesNothing", func(c *localCase) {
		c.make(work)
		drafts := []mailbox.Draft{c.receive(work, text(1)), c.receive(work, text(2))}
		must(c, "seal", c.Delivery.Seal(c.ctx, drafts[:1]))
		must(c, "discard", c.Delivery.Discard(c.ctx, drafts))
		must(c, "discard again", c.Delivery.Discard(c.ctx, drafts))
		if n := c.Reader.Drafts(work); n != 0 {
			c.Errorf("%d files in tmp", n)
		}
	}},
	{"ReceiveForNoFolderIsErrNotFound", func(c *localCase) {
		_, err := c.Delivery.Receive(c.ctx, "Nowhere", 1, strings.NewReader("x"))
		wantError(c, "receive", err, mailbox.ErrNotFound)
	}},
	{"ReceiveEndsWhenCancelled", func(c *localCase) {
		c.make(work)
		ctx, cancel := context.WithCancel(c.ctx)
		cancel()
		_, err := c.Delivery.Receive(ctx, work, 1, strings.NewReader("x"))
		wantError(c, "receive", err, context.Canceled)
		if n := c.Reader.Drafts(work); n != 0 {
			c.Errorf("%d files in tmp", n)
		}
	}},
	{"SealMayBeCalledWhileOthersReceive", func(c *localCase) {
		c.make(work)
		var workers sync.WaitGroup
		for range 4 {
			workers.Go(func() {
				for i := range 25 {
					draft, err := c.Delivery.Receive(c.ctx, work, int64(len(text(i))), bytes.NewReader(text(i)))
					drafts := []mailbox.Draft{draft}
					err = errors.Join(err, c.Delivery.Seal(c.ctx, drafts), c.Delivery.Publish(c.ctx, drafts))
					if err != nil {
						c.Error(err)
					}
				}
			})
		}
		workers.Wait()
		if got := c.list(work); len(got) != 100 {
			c.Errorf("%d messages", len(got))
		}
	}},
	{"DuplicateIsExactAndAMessageOfItsOwn", func(c *localCase) {
		c.make(work)
		c.make("Other")
		for i, odd := range OddMessages() {
			key := c.deliver(work, flagged, odd.Octets)
			for _, date := range []mailbox.Date{someDate(7), someDate(8), {}} {
				to := []mailbox.Name{work, "Other"}[i%2]
				draft, err := c.Copies.Duplicate(c.ctx, work, key, to, date)
				must(c, "duplicate", err)
				if want := ContentOf(odd.Octets); draft.Content != want || draft.Name != to {
					c.Errorf("%s: %+v, want %+v", odd.Name, draft, want)
				}
				draft.Date = date
				must(c, "seal", c.Delivery.Seal(c.ctx, []mailbox.Draft{draft}))
				must(c, "publish", c.Delivery.Publish(c.ctx, []mailbox.Draft{draft}))
				if got := c.file(to, draft.Key); !bytes.Equal(c.read(to, draft.Key), odd.Octets) || !got.Flags.IsEmpty() || date.Known && got.Date.Unix != date.Unix {
					c.Errorf("%s: %s %+v %.80q", odd.Name, got.Flags, got.Date, got.Octets)
				}
				if got := c.file(work, key); !bytes.Equal(c.read(work, key), odd.Octets) || !got.Flags.Equal(flagged) || got.Date.Unix != someDate(7).Unix {
					c.Errorf("%s: the first is now %s %+v %.80q", odd.Name, got.Flags, got.Date, got.Octets)
				}
			}
		}
	}},
	{"ADuplicateOutlivesTheFirst", func(c *localCase) {
		c.make(work)
		c.make("Other")
		key := c.deliver(work, flagged, text(1))
		draft, err := c.Copies.Duplicate(c.ctx, work, key, "Other", someDate(7))
		must(c, "duplicate", err)
		c.Reader.Unlink(work, key)
		draft.Date = someDate(7)
		must(c, "seal", c.Delivery.Seal(c.ctx, []mailbox.Draft{draft}))
		must(c, "publish", c.Delivery.Publish(c.ctx, []mailbox.Draft{draft}))
		if got := c.file("Other", draft.Key); !bytes.Equal(got.Octets, text(1)) {
			c.Errorf("%.80q", got.Octets)
		}
	}},
	{"DuplicateOfWhatIsGoneIsErrNotFoundAndLeavesNothing", func(c *localCase) {
		c.make(work)
		key := c.deliver(work, flagged, text(1))
		_, err := c.Copies.Duplicate(c.ctx, work, "nothing", work, someDate(7))
		wantError(c, "duplicate", err, mailbox.ErrNotFound)
		_, err = c.Copies.Duplicate(c.ctx, work, key, "Nowhere", someDate(7))
		wantError(c, "duplicate", err, mailbox.ErrNotFound)
		if n := c.Reader.Drafts(work); n != 0 {
			c.Errorf("%d files in tmp", n)
		}
	}},
	{"DiscardOfADuplicateLeavesTheFirst", func(c *localCase) {
		c.make(work)
		key := c.deliver(work, flagged, text(1))
		draft, err := c.Copies.Duplicate(c.ctx, work, key, work, someDate(7))
		must(c, "duplicate", err)
		must(c, "discard", c.Delivery.Discard(c.ctx, []mailbox.Draft{draft}))
		if n := c.Reader.Drafts(work); n != 0 {
			c.Errorf("%d files in tmp", n)
		}
		if got := c.read(work, key); !bytes.Equal(got, text(1)) {
			c.Errorf("%.80q", got)
		}
	}},
	{"PublishOfManyAtOnce", func(c *localCase) {
		c.make(work)
		c.make("Other")
		var drafts []mailbox.Draft
		for i := range 200 {
			draft := c.receive([]mailbox.Name{work, "Other"}[i%2], text(i))
			draft.Date = someDate(i)
			drafts = append(drafts, draft)
		}
		must(c, "seal", c.Delivery.Seal(c.ctx, drafts))
		must(c, "publish", c.Delivery.Publish(c.ctx, drafts))
		if a, b := len(c.list(work)), len(c.list("Other")); a != 100 || b != 100 {
			c.Errorf("%d and %d messages", a, b)
		}
	}},
}

// file returns what the reader sees of a message.
func (c *localCase) file(name mailbox.Name, key mailbox.Key) File {
	c.Helper()
	for _, file := range c.Reader.Files(name) {
		if file.Key == key {
			return file
		}
	}
	c.Fatalf("%s: no %s among %+v", name, key, c.Reader.Files(name))
	return File{}
}
