// Package verify compares what two sides hold, message by message.
//
// A side is a store on disk or a mailbox account on a server. Every message of
// both is read and hashed; what was linked by a run is compared pair by pair,
// the rest is paired by content. It reads only: servers with PEEK, folders as
// they are.
//
// Invariants:
//   - Two identical messages are two messages: pairs are one to one.
//   - What could not be read or was not looked at is never counted as equal.
//   - A server that rewrote a message (line ends, added headers) is told apart
//     from one that lost it: such a pair is Rewritten, with what differs.
package verify
