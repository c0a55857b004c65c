package pop3remote

import (
	"bytes"
	"fmt"
	"io"

	"mailferry/syncer/mailbox"
)

// maxBody caps what one message may bring, as IMAP's literals do.
const maxBody int64 = 1<<32 - 1

var lineDot = []byte("\r\n.")

// body is a multi-line answer that is being read: lines up to one that is a
// dot, of which a dot at a line's start was doubled. (RFC 1939, section 3)
// Lines end with CRLF alone: a bare CR or LF is an octet like any other.
type body struct {
	in *reader
	// start: the next octet begins a line.
	start bool
	// plain octets of the buffer may be handed out as they are; with ends they
	// are a line's last.
	plain int
	ends  bool
	taken int64
	err   error // io.EOF behind the dot
}

func newBody(in *reader) *body { return &body{in: in, start: true} }

// Read ends with io.EOF only behind the dot; a stream that breaks before is
// another error.
func (b *body) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if err := b.next(); err != nil {
		return 0, err
	}
	n := copy(p, b.in.buf[b.in.r:b.in.r+b.plain])
	b.in.r += n
	b.plain -= n
	b.start = b.plain == 0 && b.ends
	if b.taken += int64(n); b.taken > maxBody {
		b.err = fmt.Errorf("%w: a message has more than %d octets", mailbox.ErrProtocol, maxBody)
	}
	return n, nil
}

// next finds octets that can be handed out.
func (b *body) next() error {
	for b.err == nil && b.plain == 0 {
		if b.start {
			b.err = b.beginLine()
			continue
		}
		data := b.in.buf[b.in.r:b.in.w]
		if i := bytes.Index(data, lineDot); i >= 0 {
			b.plain, b.ends = i+2, true
			break
		}
		b.plain, b.ends = len(data)-couldBegin(data), false
		if b.plain == 0 {
			b.err = b.in.fill()
		}
	}
	return b.err
}

// couldBegin counts the octets at the end of data that may turn out to begin a
// line with a dot.
func couldBegin(data []byte) int {
	switch {
	case bytes.HasSuffix(data, lineDot[:2]):
		return 2
	case bytes.HasSuffix(data, lineDot[:1]):
		return 1
	}
	return 0
}

// beginLine takes a dot at a line's start away. Behind every dot there are two
// more octets: at least the end of the answer.
func (b *body) beginLine() error {
	if err := b.in.need(1); err != nil {
		return err
	}
	b.start = false
	if b.in.buf[b.in.r] != '.' {
		return nil
	}
	if err := b.in.need(3); err != nil {
		return err
	}
	b.in.r++
	if b.in.buf[b.in.r] == '\r' && b.in.buf[b.in.r+1] == '\n' {
		b.in.r += 2
		return io.EOF
	}
	return nil
}

// isWhole reports whether the answer was read to its end.
func (b *body) isWhole() bool { return b.err == io.EOF }

// drain reads what is left, but no more than limit octets, and reports whether
// that was all.
func (b *body) drain(limit int64) error {
	n, err := io.Copy(io.Discard, io.LimitReader(b, limit))
	if err == nil && !b.isWhole() {
		// The limit may have been met just before the dot.
		if err = b.next(); err == io.EOF {
			return nil
		}
		return fmt.Errorf("%w: more than %d octets that nobody wants", mailbox.ErrProtocol, n)
	}
	return err
}
