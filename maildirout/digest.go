package maildirout

import (
	"crypto/sha256"
	"hash"

	"mailferry/syncer/mailbox"
)

// Digest hashes a message's wire form as it is written to it. The header is
// what a server answers to BODY[HEADER]: everything up to and including the
// first empty line, or the whole message when there is none.
// (RFC 9051, section 6.4.5.1)
type Digest struct {
	whole  hash.Hash
	size   int64
	header mailbox.Hash
	ended  bool
	// matched counts the octets of CRLF CRLF that were seen last. It starts
	// as if a line had just ended: a message may begin with its empty line.
	matched int
}

// NewDigest returns the Digest of no octets.
func NewDigest() *Digest { return &Digest{whole: sha256.New(), matched: 2} }

// Write hashes p. It never fails.
func (d *Digest) Write(p []byte) (int, error) {
	d.size += int64(len(p))
	rest := p
	if !d.ended {
		if end := d.headerEnd(p); end >= 0 {
			d.whole.Write(p[:end])
			d.whole.Sum(d.header[:0])
			d.ended = true
			rest = p[end:]
		}
	}
	d.whole.Write(rest)
	return len(p), nil
}

// headerEnd returns how many octets of p belong to the header, -1 for all and
// perhaps more.
func (d *Digest) headerEnd(p []byte) int {
	for i, c := range p {
		switch {
		case c == "\r\n\r\n"[d.matched]:
			d.matched++
		case c == '\r':
			d.matched = 1
		default:
			d.matched = 0
		}
		if d.matched == 4 {
			return i + 1
		}
	}
	return -1
}

// Content returns size and hashes of what was written so far.
func (d *Digest) Content() mailbox.Content {
	content := mailbox.Content{Size: d.size, Header: d.header}
	d.whole.Sum(content.Hash[:0])
	if !d.ended {
		content.Header = content.Hash
	}
	return content
}
