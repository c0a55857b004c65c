package wire

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"

	"mailferry/syncer/mailbox"
)

// restless is a server that says unsolicited things at every moment.
func restless(p *peer) {
	things := []string{
		"* 7 EXISTS\r\n",
		"* 3 EXPUNGE\r\n",
		"* 2 FETCH (FLAGS (\\Seen foo]bar) MODSEQ (99))\r\n",
		"* OK [ALERT] \x1b[31mbeware\r\n",
		"* VANISHED 1:4294967295\r\n",
		"* LIST () \"/\" {5}\r\na\"b\\c\r\n",
		"* 1 FETCH (X-ODD (((())) {3}\r\nabc \"q\") UID 4)\r\n",
		"* NO disk nearly full\r\n",
		"",
	}
	n := 0
	thing := func() string { n++; return things[n%len(things)] }
	p.send("* OK [CAPABILITY IMAP4rev1 IMAP4rev2] hello\r\n")
	for {
		tag, text := p.command()
		if tag == "" {
			return
		}
		p.send(thing())
		if strings.HasPrefix(text, "COMPRESS") {
			p.deflate(tag)
			p.send(thing() + thing())
			continue
		}
		switch {
		case text == "NOOP", strings.HasPrefix(text, "LOGIN"):
		case strings.HasPrefix(text, "CAPABILITY"):
			p.send("* CAPABILITY IMAP4rev1 IMAP4rev2 IDLE\r\n")
		case strings.HasPrefix(text, "UID FETCH"):
			p.send(thing() + messageRow(5, "hello\r\n") + thing())
		case strings.HasPrefix(text, "LOGOUT"):
			p.send("* BYE bye\r\n")
		}
		// The tail arrives while nobody, or the other plane, is reading.
		p.send(fmt.Sprintf("%s OK done\r\n", tag) + thing() + thing())
	}
}

func TestPlanesAlternateWhileServerIsRestless(t *testing.T) {
	alternate(t, dialPlain(t, restless), 10_000)
}

func TestPlanesAlternateOverACompressedStream(t *testing.T) {
	c := dialPlain(t, restless)
	if err := c.Raw(context.Background(), (*Exchange).Compress); err != nil {
		t.Fatal(err)
	}
	alternate(t, c, 5000)
}

func alternate(t *testing.T, c *Conn, rounds int) {
	client := imapclient.New(c, nil)
	defer client.Close()
	if err := client.Login("me", "secret").Wait(); err != nil {
		t.Fatal(err)
	}
	if caps := client.Caps(); caps.Has(imap.CapIMAP4rev2) || !caps.Has(imap.CapIMAP4rev1) {
		t.Errorf("capabilities are %v", caps)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	for i := range rounds {
		if err := client.Noop().Wait(); err != nil {
			t.Fatalf("round %d: control: %v (%v)", i, err, c.Err())
		}
		var got collector
		err := c.Raw(ctx, func(x *Exchange) error {
			if i%3 == 0 {
				return x.Noop()
			}
			return x.FetchBodies(mailbox.UIDs(5), mailbox.Whole, &got)
		})
		if err != nil {
			t.Fatalf("round %d: data: %v", i, err)
		}
		if i%3 != 0 && got.String() != `receive "hello\r\n"; row 5` {
			t.Fatalf("round %d: %s", i, got.String())
		}
		if i%100 == 0 {
			time.Sleep(time.Millisecond) // the control plane is parked for sure
		}
	}
}
