package ui

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync"

	"golang.org/x/term"
)

// Console is the two streams of a command. stdout carries results, stderr
// progress and messages. Its methods may be called from several goroutines.
type Console struct {
	mu         sync.Mutex
	stdout     io.Writer
	stderr     io.Writer
	bar        *bar
	outIsTerm  bool
	errIsTerm  bool
	errColumns func() int
	// journal: messages carry a priority. records, if not nil, gets them
	// instead of the stream.
	journal bool
	records *slog.Logger
}

// NewConsole wraps a command's streams.
func NewConsole(stdout, stderr io.Writer) *Console {
	c := &Console{stdout: stdout, stderr: stderr, errColumns: func() int { return 80 }}
	if file, ok := stdout.(*os.File); ok {
		c.outIsTerm = term.IsTerminal(int(file.Fd()))
	}
	if file, ok := stderr.(*os.File); ok && term.IsTerminal(int(file.Fd())) {
		c.errIsTerm = true
		c.errColumns = func() int {
			if width, _, err := term.GetSize(int(file.Fd())); err == nil && width > 0 {
				return width
			}
			return 80
		}
	}
	return c
}

// SetJournal says that stderr goes to a service manager's journal.
func (c *Console) SetJournal(journal bool) { c.journal = journal }

// SetRecords has errors and warnings go to a log, as records, and not to stderr
// as blocks.
func (c *Console) SetRecords(log *slog.Logger) { c.records = log }

// IsTerminal reports whether somebody watches: progress goes to a terminal only.
func (c *Console) IsTerminal() bool { return c.errIsTerm }

// OutIsTerminal reports whether results go to a terminal.
func (c *Console) OutIsTerminal() bool { return c.outIsTerm }

// Out writes to stdout.
func (c *Console) Out() io.Writer { return stream{c, c.stdout} }

// Err writes to stderr, above the progress.
func (c *Console) Err() io.Writer { return stream{c, c.stderr} }

// Error prints one block: what is wrong, and what to do next ("" for nothing).
func (c *Console) Error(message, hint string) { c.block("error", message, hint) }

// Warning prints a block that is not an error.
func (c *Console) Warning(message, hint string) { c.block("warning", message, hint) }

func (c *Console) block(kind, message, hint string) {
	if c.records != nil {
		c.record(kind, message, hint)
		return
	}
	var b strings.Builder
	fmt.Fprintf(&b, "mailferry: %s: %s\n", kind, indentRest(EscapeLines(message)))
	if hint != "" {
		fmt.Fprintf(&b, "mailferry: hint: %s\n", indentRest(EscapeLines(hint)))
	}
	text := b.String()
	if c.journal {
		text = marked(journalPriority(kind), text)
	}
	io.WriteString(c.Err(), text)
}

func (c *Console) record(kind, message, hint string) {
	level := slog.LevelError
	if kind == "warning" {
		level = slog.LevelWarn
	}
	var attrs []any
	if hint != "" {
		attrs = append(attrs, "hint", hint)
	}
	c.records.Log(context.Background(), level, message, attrs...)
}

func journalPriority(kind string) string {
	if kind == "warning" {
		return journalWarning
	}
	return journalError
}

func indentRest(text string) string { return strings.ReplaceAll(text, "\n", "\n    ") }

// stream clears the progress before it writes.
type stream struct {
	console *Console
	to      io.Writer
}

func (s stream) Write(p []byte) (int, error) {
	s.console.mu.Lock()
	defer s.console.mu.Unlock()
	s.console.clearLocked()
	return s.to.Write(p)
}

// clearLocked erases the bar and its rows: the cursor rests on the bar's line.
// The next Progress draws them again.
func (c *Console) clearLocked() {
	if c.bar != nil && c.bar.shown {
		io.WriteString(c.stderr, "\r\x1b[J")
		c.bar.shown = false
	}
}
