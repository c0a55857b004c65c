package imapremote

import (
	"encoding/base64"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// mailboxBase64 is base64 with "," for "/" and without padding.
// (RFC 3501, section 5.1.3)
var mailboxBase64 = base64.NewEncoding("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,").WithPadding(base64.NoPadding)

// encodeUTF7 writes text in modified UTF-7. Of all the ways to write it, it
// takes the one that the RFC demands: printable ASCII stands for itself, and
// whatever is between two such characters is one shifted run.
func encodeUTF7(text string) string {
	if isDirect(text) {
		return text
	}
	var b strings.Builder
	var shifted []rune
	flush := func() {
		if len(shifted) == 0 {
			return
		}
		var octets []byte
		for _, unit := range utf16.Encode(shifted) {
			octets = append(octets, byte(unit>>8), byte(unit))
		}
		b.WriteByte('&')
		b.WriteString(mailboxBase64.EncodeToString(octets))
		b.WriteByte('-')
		shifted = shifted[:0]
	}
	for _, r := range text {
		switch {
		case r < 0x20 || r > 0x7e:
			shifted = append(shifted, r)
		case r == '&':
			flush()
			b.WriteString("&-")
		default:
			flush()
			b.WriteByte(byte(r))
		}
	}
	flush()
	return b.String()
}

// decodeUTF7 reads modified UTF-7. It reports false for octets that
// encodeUTF7 would not have written, so that no two names decode to one.
func decodeUTF7(wire string) (string, bool) {
	if isDirect(wire) {
		return wire, true
	}
	var b strings.Builder
	for rest := wire; rest != ""; {
		if rest[0] != '&' {
			b.WriteByte(rest[0])
			rest = rest[1:]
			continue
		}
		run, after, found := strings.Cut(rest[1:], "-")
		if !found {
			return "", false
		}
		rest = after
		if run == "" {
			b.WriteByte('&')
			continue
		}
		octets, err := mailboxBase64.DecodeString(run)
		if err != nil || len(octets)%2 != 0 {
			return "", false
		}
		units := make([]uint16, 0, len(octets)/2)
		for i := 0; i < len(octets); i += 2 {
			units = append(units, uint16(octets[i])<<8|uint16(octets[i+1]))
		}
		// A lone surrogate becomes U+FFFD here, which does not encode to the
		// same octets again.
		b.WriteString(string(utf16.Decode(units)))
	}
	text := b.String()
	if !utf8.ValidString(text) || encodeUTF7(text) != wire {
		return "", false
	}
	return text, true
}

// isDirect reports whether s is the same in both forms.
func isDirect(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] < 0x20 || s[i] > 0x7e || s[i] == '&' {
			return false
		}
	}
	return true
}
