package wire

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// peer is the server's end of a scripted connection.
type peer struct {
	t    testing.TB
	conn net.Conn
	in   *bufio.Reader
}

// command reads a command with its literals; "" at the end of the stream.
func (p *peer) command() (tag, text string) {
	var b strings.Builder
	for {
		line, err := p.in.ReadString('\n')
		if err != nil {
			return "", ""
		}
		line = strings.TrimSuffix(line, "\r\n")
		b.WriteString(line)
		i := strings.LastIndexByte(line, '{')
		if i < 0 || !strings.HasSuffix(line, "}") {
			break
		}
		size, ok := trailingLiteral([]byte(line[i:]))
		if !ok {
			break
		}
		if !strings.HasSuffix(line, "+}") {
			p.send("+ go on\r\n")
		}
		if _, err := io.CopyN(&b, p.in, size); err != nil {
			return "", ""
		}
	}
	tag, text, _ = strings.Cut(b.String(), " ")
	return tag, text
}

func (p *peer) send(text string) { io.WriteString(p.conn, text) }

// serve accepts connections and runs script on each; it returns the address.
func serve(t testing.TB, script func(p *peer)) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				conn.SetDeadline(time.Now().Add(time.Minute))
				script(&peer{t: t, conn: conn, in: bufio.NewReaderSize(conn, 64<<10)})
			}()
		}
	}()
	return listener.Addr().String()
}

// dialPlain connects to a script.
func dialPlain(t testing.TB, script func(p *peer)) *Conn {
	t.Helper()
	c, err := Dialer{Addr: serve(t, script), Security: Plain, Timeout: 10 * time.Second}.Dial(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// replies answers one command after the other; "$" at a line's start is the
// command's tag. One that ends with hangUp is the last. Otherwise it waits for
// the client to close.
func replies(texts ...string) func(p *peer) {
	return func(p *peer) {
		p.send("* OK hello\r\n")
		for _, text := range texts {
			tag, _ := p.command()
			if tag == "" {
				return
			}
			text, last := strings.CutSuffix(text, hangUp)
			p.send(withTag(text, tag))
			if last {
				return
			}
		}
		p.command()
	}
}

const hangUp = "<hang up>"

func withTag(text, tag string) string {
	if strings.HasPrefix(text, "$") {
		text = tag + text[1:]
	}
	return strings.ReplaceAll(text, "\n$", "\n"+tag)
}

// raw runs fn on a connection to the script, bounded in time.
func raw(t testing.TB, script func(p *peer), fn func(x *Exchange) error) (*Conn, error) {
	t.Helper()
	c := dialPlain(t, script)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	err := c.Raw(ctx, fn)
	if errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("it hung: %v", err)
	}
	return c, err
}

func messageRow(uid int, body string) string {
	return fmt.Sprintf("* %d FETCH (UID %d BODY[] {%d}\r\n%s)\r\n", uid, uid, len(body), body)
}
