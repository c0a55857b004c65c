// Package maildirout is the disk side: a Maildir tree.
//
// Invariants:
//
//   - Every path goes through one os.Root; no symbolic link inside the store
//     is followed, and two mailbox names never share a folder.
//   - A listing is the content of a folder at one instant, or an error: a file
//     that a mail reader renames meanwhile is neither missed nor doubled.
//   - A message becomes visible only under its final name, whole and durable.
//     Nothing is ever overwritten.
//   - What is removed lies in the trash of the store, from where Undo puts it
//     back. Only Sweep removes for good: what has been there for 30 days, and
//     drafts of ours that were never published.
//   - On disk a message whose line ends are all CRLF has LF; any other is kept
//     verbatim and its key says so. Sizes and hashes are of the wire form.
package maildirout
