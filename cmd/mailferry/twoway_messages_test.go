package main

import "mailferry/syncer/mailbox"

// A twoWayCase is what happens on both sides between two runs, and what both
// have to hold after the second.
type twoWayCase struct {
	name string
	// setup adds to the account before the first run.
	setup func(onServer)
	// server and disk are what other programs do.
	server func(onServer)
	disk   func(onDisk)
	// want turns what was there after the first run into what must be.
	want func(*expectation)
	// untransferred says that no message may be carried in either direction.
	untransferred bool
	// layouts, if not "", is the only layout for which the case makes sense.
	layout string
}

// Mailboxes that every case begins with: INBOX with a to e, Work with w1 to
// w3, Work/Sub with s1 and s2, and Empty.
const (
	inbox = mailbox.Inbox
	work  = mailbox.Name("Work")
	sub   = mailbox.Name("Work/Sub")
	empty = mailbox.Name("Empty")
)

const (
	seen     = mailbox.FlagSeen
	flagged  = mailbox.FlagFlagged
	answered = mailbox.FlagAnswered
	draft    = mailbox.FlagDraft
	deleted  = mailbox.FlagDeleted
	label1   = "$Label1"
)

func populate(s onServer) {
	u := s.w.user
	u.Create(work)
	u.Create(sub)
	u.Create(empty)
	s.add(inbox, "a", seen)
	s.add(inbox, "b")
	s.add(inbox, "c", seen, flagged)
	s.add(inbox, "d", answered, seen)
	s.add(inbox, "e", label1)
	for _, label := range []string{"w1", "w2", "w3"} {
		s.add(work, label, seen)
	}
	s.add(sub, "s1")
	s.add(sub, "s2", seen)
}

// flagCases are about flags and keywords of messages that both sides have.
var flagCases = []twoWayCase{
	{
		name: "nothing happens", untransferred: true,
		want: func(e *expectation) {},
	},
	{
		name: "flagged on the server", untransferred: true,
		server: func(s onServer) { s.flag(inbox, "b", "+", flagged, seen) },
		want:   func(e *expectation) { e.flagged(inbox, "b", flagged, seen) },
	},
	{
		name: "unflagged on the server", untransferred: true,
		server: func(s onServer) { s.flag(inbox, "c", "-", flagged, seen) },
		want:   func(e *expectation) { e.flagged(inbox, "c") },
	},
	{
		name: "flagged on disk", untransferred: true,
		disk: func(d onDisk) { d.flag(inbox, "b", seen, answered) },
		want: func(e *expectation) { e.flagged(inbox, "b", seen, answered) },
	},
	{
		name: "unflagged on disk", untransferred: true,
		disk: func(d onDisk) { d.flag(inbox, "c") },
		want: func(e *expectation) { e.flagged(inbox, "c") },
	},
	{
		name: "different flags of one message on both sides", untransferred: true,
		server: func(s onServer) { s.flag(inbox, "a", "+", flagged) },
		disk:   func(d onDisk) { d.flag(inbox, "a", seen, answered) },
		want:   func(e *expectation) { e.flagged(inbox, "a", seen, flagged, answered) },
	},
	{
		name: "the same flag on both sides", untransferred: true,
		server: func(s onServer) { s.flag(inbox, "b", "+", flagged) },
		disk:   func(d onDisk) { d.flag(inbox, "b", flagged) },
		want:   func(e *expectation) { e.flagged(inbox, "b", flagged) },
	},
	{
		name: "one flag added there, another removed here", untransferred: true,
		server: func(s onServer) { s.flag(inbox, "c", "+", answered) },
		disk:   func(d onDisk) { d.flag(inbox, "c", seen) },
		want:   func(e *expectation) { e.flagged(inbox, "c", seen, answered) },
	},
	{
		name: "the same flag removed on both sides", untransferred: true,
		server: func(s onServer) { s.flag(inbox, "c", "-", flagged) },
		disk:   func(d onDisk) { d.flag(inbox, "c", seen) },
		want:   func(e *expectation) { e.flagged(inbox, "c", seen) },
	},
	{
		name: "keyword added on the server", untransferred: true,
		server: func(s onServer) { s.flag(inbox, "a", "+", "$Important") },
		want:   func(e *expectation) { e.flagged(inbox, "a", seen, "$Important") },
	},
	{
		name: "keyword added on disk", untransferred: true,
		disk: func(d onDisk) { d.flag(inbox, "a", seen, "todo") },
		want: func(e *expectation) { e.flagged(inbox, "a", seen, "todo") },
	},
	{
		name: "keyword removed on the server", untransferred: true,
		server: func(s onServer) { s.flag(inbox, "e", "-", label1) },
		want:   func(e *expectation) { e.flagged(inbox, "e") },
	},
	{
		name: "keyword removed on disk", untransferred: true,
		disk: func(d onDisk) { d.flag(inbox, "e", seen) },
		want: func(e *expectation) { e.flagged(inbox, "e", seen) },
	},
	{
		name: "different keywords on both sides", untransferred: true,
		server: func(s onServer) { s.flag(work, "w1", "+", "urgent") },
		disk:   func(d onDisk) { d.flag(work, "w1", seen, "later", mailbox.FlagForwarded) },
		want:   func(e *expectation) { e.flagged(work, "w1", seen, "urgent", "later", mailbox.FlagForwarded) },
	},
	{
		name: "marked deleted on the server", untransferred: true,
		server: func(s onServer) { s.flag(inbox, "b", "+", deleted) },
		want:   func(e *expectation) { e.flagged(inbox, "b", deleted) },
	},
	{
		name: "marked trashed on disk", untransferred: true,
		disk: func(d onDisk) { d.flag(inbox, "b", deleted, seen) },
		want: func(e *expectation) { e.flagged(inbox, "b", deleted, seen) },
	},
	{
		name:   "flagged on disk, expunged on the server",
		server: func(s onServer) { s.expunge(inbox, "b") },
		disk:   func(d onDisk) { d.flag(inbox, "b", flagged) },
		want:   func(e *expectation) { e.flagged(inbox, "b", flagged) },
	},
	{
		name:   "flagged on the server, deleted on disk",
		server: func(s onServer) { s.flag(inbox, "b", "+", flagged) },
		disk:   func(d onDisk) { d.remove(inbox, "b") },
		want:   func(e *expectation) { e.flagged(inbox, "b", flagged) },
	},
}

// deletionCases are about messages that go and come.
var deletionCases = []twoWayCase{
	{
		name: "deleted on the server", untransferred: true,
		server: func(s onServer) { s.expunge(inbox, "a", "c") },
		want:   func(e *expectation) { e.gone(inbox, "a", "c") },
	},
	{
		name: "deleted on disk", untransferred: true,
		disk: func(d onDisk) { d.remove(inbox, "a", "c") },
		want: func(e *expectation) { e.gone(inbox, "a", "c") },
	},
	{
		name: "deleted on both sides", untransferred: true,
		server: func(s onServer) { s.expunge(inbox, "a") },
		disk:   func(d onDisk) { d.remove(inbox, "a") },
		want:   func(e *expectation) { e.gone(inbox, "a") },
	},
	{
		name: "different messages deleted on both sides", untransferred: true,
		server: func(s onServer) { s.expunge(inbox, "a"); s.expunge(work, "w2") },
		disk:   func(d onDisk) { d.remove(inbox, "b"); d.remove(work, "w3") },
		want:   func(e *expectation) { e.gone(inbox, "a", "b"); e.gone(work, "w2", "w3") },
	},
	{
		name: "a mailbox emptied on the server, another on disk", untransferred: true,
		server: func(s onServer) { s.expunge(work, "w1", "w2", "w3") },
		disk:   func(d onDisk) { d.remove(sub, "s1", "s2") },
		want:   func(e *expectation) { e.gone(work, "w1", "w2", "w3"); e.gone(sub, "s1", "s2") },
	},
	{
		name: "another client's \\Deleted message is spared when one is deleted on disk", untransferred: true,
		server: func(s onServer) { s.flag(inbox, "a", "+", deleted) },
		disk:   func(d onDisk) { d.remove(inbox, "b") },
		want:   func(e *expectation) { e.flagged(inbox, "a", seen, deleted); e.gone(inbox, "b") },
	},
	{
		name:   "new on the server",
		server: func(s onServer) { s.add(inbox, "x", seen, flagged); s.add(empty, "y") },
		want:   func(e *expectation) { e.add(inbox, "x", seen, flagged); e.add(empty, "y") },
	},
	{
		name:   "new on the server and marked deleted already",
		server: func(s onServer) { s.add(inbox, "x", deleted, seen) },
		want:   func(e *expectation) { e.add(inbox, "x", deleted, seen) },
	},
	{
		name: "delivered into new and cur, with and without info",
		disk: func(d onDisk) {
			d.write(inbox, "new", "1784000001.a.host", lf(letter("x")))
			d.write(inbox, "cur", "1784000002.b.host:2,FS", lf(letter("y")))
			d.write(inbox, "cur", "1784000003.c.host", lf(letter("z")))
			d.write(inbox, "cur", "1784000004.d.host,S=12345:2,", lf(letter("wrong size in the name")))
			d.write(inbox, "cur", "1784000005.e.host,U=1:2,R", lf(letter("copied UID in the name")))
		},
		want: func(e *expectation) {
			e.add(inbox, "x")
			e.add(inbox, "y", flagged, seen)
			e.add(inbox, "z")
			e.add(inbox, "wrong size in the name")
			e.add(inbox, "copied UID in the name", answered)
		},
	},
	{
		name:   "different new messages on both sides",
		server: func(s onServer) { s.add(inbox, "x"); s.add(work, "y", seen) },
		disk:   func(d onDisk) { d.add(inbox, "p"); d.add(work, "q", flagged) },
		want: func(e *expectation) {
			e.add(inbox, "x")
			e.add(inbox, "p")
			e.add(work, "y", seen)
			e.add(work, "q", flagged)
		},
	},
	{
		name:   "the same message arrives on both sides with different flags",
		server: func(s onServer) { s.add(inbox, "x", seen) },
		disk:   func(d onDisk) { d.add(inbox, "x", flagged) },
		want:   func(e *expectation) { e.add(inbox, "x", seen, flagged) },
	},
	{
		name:   "two identical messages on the server",
		server: func(s onServer) { s.add(inbox, "x"); s.add(inbox, "x", seen) },
		want:   func(e *expectation) { e.add(inbox, "x"); e.add(inbox, "x", seen) },
	},
	{
		name: "two identical messages on disk",
		disk: func(d onDisk) { d.add(inbox, "x"); d.add(inbox, "x") },
		want: func(e *expectation) { e.add(inbox, "x"); e.add(inbox, "x") },
	},
	{
		name:   "two identical messages on each side",
		server: func(s onServer) { s.add(work, "x", seen); s.add(work, "x", seen) },
		disk:   func(d onDisk) { d.add(work, "x", seen); d.add(work, "x", seen) },
		want:   func(e *expectation) { e.add(work, "x", seen); e.add(work, "x", seen) },
	},
	{
		name: "one of two identical messages deleted on the server", untransferred: true,
		setup:  func(s onServer) { s.add(work, "twin"); s.add(work, "twin") },
		server: func(s onServer) { s.expunge(work, "twin") },
		want:   func(e *expectation) { e.gone(work, "twin") },
	},
	{
		name: "one of two identical messages deleted on disk", untransferred: true,
		setup: func(s onServer) { s.add(work, "twin"); s.add(work, "twin") },
		disk:  func(d onDisk) { d.remove(work, "twin") },
		want:  func(e *expectation) { e.gone(work, "twin") },
	},
	{
		name:   "one of two identical messages deleted on each side",
		setup:  func(s onServer) { s.add(work, "twin"); s.add(work, "twin"); s.add(work, "twin") },
		server: func(s onServer) { s.w.user.Expunge(work, s.w.user.Messages(work)[3].UID) },
		disk:   func(d onDisk) { d.w.disk.Unlink(work, d.lastKey(work, "twin")) },
		want:   func(e *expectation) { e.gone(work, "twin", "twin") },
	},
	{
		name:   "draft edited on the server",
		setup:  func(s onServer) { s.add(work, "draft 1", draft, seen) },
		server: func(s onServer) { s.add(work, "draft 2", draft, seen); s.expunge(work, "draft 1") },
		want:   func(e *expectation) { e.gone(work, "draft 1"); e.add(work, "draft 2", draft, seen) },
	},
	{
		name:  "draft edited on disk",
		setup: func(s onServer) { s.add(work, "draft 1", draft, seen) },
		disk:  func(d onDisk) { d.add(work, "draft 2", draft, seen); d.remove(work, "draft 1") },
		want:  func(e *expectation) { e.gone(work, "draft 1"); e.add(work, "draft 2", draft, seen) },
	},
	{
		name:   "draft edited on both sides: both are kept",
		setup:  func(s onServer) { s.add(work, "draft 1", draft, seen) },
		server: func(s onServer) { s.add(work, "draft 2", draft, seen); s.expunge(work, "draft 1") },
		disk:   func(d onDisk) { d.add(work, "draft 3", draft, seen); d.remove(work, "draft 1") },
		want: func(e *expectation) {
			e.gone(work, "draft 1")
			e.add(work, "draft 2", draft, seen)
			e.add(work, "draft 3", draft, seen)
		},
	},
	{
		name: "a reader renames from new to cur and gives new names", untransferred: true,
		disk: func(d onDisk) {
			d.flag(inbox, "b", seen)
			d.move(inbox, "a", inbox, "1784000009.renamed.host")
			d.move(work, "w1", work, "1784000010.renamed.host")
		},
		want: func(e *expectation) { e.flagged(inbox, "b", seen) },
	},
}
