// Package export writes messages in the formats of other programs: mbox, a tree
// of .eml files, or a zip of such a tree.
//
// Messages are streamed: memory does not grow with them. An .eml file is the
// message to the octet; an mbox cannot be, since its lines end in LF and its
// lines that begin with From are quoted. A manifest lists every message's hash.
package export
