package ui

import (
	"io"
	"log/slog"

	"github.com/lmittmann/tint"
)

// NewLog makes the log that -v (1) and -vv (2) show. Format is "text" or "json".
func NewLog(w io.Writer, format string, verbosity int, color bool) *slog.Logger {
	level := slog.LevelWarn
	switch {
	case verbosity >= 2:
		level = slog.LevelDebug
	case verbosity == 1:
		level = slog.LevelInfo
	}
	if format == "json" {
		return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level}))
	}
	return slog.New(tint.NewTextHandler(w, &tint.Options{
		Level:      level,
		TimeFormat: "15:04:05.000",
		NoColor:    !color,
		ReplaceAttr: func(_ []string, attr slog.Attr) slog.Attr {
			// Errors and Stringers become text here, so that what a server
			// said is escaped whatever type carries it.
			switch attr.Value.Kind() {
			case slog.KindString:
				attr.Value = slog.StringValue(Escape(attr.Value.String()))
			case slog.KindAny:
				if attr.Key != slog.LevelKey {
					attr.Value = slog.StringValue(Escape(attr.Value.String()))
				}
			}
			return attr
		},
	}))
}
