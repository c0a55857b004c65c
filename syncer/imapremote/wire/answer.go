package wire

import (
	"bytes"
	"errors"
	"fmt"
	"math"

	"mailferry/syncer/mailbox"
)

// answer is how a line from the server begins. (RFC 9051, section 7)
type answer struct {
	// continuation is "+".
	continuation bool
	// tag is nil for untagged data.
	tag []byte
	// kind is the word behind tag and number, in capitals.
	kind   []byte
	number uint32
}

// beginAnswer reads the next line and how it begins; the parser stands behind it.
func (c *Conn) beginAnswer(limit int) (answer, error) {
	var a answer
	line, err := c.in.line(limit)
	if err != nil {
		return a, err
	}
	p := &c.parser
	p.start(line)
	if p.peek() == '+' {
		p.i++
		p.spaces()
		a.continuation = true
		return a, nil
	}
	first := p.word()
	if len(first) == 0 || !p.accept(' ') {
		return a, fmt.Errorf("%w: an answer begins %.40q", mailbox.ErrProtocol, line)
	}
	p.spaces()
	if !bytes.Equal(first, []byte("*")) {
		a.tag = first
	} else if d := p.peek(); '0' <= d && d <= '9' {
		n, err := p.number(math.MaxUint32)
		if err != nil || !p.accept(' ') {
			return a, fmt.Errorf("%w: an answer begins %.40q", mailbox.ErrProtocol, line)
		}
		a.number = uint32(n)
		p.spaces()
	}
	a.kind = upper(p.word())
	if len(a.kind) == 0 {
		return a, fmt.Errorf("%w: an answer begins %.40q", mailbox.ErrProtocol, line)
	}
	return a, nil
}

// upper turns the letters of a token to capitals where it lies.
func upper(b []byte) []byte {
	for i, c := range b {
		if 'a' <= c && c <= 'z' {
			b[i] = c - 'a' + 'A'
		}
	}
	return b
}

// Untagged is data that arrived though no command of the data plane asked for it.
type Untagged struct {
	// Kind is "EXISTS", "EXPUNGE", "VANISHED", "FETCH", "STATUS", "LIST", "BYE",
	// "ALERT" or "NOTIFICATIONOVERFLOW".
	Kind string
	// Number is EXISTS' and EXPUNGE's; of VANISHED how many messages went.
	Number uint32
	// Name is the mailbox of STATUS in wire octets, "" where it cannot be read.
	Name string
	// Text is what BYE and ALERT say, as sent.
	Text string
}

// notice keeps the count of messages and tells the listener. It reads the
// answer to its end.
func (c *Conn) notice(a answer) error {
	p := &c.parser
	note := Untagged{Number: a.number}
	switch string(a.kind) {
	case "EXISTS":
		note.Kind = "EXISTS"
		c.exists = a.number
	case "EXPUNGE":
		note.Kind = "EXPUNGE"
		if c.exists > 0 {
			c.exists--
		}
	case "VANISHED":
		earlier, gone, err := c.vanished()
		if err != nil {
			return err
		}
		if earlier {
			return nil
		}
		note.Kind, note.Number = "VANISHED", gone
	case "FETCH", "LIST":
		note.Kind = string(a.kind)
	case "STATUS":
		note.Kind = "STATUS"
		p.spaces()
		var err error
		if note.Name, err = p.mailboxName(); err != nil {
			note.Name = ""
			if !errors.Is(err, errSyntax) || errors.Is(err, mailbox.ErrProtocol) {
				return err
			}
		}
	case "OK", "NO", "BAD", "BYE":
		st := parseStatusText(p.rest())
		note.Text = st.Text
		switch {
		case string(a.kind) == "BYE":
			note.Kind = "BYE"
		case st.Code == "ALERT", st.Code == "NOTIFICATIONOVERFLOW":
			note.Kind = st.Code
		case st.Code == "CLOSED":
			c.exists = 0
		}
		c.announce(note)
		return nil
	}
	c.announce(note)
	return p.skipAnswer()
}

// vanished reads VANISHED and takes its messages off the count. (RFC 7162,
// section 3.2.10)
func (c *Conn) vanished() (earlier bool, gone uint32, err error) {
	p := &c.parser
	p.spaces()
	if p.accept('(') {
		earlier = true
		for !p.atEnd() && !p.accept(')') {
			p.i++
		}
		p.spaces()
	}
	set, err := parseSet(p.rest())
	if err != nil || earlier {
		return earlier, 0, err
	}
	// A set may name more than there are: UIDs that were gone before, or
	// 1:4294967295.
	gone = uint32(min(uint64(set.Len()), uint64(c.exists)))
	c.exists -= gone
	return false, gone, nil
}

func (c *Conn) announce(note Untagged) {
	c.mu.Lock()
	tell := c.tell
	c.mu.Unlock()
	if tell != nil && note.Kind != "" {
		tell(note)
	}
}

// asProtocol turns trouble within an answer into trouble with the stream.
func asProtocol(err error) error {
	if errors.Is(err, errSyntax) && !errors.Is(err, mailbox.ErrProtocol) {
		return fmt.Errorf("%w: %w", mailbox.ErrProtocol, err)
	}
	return err
}
