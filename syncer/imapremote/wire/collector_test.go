package wire

import (
	"fmt"
	"io"
	"strings"

	"mailferry/syncer/mailbox"
)

// collector is a sink that writes down what it is told.
type collector struct {
	events []string
	// fail, if not nil, is returned from Receive after take octets (-1: all).
	fail error
	take int64
	// failRow is returned from Row.
	failRow error
	readErr error
}

func (c *collector) Receive(size int64, body io.Reader) error {
	if c.fail != nil && c.take >= 0 {
		io.CopyN(io.Discard, body, c.take)
		return c.fail
	}
	text, err := io.ReadAll(body)
	if err != nil {
		c.readErr = err
		c.events = append(c.events, "broken")
		return err
	}
	if int64(len(text)) != size {
		return fmt.Errorf("%d octets, announced %d", len(text), size)
	}
	if len(text) > 40 {
		text = []byte(fmt.Sprintf("%d octets", len(text)))
	}
	c.events = append(c.events, fmt.Sprintf("receive %q", text))
	return c.fail
}

func (c *collector) Row(uid mailbox.UID) error {
	c.events = append(c.events, fmt.Sprintf("row %d", uid))
	return c.failRow
}

func (c *collector) Drop(uid mailbox.UID, reason error) error {
	c.events = append(c.events, fmt.Sprintf("drop %d: %v", uid, reason))
	return nil
}

func (c *collector) String() string { return strings.Join(c.events, "; ") }
