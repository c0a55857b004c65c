package wire

import (
	"errors"
	"fmt"
	"slices"

	"mailferry/syncer/mailbox"
)

// Greeting is the server's first line, after STARTTLS without what was said in
// the clear. (RFC 9051, section 7.1)
type Greeting struct {
	// PreAuth: the tunnel's server needs no login.
	PreAuth bool
	// Capabilities is nil if the greeting has none that may be trusted.
	Capabilities []string
	// Text is as sent.
	Text string
}

// greet reads the greeting and shows it to the control plane. PREAUTH is
// accepted only from a tunnel: elsewhere somebody in between could log us into
// an account of theirs. (RFC 9051, section 11.1)
func (c *Conn) greet(mayPreAuth bool) error {
	a, err := c.beginAnswer(c.limits.Line)
	if err != nil {
		return c.broken(err)
	}
	kind := string(a.kind)
	if a.continuation || a.tag != nil || a.number != 0 {
		return c.broken(fmt.Errorf("%w: this is no greeting", mailbox.ErrProtocol))
	}
	st := parseStatusText(c.parser.rest())
	switch kind {
	case "OK":
	case "BYE":
		return c.fail(serverError("connection", "BYE", st))
	case "PREAUTH":
		if !mayPreAuth {
			return c.broken(fmt.Errorf("%w: PREAUTH outside a tunnel", mailbox.ErrProtocol))
		}
		c.greeting.PreAuth = true
	default:
		return c.broken(fmt.Errorf("%w: the greeting is %.20q", mailbox.ErrProtocol, kind))
	}
	c.greeting.Text = st.Text
	if st.Code == "CAPABILITY" {
		c.greeting.Capabilities = parseCapabilities([]byte(st.Args))
	}
	c.showStatus("*", kind, st)
	return nil
}

// startTLS asks for TLS. What is in the buffer behind the OK was written by
// somebody who knew that it would be read after TLS: fatal. (RFC 9051, section
// 6.2.1; CVE-2011-0411)
func (c *Conn) startTLS() error {
	x := newExchange(c)
	capabilities := c.greeting.Capabilities
	strict := func(a answer) (bool, error) {
		switch string(a.kind) {
		case "OK", "NO", "BAD", "BYE":
			return false, nil
		}
		return true, fmt.Errorf("%w: %s before TLS", mailbox.ErrProtocol, a.kind)
	}
	if capabilities == nil {
		cmd := &command{name: "CAPABILITY"}
		cmd.data = func(a answer) (bool, error) {
			if string(a.kind) != "CAPABILITY" {
				return strict(a)
			}
			capabilities = parseCapabilities(c.parser.rest())
			return true, nil
		}
		if err := x.do(cmd); err != nil {
			return c.fail(err)
		}
	}
	if !slices.Contains(capabilities, "STARTTLS") {
		return c.fail(fmt.Errorf("%s: %w: the server does not offer STARTTLS", c.addr, mailbox.ErrTLS))
	}
	if err := x.do(&command{name: "STARTTLS", data: strict}); err != nil {
		if errors.Is(err, mailbox.ErrProtocol) || errors.Is(err, mailbox.ErrNetwork) || errors.Is(err, mailbox.ErrUnavailable) {
			return c.fail(err)
		}
		return c.fail(fmt.Errorf("%s: %w: %w", c.addr, mailbox.ErrTLS, err))
	}
	if c.in.buffered() > 0 {
		return c.fail(fmt.Errorf("%s: %w: octets in the clear behind the answer to STARTTLS", c.addr, mailbox.ErrProtocol))
	}
	return nil
}

// carryOver starts the Conn that continues clear over TLS: the counts go on,
// and nothing that was said before is believed. The greeting that the control
// plane is shown has no capabilities, so that it asks for them.
func (c *Conn) carryOver(clear *Conn) {
	c.down.Store(clear.down.Load())
	c.up.Store(clear.up.Load())
	c.trips.Store(clear.trips.Load())
	c.tags = clear.tags
	c.show("* OK TLS is on\r\n")
}
