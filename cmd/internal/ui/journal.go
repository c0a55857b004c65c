package ui

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"strings"
)

// The priorities that a service manager's journal reads at the beginning of a
// line. (sd-daemon(3))
const (
	journalError   = "<3>"
	journalWarning = "<4>"
	journalInfo    = "<6>"
	journalDebug   = "<7>"
)

// marked puts a priority before each line of a text that ends with a line end.
func marked(priority, text string) string {
	return priority + strings.ReplaceAll(strings.TrimSuffix(text, "\n"), "\n", "\n"+priority) + "\n"
}

// journalHandler is a slog.Handler whose records carry their priority: make
// makes one for each that writes where it is told.
type journalHandler struct {
	slog.Handler // for Enabled
	handlers     map[string]slog.Handler
}

func newJournalHandler(w io.Writer, make func(io.Writer) slog.Handler) journalHandler {
	h := journalHandler{handlers: map[string]slog.Handler{}}
	for _, priority := range []string{journalError, journalWarning, journalInfo, journalDebug} {
		h.handlers[priority] = make(&journalWriter{w, priority})
		h.Handler = h.handlers[priority]
	}
	return h
}

// Handle implements slog.Handler.
func (h journalHandler) Handle(ctx context.Context, record slog.Record) error {
	priority := journalDebug
	switch {
	case record.Level >= slog.LevelError:
		priority = journalError
	case record.Level >= slog.LevelWarn:
		priority = journalWarning
	case record.Level >= slog.LevelInfo:
		priority = journalInfo
	}
	return h.handlers[priority].Handle(ctx, record)
}

// WithAttrs implements slog.Handler.
func (h journalHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return h.with(func(one slog.Handler) slog.Handler { return one.WithAttrs(attrs) })
}

// WithGroup implements slog.Handler.
func (h journalHandler) WithGroup(name string) slog.Handler {
	return h.with(func(one slog.Handler) slog.Handler { return one.WithGroup(name) })
}

func (h journalHandler) with(change func(slog.Handler) slog.Handler) slog.Handler {
	next := journalHandler{Handler: h.Handler, handlers: map[string]slog.Handler{}}
	for priority, one := range h.handlers {
		next.handlers[priority] = change(one)
	}
	return next
}

// journalWriter marks what it is given: whole records.
type journalWriter struct {
	to       io.Writer
	priority string
}

// Write implements io.Writer.
func (w *journalWriter) Write(record []byte) (int, error) {
	if len(bytes.TrimSpace(record)) == 0 {
		return len(record), nil
	}
	_, err := io.WriteString(w.to, marked(w.priority, string(record)))
	return len(record), err
}
