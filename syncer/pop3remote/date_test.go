package pop3remote

import (
	"io"
	"strings"
	"testing"
	"time"

	"mailferry/syncer/mailbox"
)

var noDate mailbox.Date

func TestDateIsTheTopmostReceivedElseDateElseFirstSeen(t *testing.T) {
	seen := mailbox.DateOf(time.Date(2024, 5, 1, 12, 0, 0, 0, time.UTC))
	const received = "Received: from a by b; Fri, 05 Apr 2024 10:00:00 +0200\r\n"
	for header, want := range map[string]string{
		received + "Received: from c; Mon, 1 Jan 2024 00:00:00 +0000\r\nDate: Tue, 2 Jan 2024 00:00:00 +0000\r\n":  "2024-04-05T10:00:00+02:00",
		"Date: Tue, 2 Jan 2024 00:00:00 -0330\r\n":                                                                 "2024-01-02T00:00:00-03:30",
		"received: from a by b\r\n\t(comment; with semicolon);\r\n  Fri, 5 Apr 2024\r\n 10:00:00 +0200 (CEST)\r\n": "2024-04-05T10:00:00+02:00",
		"Subject: x\r\n": "2024-05-01T12:00:00Z",
		"Received: from a by b\r\nDate: Tue, 2 Jan 2024 00:00:00 +0000\r\n":                            "2024-01-02T00:00:00Z",
		"Received: from a; Fri, 31 Feb 2024 10:00:00 +0000\r\nDate: nonsense\r\n":                      "2024-05-01T12:00:00Z",
		"Received: from a; Fri, 5 Apr 2099 10:00:00 +0000\r\nDate: Thu, 1 Jan 1960 00:00:00 +0000\r\n": "2024-05-01T12:00:00Z",
		"X-Date: Tue, 2 Jan 2023 00:00:00 +0000\r\nDate : Tue, 2 Jan 2024 00:00:00 +0000\r\n":          "2024-01-02T00:00:00Z",
		"X: " + strings.Repeat("y", 3*maxField) + "\r\n z\r\nDate: Tue, 2 Jan 2024 00:00:00 +0000\r\n": "2024-01-02T00:00:00Z",
		"X: y\r\n\r\nDate: Tue, 2 Jan 2024 00:00:00 +0000\r\n":                                         "2024-05-01T12:00:00Z",
		"\r\n" + received: "2024-05-01T12:00:00Z",
		"":                "2024-05-01T12:00:00Z",
	} {
		m := newMessage(newReader(strings.NewReader(header+"\r\nbody\r\n.\r\n")), seen)
		if _, err := io.Copy(io.Discard, m); err != nil {
			t.Fatal(err)
		}
		if got := m.Date().Time().Format(time.RFC3339); got != want {
			t.Errorf("%.120q: %s, want %s", header, got, want)
		}
	}
}

func FuzzDate(f *testing.F) {
	f.Add([]byte("Received: a; Fri, 5 Apr 2024 10:00:00 +0200\r\nDate: x\r\n y\r\n\r\n"), 3)
	f.Fuzz(func(t *testing.T, header []byte, size int) {
		// However the octets come, the answer is the same.
		seen := mailbox.Date{Unix: 1_700_000_000, Known: true}
		var whole, parts dateWatch
		whole.write(header)
		for rest := header; len(rest) > 0; {
			n := min(len(rest), size&15+1)
			parts.write(rest[:n])
			rest = rest[n:]
		}
		if a, b := whole.date(seen), parts.date(seen); a != b {
			t.Errorf("%q: %+v at once, %+v in parts", header, a, b)
		}
	})
}
