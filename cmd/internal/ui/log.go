package ui

import (
	"io"
	"log/slog"
	"strings"

	"github.com/lmittmann/tint"
)

// LogFormats are the formats that NewLog knows.
var LogFormats = []string{"text", "json", "logfmt"}

// NewLog makes the log that -v (1) and -vv (2) show, in one of LogFormats. In
// the journal, which has times of its own, records carry their priority.
func NewLog(w io.Writer, format string, verbosity int, color, journal bool) *slog.Logger {
	level := slog.LevelWarn
	switch {
	case verbosity >= 2:
		level = slog.LevelDebug
	case verbosity == 1:
		level = slog.LevelInfo
	}
	handler := func(w io.Writer) slog.Handler {
		switch format {
		case "json":
			return slog.NewJSONHandler(jsonEscaper{w}, &slog.HandlerOptions{Level: level})
		case "logfmt":
			return slog.NewTextHandler(w, &slog.HandlerOptions{Level: level, ReplaceAttr: func(_ []string, attr slog.Attr) slog.Attr {
				return timeless(attr, journal)
			}})
		}
		return tint.NewTextHandler(w, &tint.Options{
			Level:       level,
			TimeFormat:  "15:04:05.000",
			NoColor:     !color,
			ReplaceAttr: func(_ []string, attr slog.Attr) slog.Attr { return escaped(timeless(attr, journal)) },
		})
	}
	if journal {
		return slog.New(newJournalHandler(w, handler))
	}
	return slog.New(handler(w))
}

// timeless drops a record's time where something else notes it.
func timeless(attr slog.Attr, journal bool) slog.Attr {
	if journal && attr.Key == slog.TimeKey {
		return slog.Attr{}
	}
	return attr
}

// escaped makes errors and Stringers text, so that what a server said is
// escaped whatever type carries it.
func escaped(attr slog.Attr) slog.Attr {
	switch attr.Value.Kind() {
	case slog.KindString:
		attr.Value = slog.StringValue(escapedForTint(attr.Value.String()))
	case slog.KindAny:
		if attr.Key != slog.LevelKey {
			attr.Value = slog.StringValue(escapedForTint(attr.Value.String()))
		}
	}
	return attr
}

// escapedForTint is Escape without \x1b: tint makes an ESC of these four
// characters when it writes colours, though a server had sent just them.
func escapedForTint(text string) string { return strings.ReplaceAll(Escape(text), `\x1b`, `\u001b`) }

// jsonEscaper writes records of JSON as WriteJSON writes objects.
type jsonEscaper struct{ to io.Writer }

func (j jsonEscaper) Write(record []byte) (int, error) {
	line := strings.TrimSuffix(string(record), "\n")
	if _, err := io.WriteString(j.to, escapeJSON(line)+"\n"); err != nil {
		return 0, err
	}
	return len(record), nil
}
