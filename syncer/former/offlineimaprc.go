package former

import (
	"bufio"
	"fmt"
	"io"
	"strings"
)

// ParseOfflineimaprc reads offlineimap's configuration, a file of Python's
// ConfigParser: [section], "key = value" or "key: value", and lines with blanks
// in front that go on. Errors wrap ErrFormat, or are r's.
func ParseOfflineimaprc(r io.Reader) (*Settings, error) {
	rc := &Settings{}
	lines := bufio.NewScanner(r)
	var last *Setting
	for number := 1; lines.Scan(); number++ {
		text := lines.Text()
		line := strings.TrimSpace(text)
		switch {
		case line == "":
			last = nil
		case line[0] == '#', line[0] == ';':
		case (text[0] == ' ' || text[0] == '\t') && last != nil:
			last.Args[0] += " " + line
		case line[0] == '[':
			name, ok := strings.CutSuffix(line[1:], "]")
			if !ok {
				return nil, fmt.Errorf("line %d: %w: %.60q", number, ErrFormat, line)
			}
			kind, name, _ := strings.Cut(strings.TrimSpace(name), " ")
			rc.Sections = append(rc.Sections, Section{Kind: strings.ToLower(kind), Name: strings.TrimSpace(name)})
			last = nil
		case len(rc.Sections) == 0:
			return nil, fmt.Errorf("line %d: %w: stands before the first section", number, ErrFormat)
		default:
			i := strings.IndexAny(line, "=:")
			if i <= 0 {
				return nil, fmt.Errorf("line %d: %w: %.60q", number, ErrFormat, line)
			}
			section := &rc.Sections[len(rc.Sections)-1]
			section.Settings = append(section.Settings, Setting{
				Line: number, Key: strings.TrimSpace(line[:i]), Args: []string{strings.TrimSpace(line[i+1:])},
			})
			last = &section.Settings[len(section.Settings)-1]
		}
	}
	return rc, lines.Err()
}
