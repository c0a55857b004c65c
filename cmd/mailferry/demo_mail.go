package main

import (
	"fmt"
	"mime"
	"strings"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
)

// demoMessage is a message of the demo's mail.
type demoMessage struct {
	mailbox       string
	from, subject string
	text          string
	flags         []imap.Flag
	age           time.Duration
}

const day = 24 * time.Hour

// demoMail is what the account holds when the demo begins.
var demoMail = []demoMessage{
	{"INBOX", "Ada <ada@example.org>", "Engine, first notes", "The engine weaves patterns.", []imap.Flag{imap.FlagSeen}, 40 * day},
	{"INBOX", "Grace <grace@example.org>", "A moth in the relay", "Taped it into the log book.", []imap.Flag{imap.FlagSeen, imap.FlagFlagged}, 30 * day},
	{"INBOX", "Jürgen Müller <juergen@example.net>", "Grüße aus Köln", "Schöne Grüße! Bis übermorgen.", nil, 3 * day},
	{"INBOX", "Alan <alan@example.org>", "Can it think?", "Let us play a game.", []imap.Flag{imap.FlagAnswered, imap.FlagSeen}, 2 * day},
	{"INBOX", "Newsletter <news@example.com>", "Ten things about lists", "You will not believe the seventh.", nil, day},
	{"Entwürfe", "me@example.org", "Half a thought", "To be continued", []imap.Flag{imap.FlagDraft, imap.FlagSeen}, 5 * day},
	{"Work/Project A", "Barbara <barbara@example.org>", "Minutes of Monday", "Everybody was there.", []imap.Flag{imap.FlagSeen, "$Label1"}, 9 * day},
	{"Work/Project A", "Edsger <edsger@example.org>", "Considered harmful", "See attachment.", []imap.Flag{imap.FlagSeen}, 8 * day},
	{"Archive/2024", "Shop <shop@example.com>", "Your invoice 4711", "Thank you for your order.", []imap.Flag{imap.FlagSeen}, 400 * day},
	{"Archive/2024", "Shop <shop@example.com>", "Your invoice 4711", "Thank you for your order.", []imap.Flag{imap.FlagSeen}, 400 * day},
}

// octets is the message as it is sent.
func (m demoMessage) octets(now time.Time) []byte {
	date := now.Add(-m.age)
	name, address, _ := strings.Cut(m.from, " <")
	from := m.from
	if address != "" {
		from = mime.QEncoding.Encode("utf-8", name) + " <" + address
	}
	return fmt.Appendf(nil, "From: %s\r\nTo: demo@example.org\r\nSubject: %s\r\nDate: %s\r\nMessage-ID: <%d@demo.example>\r\n"+
		"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n%s\r\n",
		from, mime.QEncoding.Encode("utf-8", m.subject), date.Format(time.RFC1123Z), date.Unix(), m.text)
}

// fillMailboxes puts the demo's mail on the server, and an empty mailbox.
func fillMailboxes(c *imapclient.Client, now time.Time) error {
	for _, name := range []string{"Entwürfe", "Work", "Work/Project A", "Archive", "Archive/2024", "Empty"} {
		if err := c.Create(name, nil).Wait(); err != nil {
			return fmt.Errorf("create %s: %w", name, err)
		}
	}
	for _, m := range demoMail {
		if err := appendMessage(c, m.mailbox, m.octets(now), now.Add(-m.age), m.flags...); err != nil {
			return err
		}
	}
	return nil
}
