package merge

import (
	"bytes"
	"strings"
	"time"

	"mailferry/syncer/mailbox"
)

var fromSpace = []byte("From ")

// fromLine is what a line that begins with "From " may be.
type fromLine uint8

const (
	// notFrom: text that happens to begin so.
	notFrom fromLine = iota
	// bareFrom: "From " alone or "From -", as Thunderbird writes it.
	bareFrom
	// vagueFrom: an address, and no date that can be read.
	vagueFrom
	// datedFrom: an envelope with a date.
	datedFrom
)

// maxFromLine is how long a From_ line can be.
const maxFromLine = 1000

// readFromLine tells what a line is, and its date if it has one. (RFC 4155,
// appendix A; the dialects that Unix, Eudora, Thunderbird, Takeout wrote)
func readFromLine(line []byte) (fromLine, mailbox.Date) {
	if !bytes.HasPrefix(line, fromSpace) || len(line) > maxFromLine {
		return notFrom, mailbox.Date{}
	}
	words := strings.Fields(string(line[len(fromSpace):]))
	if len(words) == 0 || len(words) == 1 && words[0] == "-" {
		return bareFrom, mailbox.Date{}
	}
	if date := envelopeDate(words); date.Known {
		return datedFrom, date
	}
	for _, word := range words[1:] {
		if isClock(word) {
			return datedFrom, mailbox.Date{}
		}
	}
	if first := words[0]; first == "-" || strings.Contains(first, "@") || first == "MAILER-DAEMON" {
		return vagueFrom, mailbox.Date{}
	}
	return notFrom, mailbox.Date{}
}

// envelopeDate looks for a date behind the sender, which may contain spaces,
// and before "remote from host".
func envelopeDate(words []string) mailbox.Date {
	for i, word := range words {
		if word == "remote" && i > 0 {
			words = words[:i]
			break
		}
	}
	for start := 0; start < len(words) && start < 8; start++ {
		if !startsDate(words[start]) {
			continue
		}
		text := strings.Join(words[start:], " ")
		for _, layout := range envelopeLayouts {
			if t, err := time.Parse(layout, text); err == nil {
				return mailbox.DateOf(t)
			}
		}
	}
	return mailbox.Date{}
}

func startsDate(word string) bool {
	if word[0] >= '0' && word[0] <= '9' {
		return true
	}
	return len(word) >= 3 && strings.Contains("Mon Tue Wed Thu Fri Sat Sun", word[:3])
}

// isClock reports whether a word is a time of day, as all dates of From_ lines
// have.
func isClock(word string) bool {
	if len(word) != 5 && len(word) != 8 {
		return false
	}
	for i := range len(word) {
		if isColon := i%3 == 2; isColon != (word[i] == ':') || !isColon && (word[i] < '0' || word[i] > '9') {
			return false
		}
	}
	return true
}

// looksLikeField reports whether a line can begin a header.
func looksLikeField(line []byte) bool {
	for i, c := range line {
		if c == ':' {
			return i > 0
		}
		if c <= ' ' || c >= 0x7f {
			return false
		}
	}
	return false
}
