package schedule

import (
	"errors"
	"slices"
	"strings"
)

// The lines around ours in a crontab.
const (
	blockBegin = "# BEGIN mailferry (written by: mailferry schedule install; changes in this block are lost)"
	blockEnd   = "# END mailferry"
)

// ErrBlock is returned for a crontab in which our block does not stand as it
// was written: nothing is changed then.
var ErrBlock = errors.New("the lines # BEGIN mailferry and # END mailferry do not stand there once, one after the other")

// Entry is one of our lines in a crontab.
type Entry struct {
	Account string // "" is all
	Line    string
}

// Crontab is a crontab in three parts: what others wrote stays to the octet.
type Crontab struct {
	before, after string
	entries       []Entry
}

// ParseCrontab takes a crontab apart.
func ParseCrontab(text string) (*Crontab, error) {
	c := &Crontab{before: text}
	offset, begin, behind := 0, -1, -1
	var inside []string
	for line := range strings.Lines(text) {
		bare := strings.TrimRight(line, "\r\n")
		switch isBegin, isEnd := strings.HasPrefix(bare, "# BEGIN mailferry"), strings.HasPrefix(bare, blockEnd); {
		case isBegin && begin >= 0, isEnd && (begin < 0 || behind >= 0):
			return nil, ErrBlock
		case isBegin:
			begin = offset
		case isEnd:
			behind = offset + len(line)
		case begin >= 0 && behind < 0:
			inside = append(inside, bare)
		}
		offset += len(line)
	}
	if begin < 0 {
		return c, nil
	}
	if behind < 0 {
		return nil, ErrBlock
	}
	c.before, c.after = text[:begin], text[behind:]
	for _, line := range inside {
		if entry, ok := parseEntry(line); ok {
			c.entries = append(c.entries, entry)
		}
	}
	return c, nil
}

// The end of a line names whose it is. To the shell it is a comment.
const (
	forAll = " # all accounts"
	forOne = " # account "
)

func parseEntry(line string) (Entry, bool) {
	if strings.HasSuffix(line, forAll) {
		return Entry{Line: line}, true
	}
	if i := strings.LastIndex(line, forOne); i >= 0 {
		return Entry{Account: line[i+len(forOne):], Line: line}, true
	}
	return Entry{}, false
}

// Entries are our lines.
func (c *Crontab) Entries() []Entry { return slices.Clone(c.entries) }

// Set adds the job's line, or replaces it.
func (c *Crontab) Set(j Job) {
	entry := Entry{j.Account, j.CronLine()}
	if i := slices.IndexFunc(c.entries, func(e Entry) bool { return e.Account == j.Account }); i >= 0 {
		c.entries[i] = entry
	} else {
		c.entries = append(c.entries, entry)
	}
}

// Remove takes an account's line out and reports whether there was one.
func (c *Crontab) Remove(account string) bool {
	n := len(c.entries)
	c.entries = slices.DeleteFunc(c.entries, func(e Entry) bool { return e.Account == account })
	return len(c.entries) < n
}

// String puts the crontab together again. Without lines there is no block.
func (c *Crontab) String() string {
	if len(c.entries) == 0 {
		return c.before + c.after
	}
	var b strings.Builder
	b.WriteString(c.before)
	if c.before != "" && !strings.HasSuffix(c.before, "\n") {
		b.WriteString("\n") // a line without an end would become one with ours
	}
	b.WriteString(blockBegin + "\n")
	for _, entry := range c.entries {
		b.WriteString(entry.Line + "\n")
	}
	b.WriteString(blockEnd + "\n" + c.after)
	return b.String()
}

// CronLine is the job as a line of a crontab.
func (j Job) CronLine() string {
	words := j.Argv
	if len(j.Env) > 0 {
		// Variables on lines of their own would be everybody's.
		words = slices.Concat([]string{"env"}, j.Env, j.Argv)
	}
	quoted := make([]string, len(words))
	for i, word := range words {
		quoted[i] = quoteShell(word)
	}
	// An unescaped % ends the command.
	line := j.Every.cron + " " + strings.ReplaceAll(strings.Join(quoted, " "), "%", `\%`)
	if j.Account == "" {
		return line + forAll
	}
	return line + forOne + j.Account
}

func quoteShell(word string) string {
	const safe = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_/.:@+=,"
	if word != "" && strings.Trim(word, safe) == "" {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
