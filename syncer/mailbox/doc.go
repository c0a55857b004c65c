// Package mailbox is the vocabulary of mailferry: values without I/O.
//
// A mailbox lives on a server, a folder on a disk; both hold messages. A
// message on the server is named by its UID, which means something only
// together with the mailbox's UIDValidity; a message on disk is named by its
// Key, the part of a Maildir file name before the colon. A Link says that a
// UID and a Key are the same message, and what both sides last agreed on.
package mailbox
