package export

import (
	"fmt"
	"strings"
	"unicode"

	"mailferry/syncer/mailbox"
)

// maxLevel bounds a folder's name in octets, with room for an ending.
const maxLevel = 200

// paths gives mailboxes folders that every file system takes, no two of which
// are the same where letters' case does not count.
type paths struct {
	taken map[string]bool
	given map[mailbox.Name]string
}

func newPaths() *paths { return &paths{taken: map[string]bool{}, given: map[mailbox.Name]string{}} }

// of returns a mailbox's path with slashes.
func (p *paths) of(name mailbox.Name) string {
	if path, ok := p.given[name]; ok {
		return path
	}
	var levels []string
	for _, level := range name.Split() {
		levels = append(levels, harmless(level.Text))
	}
	path := strings.Join(levels, "/")
	for n := 2; p.taken[strings.ToLower(path)]; n++ {
		path = fmt.Sprintf("%s~%d", strings.Join(levels, "/"), n)
	}
	p.taken[strings.ToLower(path)] = true
	p.given[name] = path
	return path
}

// harmless replaces what some file system refuses or a shell trips over.
func harmless(level string) string {
	level = strings.Map(func(r rune) rune {
		if r == unicode.ReplacementChar || unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp) || strings.ContainsRune(`/\:*?"<>|`, r) {
			return '_'
		}
		return r
	}, strings.ToValidUTF8(level, "_"))
	level = strings.TrimRight(level, ". ")
	if strings.HasPrefix(level, ".") {
		level = "_" + level[1:]
	}
	for len(level) > maxLevel {
		runes := []rune(level)
		level = string(runes[:len(runes)-1])
	}
	// Windows knows devices by these names.
	base, _, _ := strings.Cut(strings.ToUpper(level), ".")
	switch {
	case base == "CON", base == "PRN", base == "AUX", base == "NUL",
		len(base) == 4 && (strings.HasPrefix(base, "COM") || strings.HasPrefix(base, "LPT")):
		level = "_" + level
	case level == "":
		level = "_"
	}
	return level
}
