package pop3remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"mailferry/syncer/imapremote/wire"
	"mailferry/syncer/mailbox"
)

// capabilities are CAPA's lines by their first word; nil: the server does not
// know CAPA. (RFC 2449, section 5)
type capabilities map[string]string

func (c capabilities) has(name string) bool {
	_, found := c[name]
	return found
}

// mechanisms lists the SASL mechanisms. (RFC 5034, section 6)
func (c capabilities) mechanisms() []string { return strings.Fields(strings.ToUpper(c["SASL"])) }

// stream is what a session needs of a *wire.Stream.
type stream interface {
	io.ReadWriteCloser
	Security() wire.Security
	Secure(ctx context.Context) error
}

// session is one connection, used by one caller at a time.
type session struct {
	stream stream
	in     *reader
	caps   capabilities
	// stamp is APOP's challenge, "" if the greeting has none that may be used.
	stamp string
	// drop is what the mailbox holds; nil before it was listed.
	drop *maildrop
	// observed: Observe has told of it.
	observed bool
	began    time.Time
	// err is why the session is of no use any more.
	err error
}

// greet takes a fresh connection to where the login begins: greeting, CAPA,
// and STLS where TLS is still to come.
func greet(ctx context.Context, stream stream) (*session, error) {
	s := &session{stream: stream, in: newReader(stream)}
	text, err := s.answer("connection")
	if err != nil {
		return nil, unavailable(err)
	}
	s.stamp = timestamp(text)
	if err := s.capa(); err != nil {
		return nil, err
	}
	if stream.Security() != wire.StartTLS {
		return s, nil
	}
	if err := s.startTLS(ctx); err != nil {
		return nil, err
	}
	// Nothing that was said in the clear is believed. (RFC 2595, section 4)
	s.stamp, s.caps = "", nil
	return s, s.capa()
}

// unavailable makes a greeting that refuses us a reason to come back later.
func unavailable(err error) error {
	var refused *mailbox.ServerError
	if errors.As(err, &refused) && refused.Kind == nil {
		refused.Kind = mailbox.ErrUnavailable
	}
	return err
}

// startTLS asks for TLS. What is in the buffer behind the +OK was written by
// somebody who knew that it would be read after TLS: fatal. (RFC 2595, section
// 4; CVE-2011-0411)
func (s *session) startTLS(ctx context.Context) error {
	if s.caps != nil && !s.caps.has("STLS") {
		return fmt.Errorf("%w: the server does not offer STLS", mailbox.ErrTLS)
	}
	if err := s.send("STLS"); err != nil {
		return err
	}
	_, err := s.answer("STLS")
	var refused *mailbox.ServerError
	switch {
	case errors.As(err, &refused) && refused.Kind == nil:
		return fmt.Errorf("%w: %w", mailbox.ErrTLS, err)
	case err != nil:
		return err
	case s.in.buffered() > 0:
		return s.fail(fmt.Errorf("%w: octets in the clear behind the answer to STLS", mailbox.ErrProtocol))
	}
	return s.stream.Secure(ctx)
}

// fail closes the connection. The first reason stays, and is returned.
func (s *session) fail(err error) error {
	if s.err == nil {
		s.err = err
		s.stream.Close()
	}
	return s.err
}

// send sends commands in one go.
func (s *session) send(commands ...string) error {
	if s.err != nil {
		return s.err
	}
	if _, err := io.WriteString(s.stream, strings.Join(commands, "\r\n")+"\r\n"); err != nil {
		return s.fail(err)
	}
	return nil
}

// do sends a command that is answered with one line.
func (s *session) do(command string) (string, error) {
	if err := s.send(command); err != nil {
		return "", err
	}
	return s.answer(verb(command))
}

// verb is a command without its arguments, which may be secret.
func verb(command string) string {
	word, _, _ := strings.Cut(command, " ")
	return word
}

// capa asks what the server can do. (RFC 2449, section 5)
func (s *session) capa() error {
	s.caps = nil
	if err := s.send("CAPA"); err != nil {
		return err
	}
	if _, err := s.answer("CAPA"); err != nil {
		return s.err // a server without CAPA refuses it
	}
	caps := capabilities{}
	err := s.lines("CAPA", maxCapabilities, func(line string) error {
		name, rest, _ := strings.Cut(line, " ")
		caps[strings.ToUpper(name)] = rest
		return nil
	})
	s.caps = caps
	return err
}

// maxCapabilities caps the lines that CAPA may be answered with.
const maxCapabilities = 1000

// lines reads a multi-line answer that is no message. What each returns ends
// the session.
func (s *session) lines(command string, limit int, each func(line string) error) error {
	for n := 0; ; n++ {
		line, err := s.in.line()
		switch {
		case err != nil:
			return s.fail(fmt.Errorf("%s: %w", command, err))
		case len(line) == 1 && line[0] == '.':
			return nil
		case n == limit:
			return s.fail(fmt.Errorf("%s: %w: more than %d lines", command, mailbox.ErrProtocol, limit))
		}
		if len(line) > 0 && line[0] == '.' {
			line = line[1:]
		}
		if err := each(string(line)); err != nil {
			return s.fail(fmt.Errorf("%s: %w", command, err))
		}
	}
}

// pipelines reports whether commands may be sent before the answers to those
// before them. (RFC 2449, section 6.8)
func (s *session) pipelines() bool { return s.caps.has("PIPELINING") }

// pipeline sends n commands, a bounded number ahead of their answers where the
// server takes that, and calls read for each answer in order. An error of read
// that leaves answers outstanding ends the session.
func (s *session) pipeline(n int, command func(i int) string, read func(i int) error) error {
	ahead := 1
	if s.pipelines() {
		ahead = window
	}
	sent := 0
	for i := range n {
		// Sent by the half window: one packet for many commands.
		if sent-i <= ahead/2 && sent < n {
			var batch []string
			for ; sent < n && sent < i+ahead; sent++ {
				batch = append(batch, command(sent))
			}
			if err := s.send(batch...); err != nil {
				return err
			}
		}
		if err := read(i); err != nil {
			if sent > i+1 {
				s.fail(err)
			}
			return err
		}
	}
	return nil
}

// window is how many commands may await their answers. They are short enough
// for all of them to fit into any socket's buffer, so that neither side can
// wait for the other.
const window = 100

// quit ends the session in order: what was marked is deleted now, and an error
// means that nobody knows. (RFC 1939, section 6)
func (s *session) quit() error {
	_, err := s.do("QUIT")
	s.fail(errEnded)
	return err
}

var errEnded = fmt.Errorf("%w: the session has ended", mailbox.ErrNetwork)
