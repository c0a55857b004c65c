package pop3remote

import (
	"bytes"
	"fmt"
	"io"

	"mailferry/syncer/mailbox"
)

const (
	bufferSize = 256 << 10
	// maxLine caps a line outside of message bodies. RFC 1939 allows 512
	// octets; some servers' greetings are longer.
	maxLine = 8 << 10
)

// reader cuts the stream into lines without copying. What it returns is valid
// until it is called again.
type reader struct {
	src io.Reader
	buf []byte
	// buf[r:w] was read from src and not consumed.
	r, w int
}

func newReader(src io.Reader) *reader { return &reader{src: src, buf: make([]byte, bufferSize)} }

func (r *reader) buffered() int { return r.w - r.r }

// need returns once n octets are buffered; n is far below bufferSize.
func (r *reader) need(n int) error {
	for r.buffered() < n {
		if err := r.fill(); err != nil {
			return err
		}
	}
	return nil
}

// fill reads at least one more octet behind those that are buffered.
func (r *reader) fill() error {
	if r.r == r.w {
		r.r, r.w = 0, 0
	} else if r.w == len(r.buf) {
		r.w = copy(r.buf, r.buf[r.r:r.w])
		r.r = 0
	}
	for range 100 {
		n, err := r.src.Read(r.buf[r.w:])
		if n > 0 {
			r.w += n
			return nil
		}
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return err
		}
	}
	return io.ErrNoProgress
}

// line returns the next line without its CRLF. A line that is too long or ends
// in a bare LF is mailbox.ErrProtocol: where one reader sees a line and another
// does not, answers can be smuggled.
func (r *reader) line() ([]byte, error) {
	for scanned := 0; ; {
		i := bytes.IndexByte(r.buf[r.r+scanned:r.w], '\n')
		if i >= 0 {
			end := r.r + scanned + i
			line := r.buf[r.r:end]
			r.r = end + 1
			if n := len(line); n == 0 || line[n-1] != '\r' {
				return nil, fmt.Errorf("%w: a line ends without CRLF: %.60q", mailbox.ErrProtocol, line)
			} else if n > maxLine {
				return nil, errLong
			}
			return line[:len(line)-1], nil
		}
		if scanned = r.buffered(); scanned > maxLine {
			return nil, errLong
		}
		if err := r.fill(); err != nil {
			return nil, err
		}
	}
}

var errLong = fmt.Errorf("%w: a line has more than %d octets", mailbox.ErrProtocol, maxLine)
