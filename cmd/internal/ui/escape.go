package ui

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Escape makes text harmless for a terminal and keeps it readable: control
// characters (ESC and the C1 codes too), what changes the direction of writing
// or cannot be seen, and octets that are not UTF-8 become \x1b or \u202e.
func Escape(text string) string {
	if !strings.ContainsFunc(text, isUnsafe) {
		return text
	}
	var b strings.Builder
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRuneInString(text[i:])
		switch {
		case r == utf8.RuneError && size <= 1:
			fmt.Fprintf(&b, `\x%02x`, text[i])
		case !isUnsafe(r):
			b.WriteRune(r)
		case r < 0x100:
			fmt.Fprintf(&b, `\x%02x`, r)
		case r < 0x10000:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			fmt.Fprintf(&b, `\U%08x`, r)
		}
		i += size
	}
	return b.String()
}

// EscapeLines is Escape for our own text of several lines.
func EscapeLines(text string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		lines[i] = Escape(line)
	}
	return strings.Join(lines, "\n")
}

// isUnsafe: Cc is control, Cf format (bidi overrides, zero width, soft hyphen),
// Zl and Zp line separators, Co private, Cs surrogates.
func isUnsafe(r rune) bool {
	return r == utf8.RuneError || unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp, unicode.Co, unicode.Cs)
}

// truncated shortens text to width columns, counting runes.
func truncated(text string, width int) string {
	if width < 2 || utf8.RuneCountInString(text) <= width {
		return text
	}
	return string([]rune(text)[:width-1]) + "…"
}

// Wrap breaks text into lines of at most width columns. The first begins with
// first, the others with rest; each ends with a line end.
func Wrap(first, rest, text string, width int) string {
	var b strings.Builder
	line, isEmpty := first, true
	for _, word := range strings.Fields(text) {
		if !isEmpty && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > width {
			b.WriteString(line + "\n")
			line, isEmpty = rest, true
		}
		if !isEmpty {
			line += " "
		}
		line += word
		isEmpty = false
	}
	return b.String() + line + "\n"
}

// Lines writes text of several lines, the first behind first and the others
// behind rest, made harmless for a terminal.
func Lines(first, rest, text string) string {
	var b strings.Builder
	for i, line := range strings.Split(text, "\n") {
		if i > 0 {
			first = rest
		}
		b.WriteString(first + Escape(line) + "\n")
	}
	return b.String()
}
