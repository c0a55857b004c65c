package wire

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"

	"mailferry/syncer/mailbox"
)

func TestControlPlaneSeesOnlyWhatItCanRead(t *testing.T) {
	tests := []struct{ name, sent, want string }{
		{"IMAP4rev2 is hidden", "* CAPABILITY IMAP4rev1 IMAP4rev2 MOVE\r\n", "* CAPABILITY IMAP4REV1 MOVE\r\n"},
		{"IMAP4rev2 is hidden in codes", "* OK [CAPABILITY IMAP4rev1 imap4REV2] x\r\n", "* OK [CAPABILITY IMAP4REV1] x\r\n"},
		{"ENABLED", "* ENABLED IMAP4rev2\r\n", ""},
		{"a code that is broken", "* OK [CAP(ABILITY x\r\n", "* OK CAP(ABILITY x\r\n"},
		{"a code behind a control character", "* OK \x01[CAPABILITY IMAP4REV2] x\r\n", "* OK CAPABILITY IMAP4REV2] x\r\n"},
		{"a code of SELECT", "* OK [PERMANENTFLAGS (foo]bar)] x\r\n", "* OK x\r\n"},
		{"an unknown code", "* NO [X-ODD (((] x\r\n", "* NO [X-ODD] x\r\n"},
		{"a COPYUID", "* OK [COPYUID 1 2:3 4:5] x\r\n", "* OK [COPYUID 1 2:3 4:5] x\r\n"},
		{"a COPYUID that names everything", "* OK [COPYUID 1 1:4294967295 1:4294967295] x\r\n", "* OK [COPYUID 1 1:4294967295 1:4294967295] x\r\n"},
		{"a COPYUID with holes", "* OK [COPYUID 1 2:3] x\r\n", "* OK x\r\n"},
		{"escape sequences", "* OK [ALERT] \x1b[31mred\x07\r\n", "* OK [ALERT] [31mred\r\n"},
		{"LIST", "* LIST () \"/\" {3}\r\na\nb\r\n", ""},
		{"FETCH", "* 1 FETCH (BODY[] {5}\r\n* OK  X \"\")\r\n", ""},
		{"VANISHED", "* VANISHED 1:4294967295\r\n", ""},
		{"EXISTS", "* 12 EXISTS\r\n", "* 12 EXISTS\r\n"},
		{"EXPUNGE", "* 12 expunge\r\n", "* 12 EXPUNGE\r\n"},
		{"ID", "* ID (\"name\" \"Srv\\\"\" \"host\" NIL \"x\" {2}\r\nyz)\r\n", "* ID (\"name\" \"Srv\\\"\" \"x\" \"yz\")\r\n"},
		{"a broken ID", "* ID (\"name\r\n", ""},
		{"NAMESPACE", "* NAMESPACE ((\"INBOX.\" \".\" \"X-PARAM\" (\"a\" \"b\"))(\"o\" \"//\")) NIL ((\"#shared/\" \"/\"))\r\n", "* NAMESPACE ((\"INBOX.\" \".\")) NIL ((\"#shared/\" \"/\"))\r\n"},
		{"QUOTA", "* QUOTA \"\" (STORAGE 10 512 MESSAGE 1 2)\r\n", "* QUOTA \"\" (STORAGE 10 512 MESSAGE 1 2)\r\n"},
		{"a broken QUOTA", "* QUOTA \"\" (STORAGE -1 x)\r\n", ""},
		{"QUOTAROOT", "* QUOTAROOT INBOX \"\" \"User quota\"\r\n", "* QUOTAROOT \"INBOX\" \"\" \"User quota\"\r\n"},
		{"QUOTAROOT of a name that cannot be decoded", "* QUOTAROOT \"&Jjo!\" \"\"\r\n", ""},
		{"BYE", "* BYE [UNAVAILABLE] later\r\n", "* BYE [UNAVAILABLE] later\r\n"},
		{"six digits", "* X-UNKNOWN 1 2 3 (\r\n", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := dialPlain(t, func(p *peer) {
				p.send("* OK hello\r\n" + test.sent + "* 99 EXISTS\r\n")
				p.command()
			})
			var got strings.Builder
			buf := make([]byte, 7) // in small pieces
			for !strings.HasSuffix(got.String(), "* 99 EXISTS\r\n") {
				n, err := c.Read(buf)
				if err != nil {
					t.Fatal(err)
				}
				got.Write(buf[:n])
			}
			if want := "* OK hello\r\n" + test.want + "* 99 EXISTS\r\n"; got.String() != want {
				t.Errorf("got  %q\nwant %q", got.String(), want)
			}
		})
	}
}

func TestControlPlaneIsCutOffFromBrokenProtocol(t *testing.T) {
	for name, sent := range map[string]string{
		"a long line":      "* OK " + strings.Repeat("x", 65<<10) + "\r\n",
		"parentheses":      "* ID " + strings.Repeat("(", 6_000_000),
		"a large literal":  "* LIST () \"/\" {99999999}\r\n",
		"an unknown tag":   "T9 OK done\r\n",
		"a stray +":        "+ go on\r\n",
		"PREAUTH too late": "* PREAUTH hi\r\n",
		"bare LF":          "* 1 EXISTS\n",
		"no answer":        "\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			c := dialPlain(t, func(p *peer) {
				p.send("* OK hello\r\n")
				p.send(sent)
				p.command()
			})
			buf := make([]byte, 4096)
			var err error
			for err == nil {
				_, err = c.Read(buf)
			}
			if !errors.Is(err, mailbox.ErrProtocol) || !errors.Is(c.Err(), mailbox.ErrProtocol) {
				t.Errorf("got %v, %v", err, c.Err())
			}
		})
	}
}

func TestRawWaitsForCommandsInFlight(t *testing.T) {
	release := make(chan struct{})
	c := dialPlain(t, func(p *peer) {
		p.send("* OK [CAPABILITY IMAP4rev1] hello\r\n")
		tag, _ := p.command()
		<-release
		p.send(tag + " OK done\r\n")
		tag, _ = p.command()
		p.send(tag + " OK done\r\n")
		p.command()
	})
	client := imapclient.New(c, nil)
	defer client.Close()
	cmd := client.Noop()
	time.AfterFunc(30*time.Millisecond, func() { close(release) })
	err := c.Raw(context.Background(), func(x *Exchange) error {
		select {
		case <-release:
		default:
			t.Error("Raw did not wait")
		}
		return x.Noop()
	})
	if err != nil || cmd.Wait() != nil {
		t.Error(err)
	}
}

func TestIdleIsPatientAndEndsWithTheTimeoutArmed(t *testing.T) {
	told := make(chan Untagged, 10)
	addr := serve(t, func(p *peer) {
		p.send("* OK [CAPABILITY IMAP4rev1 IDLE] hello\r\n")
		p.command()
		p.send("+ idling\r\n")
		time.Sleep(400 * time.Millisecond) // longer than the timeout
		p.send("* 3 EXISTS\r\n* 2 FETCH (FLAGS (foo]bar))\r\n")
		p.in.ReadString('\n') // DONE is never answered
		p.command()
	})
	c, err := Dialer{Addr: addr, Security: Plain, Timeout: 200 * time.Millisecond}.Dial(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	c.OnUntagged(func(u Untagged) { told <- u })
	client := imapclient.New(c, nil)
	defer client.Close()
	idle, err := client.Idle()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Raw(context.Background(), func(*Exchange) error { return nil }); err == nil {
		t.Error("Raw during IDLE did not fail")
	}
	if u := <-told; u.Kind != "EXISTS" || u.Number != 3 {
		t.Errorf("told %+v", u)
	}
	if u := <-told; u.Kind != "FETCH" {
		t.Errorf("told %+v", u)
	}
	idle.Close()
	if err := idle.Wait(); err == nil || !errors.Is(c.Err(), mailbox.ErrNetwork) {
		t.Errorf("got %v, %v", err, c.Err())
	}
}

func TestCloseUnblocksBothPlanes(t *testing.T) {
	c := dialPlain(t, replies("* OK never answered\r\n", "* OK never answered\r\n"))
	client := imapclient.New(c, nil)
	cmd := client.Noop()
	data := make(chan error, 1)
	go func() { data <- c.Raw(context.Background(), func(x *Exchange) error { return x.Noop() }) }()
	time.Sleep(20 * time.Millisecond)
	c.Close()
	if err := cmd.Wait(); err == nil {
		t.Error("the command succeeded")
	}
	if err := <-data; !errors.Is(err, net.ErrClosed) || !errors.Is(err, mailbox.ErrNetwork) {
		t.Errorf("Raw returned %v", err)
	}
	client.Close()
}

func TestByeIsRemembered(t *testing.T) {
	c := dialPlain(t, func(p *peer) {
		p.send("* OK [CAPABILITY IMAP4rev1] hello\r\n")
		p.command()
		p.send("* BYE [LIMIT] too many connections\r\n")
	})
	client := imapclient.New(c, nil)
	defer client.Close()
	if err := client.Login("me", "secret").Wait(); err == nil {
		t.Error("logged in")
	}
	var bye *mailbox.ServerError
	if err := c.Err(); !errors.As(err, &bye) || bye.Code != "LIMIT" || !errors.Is(err, mailbox.ErrUnavailable) || bye.Command != "LOGIN" {
		t.Errorf("Err is %v", err)
	}
	if err := c.Raw(context.Background(), func(*Exchange) error { return nil }); !errors.Is(err, mailbox.ErrUnavailable) {
		t.Errorf("Raw: %v", err)
	}
}

func TestControlCommandsWithLiteralsAreFollowed(t *testing.T) {
	c := dialPlain(t, func(p *peer) {
		p.send("* OK [CAPABILITY IMAP4rev1 NAMESPACE] hello\r\n")
		for {
			tag, text := p.command()
			if tag == "" {
				return
			}
			if text == "NAMESPACE" {
				p.send("* NAMESPACE ((\"\" \"/\")) NIL NIL\r\n")
			}
			if strings.HasPrefix(text, "LOGIN") {
				p.send(tag + " OK [CAPABILITY IMAP4rev1 NAMESPACE] in\r\n")
				continue
			}
			p.send(tag + " OK [COPYUID 7 1 2] done\r\n")
		}
	})
	client := imapclient.New(c, nil)
	defer client.Close()
	if err := client.Login("me", "pass\r\nT77 NOOP{3}\r\n"+strings.Repeat("x", 5000)).Wait(); err != nil {
		t.Fatal(err)
	}
	data, err := client.Copy(imap.UIDSetNum(1), "b\x01x").Wait()
	if err != nil || data.UIDValidity != 7 {
		t.Errorf("copy: %v, %v", data, err)
	}
	if _, err := client.Namespace().Wait(); err != nil {
		t.Error(err)
	}
	if err := c.Raw(context.Background(), func(x *Exchange) error { return x.Noop() }); err != nil {
		t.Error(err)
	}
}
