package synctest

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strings"
	"time"
)

// patience is how long the witness waits for a server.
const patience = 60 * time.Second

// client is the witness's connection: plain IMAP, one command at a time.
type client struct {
	conn net.Conn
	r    *bufio.Reader
	tags int
}

func dialClient(addr, user, password string) (*client, error) {
	conn, err := net.DialTimeout("tcp", addr, patience)
	if err != nil {
		return nil, err
	}
	c := &client{conn: conn, r: bufio.NewReader(conn)}
	_ = conn.SetDeadline(time.Now().Add(patience))
	if _, _, err := readAnswer(c.r); err != nil {
		return nil, fmt.Errorf("greeting: %w", err)
	}
	if _, err := c.do(fmt.Sprintf("LOGIN %s %s", quote(user), quote(password))); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return c, nil
}

// answer is what a command was answered: untagged data, and the text of OK.
type answer struct {
	untagged [][]item
	text     string
}

// do sends a command, with its literals, and reads until its tagged answer.
// NO and BAD are errors.
func (c *client) do(command string, literals ...[]byte) (answer, error) {
	_ = c.conn.SetDeadline(time.Now().Add(patience))
	c.tags++
	tag := fmt.Sprintf("w%d", c.tags)
	var got answer
	parts := strings.Split(command, "\x00")
	for i, part := range parts {
		text := part
		if i == 0 {
			text = tag + " " + part
		}
		if i < len(parts)-1 {
			text += fmt.Sprintf("{%d}", len(literals[i]))
		}
		if _, err := io.WriteString(c.conn, text+"\r\n"); err != nil {
			return got, err
		}
		if i == len(parts)-1 {
			break
		}
		if done, err := c.until(tag, command, &got, true); done || err != nil {
			return got, err
		}
		if _, err := c.conn.Write(literals[i]); err != nil {
			return got, err
		}
	}
	_, err := c.until(tag, command, &got, false)
	return got, err
}

// until reads answers up to the tagged one or, if go-ahead is wanted, a "+".
func (c *client) until(tag, command string, got *answer, goAhead bool) (done bool, err error) {
	for {
		items, text, err := readAnswer(c.r)
		if err != nil {
			return false, fmt.Errorf("%.60q: %w", command, err)
		}
		switch {
		case len(items) == 0:
		case items[0].text == "+":
			if goAhead {
				return false, nil
			}
		case items[0].text == tag:
			if len(items) < 2 || !strings.EqualFold(items[1].text, "OK") {
				return true, fmt.Errorf("%.60q: %s %s", command, items[len(items)-1].text, text)
			}
			got.text = text
			return true, nil
		default:
			if len(items) > 1 && strings.EqualFold(items[1].text, "OK") {
				items = append(items, item{text: text})
			}
			got.untagged = append(got.untagged, items)
		}
	}
}

func (c *client) close() {
	_ = c.conn.SetDeadline(time.Now().Add(time.Second))
	_, _ = io.WriteString(c.conn, "bye LOGOUT\r\n")
	_, _ = io.Copy(io.Discard, c.r)
	_ = c.conn.Close()
}

func quote(text string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(text) + `"`
}
