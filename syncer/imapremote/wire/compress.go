package wire

import (
	"bufio"
	"bytes"
	"compress/flate"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"mailferry/syncer/mailbox"
)

// deflateLevel: measured on mail, 1 packs 167 MB/s to 53 %, 6 packs 27 MB/s to
// 49 %, and what the kernel of a fast link is spared is not worth the rest.
// klauspost/compress is faster and packs worse: 614 MB/s to 64 %.
const deflateLevel = 1

// packed is the layer that COMPRESS puts below both planes: what they write is
// deflated and flushed, and a goroutine inflates what arrives, because an
// inflater cannot be woken in the middle of a block and go on later.
type packed struct {
	c   *Conn
	out *flate.Writer
	// buffered gathers what out writes in small pieces.
	buffered *bufio.Writer

	// chunks are inflated octets; err is why there are no more, set before
	// chunks is closed. free are buffers for more, so that an inflater is at
	// most two of them ahead of its reader, whatever a server packs.
	chunks, free chan []byte
	err          error
	// wake has the reader look again at what it may wait for.
	wake chan struct{}

	// The following belong to the reader.

	whole, ready []byte
}

// Compress has both directions deflated from now on; requires
// COMPRESS=DEFLATE. A refusal changes nothing. (RFC 4978)
func (x *Exchange) Compress() error {
	c := x.c
	if c.packed != nil || len(x.pending) > 0 {
		return fmt.Errorf("compress: %w: not now", mailbox.ErrUnsupported)
	}
	if err := x.do(&command{name: "COMPRESS"}, words(" DEFLATE")); err != nil {
		return err
	}
	// What came behind the answer is deflated.
	early := bytes.Clone(c.in.buf[c.in.r:c.in.w])
	c.in.r, c.in.w = 0, 0
	p := &packed{c: c, chunks: make(chan []byte), free: make(chan []byte, 2), wake: make(chan struct{}, 1)}
	for range cap(p.free) {
		p.free <- make([]byte, chunkSize)
	}
	p.buffered = bufio.NewWriterSize(pusher{c}, chunkSize)
	var err error
	if p.out, err = flate.NewWriter(p.buffered, deflateLevel); err != nil {
		return x.broken(err)
	}
	c.mu.Lock()
	c.packed = p
	err = c.stream.SetReadDeadline(time.Time{})
	c.mu.Unlock()
	if err != nil {
		return x.broken(fmt.Errorf("compress %s: %w: %w", c.addr, mailbox.ErrNetwork, err))
	}
	go p.inflate(early)
	return nil
}

// IsCompressed reports whether Compress is in force.
func (x *Exchange) IsCompressed() bool { return x.c.packed != nil }

// Received is how many octets arrived so far, inflated where the stream is
// compressed.
func (x *Exchange) Received() int64 { return x.c.in.seen }

// pusher writes to the stream itself.
type pusher struct{ c *Conn }

func (p pusher) Write(octets []byte) (int, error) { return p.c.push(octets) }

// write sends octets at once.
func (p *packed) write(octets []byte) (int, error) {
	n, err := p.out.Write(octets)
	if err == nil {
		err = p.out.Flush()
	}
	if err == nil {
		err = p.buffered.Flush()
	}
	return n, err
}

// inflate runs until the stream breaks.
func (p *packed) inflate(early []byte) {
	defer close(p.chunks)
	source := bufio.NewReaderSize(io.MultiReader(bytes.NewReader(early), pulled{p.c}), 4*chunkSize)
	inflater := flate.NewReader(source)
	for {
		var buf []byte
		select {
		case buf = <-p.free:
		case <-p.c.done:
			p.err = p.c.Err()
			return
		}
		n, err := inflater.Read(buf)
		if n > 0 {
			select {
			case p.chunks <- buf[:n]:
			case <-p.c.done:
				p.err = p.c.Err()
				return
			}
		}
		if err != nil {
			p.err = packedError(err)
			return
		}
	}
}

// packedError tells a stream that breaks from one that makes no sense.
func packedError(err error) error {
	var corrupt flate.CorruptInputError
	switch {
	case err == io.EOF:
		return fmt.Errorf("%w: the server ended the compressed stream", mailbox.ErrProtocol)
	case errors.As(err, &corrupt):
		return fmt.Errorf("%w: the compressed stream is corrupt: %w", mailbox.ErrProtocol, err)
	}
	return err
}

// pulled reads the stream itself, without a time limit: the reader of what is
// inflated has it.
type pulled struct{ c *Conn }

func (r pulled) Read(octets []byte) (int, error) {
	n, err := r.c.stream.Read(r.c.portion(octets))
	if n > 0 {
		r.c.moved(&r.c.down, n)
		return n, nil
	}
	if err != nil {
		err = r.c.fail(r.c.networkError("read", err))
	}
	return 0, err
}

// read is receiver.Read on a compressed stream.
func (p *packed) read(octets []byte) (int, error) {
	for len(p.ready) == 0 {
		if p.whole != nil {
			p.free <- p.whole[:cap(p.whole)] // there is room for all that there are
			p.whole = nil
		}
		if err := p.await(); err != nil {
			return 0, err
		}
	}
	n := copy(octets, p.ready)
	p.ready = p.ready[n:]
	return n, nil
}

// await waits for a chunk, or until the reader has to look again.
func (p *packed) await() error {
	deadline, err := p.c.readDeadline()
	if err != nil {
		return err
	}
	var late <-chan time.Time
	if !deadline.IsZero() {
		timer := time.NewTimer(time.Until(deadline))
		defer timer.Stop()
		late = timer.C
	}
	begun := time.Now()
	select {
	case chunk, ok := <-p.chunks:
		p.c.waitedDown.Add(int64(time.Since(begun)))
		if !ok {
			return p.c.fail(p.err)
		}
		p.whole, p.ready = chunk, chunk
		p.c.heard.Store(true)
	case <-p.wake:
	case <-late:
		if p.c.stalled() {
			return p.c.fail(p.c.networkError("read", os.ErrDeadlineExceeded))
		}
	}
	return nil
}
