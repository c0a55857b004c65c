package restore

import (
	"strings"
	"unicode"

	"mailferry/syncer/mailbox"
)

// plain writes _ for what a server takes for its separator and for what none
// can be relied on to take: control characters and octets that are no text.
func plain(name mailbox.Name, separator string) mailbox.Name {
	levels := name.Split()
	texts := make([]string, len(levels))
	for i, level := range levels {
		text := strings.ToValidUTF8(level.Text, "_")
		if separator != "" {
			text = strings.ReplaceAll(text, separator, "_")
		}
		texts[i] = underline(text, unicode.IsControl)
	}
	if separator == "" {
		texts = []string{strings.Join(texts, "_")}
	}
	return mailbox.JoinText(texts...)
}

// Plain is a name that is likely to be taken where the given one was refused:
// letters, digits and what is harmless between them. It may be the same.
func Plain(name mailbox.Name, separator string) mailbox.Name {
	levels := plain(name, separator).Split()
	texts := make([]string, len(levels))
	for i, level := range levels {
		texts[i] = underline(level.Text, func(r rune) bool {
			return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.IsMark(r) && !strings.ContainsRune(" -_.+", r)
		})
		if strings.Trim(texts[i], " .") != texts[i] {
			texts[i] = "_" + strings.Trim(texts[i], " .")
		}
	}
	return mailbox.JoinText(texts...)
}

func underline(text string, isBad func(rune) bool) string {
	return strings.Map(func(r rune) rune {
		if isBad(r) {
			return '_'
		}
		return r
	}, text)
}
