package synctest

import (
	"encoding/base64"
	"strings"
	"unicode/utf16"

	"mailferry/syncer/mailbox"
)

// mutf7 is base64 as modified UTF-7 has it. (RFC 3501, section 5.1.3)
var mutf7 = base64.NewEncoding("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,").WithPadding(base64.NoPadding)

func encodeMUTF7(text string) string {
	var b strings.Builder
	var pending []rune
	flush := func() {
		if len(pending) == 0 {
			return
		}
		var octets []byte
		for _, unit := range utf16.Encode(pending) {
			octets = append(octets, byte(unit>>8), byte(unit))
		}
		b.WriteString("&" + mutf7.EncodeToString(octets) + "-")
		pending = nil
	}
	for _, r := range text {
		switch {
		case r == '&':
			flush()
			b.WriteString("&-")
		case r >= 0x20 && r < 0x7f:
			flush()
			b.WriteRune(r)
		default:
			pending = append(pending, r)
		}
	}
	flush()
	return b.String()
}

func decodeMUTF7(text string) (string, bool) {
	var b strings.Builder
	for {
		plain, rest, found := strings.Cut(text, "&")
		b.WriteString(plain)
		if !found {
			return b.String(), true
		}
		shifted, after, found := strings.Cut(rest, "-")
		if !found {
			return "", false
		}
		if shifted == "" {
			b.WriteByte('&')
		} else {
			octets, err := mutf7.DecodeString(shifted)
			if err != nil || len(octets)%2 != 0 {
				return "", false
			}
			var units []uint16
			for i := 0; i < len(octets); i += 2 {
				units = append(units, uint16(octets[i])<<8|uint16(octets[i+1]))
			}
			b.WriteString(string(utf16.Decode(units)))
		}
		text = after
	}
}

// serverName is a name as this server has it in a command.
func (s *Server) serverName(name mailbox.Name) string {
	if name == mailbox.Inbox {
		return string(name)
	}
	var levels []string
	for _, level := range name.Split() {
		if level.Raw {
			levels = append(levels, level.Text)
		} else {
			levels = append(levels, encodeMUTF7(level.Text))
		}
	}
	text := strings.Join(levels, string(s.Separator))
	return s.Prefix + text
}

// nameOf is the inverse of serverName.
func (s *Server) nameOf(text string) mailbox.Name {
	if strings.EqualFold(text, "INBOX") {
		return mailbox.Inbox
	}
	text = strings.TrimPrefix(text, s.Prefix)
	var levels []mailbox.Level
	for part := range strings.SplitSeq(text, string(s.Separator)) {
		decoded, ok := decodeMUTF7(part)
		if !ok {
			decoded = part
		}
		levels = append(levels, mailbox.Level{Text: decoded, Raw: !ok})
	}
	return mailbox.Join(levels...)
}
