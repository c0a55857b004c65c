package maildirout

import (
	"bytes"
	"errors"
	"io"
	"os"
	"sync"

	"mailferry/syncer/mailbox"
)

// chunk is how much of a message is in memory at once.
const chunk = 256 << 10

// buffers are what one message in work needs. An octet of disk form is at most
// two of wire form.
type buffers struct {
	in  [chunk]byte
	out [2 * chunk]byte
}

// toDisk appends the disk form of the wire form p to dst: LF for CRLF. ok is
// false when p has a bare CR or LF or a NUL, so that it cannot be converted
// back. cr says, before and after, that a CR ended the last chunk.
func toDisk(dst, p []byte, cr bool) (out []byte, endsCR, ok bool) {
	if bytes.IndexByte(p, 0) >= 0 {
		return dst, false, false
	}
	if cr && len(p) > 0 {
		if p[0] != '\n' {
			return dst, false, false
		}
		dst, p, cr = append(dst, '\n'), p[1:], false
	}
	for {
		i := bytes.IndexByte(p, '\r')
		line := p
		if i >= 0 {
			line = p[:i]
		}
		if bytes.IndexByte(line, '\n') >= 0 {
			return dst, false, false
		}
		dst = append(dst, line...)
		if i < 0 {
			return dst, cr, true
		}
		if i+1 == len(p) {
			return dst, true, true
		}
		if p[i+1] != '\n' {
			return dst, false, false
		}
		dst, p = append(dst, '\n'), p[i+2:]
	}
}

// toWire appends the wire form of the disk form p to dst: CRLF for LF.
func toWire(dst, p []byte) []byte {
	for {
		i := bytes.IndexByte(p, '\n')
		if i < 0 {
			return append(dst, p...)
		}
		dst = append(append(dst, p[:i]...), '\r', '\n')
		p = p[i+1:]
	}
}

// errCR says that a file has a CR and thus holds the wire form itself.
var errCR = errors.New("file has a CR")

// eachWire hands the wire form of a file to write, from its start. Unless the
// file is known to hold the wire form, a CR in it is errCR.
func eachWire(file io.Reader, verbatim bool, b *buffers, write func([]byte) error) error {
	for {
		n, err := file.Read(b.in[:])
		p := b.in[:n]
		if !verbatim {
			if bytes.IndexByte(p, '\r') >= 0 {
				return errCR
			}
			p = toWire(b.out[:0], p)
		}
		if n > 0 {
			if err := write(p); err != nil {
				return err
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// contentOf reads a message's file. It starts as if there were no CR, and
// again when there is one: that is rare, and else one pass is enough.
func contentOf(file io.ReadSeeker, marked bool, b *buffers) (mailbox.Content, error) {
	digest := NewDigest()
	write := func(p []byte) error { digest.Write(p); return nil }
	verbatim := marked
	err := eachWire(file, verbatim, b, write)
	if errors.Is(err, errCR) {
		if _, err := file.Seek(0, io.SeekStart); err != nil {
			return mailbox.Content{}, err
		}
		digest, verbatim = NewDigest(), true
		err = eachWire(file, verbatim, b, write)
	}
	content := digest.Content()
	content.Verbatim = verbatim
	return content, err
}

// wireReader reads a file's wire form.
type wireReader struct {
	file     *os.File
	verbatim bool
	closed   bool
	pool     *sync.Pool
	buffers  *buffers // nil until the first Read: many may be open at once
	rest     []byte   // of buffers.out, not handed out yet
}

// newWireReader looks for a CR first, in the same open file, unless the key
// says already that the file holds the wire form.
func newWireReader(file *os.File, marked bool, pool *sync.Pool) (*wireReader, error) {
	r := &wireReader{file: file, verbatim: marked, pool: pool}
	if marked {
		return r, nil
	}
	b := pool.Get().(*buffers)
	defer pool.Put(b)
	err := hasCR(file, b.in[:])
	r.verbatim = errors.Is(err, errCR)
	if err == nil || r.verbatim {
		_, err = file.Seek(0, io.SeekStart)
	}
	return r, err
}

func hasCR(file io.Reader, in []byte) error {
	for {
		n, err := file.Read(in)
		if bytes.IndexByte(in[:n], '\r') >= 0 {
			return errCR
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (r *wireReader) Read(p []byte) (int, error) {
	if r.closed {
		return 0, os.ErrClosed
	}
	if r.verbatim {
		return r.file.Read(p)
	}
	if r.buffers == nil {
		r.buffers = r.pool.Get().(*buffers)
	}
	for len(r.rest) == 0 {
		n, err := r.file.Read(r.buffers.in[:])
		r.rest = toWire(r.buffers.out[:0], r.buffers.in[:n])
		if err != nil && n == 0 {
			return 0, err
		}
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

func (r *wireReader) Close() error {
	if r.closed {
		return os.ErrClosed
	}
	r.closed = true
	if r.buffers != nil {
		r.pool.Put(r.buffers)
		r.buffers, r.rest = nil, nil
	}
	return r.file.Close()
}
