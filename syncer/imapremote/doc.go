// Package imapremote is the server side: sessions, mailboxes and capabilities
// of an IMAP account.
//
// An Account keeps a small pool of sessions, each a wire.Conn that two planes
// share. go-imap is the control plane: login, NAMESPACE, ID, CREATE, RENAME,
// DELETE, COPY and MOVE. Package wire is the data plane: LIST, SELECT, FETCH,
// STORE, UID EXPUNGE and APPEND. A session belongs to one caller at a time, so
// the two never speak at once.
//
// What holds throughout:
//
//   - absence is reported only of a listing whose count agrees with the
//     server's, see Account.Observe;
//   - a command that destroys is sent only after the tagged OK of what it
//     relies on, and after the mailbox's UIDVALIDITY was seen to be the one
//     that the UIDs belong to;
//   - a mailbox is left with UNSELECT or another SELECT or EXAMINE, never with
//     CLOSE, which would expunge;
//   - what the server lacks is made up for, see the table in capability.go.
package imapremote
