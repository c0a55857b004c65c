package merge

import (
	"net/mail"
	"strings"
	"time"

	"mailferry/syncer/mailbox"
)

// DateFrom says which of a message's dates became its INTERNALDATE, the best
// first.
type DateFrom uint8

// Where dates come from.
const (
	// FromInternal: a server's INTERNALDATE, or a store's memory of it.
	FromInternal DateFrom = iota
	// FromFile: the modification time of a Maildir's file, where it agrees
	// with what the header says.
	FromFile
	// FromReceived: the topmost Received field.
	FromReceived
	// FromHeader: the Date field.
	FromHeader
	// FromEnvelope: the file's time or an mbox file's From_ line, for want of
	// anything better.
	FromEnvelope
	// FromNowhere: there is none.
	FromNowhere
)

var dateNames = [...]string{"internaldate", "file", "received", "date", "last-resort", "none"}

func (f DateFrom) String() string { return dateNames[f] }

// DateOrigins lists where dates can come from, the best first.
func DateOrigins() []DateFrom {
	return []DateFrom{FromInternal, FromFile, FromReceived, FromHeader, FromEnvelope, FromNowhere}
}

// trustSpan is how far a Maildir file's time may be from the header's before
// it looks like the time of a copy.
const trustSpan = 2 * 24 * 3600

// earliest is the first day of electronic mail as far as headers are believed.
const earliest = 0

// arrival chooses a copy's date. Filed is the source's own, kept says that it
// is an INTERNALDATE, and isFile that it is a Maildir file's time.
func arrival(id *Identity, filed mailbox.Date, kept, isFile bool, now time.Time) (mailbox.Date, DateFrom) {
	sane := func(d mailbox.Date) bool {
		return d.Known && d.Unix > earliest && d.Unix < now.Unix()+24*3600
	}
	if kept && sane(filed) {
		return filed, FromInternal
	}
	header := id.Received
	if !sane(header) {
		header = id.Date
	}
	if isFile && sane(filed) && sane(header) && filed.Unix > header.Unix-trustSpan && filed.Unix < header.Unix+trustSpan {
		return filed, FromFile
	}
	switch {
	case sane(id.Received):
		return id.Received, FromReceived
	case sane(id.Date):
		return id.Date, FromHeader
	case sane(filed):
		return filed, FromEnvelope
	}
	return mailbox.Date{}, FromNowhere
}

// parseDate reads a header's date; unknown if it cannot be read.
func parseDate(text string) mailbox.Date {
	text = strings.TrimSpace(text)
	if text == "" || len(text) > 200 {
		return mailbox.Date{}
	}
	t, err := mail.ParseDate(text)
	if err != nil {
		// "Mon, 1 Jan 2001 10:00:00 +0100 (CET) foo": what follows the zone
		// does not matter.
		if i := strings.LastIndexByte(text, '('); i > 0 {
			t, err = mail.ParseDate(strings.TrimSpace(text[:i]))
		}
	}
	if err != nil || t.Year() < 1 || t.Year() > 9999 {
		return mailbox.Date{}
	}
	return mailbox.DateOf(t)
}

// envelopeLayouts are dates of From_ lines, with single spaces.
var envelopeLayouts = []string{
	"Mon Jan 2 15:04:05 2006",
	"Mon Jan 2 15:04:05 -0700 2006",
	"Mon Jan 2 15:04:05 MST 2006",
	"Mon Jan 2 15:04:05 2006 -0700",
	"Mon Jan 2 15:04:05 2006 MST",
	"Mon Jan 2 15:04 2006",
	"Mon Jan 2 15:04 MST 2006",
	"Mon, 2 Jan 2006 15:04:05 -0700",
	"Mon, 2 Jan 2006 15:04:05 MST",
	"Mon 2 Jan 2006 15:04:05 -0700",
	"2 Jan 2006 15:04:05 -0700",
	"2006-01-02T15:04:05Z07:00",
	"2006-01-02 15:04:05",
}
