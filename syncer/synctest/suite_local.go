package synctest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"
	"time"

	"mailferry/syncer"
	"mailferry/syncer/mailbox"
)

// LocalFixture is an empty Maildir tree as the implementation under test sees
// it, and a mail reader in it.
type LocalFixture struct {
	Local    syncer.Local
	Stream   syncer.LocalStream
	Delivery syncer.LocalDelivery
	Copies   syncer.LocalCopies
	Messages syncer.LocalMessages
	Folders  syncer.LocalFolders
	Reader   LocalWitness
	// Room for keywords in a folder; 0 is Maildir's 26.
	Room int
	// Names are names that the reader cannot work with but the implementation
	// must carry.
	Names []mailbox.Name
}

// localCase is a fixture within one subtest.
type localCase struct {
	*testing.T
	LocalFixture
	ctx context.Context
}

type localSubtest struct {
	name string
	run  func(c *localCase)
}

// TestLocal holds an implementation of Local, LocalDelivery, LocalMessages and
// LocalFolders to the ports' contracts. Each subtest opens a fixture of a fresh
// tree, which may have an empty INBOX and nothing else.
func TestLocal(t *testing.T, open func(t *testing.T) LocalFixture) {
	for _, table := range [][]localSubtest{readCases, deliveryCases, localChangeCases, folderCases} {
		for _, subtest := range table {
			t.Run(subtest.name, func(t *testing.T) {
				fixture := open(t)
				if fixture.Room == 0 {
					fixture.Room = maildirRoom
				}
				ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
				defer cancel()
				subtest.run(&localCase{t, fixture, ctx})
			})
		}
	}
}

var readCases = []localSubtest{
	{"FoldersAreSorted", func(c *localCase) {
		names := append([]mailbox.Name{"Work", "Work/Sub", "Büro Süd", "a"}, c.Names...)
		for _, name := range names {
			c.make(name)
		}
		got, err := c.Local.Folders(c.ctx)
		must(c, "folders", err)
		got = slices.DeleteFunc(got, func(name mailbox.Name) bool { return name == mailbox.Inbox })
		slices.Sort(names)
		if !slices.Equal(got, names) {
			c.Errorf("got %q, want %q", got, names)
		}
	}},
	{"EveryNameHoldsMessages", func(c *localCase) {
		for i, name := range c.Names {
			c.make(name)
			c.deliver(name, mailbox.Flags{}, text(i))
			if got := c.list(name); len(got) != 1 || !bytes.Equal(c.read(name, got[0].Key), text(i)) {
				c.Errorf("%s: %+v", name, got)
			}
		}
	}},
	{"ListIsSortedAndHasFlags", func(c *localCase) {
		c.make(work)
		want := map[mailbox.Key]mailbox.Flags{}
		for i, flags := range []mailbox.Flags{{}, flagged, mailbox.NewFlags(mailbox.FlagSeen, mailbox.FlagForwarded), mailbox.NewFlags("$Junk", "Custom", mailbox.FlagDraft)} {
			want[c.Reader.Deliver(work, flags, someDate(i), text(i))] = flags
		}
		got := c.list(work)
		if len(got) != len(want) {
			c.Fatalf("%d messages", len(got))
		}
		for _, message := range got {
			if flags, found := want[message.Key]; !found || !message.Flags.Equal(flags) {
				c.Errorf("%s has %s, want %s", message.Key, message.Flags, flags)
			}
		}
	}},
	{"StampDiffersAfterAChange", func(c *localCase) {
		c.make(work)
		key := c.Reader.Deliver(work, mailbox.Flags{}, someDate(1), text(1))
		for what, change := range map[string]func(){
			"delivery": func() { c.Reader.Deliver(work, mailbox.Flags{}, someDate(2), text(2)) },
			"flags":    func() { c.Reader.SetFlags(work, key, flagged) },
		} {
			_, before, err := c.Local.List(c.ctx, work)
			must(c, "list", err)
			change()
			after, err := c.Local.Stamp(c.ctx, work)
			must(c, "stamp", err)
			if sameFolder(before, after) {
				c.Errorf("%s: still %+v", what, after)
			}
		}
	}},
	{"TallyIsThatOfTheListing", func(c *localCase) {
		c.make(work)
		seen := map[mailbox.Tally]string{}
		look := func(when string) {
			tally, stamp, err := c.Local.Tally(c.ctx, work)
			must(c, "tally "+when, err)
			var want mailbox.Tally
			for _, file := range c.list(work) {
				want.Add(file.Key, file.Flags)
			}
			if tally != want || stamp.Taken == 0 {
				c.Errorf("%s: %+v, the listing is %+v", when, tally, want)
			}
			var each mailbox.Tally
			must(c, "each "+when, c.Stream.Each(c.ctx, work, func(file mailbox.LocalFile) error {
				each.Add(file.Key, file.Flags)
				return nil
			}))
			if each != want {
				c.Errorf("%s: what is handed over adds up to %+v, the listing to %+v", when, each, want)
			}
			if other, found := seen[tally]; found {
				c.Errorf("%s: as %s", when, other)
			}
			seen[tally] = when
		}
		look("empty")
		key := c.Reader.Deliver(work, mailbox.Flags{}, someDate(1), text(1))
		look("one message")
		c.Reader.SetFlags(work, key, flagged)
		look("with flags")
		c.Reader.Deliver(work, mailbox.NewFlags(mailbox.FlagSeen, "$Junk"), someDate(2), text(2))
		look("another with a keyword")
		c.deliver(work, mailbox.NewFlags(mailbox.FlagSeen), text(3))
		look("three")
		c.Reader.Unlink(work, key)
		look("two")
	}},
	{"StampStaysWithoutAChange", func(c *localCase) {
		c.make(work)
		c.Reader.Deliver(work, mailbox.Flags{}, someDate(1), text(1))
		_, before, err := c.Local.List(c.ctx, work)
		must(c, "list", err)
		after, err := c.Local.Stamp(c.ctx, work)
		must(c, "stamp", err)
		if !sameFolder(before, after) || before.Taken == 0 {
			c.Errorf("before %+v, after %+v", before, after)
		}
	}},
	{"InspectTellsContentAndDate", func(c *localCase) {
		c.make(work)
		for i, odd := range OddMessages() {
			key := c.Reader.Deliver(work, mailbox.Flags{}, someDate(i), odd.Octets)
			content, date, err := c.Local.Inspect(c.ctx, work, key)
			must(c, odd.Name, err)
			// What the reader wrote with LF alone is a message with CRLF.
			want := ContentOf(c.read(work, key))
			content.Verbatim = want.Verbatim
			if content != want || date.Unix != someDate(i).Unix {
				c.Errorf("%s: %+v %+v, want %+v", odd.Name, content, date, want)
			}
		}
	}},
	{"OpenReturnsTheWireForm", func(c *localCase) {
		c.make(work)
		for i, odd := range OddMessages() {
			if !isCRLF(odd.Octets) {
				continue // a reader cannot say that it means these
			}
			key := c.Reader.Deliver(work, mailbox.Flags{}, someDate(i), odd.Octets)
			if got := c.read(work, key); !bytes.Equal(got, odd.Octets) {
				c.Errorf("%s: %.80q, want %.80q", odd.Name, got, odd.Octets)
			}
		}
	}},
	{"WhatIsGoneIsErrNotFound", func(c *localCase) {
		c.make(work)
		key := c.Reader.Deliver(work, mailbox.Flags{}, someDate(1), text(1))
		c.Reader.Unlink(work, key)
		_, err := c.Local.Open(c.ctx, work, key)
		wantError(c, "open", err, mailbox.ErrNotFound)
		_, _, err = c.Local.Inspect(c.ctx, work, key)
		wantError(c, "inspect", err, mailbox.ErrNotFound)
		_, _, err = c.Local.List(c.ctx, "Nowhere")
		wantError(c, "list", err, mailbox.ErrNotFound)
		_, err = c.Local.Stamp(c.ctx, "Nowhere")
		wantError(c, "stamp", err, mailbox.ErrNotFound)
	}},
	{"OpenFindsWhatAReaderRenamed", func(c *localCase) {
		c.make(work)
		key := c.Reader.Deliver(work, mailbox.Flags{}, someDate(1), text(1))
		c.list(work)
		c.Reader.SetFlags(work, key, flagged)
		if got := c.read(work, key); !bytes.Equal(got, text(1)) {
			c.Errorf("%q", got)
		}
	}},
	{"ReadingEndsOrIsCompleteWhenCancelled", func(c *localCase) {
		c.make(work)
		c.Reader.Deliver(work, mailbox.Flags{}, someDate(1), text(1))
		ctx, cancel := context.WithCancel(c.ctx)
		cancel()
		if messages, _, err := c.Local.List(ctx, work); err != nil || len(messages) != 1 {
			wantError(c, "list", err, context.Canceled)
		}
		if names, err := c.Local.Folders(ctx); err != nil || !slices.Contains(names, work) {
			wantError(c, "folders", err, context.Canceled)
		}
	}},
}

// sameFolder reports whether a folder looks unchanged; Taken is the time of
// the look itself.
func sameFolder(a, b mailbox.Stamp) bool {
	a.Taken, b.Taken = 0, 0
	return a == b
}

func (c *localCase) make(name mailbox.Name) {
	c.Helper()
	if err := c.Folders.Create(c.ctx, name); err != nil && !errors.Is(err, mailbox.ErrExists) {
		c.Fatalf("create %s: %v", name, err)
	}
}

func (c *localCase) list(name mailbox.Name) []mailbox.LocalFile {
	c.Helper()
	messages, stamp, err := c.Local.List(c.ctx, name)
	must(c, "list", err)
	if !slices.IsSortedFunc(messages, func(a, b mailbox.LocalFile) int { return bytes.Compare([]byte(a.Key), []byte(b.Key)) }) {
		c.Errorf("not sorted: %+v", messages)
	}
	if stamp == (mailbox.Stamp{}) {
		c.Error("the stamp is zero")
	}
	return messages
}

func (c *localCase) read(name mailbox.Name, key mailbox.Key) []byte {
	c.Helper()
	body, err := c.Local.Open(c.ctx, name, key)
	must(c, "open", err)
	octets, err := io.ReadAll(body)
	must(c, "read", errors.Join(err, body.Close()))
	return octets
}

// deliver brings one message in, as a run does.
func (c *localCase) deliver(name mailbox.Name, flags mailbox.Flags, octets []byte) mailbox.Key {
	c.Helper()
	draft := c.receive(name, octets)
	draft.Flags, draft.Date = flags, someDate(7)
	drafts := []mailbox.Draft{draft}
	must(c, "seal", c.Delivery.Seal(c.ctx, drafts))
	must(c, "publish", c.Delivery.Publish(c.ctx, drafts))
	return draft.Key
}

func (c *localCase) receive(name mailbox.Name, octets []byte) mailbox.Draft {
	c.Helper()
	draft, err := c.Delivery.Receive(c.ctx, name, int64(len(octets)), bytes.NewReader(octets))
	must(c, fmt.Sprintf("receive for %s", name), err)
	return draft
}
