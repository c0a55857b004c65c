package pop3remote

import (
	"bytes"
	"net/mail"
	"time"

	"mailferry/syncer/mailbox"
)

const (
	// maxField is how much of a header field is looked at.
	maxField = 4 << 10
	// maxAhead is how far ahead of our clock a date is believed.
	maxAhead = 24 * time.Hour
)

// dateWatch keeps the first Received field and the first Date field of a header
// that passes.
type dateWatch struct {
	line     []byte // the start of the field at hand
	received []byte
	sent     []byte
}

// write takes the next octets of a header.
func (w *dateWatch) write(p []byte) {
	for len(p) > 0 && (w.received == nil || w.sent == nil) {
		line, rest, ended := bytes.Cut(p, []byte{'\n'})
		w.keep(line)
		if ended {
			w.keep([]byte{'\n'})
		}
		p = rest
	}
}

// keep takes a part of a line. A field goes on in lines that begin with a
// space. (RFC 5322, section 2.2.3)
func (w *dateWatch) keep(part []byte) {
	if len(part) == 0 {
		return
	}
	if n := len(w.line); n > 0 && w.line[n-1] == '\n' && part[0] != ' ' && part[0] != '\t' {
		w.settle()
	}
	if room := maxField - len(w.line); room > 0 {
		w.line = append(w.line, part[:min(room, len(part))]...)
	} else if part[0] == '\n' {
		w.line[len(w.line)-1] = '\n'
	}
}

// settle ends a field.
func (w *dateWatch) settle() {
	name, value, _ := bytes.Cut(w.line, []byte{':'})
	name = bytes.TrimRight(name, " \t")
	switch {
	case w.received == nil && bytes.EqualFold(name, []byte("Received")):
		w.received = bytes.Clone(value)
	case w.sent == nil && bytes.EqualFold(name, []byte("Date")):
		w.sent = bytes.Clone(value)
	}
	w.line = w.line[:0]
}

// date is when the message was received: the date behind the last semicolon of
// the topmost Received field (RFC 5321, section 4.4), else the Date field, else
// when it was first seen. Dates that cannot be are not believed.
func (w *dateWatch) date(seen mailbox.Date) mailbox.Date {
	w.settle()
	if i := bytes.LastIndexByte(w.received, ';'); i >= 0 {
		if date, ok := parseDate(w.received[i+1:], seen); ok {
			return date
		}
	}
	if date, ok := parseDate(w.sent, seen); ok {
		return date
	}
	return seen
}

func parseDate(text []byte, seen mailbox.Date) (mailbox.Date, bool) {
	t, err := mail.ParseDate(string(bytes.Join(bytes.Fields(text), []byte{' '})))
	if err != nil || t.Unix() <= 0 || t.After(seen.Time().Add(maxAhead)) {
		return mailbox.Date{}, false
	}
	return mailbox.DateOf(t), true
}
