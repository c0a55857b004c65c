package main

import (
	"slices"
	"testing"

	"mailferry/syncer/mailbox"
	"mailferry/syncer/synctest"
)

// smallTraffic is more than any run without messages needs, and less than the
// messages of a case that are to be left where they are.
const smallTraffic = 40 << 10

// bulky makes a transfer that should not happen show in the traffic.
func bulky() []byte {
	text := letter("bulky")
	for len(text) < 2*smallTraffic {
		text = append(text, "A line of text that is only here to be long, and long it is.\r\n"...)
	}
	return text
}

func TestSyncMakesBothSidesTheSame(t *testing.T) {
	cases := slices.Concat(flagCases, deletionCases, movingCases, mailboxCases)
	for _, combination := range []struct {
		name, layout string
		config       synctest.DovecotConfig
		cases        []twoWayCase
	}{
		{"fs", layoutFS, synctest.DovecotConfig{}, cases},
		{"maildir++ and a prefix", layoutMaildirPP, synctest.DovecotConfig{Separator: '.', Prefix: "INBOX."}, cases},
		{"fs and a prefix", layoutFS, synctest.DovecotConfig{Separator: '.', Prefix: "INBOX."}, slices.Concat(movingCases, mailboxCases)},
	} {
		t.Run(combination.name, func(t *testing.T) {
			server := synctest.Dovecot(t, combination.config)
			t.Run("cases", func(t *testing.T) {
				for _, c := range combination.cases {
					if c.layout != "" && c.layout != combination.layout {
						continue
					}
					t.Run(c.name, func(t *testing.T) {
						t.Parallel()
						c.run(newWorld(t, server, combination.layout))
					})
				}
			})
		})
	}
}

// smokeCases are for servers that lack one thing or another.
func smokeCases() []twoWayCase {
	names := []string{
		"nothing happens", "different flags of one message on both sides", "flagged on disk, expunged on the server",
		"flagged on the server, deleted on disk", "different messages deleted on both sides", "different new messages on both sides",
		"the same message arrives on both sides with different flags", "two identical messages on each side",
		"moved on the server", "moved on disk, the name kept", "new folders on disk, with umlauts, blanks, deep and empty",
		"renamed on the server", "a parent with children renamed on disk", "deleted on the server with a new message on disk: comes back whole",
		"much at once",
	}
	all := slices.Concat(flagCases, deletionCases, movingCases, mailboxCases)
	return slices.DeleteFunc(all, func(c twoWayCase) bool { return !slices.Contains(names, c.name) })
}

func TestSyncMakesBothSidesTheSameOnOtherServers(t *testing.T) {
	for _, other := range []struct {
		name  string
		start func(testing.TB) *synctest.Server
		plain bool
	}{
		{"cyrus", synctest.Cyrus, false},
		{"memory", synctest.Memory, true},
		{"dovecot without CONDSTORE", func(tb testing.TB) *synctest.Server {
			return synctest.Dovecot(tb, synctest.DovecotConfig{Capability: "IMAP4rev1 UIDPLUS UNSELECT ESEARCH"})
		}, true},
		{"dovecot without QRESYNC and LIST-STATUS", func(tb testing.TB) *synctest.Server {
			return synctest.Dovecot(tb, synctest.DovecotConfig{Capability: "IMAP4rev1 LITERAL+ UIDPLUS UNSELECT CONDSTORE ENABLE"})
		}, true},
	} {
		t.Run(other.name, func(t *testing.T) {
			server := other.start(t)
			t.Run("cases", func(t *testing.T) {
				for _, c := range smokeCases() {
					t.Run(c.name, func(t *testing.T) {
						t.Parallel()
						w := newWorld(t, server, layoutFS)
						w.plain = other.plain
						if server.Product == "memory" {
							w.binary = "mailferry" // the test's own copy, which may have the race detector
						}
						c.run(w)
					})
				}
			})
		})
	}
}

// run plays a case from the first sync to the last.
func (c twoWayCase) run(w *world) {
	server, disk := onServer{w}, onDisk{w}
	populate(server)
	if w.user.Server.Product == "memory" {
		// go-imap's server can keep those flags only that a mailbox has.
		for _, name := range []mailbox.Name{inbox, work, sub, empty} {
			server.add(name, "every flag", seen, flagged, answered, draft, deleted, label1)
		}
	}
	if c.untransferred {
		for _, name := range []mailbox.Name{inbox, sub} {
			w.user.Append(name, mailbox.NewFlags(seen), someDate, bulky())
		}
	}
	if c.setup != nil {
		c.setup(server)
	}
	w.sync().exits(exitDone)
	want := expectationOf(w.t, w.same())
	if c.server != nil {
		c.server(server)
	}
	if c.disk != nil {
		c.disk(disk)
	}
	o := w.sync().exits(exitDone)
	if o.summary.Failed+o.summary.Stale+o.summary.Guarded != 0 {
		w.t.Errorf("not everything was done: %s", o.stdout)
	}
	if s := o.summary; c.untransferred && (s.Downloaded+s.Uploaded > 0 || s.OctetsDown > smallTraffic || s.OctetsUp > smallTraffic) {
		w.t.Errorf("messages were carried that both sides have: %+v", s)
	}
	c.want(want)
	want.check(w.same())
	w.quiet()
	want.check(w.same())
}
