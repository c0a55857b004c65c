package former

import (
	"bufio"
	"fmt"
	"io"
	"strings"
)

// Setting is one line of a configuration.
type Setting struct {
	Line int
	// Key as it was written; it is compared without regard to case.
	Key  string
	Args []string
}

// Section is a run of lines that belong together.
type Section struct {
	// Kind as mbsync spells it in lower case ("imapaccount", "maildirstore",
	// "channel"), or offlineimap's ("account", "repository", "general"); ""
	// for what stands outside of all.
	Kind, Name string
	Settings   []Setting
}

// Get returns a setting's arguments, of several the last one's; nil without it.
func (s *Section) Get(keys ...string) []string {
	var args []string
	for _, setting := range s.Settings {
		for _, key := range keys {
			if strings.EqualFold(setting.Key, key) {
				args = setting.Args
			}
		}
	}
	return args
}

// Text is Get for settings with one argument; "" without it.
func (s *Section) Text(keys ...string) string { return strings.Join(s.Get(keys...), " ") }

// All joins the arguments of every setting of these keys.
func (s *Section) All(keys ...string) []string {
	var args []string
	for _, setting := range s.Settings {
		for _, key := range keys {
			if strings.EqualFold(setting.Key, key) {
				args = append(args, setting.Args...)
			}
		}
	}
	return args
}

// Settings is a whole configuration file.
type Settings struct{ Sections []Section }

// Find returns the section of a kind and name, nil without it.
func (s *Settings) Find(kind, name string) *Section {
	for i := range s.Sections {
		if s.Sections[i].Kind == kind && s.Sections[i].Name == name {
			return &s.Sections[i]
		}
	}
	return nil
}

// Globals are the settings outside of sections; never nil.
func (s *Settings) Globals() *Section {
	all := &Section{}
	for _, section := range s.Sections {
		if section.Kind == "" {
			all.Settings = append(all.Settings, section.Settings...)
		}
	}
	return all
}

// Names lists the sections of a kind, in their order.
func (s *Settings) Names(kind string) []string {
	var names []string
	for _, section := range s.Sections {
		if section.Kind == kind {
			names = append(names, section.Name)
		}
	}
	return names
}

// beginsMbsync are the keys that begin a section; an empty line ends it.
var beginsMbsync = map[string]bool{"imapaccount": true, "imapstore": true, "maildirstore": true, "channel": true, "group": true}

// ParseMbsyncrc reads mbsync's configuration. Errors wrap ErrFormat, or are
// r's.
func ParseMbsyncrc(r io.Reader) (*Settings, error) {
	rc := &Settings{}
	current := -1
	lines := bufio.NewScanner(r)
	for number := 1; lines.Scan(); number++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" {
			current = -1
			continue
		}
		if line[0] == '#' {
			continue
		}
		words, err := mbsyncWords(line)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", number, err)
		}
		setting := Setting{Line: number, Key: words[0], Args: words[1:]}
		if kind := strings.ToLower(words[0]); beginsMbsync[kind] {
			if len(words) < 2 {
				return nil, fmt.Errorf("line %d: %w: %s has no name", number, ErrFormat, words[0])
			}
			rc.Sections = append(rc.Sections, Section{Kind: kind, Name: words[1]})
			current = len(rc.Sections) - 1
			if kind == "group" && len(words) > 2 {
				rc.Sections[current].Settings = append(rc.Sections[current].Settings, setting)
			}
			continue
		}
		if current < 0 {
			rc.Sections = append(rc.Sections, Section{})
			current = len(rc.Sections) - 1
		}
		rc.Sections[current].Settings = append(rc.Sections[current].Settings, setting)
	}
	return rc, lines.Err()
}

// mbsyncWords splits a line at blanks, but for those within double quotes; a
// backslash takes the next character as it is.
func mbsyncWords(line string) ([]string, error) {
	var words []string
	var word strings.Builder
	inWord, quoted := false, false
	for i := 0; i < len(line); i++ {
		switch c := line[i]; {
		case c == '\\' && i+1 < len(line):
			i++
			word.WriteByte(line[i])
			inWord = true
		case c == '"':
			quoted, inWord = !quoted, true
		case (c == ' ' || c == '\t') && !quoted:
			if inWord {
				words = append(words, word.String())
			}
			word.Reset()
			inWord = false
		default:
			word.WriteByte(c)
			inWord = true
		}
	}
	if quoted {
		return nil, fmt.Errorf("%w: a quote is not closed", ErrFormat)
	}
	if inWord {
		words = append(words, word.String())
	}
	if len(words) == 0 || words[0] == "" {
		return nil, fmt.Errorf("%w: no keyword", ErrFormat)
	}
	return words, nil
}
