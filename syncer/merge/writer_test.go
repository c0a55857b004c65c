package merge_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A copy is a message, in LF form, as it is put into a source.
type copied struct {
	text    string
	seen    bool
	expunge bool
	key     string
}

// writer lays copies out as a client would.
type writer func(tb testing.TB, dir string, copies []copied)

var writers = map[string]writer{
	"maildir": writeMaildir,
	"mboxo":   func(tb testing.TB, dir string, c []copied) { writeMbox(tb, filepath.Join(dir, "Inbox.mbox"), c, mboxo) },
	"mboxrd": func(tb testing.TB, dir string, c []copied) {
		writeMbox(tb, filepath.Join(dir, "Inbox.mbox"), c, mboxrd)
	},
	"mboxcl": func(tb testing.TB, dir string, c []copied) {
		writeMbox(tb, filepath.Join(dir, "Inbox.mbox"), c, mboxcl)
	},
	"mboxcl2": func(tb testing.TB, dir string, c []copied) {
		writeMbox(tb, filepath.Join(dir, "Inbox.mbox"), c, mboxcl2)
	},
	"thunderbird": writeThunderbird,
	"eml":         writeEML,
	"emlx":        writeEMLX,
}

func put(tb testing.TB, at, text string) {
	tb.Helper()
	if err := os.MkdirAll(filepath.Dir(at), 0o700); err != nil {
		tb.Fatal(err)
	}
	if err := os.WriteFile(at, []byte(text), 0o600); err != nil {
		tb.Fatal(err)
	}
}

// insertHeader puts lines in front of a message's other header lines.
func insertHeader(text, lines string) string { return lines + text }

// appendHeader puts lines behind a message's other header lines.
func appendHeader(text, lines string) string {
	head, body, found := strings.Cut(text, "\n\n")
	if !found {
		return strings.TrimSuffix(text, "\n") + "\n" + lines
	}
	return head + "\n" + lines + "\n" + body
}

func writeMaildir(tb testing.TB, dir string, copies []copied) {
	for _, sub := range []string{"cur", "new", "tmp"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o700); err != nil {
			tb.Fatal(err)
		}
	}
	for i, c := range copies {
		name := fmt.Sprintf("new/%d.M%dP1.host", 1700000000+i, i)
		if c.seen {
			name = fmt.Sprintf("cur/%d.M%dP1.host,U=%d:2,S", 1700000000+i, i, i+1)
		}
		text := c.text
		if i%3 == 0 { // mbsync
			text = appendHeader(text, "X-TUID: abcdef123456\n")
		}
		put(tb, filepath.Join(dir, name), text)
	}
}

type dialect int

const (
	mboxo dialect = iota
	mboxrd
	mboxcl
	mboxcl2
)

// quote quotes a message's lines for a dialect.
func quote(text string, d dialect) string {
	lines := strings.SplitAfter(text, "\n")
	for i, line := range lines {
		switch {
		case d == mboxo || d == mboxcl:
			if strings.HasPrefix(line, "From ") {
				lines[i] = ">" + line
			}
		case d == mboxrd:
			if strings.HasPrefix(strings.TrimLeft(line, ">"), "From ") {
				lines[i] = ">" + line
			}
		}
	}
	return strings.Join(lines, "")
}

func writeMbox(tb testing.TB, at string, copies []copied, d dialect) {
	var b bytes.Buffer
	for i, c := range copies {
		text := quote(c.text, d)
		status := "O"
		if c.seen {
			status = "RO"
		}
		text = appendHeader(text, "Status: "+status+"\nX-UID: 17\n")
		if d == mboxcl || d == mboxcl2 {
			_, body, _ := strings.Cut(text, "\n\n")
			text = appendHeader(text, fmt.Sprintf("Content-Length: %d\n", len(body)))
		}
		fmt.Fprintf(&b, "From sender@example.org Thu Jan  %d 10:00:%02d 2015\n%s\n", i%9+1, i%60, text)
	}
	put(tb, at, b.String())
}

// mozilla is what Thunderbird puts in front of a message.
func mozilla(c copied) string {
	status := 0
	if c.seen {
		status |= 1
	}
	if c.expunge {
		status |= 8
	}
	return fmt.Sprintf("X-Account-Key: account2\nX-UIDL: 0000a1b2\nX-Mozilla-Status: %04x\nX-Mozilla-Status2: 00000000\nX-Mozilla-Keys: %-80s\n", status, c.key)
}

func writeThunderbird(tb testing.TB, dir string, copies []copied) {
	put(tb, filepath.Join(dir, "prefs.js"), "// prefs\n")
	var b bytes.Buffer
	for _, c := range copies {
		fmt.Fprintf(&b, "From - Sat Mar  4 12:00:00 2017\n%s\n", insertHeader(quote(c.text, mboxo), mozilla(c)))
	}
	put(tb, filepath.Join(dir, "Mail", "pop.example.org", "Inbox"), strings.ReplaceAll(b.String(), "\n", "\r\n"))
	put(tb, filepath.Join(dir, "Mail", "pop.example.org", "Inbox.msf"), "// <!-- <mdb:mork:z v=\"1.4\"/> -->\n")
	put(tb, filepath.Join(dir, "Mail", "Local Folders", "Trash"), "")
}

func writeEML(tb testing.TB, dir string, copies []copied) {
	for i, c := range copies {
		put(tb, filepath.Join(dir, fmt.Sprintf("%04d.eml", i)), strings.ReplaceAll(insertHeader(c.text, mozilla(c)), "\n", "\r\n"))
	}
}

func writeEMLX(tb testing.TB, dir string, copies []copied) {
	for i, c := range copies {
		flags := 0
		if c.seen {
			flags |= 1
		}
		plist := fmt.Sprintf("<?xml version=\"1.0\"?>\n<plist><dict>\n\t<key>flags</key>\n\t<integer>%d</integer>\n</dict></plist>\n", flags)
		put(tb, filepath.Join(dir, "INBOX.mbox", "Messages", fmt.Sprintf("%d.emlx", i+1)), fmt.Sprintf("%-10d\n%s%s", len(c.text), c.text, plist))
	}
}
