// Package pop3remote is a POP3 server as a side of the engine: one mailbox,
// INBOX, that can be read and of which messages can be deleted.
//
// What IMAP has and POP3 has not is made up for:
//
//   - UIDs: identity.go gives each message one and remembers it by the server's
//     unique-id (RFC 1939, UIDL), which is not believed where it repeats, is the
//     message's mere number, or comes with another size than before; there, and
//     without UIDL, content decides.
//   - Sizes: what LIST and STAT say is a hint for progress. A message ends where
//     its dot is, and nothing else ends it (body.go).
//   - INTERNALDATE: the topmost Received header's date, else the Date header,
//     else when the message was first seen (date.go).
//   - Flags: there are none, so none is told.
//
// What holds throughout:
//
//   - there is one connection, for POP3 locks the mailbox; within a session the
//     mailbox does not change, and what a message's number means neither;
//   - no credential is sent before TLS is verified, and nothing that was said
//     before it is believed (session.go);
//   - DELE is sent only for a message whose unique-id, size and header are, in
//     this very session, those that it was fetched with; nothing is deleted
//     before QUIT was answered, and a lost answer means "unknown" (expunge.go);
//   - memory is bounded: lines are capped, bodies are streamed.
package pop3remote
