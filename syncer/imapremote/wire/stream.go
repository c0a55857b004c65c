package wire

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync/atomic"
	"time"

	"mailferry/syncer/mailbox"
)

// Stream is a connection for a protocol other than IMAP, with what a Conn has
// below its protocol: TLS, the progress timeout, the limiter, the counts. It is
// used by one goroutine; Close may be called by any.
type Stream struct {
	dialer       Dialer
	base, stream net.Conn
	timeout      time.Duration
	heard        bool // the peer spoke last

	down, up, trips atomic.Int64
}

// DialStream connects, over TLS where the Dialer says so, and lets open bring
// the protocol to where the login begins: with StartTLS it has to call Secure.
// Connecting and open together take at most ConnectTimeout. Errors are those of
// Dial, and open's.
func (d Dialer) DialStream(ctx context.Context, open func(ctx context.Context, s *Stream) error) (*Stream, error) {
	s := &Stream{dialer: d, timeout: d.Timeout}
	if s.timeout <= 0 {
		s.timeout = 60 * time.Second
	}
	err := d.establish(ctx, func(ctx context.Context, base net.Conn) error {
		s.base, s.stream = base, base
		if d.Security == TLS {
			if err := s.Secure(ctx); err != nil {
				return err
			}
		}
		return open(ctx, s)
	})
	if err != nil {
		return nil, err
	}
	return s, nil
}

// Secure puts TLS over the stream. The caller has made sure that it read
// nothing that was sent behind the peer's word to begin.
func (s *Stream) Secure(ctx context.Context) error {
	stream, err := s.dialer.handshake(ctx, s.base)
	if err == nil {
		s.stream = stream
	}
	return err
}

// Security says how the stream is, or is going to be, protected.
func (s *Stream) Security() Security { return s.dialer.Security }

// Read waits at most the progress timeout for an octet. The end of the stream
// is an error, too.
func (s *Stream) Read(p []byte) (int, error) {
	if err := s.stream.SetReadDeadline(time.Now().Add(s.timeout)); err != nil {
		return 0, s.broken("read", err)
	}
	n, err := s.stream.Read(p)
	s.count(&s.down, n)
	s.heard = s.heard || n > 0
	if n > 0 {
		return n, nil
	}
	if err != nil {
		return 0, s.broken("read", err)
	}
	return 0, nil
}

// Write sends p whole; the progress timeout applies to each part of it.
func (s *Stream) Write(p []byte) (int, error) {
	if s.heard && len(p) > 0 {
		s.trips.Add(1)
		s.heard = false
	}
	written := 0
	for written < len(p) {
		if err := s.stream.SetWriteDeadline(time.Now().Add(s.timeout)); err != nil {
			return written, s.broken("write", err)
		}
		n, err := s.stream.Write(p[written:min(len(p), written+chunkSize)])
		written += n
		s.count(&s.up, n)
		if err != nil {
			return written, s.broken("write", err)
		}
	}
	return written, nil
}

func (s *Stream) count(counter *atomic.Int64, n int) {
	counter.Add(int64(n))
	if n > 0 && s.dialer.Limiter != nil {
		s.dialer.Limiter(n)
	}
}

// broken words a broken stream. The cause is never io.EOF itself, which callers
// may take for an end that is in order.
func (s *Stream) broken(op string, err error) error {
	switch {
	case errors.Is(err, io.EOF):
		return fmt.Errorf("%s %s: %w: %w", op, s.dialer.Addr, mailbox.ErrNetwork, io.ErrUnexpectedEOF)
	case isTimeout(err):
		return fmt.Errorf("%s %s: %w: nothing moved for %v: %w", op, s.dialer.Addr, mailbox.ErrNetwork, s.timeout, err)
	}
	return fmt.Errorf("%s %s: %w: %w", op, s.dialer.Addr, mailbox.ErrNetwork, err)
}

// Traffic counts octets (without TLS' own) and round trips. It may be asked by
// any goroutine.
func (s *Stream) Traffic() mailbox.Traffic {
	return mailbox.Traffic{OctetsDown: s.down.Load(), OctetsUp: s.up.Load(), RoundTrips: s.trips.Load()}
}

// Close closes the socket and unblocks every call.
func (s *Stream) Close() error { return s.base.Close() }
