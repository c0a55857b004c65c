package wire

import (
	"bytes"
	"fmt"
	"io"

	"mailferry/syncer/mailbox"
)

// bufferSize holds sixteen TLS records: fewer system calls, and nearly every
// line can be parsed where it was read.
const bufferSize = 256 << 10

// keptLong is how much memory a long line may leave behind.
const keptLong = 4 << 20

// reader cuts the stream into lines and literals without copying what fits in
// its buffer. What it returns is valid until it is called again.
type reader struct {
	src io.Reader
	buf []byte
	// buf[r:w] was read from src and not consumed.
	r, w int
	// long holds lines and literals that do not fit.
	long []byte
	// stopAt, if not 0, is how many octets may still be consumed.
	stopAt int64
	seen   int64
}

// newReader makes a reader with a buffer of that many octets, 0 for bufferSize.
func newReader(src io.Reader, size int) *reader {
	if size <= 0 {
		size = bufferSize
	}
	return &reader{src: src, buf: make([]byte, size)}
}

// buffered is how many octets were read and not consumed.
func (r *reader) buffered() int { return r.w - r.r }

// fill reads at least one more octet behind those that are buffered.
func (r *reader) fill() error {
	if r.stopAt != 0 && r.seen > r.stopAt {
		return fmt.Errorf("%w: too much of an unwanted answer", mailbox.ErrProtocol)
	}
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
			r.seen += int64(n)
			return nil
		}
		if err != nil {
			return err
		}
	}
	return io.ErrNoProgress
}

// wait returns once an octet is buffered.
func (r *reader) wait() error {
	if r.r < r.w {
		return nil
	}
	return r.fill()
}

// line returns the next line without its CRLF. A line over limit octets or one
// that ends in a bare LF is ErrProtocol: where one reader sees a line and
// another does not, answers can be smuggled.
func (r *reader) line(limit int) ([]byte, error) {
	if cap(r.long) > keptLong {
		r.long = nil
	}
	r.long = r.long[:0]
	scanned := 0
	for {
		i := bytes.IndexByte(r.buf[r.r+scanned:r.w], '\n')
		if i >= 0 {
			end := r.r + scanned + i
			line := r.buf[r.r:end]
			r.r = end + 1
			if len(r.long) > 0 {
				r.long = append(r.long, line...)
				line = r.long
			}
			return withoutCR(line, limit)
		}
		scanned = r.w - r.r
		if len(r.long)+scanned > limit {
			return nil, tooLong(limit)
		}
		if scanned == len(r.buf) {
			r.long = append(r.long, r.buf[r.r:r.w]...)
			r.r, r.w, scanned = 0, 0, 0
		}
		if err := r.fill(); err != nil {
			return nil, err
		}
	}
}

func withoutCR(line []byte, limit int) ([]byte, error) {
	switch n := len(line); {
	case n > limit+1:
		return nil, tooLong(limit)
	case n == 0 || line[n-1] != '\r':
		return nil, fmt.Errorf("%w: a line ends without CRLF: %.60q", mailbox.ErrProtocol, line)
	default:
		return line[:n-1], nil
	}
}

func tooLong(limit int) error {
	return fmt.Errorf("%w: a line has more than %d octets", mailbox.ErrProtocol, limit)
}

// literal returns the next n octets; n was compared with a cap before.
func (r *reader) literal(n int) ([]byte, error) {
	if n <= len(r.buf) {
		for r.w-r.r < n {
			if r.r > 0 && len(r.buf)-r.r < n {
				r.w = copy(r.buf, r.buf[r.r:r.w])
				r.r = 0
			}
			if err := r.fill(); err != nil {
				return nil, err
			}
		}
		octets := r.buf[r.r : r.r+n]
		r.r += n
		return octets, nil
	}
	// Grown as octets arrive: a size alone allocates nothing.
	r.long = r.long[:0]
	for len(r.long) < n {
		if err := r.wait(); err != nil {
			return nil, err
		}
		take := min(n-len(r.long), r.w-r.r)
		r.long = append(r.long, r.buf[r.r:r.r+take]...)
		r.r += take
	}
	return r.long, nil
}

// skip drops the next n octets.
func (r *reader) skip(n int64) error {
	for n > 0 {
		if err := r.wait(); err != nil {
			return err
		}
		take := min(n, int64(r.w-r.r))
		r.r += int(take)
		n -= take
	}
	return nil
}

// read copies octets of a literal to p, past the buffer when it is empty.
func (r *reader) read(p []byte) (int, error) {
	if r.r == r.w {
		if len(p) >= len(r.buf) {
			n, err := r.src.Read(p)
			r.seen += int64(n)
			return n, err
		}
		if err := r.fill(); err != nil {
			return 0, err
		}
	}
	n := copy(p, r.buf[r.r:r.w])
	r.r += n
	return n, nil
}

// body is a literal that is being streamed to a sink.
type body struct {
	in   *reader
	left int64
	err  error
}

// Read ends with io.EOF only after the whole literal; a stream that breaks
// before is an error that wraps io.ErrUnexpectedEOF and mailbox.ErrNetwork.
func (b *body) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	if b.left == 0 {
		return 0, io.EOF
	}
	if int64(len(p)) > b.left {
		p = p[:b.left]
	}
	n, err := b.in.read(p)
	b.left -= int64(n)
	if err != nil && b.left > 0 {
		b.err = err
		return n, err
	}
	return n, nil
}

// WriteTo spares io.Copy its buffer.
func (b *body) WriteTo(w io.Writer) (int64, error) {
	var total int64
	for b.left > 0 && b.err == nil {
		if b.err = b.in.wait(); b.err != nil {
			break
		}
		take := min(b.left, int64(b.in.buffered()))
		n, err := w.Write(b.in.buf[b.in.r : b.in.r+int(take)])
		b.in.r += n
		b.left -= int64(n)
		total += int64(n)
		if err != nil {
			return total, err
		}
	}
	return total, b.err
}
