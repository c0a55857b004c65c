package wire

import (
	"errors"
	"net"
	"reflect"
	"strings"
	"testing"
	"time"

	"mailferry/syncer/mailbox"
)

func TestDatesAreReadStrictly(t *testing.T) {
	tests := []struct {
		text string
		want mailbox.Date
	}{
		{"17-Jul-1996 02:44:25 -0700", mailbox.Date{Unix: 837596665, Offset: -25200, Known: true}},
		{" 1-Jan-1970 00:00:00 +0000", mailbox.Date{Known: true}},
		{"1-Jan-1970 00:00:00 +0000", mailbox.Date{Known: true}},
		{"01-jan-1970 00:00:00 +0545", mailbox.Date{Unix: -20700, Offset: 20700, Known: true}},
		{"29-Feb-2000 00:00:00 +0000", mailbox.Date{Unix: 951782400, Known: true}},
		{"31-Dec-1969 23:59:59 +0000", mailbox.Date{Unix: -1, Known: true}},
		{"31-Dec-9999 23:59:59 +0000", mailbox.Date{Unix: 253402300799, Known: true}},
		{"31-Feb-2020 00:00:00 +0000", mailbox.Date{}},
		{"29-Feb-2001 00:00:00 +0000", mailbox.Date{}},
		{"00-Jan-2020 00:00:00 +0000", mailbox.Date{}},
		{"01-Foo-2020 00:00:00 +0000", mailbox.Date{}},
		{"01-Jan-2020 24:00:00 +0000", mailbox.Date{}},
		{"01-Jan-2020 00:00:60 +0000", mailbox.Date{}},
		{"01-Jan-2020 00:00:00 ?0000", mailbox.Date{}},
		{"01-Jan-2020 00:00:00 +2400", mailbox.Date{}},
		{"01-Jan-2020 00:00:00 GMT", mailbox.Date{}},
		{"01-Jan-+020 00:00:00 +0000", mailbox.Date{}},
		{"", mailbox.Date{}},
	}
	for _, test := range tests {
		got := parseDate([]byte(test.text))
		if got != test.want {
			t.Errorf("%q: got %+v, want %+v", test.text, got, test.want)
		}
		if got.Known && parseDate([]byte(strings.Trim(formatDate(got), `"`))) != got {
			t.Errorf("%q is written %s", test.text, formatDate(got))
		}
	}
	for _, d := range []mailbox.Date{{}, {Unix: 1 << 50, Known: true}, {Unix: -1 << 50, Known: true}} {
		if got := formatDate(d); got != "" {
			t.Errorf("%+v is written %s", d, got)
		}
	}
}

func TestStatusTextIsReadWhateverItIs(t *testing.T) {
	tests := []struct {
		text string
		want statusText
	}{
		{"", statusText{}},
		{"done", statusText{Text: "done"}},
		{"[ALERT] hi", statusText{Code: "ALERT", Text: "hi"}},
		{"[alert]hi", statusText{Code: "ALERT", Text: "hi"}},
		{"[PERMANENTFLAGS (a foo]bar \\*)] x", statusText{Code: "PERMANENTFLAGS", Args: "(a foo]bar \\*)", Text: "x"}},
		{"[BADCHARSET (\"a]\")] x", statusText{Code: "BADCHARSET", Args: "(\"a]\")", Text: "x"}},
		{"[X (((] x", statusText{Code: "X", Args: "(((", Text: "x"}},
		{"[X", statusText{Text: "[X"}},
		{"[]", statusText{}},
		{"[a\x1bb c] x", statusText{Text: "x"}},
	}
	for _, test := range tests {
		if got := parseStatusText([]byte(test.text)); !reflect.DeepEqual(got, test.want) {
			t.Errorf("%q: got %+v, want %+v", test.text, got, test.want)
		}
	}
}

func TestLiteralSizesAreReadStrictly(t *testing.T) {
	tests := map[string]int64{
		"{0}": 0, "{7}": 7, "{7+}": 7, "~{7}": 7, "{9223372036854775807}": 1<<63 - 1,
		"{}": -1, "{+}": -1, "{-1}": -1, "{ 1}": -1, "{1 }": -1, "{1": -1, "1}": -1, "{0x1}": -1,
		"{9223372036854775808}": -1, "{18446744073709551617}": -1, "{99999999999999999999}": -1, "": -1, "~": -1, "{1++}": -1,
	}
	for text, want := range tests {
		got, ok := trailingLiteral([]byte(text))
		if ok != (want >= 0) || ok && got != want {
			t.Errorf("%q: got %d, %v", text, got, ok)
		}
	}
}

// offline is a Conn that reads text, then the end of the stream.
func offline(text string) *Conn {
	ours, theirs := net.Pipe()
	go func() {
		theirs.Write([]byte(text))
		theirs.Close()
	}()
	return newConn("offline", ours, ours, Dialer{Timeout: 5 * time.Second})
}

func TestLinesMayBeOfAnyLengthUpToTheLimit(t *testing.T) {
	for _, n := range []int{0, 1, bufferSize - 2, bufferSize - 1, bufferSize, bufferSize + 1, 2*bufferSize - 1, 3 * bufferSize} {
		c := offline("short\r\n" + strings.Repeat("x", n) + "\r\nend\r\n")
		for _, want := range []int{5, n, 3} {
			line, err := c.in.line(1 << 20)
			if err != nil || len(line) != want {
				t.Errorf("%d: got %d octets, %v", want, len(line), err)
			}
		}
		c.Close()
	}
	for _, n := range []int{1001, 5000} {
		c := offline(strings.Repeat("x", n) + "\r\n")
		if _, err := c.in.line(1000); !errors.Is(err, mailbox.ErrProtocol) {
			t.Errorf("%d octets: %v", n, err)
		}
		c.Close()
	}
}

// offlineReader is offline without goroutines or sockets: cheap to fuzz.
func offlineReader(text string) *Conn {
	c := newConn("offline", discardConn{}, discardConn{}, Dialer{Timeout: time.Second})
	c.in.src = strings.NewReader(text)
	return c
}

// discardConn takes everything and gives nothing.
type discardConn struct{ net.Conn }

func (discardConn) Write(p []byte) (int, error)      { return len(p), nil }
func (discardConn) SetWriteDeadline(time.Time) error { return nil }
func (discardConn) Close() error                     { return nil }

// run reads answers until cmd is answered or the stream breaks.
func run(x *Exchange, cmd *command) {
	x.pending = append(x.pending, cmd)
	x.await(cmd)
}
