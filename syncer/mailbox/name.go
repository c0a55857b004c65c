package mailbox

import (
	"fmt"
	"strconv"
	"strings"
)

// Name is a mailbox's name, independent of the server's separator, of its
// namespace prefix and of the layout on disk.
//
// Its levels are joined with "/". Within a level a "/" is written "%2F", and a
// "%" that could be read as the start of an escape is written "%25"; everything
// else stands for itself, so ordinary names read as people know them. A level
// that the server sent in a form that is not valid modified UTF-7 (RFC 3501,
// section 5.1.3) is carried raw: its "&", "/", "%", control characters and
// octets outside ASCII are written "%x" and two hexadecimal digits.
//
// The first level INBOX is always spelled in capitals (RFC 9051, section 5.1).
type Name string

// Inbox is the name of the mailbox that every account has.
const Inbox Name = "INBOX"

// Level is one level of a Name as the server means it.
type Level struct {
	// Text is the decoded name in UTF-8, or the octets as sent when Raw.
	Text string
	// Raw says that Text could not be decoded.
	Raw bool
}

// Join builds a Name of levels. It is injective but for the spelling of INBOX.
func Join(levels ...Level) Name {
	var b strings.Builder
	for i, level := range levels {
		if i > 0 {
			b.WriteByte('/')
		}
		switch {
		case i == 0 && strings.EqualFold(level.Text, string(Inbox)):
			b.WriteString(string(Inbox))
		case level.Raw:
			escapeRaw(&b, level.Text)
		default:
			escapeText(&b, level.Text)
		}
	}
	return Name(b.String())
}

// JoinText is Join for levels that are all decoded.
func JoinText(levels ...string) Name {
	list := make([]Level, len(levels))
	for i, text := range levels {
		list[i].Text = text
	}
	return Join(list...)
}

// Split is the inverse of Join.
func (n Name) Split() []Level {
	parts := strings.Split(string(n), "/")
	levels := make([]Level, len(parts))
	for i, part := range parts {
		levels[i] = unescape(part)
	}
	return levels
}

// Elements returns the levels as they are written in the Name, escapes kept.
func (n Name) Elements() []string { return strings.Split(string(n), "/") }

// Parent returns the name one level up, or "" for a name of one level.
func (n Name) Parent() Name {
	if i := strings.LastIndexByte(string(n), '/'); i >= 0 {
		return n[:i]
	}
	return ""
}

// IsBelow reports whether n is a descendant of parent.
func (n Name) IsBelow(parent Name) bool {
	return len(n) > len(parent) && n[len(parent)] == '/' && n[:len(parent)] == parent
}

func escapeText(b *strings.Builder, text string) {
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '/':
			b.WriteString("%2F")
		case c == '%' && looksEscaped(text[i+1:]):
			b.WriteString("%25")
		default:
			b.WriteByte(c)
		}
	}
}

// looksEscaped reports whether rest, which follows a "%", reads as an escape.
func looksEscaped(rest string) bool {
	rest = strings.TrimPrefix(rest, "x")
	return len(rest) >= 2 && isHex(rest[0]) && isHex(rest[1])
}

func escapeRaw(b *strings.Builder, octets string) {
	for i := 0; i < len(octets); i++ {
		c := octets[i]
		if c == '&' || c == '/' || c == '%' || c < 0x20 || c >= 0x7f {
			fmt.Fprintf(b, "%%x%02x", c)
			continue
		}
		b.WriteByte(c)
	}
}

// unescape reads one level. An escape that Join never writes stands for itself.
func unescape(part string) Level {
	if !strings.Contains(part, "%") {
		return Level{Text: part}
	}
	var b strings.Builder
	raw := false
	for i := 0; i < len(part); i++ {
		switch rest := part[i:]; {
		case strings.HasPrefix(rest, "%2F"):
			b.WriteByte('/')
			i += 2
		case strings.HasPrefix(rest, "%25"):
			b.WriteByte('%')
			i += 2
		case len(rest) >= 4 && rest[:2] == "%x" && isHex(rest[2]) && isHex(rest[3]):
			octet, _ := strconv.ParseUint(rest[2:4], 16, 8)
			b.WriteByte(byte(octet))
			raw = true
			i += 3
		default:
			b.WriteByte(part[i])
		}
	}
	return Level{Text: b.String(), Raw: raw}
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}
