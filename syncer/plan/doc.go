// Package plan decides; it performs no I/O.
//
// Make takes three snapshots of one mailbox (what both sides last agreed on,
// what the disk has now, what the server has now) and a policy, and returns a
// Plan: the actions that make the sides agree again, and what is to be written
// to the state. The same input gives the same plan, byte for byte.
//
// Invariants:
//   - A message is deleted on one side only for a link whose other side is
//     provably gone: an incomplete listing deletes nothing.
//   - A link that changed on one side and is gone on the other is kept.
//   - Messages that the base does not know are matched by content before
//     anything is transferred; a match needs proof, not a Message-ID.
//   - Two identical messages stay two messages: matches are one to one.
//   - After a change of UIDVALIDITY nothing is deleted.
//   - Plan.Settled is false when anything was left undone, and then the
//     checkpoint must not move.
package plan
