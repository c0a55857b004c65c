package main

import "mailferry/syncer/mailbox"

// movingCases are about messages that change their mailbox.
var movingCases = []twoWayCase{
	{
		name:   "moved on the server",
		server: func(s onServer) { s.copy(inbox, "c", work); s.expunge(inbox, "c") },
		want:   func(e *expectation) { e.gone(inbox, "c"); e.add(work, "c", seen, flagged) },
	},
	{
		name: "moved on disk, the name kept",
		disk: func(d onDisk) { d.move(inbox, "c", work, "") },
		want: func(e *expectation) { e.gone(inbox, "c"); e.add(work, "c", seen, flagged) },
	},
	{
		name: "moved on disk under a new name",
		disk: func(d onDisk) { d.move(inbox, "c", work, "1784000007.moved.host") },
		want: func(e *expectation) { e.gone(inbox, "c"); e.add(work, "c", seen, flagged) },
	},
	{
		name: "moved on disk under a new name, and flagged", untransferred: true,
		disk: func(d onDisk) {
			d.move(inbox, "c", work, "1784000008.moved.host")
			d.flag(work, "c", seen, answered, "$Label1")
		},
		want: func(e *expectation) { e.gone(inbox, "c"); e.add(work, "c", seen, answered, "$Label1") },
	},
	{
		name:   "moved on disk, flagged on the server: kept in both places",
		server: func(s onServer) { s.flag(inbox, "a", "+", flagged) },
		disk:   func(d onDisk) { d.move(inbox, "a", work, "") },
		want:   func(e *expectation) { e.flagged(inbox, "a", seen, flagged); e.add(work, "a", seen) },
	},
	{
		name:   "moved to the same place on both sides",
		server: func(s onServer) { s.copy(inbox, "c", work); s.expunge(inbox, "c") },
		disk:   func(d onDisk) { d.move(inbox, "c", work, "") },
		want:   func(e *expectation) { e.gone(inbox, "c"); e.add(work, "c", seen, flagged) },
	},
	{
		name:   "moved to different places on both sides: kept in both",
		server: func(s onServer) { s.copy(inbox, "c", work); s.expunge(inbox, "c") },
		disk:   func(d onDisk) { d.move(inbox, "c", sub, "") },
		want: func(e *expectation) {
			e.gone(inbox, "c")
			e.add(work, "c", seen, flagged)
			e.add(sub, "c", seen, flagged)
		},
	},
	{
		name:   "copied on the server",
		server: func(s onServer) { s.copy(inbox, "a", work) },
		want:   func(e *expectation) { e.add(work, "a", seen) },
	},
	{
		name: "copied on disk under the same name",
		disk: func(d onDisk) { d.copy(inbox, "a", work, "") },
		want: func(e *expectation) { e.add(work, "a", seen) },
	},
	{
		name: "copied on disk into the same folder",
		disk: func(d onDisk) { d.copy(inbox, "a", inbox, "1784000008.copy.host") },
		want: func(e *expectation) { e.add(inbox, "a", seen) },
	},
}

// Names with umlauts, blanks and depth.
const (
	umlauts = mailbox.Name("Büro Süd")
	deep    = mailbox.Name("Büro Süd/Ämter & Co/2026/März")
)

// mailboxCases are about mailboxes that come, go and change their name.
var mailboxCases = []twoWayCase{
	{
		name: "new mailboxes on the server, with umlauts, blanks, deep and empty",
		server: func(s onServer) {
			for _, name := range []mailbox.Name{umlauts, umlauts + "/Ämter & Co", umlauts + "/Ämter & Co/2026", deep} {
				s.w.user.Create(name)
			}
			s.add(deep, "x", flagged)
		},
		want: func(e *expectation) {
			e.create(umlauts, umlauts+"/Ämter & Co", umlauts+"/Ämter & Co/2026", deep)
			e.add(deep, "x", flagged)
		},
	},
	{
		name: "new folders on disk, with umlauts, blanks, deep and empty",
		disk: func(d onDisk) {
			d.create(umlauts, umlauts+"/Ämter & Co", umlauts+"/Ämter & Co/2026", deep)
			d.add(deep, "x", flagged)
		},
		want: func(e *expectation) {
			e.create(umlauts, umlauts+"/Ämter & Co", umlauts+"/Ämter & Co/2026", deep)
			e.add(deep, "x", flagged)
		},
	},
	{
		name:   "the same mailbox is made on both sides",
		server: func(s onServer) { s.w.user.Create("Both"); s.add("Both", "x"); s.add("Both", "common", seen) },
		disk:   func(d onDisk) { d.create("Both"); d.add("Both", "y"); d.add("Both", "common", seen) },
		want: func(e *expectation) {
			e.create("Both")
			e.add("Both", "x")
			e.add("Both", "y")
			e.add("Both", "common", seen)
		},
	},
	{
		name: "renamed on the server", untransferred: true,
		server: func(s onServer) { s.w.user.Rename(sub, "Elsewhere") },
		want:   func(e *expectation) { e.rename(sub, "Elsewhere") },
	},
	{
		name: "renamed on disk", untransferred: true,
		disk: func(d onDisk) { d.rename(sub, "Elsewhere") },
		want: func(e *expectation) { e.rename(sub, "Elsewhere") },
	},
	{
		name: "a parent with children renamed on the server", untransferred: true,
		server: func(s onServer) { s.w.user.Rename(work, "Büro") },
		want:   func(e *expectation) { e.rename(work, "Büro"); e.rename(sub, "Büro/Sub") },
	},
	{
		name: "a parent with children renamed on disk", untransferred: true,
		disk: func(d onDisk) { d.rename(work, "Büro") },
		want: func(e *expectation) { e.rename(work, "Büro"); e.rename(sub, "Büro/Sub") },
	},
	{
		name:   "renamed on the server, flagged on disk meanwhile",
		server: func(s onServer) { s.w.user.Rename(sub, "Elsewhere") },
		disk:   func(d onDisk) { d.flag(sub, "s1", flagged) },
		want:   func(e *expectation) { e.rename(sub, "Elsewhere"); e.flagged("Elsewhere", "s1", flagged) },
	},
	{
		name:   "renamed on disk, a message arrives on the server meanwhile",
		server: func(s onServer) { s.add(sub, "x") },
		disk:   func(d onDisk) { d.rename(sub, "Elsewhere") },
		want:   func(e *expectation) { e.rename(sub, "Elsewhere"); e.add("Elsewhere", "x") },
	},
	{
		name: "deleted on the server", untransferred: true,
		server: func(s onServer) { s.w.user.Delete(sub) },
		want:   func(e *expectation) { e.drop(sub) },
	},
	{
		name: "deleted on disk", untransferred: true,
		disk: func(d onDisk) { d.drop(sub) },
		want: func(e *expectation) { e.drop(sub) },
	},
	{
		// Dovecot goes on listing a mailbox that is gone and has children.
		name: "a parent deleted on the server, its child stays", untransferred: true,
		server: func(s onServer) { s.w.user.Delete(work) },
		want:   func(e *expectation) { e.drop(work) },
	},
	{
		name: "a parent deleted on disk, its child stays", untransferred: true,
		disk: func(d onDisk) { d.drop(work) },
		want: func(e *expectation) { e.drop(work) },
	},
	{
		name: "an empty one deleted on the server", untransferred: true,
		server: func(s onServer) { s.w.user.Delete(empty) },
		want:   func(e *expectation) { e.drop(empty) },
	},
	{
		name: "an empty one deleted on disk", untransferred: true,
		disk: func(d onDisk) { d.drop(empty) },
		want: func(e *expectation) { e.drop(empty) },
	},
	{
		name: "deleted on both sides", untransferred: true,
		server: func(s onServer) { s.w.user.Delete(sub) },
		disk:   func(d onDisk) { d.drop(sub) },
		want:   func(e *expectation) { e.drop(sub) },
	},
	{
		name:   "deleted on the server with a new message on disk: comes back whole",
		server: func(s onServer) { s.w.user.Delete(sub) },
		disk:   func(d onDisk) { d.add(sub, "x") },
		want:   func(e *expectation) { e.add(sub, "x") },
	},
	{
		name:   "deleted on disk with a new message on the server: comes back whole",
		server: func(s onServer) { s.add(sub, "x") },
		disk:   func(d onDisk) { d.drop(sub) },
		want:   func(e *expectation) { e.add(sub, "x") },
	},
	{
		name: "the INBOX folder deleted on disk", layout: layoutFS, untransferred: true,
		disk: func(d onDisk) { d.drop(inbox) },
		want: func(e *expectation) { e.clear(inbox) },
	},
	{
		name: "deleted and made anew on the server with another message",
		server: func(s onServer) {
			s.w.user.Delete(sub)
			s.w.user.Create(sub)
			s.add(sub, "x")
		},
		// Made anew means renumbered: what was there is not known to be
		// unwanted, so it is kept on both sides.
		want: func(e *expectation) { e.add(sub, "x") },
	},
	{
		name: "much at once",
		server: func(s onServer) {
			s.expunge(inbox, "a")
			s.flag(inbox, "b", "+", flagged)
			s.add(inbox, "x", seen)
			s.w.user.Create("Neu")
			s.add("Neu", "n1")
			s.w.user.Delete(empty)
		},
		disk: func(d onDisk) {
			d.remove(work, "w1")
			d.flag(inbox, "b", answered)
			d.add(sub, "y", flagged)
			d.create("Alt")
			d.move(work, "w2", "Alt", "")
			d.rename(sub, "Unter")
		},
		want: func(e *expectation) {
			e.gone(inbox, "a")
			e.flagged(inbox, "b", flagged, answered)
			e.add(inbox, "x", seen)
			e.create("Neu", "Alt")
			e.add("Neu", "n1")
			e.drop(empty)
			e.gone(work, "w1", "w2")
			e.add("Alt", "w2", seen)
			e.add(sub, "y", flagged)
			e.rename(sub, "Unter")
		},
	},
}
