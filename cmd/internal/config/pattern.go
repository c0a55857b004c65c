package config

import (
	"strings"

	"mailferry/syncer/mailbox"
)

// Patterns selects mailboxes: * stands for anything, % for anything within one
// level, a leading ! excludes. The last pattern that matches decides. Where
// there are only exclusions, or none at all, everything else takes part.
type Patterns []pattern

type pattern struct {
	text    string
	exclude bool
}

// ParsePatterns reads patterns. Errors are of type *Error.
func ParsePatterns(texts []string) (Patterns, error) {
	var list Patterns
	for _, text := range texts {
		p := pattern{text: text}
		p.text, p.exclude = strings.CutPrefix(text, "!")
		if p.text == "" {
			return nil, &Error{Message: "an empty pattern", Hint: `patterns look like "*", "Work/*" or "!Junk"`}
		}
		// INBOX is INBOX however it is spelled. (RFC 9051, section 5.1)
		if first, rest, _ := strings.Cut(p.text, "/"); strings.EqualFold(first, string(mailbox.Inbox)) {
			p.text = strings.TrimSuffix(string(mailbox.Inbox)+"/"+rest, "/")
		}
		list = append(list, p)
	}
	return list, nil
}

// Selects reports whether the mailbox takes part.
func (p Patterns) Selects(name mailbox.Name) bool {
	selected := true
	for _, pattern := range p {
		selected = selected && pattern.exclude
	}
	for _, pattern := range p {
		if matches(pattern.text, string(name)) {
			selected = !pattern.exclude
		}
	}
	return selected
}

// Named returns the mailboxes that the patterns name one by one, without
// wildcards.
func (p Patterns) Named() []mailbox.Name {
	var names []mailbox.Name
	for _, pattern := range p {
		if !pattern.exclude && !strings.ContainsAny(pattern.text, "*%") {
			names = append(names, mailbox.Name(pattern.text))
		}
	}
	return names
}

// Strings returns the patterns as they were written.
func (p Patterns) Strings() []string {
	texts := make([]string, len(p))
	for i, pattern := range p {
		texts[i] = pattern.text
		if pattern.exclude {
			texts[i] = "!" + pattern.text
		}
	}
	return texts
}

// matches compares in time pattern times text, whatever the wildcards.
func matches(pattern, text string) bool {
	// reached[i]: the pattern so far can end before text[i].
	reached := make([]bool, len(text)+1)
	reached[0] = true
	for _, c := range []byte(pattern) {
		if c == '*' || c == '%' {
			for i := range len(text) {
				reached[i+1] = reached[i+1] || reached[i] && (c == '*' || text[i] != '/')
			}
			continue
		}
		for i := len(text); i > 0; i-- {
			reached[i] = reached[i-1] && text[i-1] == c
		}
		reached[0] = false
	}
	return reached[len(text)]
}
