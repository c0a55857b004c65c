package wire

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"mailferry/syncer/mailbox"
)

func TestBrokenProtocolClosesTheStream(t *testing.T) {
	noop := func(x *Exchange) (string, error) { return "", x.Noop() }
	all := fetchAll(FetchRequest{From: 1, Flags: true})
	tests := []struct {
		name, reply string
		run         func(x *Exchange) (string, error)
		kind        error
	}{
		{"the end within a literal", "* 1 FETCH (UID 5 BODY[] {1000}\r\n" + strings.Repeat("x", 500) + hangUp, bodies(5), mailbox.ErrNetwork},
		{"a literal shorter than what follows", "* 1 FETCH (UID 5 BODY[] {10}\r\n" + strings.Repeat("x", 500) + ")\r\n$ OK\r\n", bodies(5), mailbox.ErrProtocol},
		{"99999999999", "* 1 FETCH (UID 5 BODY[] {99999999999}\r\n", bodies(5), mailbox.ErrProtocol},
		{"-1", "* 1 FETCH (UID 5 BODY[] {-1}\r\n", bodies(5), mailbox.ErrProtocol},
		{"+1", "* 1 FETCH (UID 5 BODY[] {+1}\r\n", bodies(5), mailbox.ErrProtocol},
		{"4294967296", "* 1 FETCH (UID 5 BODY[] {4294967296}\r\n", bodies(5), mailbox.ErrProtocol},
		{"18446744073709551617", "* 1 FETCH (UID 5 BODY[] {18446744073709551617}\r\n", bodies(5), mailbox.ErrProtocol},
		{"an empty size", "* 1 FETCH (UID 5 BODY[] {}\r\n", bodies(5), mailbox.ErrProtocol},
		{"a name of 8 GB", "* LIST () \"/\" {8589934592}\r\n", listAll(ListRequest{}), mailbox.ErrProtocol},
		{"a name over the cap", "* LIST () \"/\" {1048577}\r\n", listAll(ListRequest{}), mailbox.ErrProtocol},
		{"a line without an end", "* OK " + strings.Repeat("x", 3<<20), noop, mailbox.ErrProtocol},
		{"a million parentheses", "* 1 FETCH (X " + strings.Repeat("(", 900_000) + "\r\n", all, mailbox.ErrProtocol},
		{"six million parentheses", "* 1 FETCH (X " + strings.Repeat("(", 6_000_000) + "\r\n", all, mailbox.ErrProtocol},
		{"an unknown tag", "zz1 OK\r\n", noop, mailbox.ErrProtocol},
		{"an answer to what was not sent yet", "mf2 OK\r\n", noop, mailbox.ErrProtocol},
		{"a stray +", "+ go on\r\n", noop, mailbox.ErrProtocol},
		{"bare LF", "* OK hi\n$ OK\r\n", noop, mailbox.ErrProtocol},
		{"octets behind the parenthesis", "* 1 FETCH (UID 5 FLAGS ()) x\r\n$ OK\r\n", all, mailbox.ErrProtocol},
		{"octets behind a body's parenthesis", "* 1 FETCH (UID 5 BODY[] {1}\r\nx)x\r\n$ OK\r\n", bodies(5), mailbox.ErrProtocol},
		{"two bodies in one answer", "* 1 FETCH (UID 5 BODY[] {1}\r\nx BODY[] {1}\r\ny)\r\n$ OK\r\n", bodies(5), mailbox.ErrProtocol},
		{"no answer at all", hangUp, noop, mailbox.ErrNetwork},
		{"BYE", "* BYE [UNAVAILABLE] going down\r\n", noop, mailbox.ErrUnavailable},
		{"BYE in the midst", "* 1 FETCH (UID 5 FLAGS ())\r\n* BYE too many errors\r\n", all, mailbox.ErrUnavailable},
		{"SELECT without EXISTS", "* FLAGS ()\r\n$ OK\r\n", func(x *Exchange) (string, error) {
			_, err := x.Select(SelectRequest{Name: "box"})
			return "", err
		}, mailbox.ErrProtocol},
		{"SEARCH that finds more than there is", "* SEARCH" + strings.Repeat(" 7", 20_000) + "\r\n", func(x *Exchange) (string, error) {
			_, err := x.SearchAll(false)
			return "", err
		}, mailbox.ErrProtocol},
		{"a tagged BYE", "$ BYE\r\n", noop, mailbox.ErrProtocol},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			c, err := raw(t, replies(test.reply), func(x *Exchange) error {
				_, err := test.run(x)
				return err
			})
			runtime.ReadMemStats(&after)
			if !errors.Is(err, test.kind) {
				t.Errorf("error is %v, want %v", err, test.kind)
			}
			if c.Err() == nil {
				t.Error("the stream is still open")
			}
			if grown := after.TotalAlloc - before.TotalAlloc; grown > 64<<20 {
				t.Errorf("%d octets were allocated", grown)
			}
			if err := c.Raw(context.Background(), func(x *Exchange) error { return x.Noop() }); err == nil {
				t.Error("the next turn works")
			}
		})
	}
}

func TestEndWithinLiteralIsNeverAShortMessage(t *testing.T) {
	var got collector
	_, err := raw(t, replies("* 1 FETCH (UID 5 BODY[] {1000}\r\n"+strings.Repeat("x", 999)+hangUp), func(x *Exchange) error {
		return x.FetchBodies(mailbox.UIDs(5), mailbox.Whole, &got)
	})
	if !errors.Is(got.readErr, io.ErrUnexpectedEOF) || !errors.Is(got.readErr, mailbox.ErrNetwork) {
		t.Errorf("the sink read %v", got.readErr)
	}
	if !errors.Is(err, mailbox.ErrNetwork) || got.String() != "broken" {
		t.Errorf("got %v, %s", err, got.String())
	}
}

func TestEndlessAnswersAreCutShort(t *testing.T) {
	addr := serve(t, func(p *peer) {
		p.send("* OK hello\r\n")
		p.command()
		for {
			if _, err := io.WriteString(p.conn, strings.Repeat("* 1 RECENT\r\n", 100)); err != nil {
				return
			}
		}
	})
	c, err := Dialer{Addr: addr, Security: Plain, Limits: Limits{Unsolicited: 1000}}.Dial(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Raw(context.Background(), func(x *Exchange) error { return x.Noop() }); !errors.Is(err, mailbox.ErrProtocol) {
		t.Errorf("error is %v", err)
	}
}

func TestMailboxesAreCapped(t *testing.T) {
	addr := serve(t, func(p *peer) {
		p.send("* OK hello\r\n")
		tag, _ := p.command()
		for i := range 12 {
			p.send(fmt.Sprintf("* LIST () \"/\" box%d\r\n", i))
		}
		p.send(tag + " OK done\r\n")
	})
	c, err := Dialer{Addr: addr, Security: Plain, Limits: Limits{Mailboxes: 10}}.Dial(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	rows := 0
	err = c.Raw(context.Background(), func(x *Exchange) error {
		return x.List(ListRequest{}, func(ListRow) error { rows++; return nil })
	})
	if !errors.Is(err, mailbox.ErrProtocol) || rows > 10 {
		t.Errorf("%d mailboxes, error %v", rows, err)
	}
}

func TestRefusalsHaveTheirKind(t *testing.T) {
	tests := []struct {
		reply   string
		kind    error
		code    string
		backoff time.Duration
	}{
		{"$ NO [OVERQUOTA] full\r\n", mailbox.ErrQuota, "OVERQUOTA", 0},
		{"$ NO [LIMIT] slow down\r\n", mailbox.ErrUnavailable, "LIMIT", 0},
		{"$ NO [THROTTLED] x\r\n", mailbox.ErrUnavailable, "THROTTLED", 0},
		{"$ NO [inuse] x\r\n", mailbox.ErrUnavailable, "INUSE", 0},
		{"$ BAD Suggested Backoff Time: 2500 milliseconds\r\n", mailbox.ErrUnavailable, "", 2500 * time.Millisecond},
		{"$ NO [NONEXISTENT] x\r\n", mailbox.ErrNotFound, "NONEXISTENT", 0},
		{"$ NO [ALREADYEXISTS] x\r\n", mailbox.ErrExists, "ALREADYEXISTS", 0},
		{"$ NO [TOOBIG] x\r\n", mailbox.ErrTooLarge, "TOOBIG", 0},
		{"$ NO [AUTHENTICATIONFAILED] x\r\n", mailbox.ErrAuth, "AUTHENTICATIONFAILED", 0},
		{"$ NO [REFERRAL imap://other/] x\r\n", nil, "REFERRAL", 0},
		{"$ NO [\"broken\r\n", nil, "", 0},
		{"$ BAD\r\n", nil, "", 0},
	}
	for _, test := range tests {
		_, err := raw(t, replies(test.reply, "$ OK\r\n"), func(x *Exchange) error {
			err := x.Noop()
			if next := x.Noop(); next != nil {
				t.Errorf("%q: the exchange does not go on: %v", test.reply, next)
			}
			return err
		})
		var refusal *mailbox.ServerError
		if !errors.As(err, &refusal) || refusal.Kind != test.kind || refusal.Code != test.code || refusal.Backoff != test.backoff || refusal.Command != "NOOP" {
			t.Errorf("%q: error is %#v", test.reply, err)
		}
	}
}

func TestSelectAndFetchIsOneRoundTrip(t *testing.T) {
	c, err := raw(t, replies(opened, "* 1 FETCH (UID 5 FLAGS ())\r\n$ OK\r\n", "$ NO no such mailbox\r\n", "$ BAD nothing selected\r\n", "$ OK\r\n"), func(x *Exchange) error {
		rows := 0
		row := func(FetchRow) error { rows++; return nil }
		err := x.SelectAndFetch(SelectRequest{Name: "a"}, FetchRequest{From: 1, Flags: true}, func(s Selected) error {
			if s.Exists != 3 || rows != 0 {
				t.Errorf("selected %v after %d rows", s, rows)
			}
			return nil
		}, row)
		if err != nil || rows != 1 {
			return fmt.Errorf("%d rows: %w", rows, err)
		}
		if trips := x.c.Traffic().RoundTrips; trips != 1 {
			t.Errorf("%d round trips", trips)
		}
		err = x.SelectAndFetch(SelectRequest{Name: "b"}, FetchRequest{From: 1, Flags: true}, func(Selected) error { return errors.New("called") }, row)
		if refusal := new(mailbox.ServerError); !errors.As(err, &refusal) || refusal.Command != "SELECT" {
			t.Errorf("error is %v", err)
		}
		return x.Noop()
	})
	if err != nil || c.Traffic().Selected != 2 {
		t.Errorf("got %v, %+v", err, c.Traffic())
	}
}

func TestSelectAndFetchBodiesIsOneRoundTripAndHandsOverNothingUnwanted(t *testing.T) {
	body := "* 1 FETCH (UID 5 BODY[] {2}\r\nhi)\r\n$ OK\r\n"
	other := errors.New("another mailbox")
	c, err := raw(t, replies(opened, body, opened, body, "$ NO no such mailbox\r\n", "$ BAD nothing selected\r\n", "$ OK\r\n"), func(x *Exchange) error {
		for _, test := range []struct {
			selected error
			want     string
		}{{nil, "receive \"hi\"; row 5"}, {other, ""}} {
			var got collector
			err := x.SelectAndFetchBodies(SelectRequest{Name: "a"}, mailbox.UIDs(5), mailbox.Whole, &got, func(s Selected) error {
				if s.Exists != 3 || len(got.events) > 0 {
					t.Errorf("selected %v after %v", s, &got)
				}
				return test.selected
			})
			if err != test.selected || got.String() != test.want {
				return fmt.Errorf("%v after %s", err, &got)
			}
		}
		if trips := x.c.Traffic().RoundTrips; trips != 2 {
			t.Errorf("%d round trips", trips)
		}
		var got collector
		err := x.SelectAndFetchBodies(SelectRequest{Name: "b"}, mailbox.UIDs(5), mailbox.Whole, &got, func(Selected) error { return errors.New("called") })
		if refusal := new(mailbox.ServerError); !errors.As(err, &refusal) || refusal.Command != "SELECT" || len(got.events) > 0 {
			t.Errorf("error is %v after %s", err, &got)
		}
		return x.Noop()
	})
	if err != nil || c.Traffic().Selected != 3 {
		t.Errorf("got %v, %+v", err, c.Traffic())
	}
}

func TestCallbackErrorsKeepTheStreamWhereItIsInStep(t *testing.T) {
	stop := errors.New("stop")
	big := strings.Repeat("x", 3<<20)
	tests := []struct {
		name  string
		reply string
		sink  collector
		open  bool
	}{
		{"Row", messageRow(5, "a") + messageRow(6, "b") + "$ OK\r\n", collector{failRow: stop}, true},
		{"Receive, read whole", messageRow(5, "a") + messageRow(6, "b") + "$ OK\r\n", collector{fail: stop, take: -1}, true},
		{"Receive, not read whole", messageRow(5, "hello") + messageRow(6, "b") + "$ OK\r\n", collector{fail: stop, take: 2}, false},
		{"Row, and much more to come", messageRow(5, "a") + messageRow(6, big) + "$ OK\r\n", collector{failRow: stop}, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c, err := raw(t, replies(test.reply, "$ OK\r\n"), func(x *Exchange) error {
				return x.FetchBodies(mailbox.UIDs(5, 6), mailbox.Whole, &test.sink)
			})
			if !errors.Is(err, stop) {
				t.Errorf("error is %v", err)
			}
			if (c.Err() == nil) != test.open {
				t.Errorf("the stream: %v", c.Err())
			}
			if test.open {
				if err := c.Raw(context.Background(), func(x *Exchange) error { return x.Noop() }); err != nil {
					t.Errorf("the next turn: %v", err)
				}
			}
		})
	}
}

func TestStringsCannotEndTheLine(t *testing.T) {
	got := make(chan string, 3)
	_, err := raw(t, func(p *peer) {
		p.send("* OK hello\r\n")
		for range 3 {
			tag, text := p.command()
			got <- text
			p.send("* STATUS x (MESSAGES 1)\r\n" + tag + " OK\r\n")
		}
	}, func(x *Exchange) error {
		for _, name := range []string{`a"b\c`, "a\r\nA1 DELETE INBOX", "\xff"} {
			x.Status(name, false)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`STATUS "a\"b\\c" (MESSAGES UIDNEXT UIDVALIDITY)`,
		"STATUS {18}a\r\nA1 DELETE INBOX (MESSAGES UIDNEXT UIDVALIDITY)",
		"STATUS {1}\xff (MESSAGES UIDNEXT UIDVALIDITY)",
	} {
		if text := <-got; text != want {
			t.Errorf("sent %q, want %q", text, want)
		}
	}
}

func TestSilenceIsAnErrorAndProgressIsNot(t *testing.T) {
	addr := serve(t, func(p *peer) {
		p.send("* OK hello\r\n")
		tag, _ := p.command()
		for _, octet := range tag + " OK slow and steady\r\n" {
			p.send(string(octet))
			time.Sleep(20 * time.Millisecond)
		}
		p.command()
		p.command()
	})
	c, err := Dialer{Addr: addr, Security: Plain, Timeout: 200 * time.Millisecond}.Dial(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	err = c.Raw(context.Background(), func(x *Exchange) error {
		if err := x.Noop(); err != nil {
			t.Errorf("a slow answer: %v", err)
		}
		return x.Noop()
	})
	if !errors.Is(err, mailbox.ErrNetwork) || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("silence: %v", err)
	}
}

// What a server did not take in time must not reach it later: other connections
// send it once more.
func TestSilentConnectionIsTornDownWithWhatItStillHolds(t *testing.T) {
	ended := make(chan error, 1)
	addr := serve(t, func(p *peer) {
		p.send("* OK hello\r\n")
		p.command()
		_, err := p.in.ReadByte()
		ended <- err
	})
	c, err := Dialer{Addr: addr, Security: Plain, Timeout: 200 * time.Millisecond}.Dial(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Raw(context.Background(), func(x *Exchange) error { return x.Noop() }); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("silence: %v", err)
	}
	if err := <-ended; !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the server's end: %v", err)
	}
}

func TestCancellingClosesTheSocket(t *testing.T) {
	c := dialPlain(t, replies("* OK nothing more\r\n"))
	cause := errors.New("enough")
	ctx, cancel := context.WithCancelCause(context.Background())
	time.AfterFunc(20*time.Millisecond, func() { cancel(cause) })
	err := c.Raw(ctx, func(x *Exchange) error { return x.Noop() })
	if !errors.Is(err, cause) || c.Err() == nil {
		t.Errorf("got %v, %v", err, c.Err())
	}
}

func TestReturningEarlyClosesTheStream(t *testing.T) {
	c, err := raw(t, replies("$ OK\r\n"), func(x *Exchange) error {
		return x.begin(&command{name: "NOOP"})
	})
	if err != nil || c.Err() == nil {
		t.Errorf("got %v, %v", err, c.Err())
	}
}
