package pop3remote

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"mailferry/syncer/imapremote/wire"
	"mailferry/syncer/mailbox"
	"mailferry/syncer/synctest"
)

// deaf is a server that says what it wants, whatever it is asked.
type deaf struct {
	io.Reader
	io.Writer
	closed bool
}

func (d *deaf) Close() error                 { d.closed = true; return nil }
func (d *deaf) Security() wire.Security      { return wire.TLS }
func (d *deaf) Secure(context.Context) error { return nil }

// monologues are whole sessions: greeting, CAPA, STAT, LIST, UIDL, and what
// follows from them.
var monologues = []string{
	"+OK hello\r\n+OK\r\nPIPELINING\r\nUIDL\r\nTOP\r\n.\r\n+OK 2 300\r\n+OK\r\n1 100\r\n2 200\r\n.\r\n+OK\r\n1 a\r\n2 b\r\n.\r\n" +
		"+OK\r\nx: y\r\n\r\nb\r\n.\r\n+OK\r\n..\r\n.\r\n",
	"+OK hello\r\n-ERR\r\n+OK 1\r\n+OK\r\n1 100\r\n.\r\n-ERR\r\n+OK\r\nx: y\r\n\r\n.\r\n+OK\r\nx: y\r\n\r\nb\r\n.\r\n",
	"+OK\r\n+OK\r\nTOP\r\n.\r\n+OK 2 300\r\n+OK\r\n1 1\r\n2 1\r\n.\r\n+OK\r\n1 same\r\n2 same\r\n.\r\n+OK\r\nx: y\r\n\r\n.\r\n+OK\r\nx: y\r\n\r\n.\r\n" +
		"+OK\r\nx: y\r\n\r\nb\r\n.\r\n+OK\r\nx: y\r\n\r\nb\r\n.\r\n-ERR no\r\n",
	"-ERR [IN-USE] come back\r\n",
	"+OK\r\n+OK\r\n.\r\n+OK 4294967296 1\r\n",
	"+OK\r\n+OK\r\n.\r\n+OK 1 1\r\n+OK\r\n2 1\r\n-1 1\r\n1 -5\r\n.\r\n+OK\r\n1\r\n1 " + strings.Repeat("z", 600) + "\r\n.\r\n",
	"+OK\n", "+OK", "+OKAY\r\n", "+ok fine\r\n-err no\r\n", "\x00\xff\r\n",
}

// play takes a monologue as far as it goes and returns what was read of
// messages.
func play(t testing.TB, text []byte) {
	a := &Account{numbers: &memory{validity: 1}, opts: Options{Now: time.Now}, log: slog.New(slog.DiscardHandler)}
	s, err := greet(t.Context(), &deaf{Reader: iotest.HalfReader(strings.NewReader(string(text))), Writer: io.Discard})
	if err == nil {
		err = s.list()
	}
	if err == nil {
		err = s.identify()
	}
	if err == nil {
		err = a.number(t.Context(), s)
	}
	if err != nil {
		return
	}
	seen := map[mailbox.UID]bool{}
	for _, e := range s.drop.entries {
		if e.uid == 0 || e.id == "" || seen[e.uid] {
			t.Errorf("entry %+v among %+v", e, s.drop.entries)
		}
		seen[e.uid] = true
	}
	d := deletion{a: a, s: s}
	for i := range s.drop.entries {
		d.entries = append(d.entries, &s.drop.entries[i])
	}
	// The server never answers what was asked, so nothing may come of it
	// without its leave.
	_ = s.retrieve(d.entries, func(_ *entry, m *message) error {
		_, err := m.digest()
		return err
	})
	_ = d.run()
}

func TestMonologuesDoNoHarm(t *testing.T) {
	for _, text := range monologues {
		for n := range len(text) + 1 {
			play(t, []byte(text[:n]))
		}
	}
}

func FuzzSession(f *testing.F) {
	for _, text := range monologues {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		synctest.Bounded(t, len(text), func() { play(t, text) })
	})
}

func TestRefusalsMeanWhatTheirCodesSay(t *testing.T) {
	for text, want := range map[string]mailbox.ServerError{
		"[IN-USE] x":         {Code: "IN-USE", Text: "x", Kind: mailbox.ErrUnavailable},
		"[login-delay]":      {Code: "LOGIN-DELAY", Kind: mailbox.ErrUnavailable},
		"[SYS/TEMP/DISK] x":  {Code: "SYS/TEMP/DISK", Text: "x", Kind: mailbox.ErrUnavailable},
		"[SYS/PERM] x":       {Code: "SYS/PERM", Text: "x"},
		"[AUTH] x":           {Code: "AUTH", Text: "x", Kind: mailbox.ErrAuth},
		"[X] x":              {Code: "X", Text: "x"},
		"no [AUTH] in front": {Text: "no [AUTH] in front"},
		"[open":              {Text: "[open"},
		"[two words] x":      {Text: "[two words] x"},
		"[] x":               {Text: "[] x"},
		"":                   {},
	} {
		got := refusal("RETR", text)
		if got.Code != want.Code || got.Text != want.Text || !errors.Is(got.Kind, want.Kind) {
			t.Errorf("%q: %+v", text, got)
		}
	}
}

func TestTimestampIsAMessageID(t *testing.T) {
	for greeting, want := range map[string]string{
		"POP3 ready <1896.69@a.example>":         "<1896.69@a.example>",
		"ready <1@a> and more":                   "<1@a>",
		"ready":                                  "",
		"ready <12>":                             "",
		"ready <a@b@c>":                          "",
		"ready <<a@b>":                           "",
		"ready <a b@c>":                          "",
		"ready <a\x00@c>":                        "",
		"ready <a\xe9@c>":                        "",
		"ready >a@b<":                            "",
		"ready <" + strings.Repeat("a", 9) + "@": "",
	} {
		if got := timestamp(greeting); got != want {
			t.Errorf("%q: %q", greeting, got)
		}
	}
}

func TestPipelineStaysWithinItsWindow(t *testing.T) {
	for _, c := range []struct {
		capa  string
		ahead int
	}{{"PIPELINING\r\n", window}, {"", 1}} {
		var sent strings.Builder
		s := &session{
			stream: &deaf{Writer: &sent}, caps: capabilities{verb(c.capa[:max(len(c.capa)-2, 0)]): ""},
			in: newReader(strings.NewReader(strings.Repeat("+OK\r\n", 1000))),
		}
		most := 0
		err := s.pipeline(1000, func(int) string { return "RETR 1" }, func(i int) error {
			most = max(most, strings.Count(sent.String(), "\r\n")-i)
			_, err := s.answer("RETR")
			return err
		})
		if n := strings.Count(sent.String(), "\r\n"); err != nil || n != 1000 || most != c.ahead {
			t.Errorf("%q: %d commands, at most %d ahead, %v", c.capa, n, most, err)
		}
	}
}
