// Package syncer carries out one run: observe, plan, guard, apply, commit.
//
// This page is the map of the code.
//
// # A run, in a straight line
//
//	run.go       Run: the line itself; Options, Summary
//	census.go    both sides are listed; what the checkpoints prove unchanged
//	             is left alone; absence is proved, not assumed
//	observe.go   each mailbox that may have changed is looked at on both sides
//	glance.go    many of them in one turn
//	window.go    of many new messages a window at a time: the others wait, named,
//	             until it is decided and carried out
//	pool.go      of a large mailbox that was numbered anew, or whose state was
//	             lost, a part at a time is matched by content
//	rename.go    mailboxes under a new name are recognised
//	             (package plan decides, mailbox by mailbox)
//	apply.go     mailboxes are made,
//	creation.go  on the server many in one turn, then
//	transfer.go  messages travel, on several connections:
//	  download.go  server -> disk, into
//	  ledger.go    group commits: durable, planned, named, linked
//	  copy.go      what another mailbox has already on disk is linked there
//	  copyremote.go  ... and on the server is copied there
//	  upload.go    disk -> server; nothing is sent twice
//	  rewritten.go what a server stored with its own line ends is known again
//	flags.go     then flags change
//	remove.go    and only then is anything deleted
//	archive.go   ... or, by an archive, taken from the server, behind
//	gate.go      the questions that each message has to pass;
//	age.go       a date that could not be read is asked for once more
//	settle.go    last, the checkpoint
//	retry.go     lost connections, and which errors end a run
//	report.go    what a run tells about itself
//	ports.go     what it needs of server, disk and state
//
// # The rooms around it
//
//	syncer/mailbox       the vocabulary: names, UIDs, flags, links
//	syncer/plan          pure decisions: three snapshots and a policy in, a plan out
//	syncer/imapremote    the server side, on go-imap; its wire is the shared socket
//	syncer/merge         many sources, one set of messages
//	syncer/former        what mbsync and offlineimap remember
//	maildirout           the disk side
//	syncer/verify        compares two sides, message by message
//	syncer/export        mbox, .eml and zip for other programs
//	state                what both sides last agreed on
//	cmd/internal/discover  which server has an address's mail
//	cmd/mailferry        wiring and one file per command
//
// # Invariants
//
//   - What is persisted is what was observed on both sides, never outstanding
//     work: a run that is killed anywhere is followed by an ordinary run.
//   - A checkpoint never passes an action that failed, went stale, was refused
//     or was not reached. It is the last thing written for a mailbox.
//   - A file gets its final name only when its octets are durable and the state
//     knows its key.
//   - An upload is in the state before its first octet leaves; after a lost
//     answer a listing decides whether it arrived.
//   - Deletions come after all transfers, and each is checked again right
//     before it happens.
package syncer
