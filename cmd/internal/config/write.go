package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/renameio/v2/maybe"
)

// Line is a line of an account's table in a new configuration.
type Line struct {
	// Key, "" for a comment of its own.
	Key string
	// Value is a string, an int, a bool or a []string.
	Value any
	// Comment for people, or "".
	Comment string
}

// Table is a table of an account, such as its archive's limits, or with the
// name "" the account's own keys.
type Table struct {
	Name  string
	Lines []Line
}

// commentColumn is where comments behind values begin, where there is room.
const commentColumn = 44

// NewAccount writes an account's tables in TOML.
func NewAccount(name string, head []string, tables []Table) string {
	var b strings.Builder
	for _, line := range head {
		b.WriteString("# " + line + "\n")
	}
	for i, table := range tables {
		if i > 0 {
			b.WriteByte('\n')
		}
		header := "accounts." + keyText(name)
		if table.Name != "" {
			header += "." + table.Name
		}
		b.WriteString("[" + header + "]\n")
		width := 0
		for _, line := range table.Lines {
			width = max(width, len(line.Key))
		}
		for _, line := range table.Lines {
			text := "# " + line.Comment
			if line.Key != "" {
				text = fmt.Sprintf("%-*s = %s", width, line.Key, valueText(line.Value))
				if line.Comment != "" {
					text = fmt.Sprintf("%-*s # %s", commentColumn, text, line.Comment)
				}
			}
			b.WriteString(text + "\n")
		}
	}
	return b.String()
}

// keyText quotes a key that is not bare. (TOML 1.0, keys)
func keyText(name string) string {
	isBare := func(r rune) bool {
		return r == '-' || r == '_' || '0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z'
	}
	if name != "" && strings.IndexFunc(name, func(r rune) bool { return !isBare(r) }) < 0 {
		return name
	}
	return quote(name)
}

func valueText(value any) string {
	switch v := value.(type) {
	case string:
		return quote(v)
	case []string:
		quoted := make([]string, len(v))
		for i, text := range v {
			quoted[i] = quote(text)
		}
		return "[" + strings.Join(quoted, ", ") + "]"
	}
	return fmt.Sprint(value)
}

// quote makes a basic string. (TOML 1.0, strings)
func quote(text string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range text {
		switch {
		case r == '"' || r == '\\':
			b.WriteString(`\` + string(r))
		case r < 0x20 || r == 0x7f:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// IsName reports whether a name is fit for an account.
func IsName(name string) bool { return validName(name) }

// ErrExists: the configuration has an account of that name.
var ErrExists = errors.New("the configuration has an account of that name already")

// Extended is a configuration file with an account more.
type Extended struct {
	*Config
	path, text string
}

// Extend makes what the configuration file at path would be with an account's
// tables at its end, and reads it; nothing is written. What is in the file stays
// to the letter. ErrExists if the file has an account of that name.
func Extend(path, name, tables string, env func(string) string) (*Extended, error) {
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target // the file behind the link is written, the link stays
	}
	before, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	old, err := parse(path, before, env)
	if err != nil {
		return nil, err
	}
	if _, exists := old.Account(name); exists {
		return nil, fmt.Errorf("%s: %w", name, ErrExists)
	}
	text := appended(string(before), tables)
	made, err := parse(path, []byte(text), env)
	if err != nil {
		return nil, err
	}
	if _, exists := made.Account(name); !exists || len(made.accounts) != len(old.accounts)+1 {
		return nil, fmt.Errorf("%s: no table of an account can be added to this file", path)
	}
	return &Extended{made, path, text}, nil
}

// Write writes the file, in one step.
func (e *Extended) Write() error { return WritePrivate(e.path, []byte(e.text)) }

// appended puts text behind what there is, with a line between and its line
// ends.
func appended(before, text string) string {
	if before != "" {
		if !strings.HasSuffix(before, "\n") {
			before += "\n"
		}
		text = "\n" + text
	}
	if strings.Contains(before, "\r\n") {
		text = strings.ReplaceAll(text, "\n", "\r\n")
	}
	return before + text
}

// WritePrivate writes a file in one step. A new one, and the folders above it,
// are for the user alone; one that is there keeps its mode.
func WritePrivate(path string, content []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	return maybe.WriteFile(path, content, 0o600)
}
