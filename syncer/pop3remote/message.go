package pop3remote

import (
	"bytes"
	"crypto/sha256"
	"hash"
	"io"

	"mailferry/syncer/mailbox"
)

// maxHeader is how much of a header is kept in memory, where it has to be.
const maxHeader = 1 << 20

// message is a body on its way, of which the header is looked at as it passes:
// its end, its hash, its dates.
type message struct {
	*body
	header headerWatch
	seen   mailbox.Date // when the message was first seen
}

func newMessage(in *reader, seen mailbox.Date) *message {
	return &message{body: newBody(in), header: newHeaderWatch(), seen: seen}
}

// Read implements io.Reader.
func (m *message) Read(p []byte) (int, error) {
	n, err := m.body.Read(p)
	m.header.write(p[:n])
	return n, err
}

// Date implements mailbox.Dated.
func (m *message) Date() mailbox.Date { return m.header.dates.date(m.seen) }

// digest reads the message to its end for its hash.
func (m *message) digest() (mailbox.Hash, error) {
	h := sha256.New()
	if _, err := io.Copy(h, m); err != nil {
		return mailbox.Hash{}, err
	}
	return mailbox.Hash(h.Sum(nil)), nil
}

// headerReader reads a message's header and ends there. (RFC 9051, section
// 6.4.5.1: up to and including the first empty line, or all there is.)
type headerReader struct{ *message }

func (r headerReader) Read(p []byte) (int, error) {
	if r.header.ended {
		return 0, io.EOF
	}
	n, err := r.body.Read(p)
	used := r.header.write(p[:n])
	if r.header.ended {
		// What was read too far is of no interest to anybody.
		return used, nil
	}
	return n, err
}

// headerWatch sees a message's octets pass and knows its header by them.
type headerWatch struct {
	hash  hash.Hash
	ended bool
	// matched counts the octets of CRLF CRLF that were seen last. It starts as
	// if a line had just ended: a message may begin with its empty line.
	matched int
	dates   dateWatch
}

func newHeaderWatch() headerWatch { return headerWatch{hash: sha256.New(), matched: 2} }

// write looks at p and returns how many octets of it belong to the header.
func (w *headerWatch) write(p []byte) int {
	if w.ended {
		return 0
	}
	n := w.end(p)
	w.hash.Write(p[:n])
	w.dates.write(p[:n])
	return n
}

// end returns where in p the header ends.
func (w *headerWatch) end(p []byte) int {
	for i := 0; i < len(p); i++ {
		switch c := p[i]; {
		case c == "\r\n\r\n"[w.matched]:
			w.matched++
		case c == '\r':
			w.matched = 1
		default:
			w.matched = 0
			// Most octets are here: on to the next line's end.
			next := bytes.IndexByte(p[i:], '\r')
			if next < 0 {
				return len(p)
			}
			i += next - 1
		}
		if w.matched == 4 {
			w.ended = true
			return i + 1
		}
	}
	return len(p)
}

func (w *headerWatch) sum() mailbox.Hash { return mailbox.Hash(w.hash.Sum(nil)) }
