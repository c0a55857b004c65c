package wire

import (
	"bufio"
	"compress/flate"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"mailferry/syncer/mailbox"
)

// deflate answers COMPRESS and speaks deflated from then on.
func (p *peer) deflate(tag string) {
	p.send(tag + " OK begin\r\n")
	p.conn = newDeflated(p.conn)
	p.in = bufio.NewReader(flate.NewReader(p.in))
}

// deflated deflates what is written.
type deflated struct {
	net.Conn
	out *flate.Writer
}

func newDeflated(conn net.Conn) deflated {
	out, _ := flate.NewWriter(conn, 6)
	return deflated{conn, out}
}

func (d deflated) Write(p []byte) (int, error) {
	n, err := d.out.Write(p)
	if err == nil {
		err = d.out.Flush()
	}
	return n, err
}

// compressed answers COMPRESS, then plays a script.
func compressed(script func(p *peer)) func(p *peer) {
	return func(p *peer) {
		p.send("* OK hello\r\n")
		tag, _ := p.command()
		p.deflate(tag)
		script(p)
	}
}

// overCompressed runs fn on a compressed stream.
func overCompressed(t *testing.T, script func(p *peer), fn func(x *Exchange) error) (*Conn, error) {
	t.Helper()
	return raw(t, compressed(script), func(x *Exchange) error {
		if err := x.Compress(); err != nil {
			t.Errorf("compress: %v", err)
			return err
		}
		return fn(x)
	})
}

func TestRefusedCompressionChangesNothing(t *testing.T) {
	var refused *mailbox.ServerError
	_, err := raw(t, replies("$ NO not today\r\n", "$ OK\r\n"), func(x *Exchange) error {
		if err := x.Compress(); !errors.As(err, &refused) {
			t.Errorf("compress: %v", err)
		}
		return x.Noop()
	})
	if err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

// The answer and the first deflated octets share a segment.
func TestCompressedOctetsBehindTheAnswerAreNotLost(t *testing.T) {
	var packed strings.Builder
	out, _ := flate.NewWriter(&packed, 6)
	io.WriteString(out, "* 3 EXISTS\r\n")
	out.Flush()
	c, err := raw(t, func(p *peer) {
		p.send("* OK hello\r\n")
		tag, _ := p.command()
		p.send(tag + " OK begin\r\n" + packed.String())
		p.in = bufio.NewReader(flate.NewReader(p.in))
		tag, _ = p.command()
		packed.Reset()
		io.WriteString(out, tag+" OK done\r\n")
		out.Flush()
		p.send(packed.String())
		p.command()
	}, func(x *Exchange) error {
		if err := x.Compress(); err != nil {
			return err
		}
		err := x.Noop()
		if x.Exists() != 3 {
			t.Errorf("%d messages", x.Exists())
		}
		return err
	})
	if err != nil {
		t.Fatal(err, c.Err())
	}
}

func TestTrafficCountsOctetsOnTheWire(t *testing.T) {
	body := strings.Repeat("0123456789abcdef", 1<<16)
	var got collector
	c, err := overCompressed(t, func(p *peer) {
		tag, _ := p.command()
		p.send(messageRow(1, body) + tag + " OK done\r\n")
		tag, _ = p.command()
		p.send(tag + " OK done\r\n")
		p.command()
	}, func(x *Exchange) error {
		if err := x.FetchBodies(mailbox.UIDs(1), mailbox.Whole, &got); err != nil {
			return err
		}
		return x.Append(AppendRequest{Name: "box", Uploads: plain(body), Mode: AppendLiteralPlus}, func(int, mailbox.Appended, error) error { return nil })
	})
	if traffic := c.Traffic(); err != nil || traffic.OctetsDown > 100_000 || traffic.OctetsUp > 100_000 {
		t.Errorf("%v, %+v", err, traffic)
	}
	if !strings.Contains(got.String(), "row 1") {
		t.Errorf("received: %.100s", got.String())
	}
}

// A few kilobytes that inflate to gigabytes meet the same caps as what was
// never packed, and fill no memory.
func TestDecompressionBombMeetsTheCaps(t *testing.T) {
	filler := strings.Repeat("x", 1<<20)
	for name, start := range map[string]string{
		"line":    "* OK ",
		"literal": "* LIST () \"/\" {4000000000}\r\n",
		"nesting": "* 1 FETCH " + strings.Repeat("(", 1<<20),
	} {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			c, err := overCompressed(t, func(p *peer) {
				p.command()
				p.send(start)
				for range 4096 {
					if _, err := io.WriteString(p.conn, filler); err != nil {
						return
					}
				}
			}, func(x *Exchange) error { return x.Noop() })
			runtime.ReadMemStats(&after)
			if !errors.Is(err, mailbox.ErrProtocol) || c.Err() == nil {
				t.Errorf("got %v, %v", err, c.Err())
			}
			if grown := int64(after.HeapSys) - int64(before.HeapSys); grown > 64<<20 {
				t.Errorf("the heap grew by %d", grown)
			}
		})
	}
}

func TestBrokenCompressedStreamIsAnError(t *testing.T) {
	for name, test := range map[string]struct {
		script func(p *peer)
		want   error
	}{
		"corrupt": {func(p *peer) { p.command(); io.WriteString(p.conn.(deflated).Conn, "\xff\xff\xff\xff\xff") }, mailbox.ErrProtocol},
		"ended":   {func(p *peer) { p.command(); p.conn.(deflated).out.Close(); p.command() }, mailbox.ErrProtocol},
		"cut":     {func(p *peer) { p.command(); p.send("* OK half a li") }, mailbox.ErrNetwork},
		"silent":  {func(p *peer) { p.command(); time.Sleep(5 * time.Second) }, mailbox.ErrNetwork},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, err := Dialer{Addr: serve(t, compressed(test.script)), Security: Plain, Timeout: 300 * time.Millisecond}.Dial(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			err = c.Raw(context.Background(), func(x *Exchange) error {
				if err := x.Compress(); err != nil {
					return fmt.Errorf("compress: %v", err)
				}
				return x.Noop()
			})
			if !errors.Is(err, test.want) || c.Err() == nil {
				t.Errorf("got %v, %v", err, c.Err())
			}
		})
	}
}
