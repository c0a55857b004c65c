// Package merge makes one set of messages of many sources.
//
// A source is read once, as a stream; what identifies each of its messages is
// kept in an index on disk, so that the next run reads only what changed.
//
//	source.go      the port: what a source tells, and how it is read again
//	recognise.go   which kind a path is
//	maildir.go     Maildir trees and stores
//	thunderbird.go profiles, with their .sbd folders
//	tree.go        mbox files, .eml and .emlx in folders
//	remote.go      IMAP and POP3 servers
//	outlook.go     PST and OST, by way of readpst
//	mbox.go        one pass over an mbox file, whatever wrote it
//	digest.go      a message becomes its identity and its wire form
//	noise.go       what clients add on delivery, and what it says
//	index.go       records on disk
//	scan.go        a source becomes an index
//	union.go       copies become messages
//	place.go       mailboxes of all languages become the target's
//	date.go        which of a message's dates is its INTERNALDATE
//	report.go      who has what
//	outbox.go      what is missing, as the engine's local side
//	deliver.go     what is missing, into a Maildir
//	explain.go     why two messages were taken for one, or not
//
// Invariants:
//
//   - A source is opened for reading only.
//   - Messages with the same Message-ID are one only if their bodies agree, too.
//   - What is uploaded is hashed again while it is read: a source that changed
//     since it was indexed fails that message, and never sends another one.
package merge
