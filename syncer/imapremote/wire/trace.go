package wire

import (
	"context"
	"log/slog"
	"strings"
	"time"
)

// longestTrace is how much of a command the log shows.
const longestTrace = 300

// traceBegin logs a command of the data plane, which never has a secret in it:
// those are the control plane's.
func (c *Conn) traceBegin(cmd *command, arguments []argument) {
	if !c.isTraced() {
		return
	}
	cmd.begun = time.Now()
	var text strings.Builder
	text.WriteString(cmd.name)
	for _, arg := range arguments {
		if arg.isString {
			text.WriteString(quote(arg.text))
		} else {
			text.WriteString(arg.text)
		}
		if text.Len() > longestTrace {
			break
		}
	}
	shown := text.String()
	if len(shown) > longestTrace {
		shown = shown[:longestTrace] + "..."
	}
	c.log.Debug("command", "tag", cmd.tag, "imap", shown)
}

func (c *Conn) traceEnd(cmd *command, kind string) {
	if c.isTraced() {
		c.log.Debug("answer", "tag", cmd.tag, "imap", answerText(kind, cmd.result), "took", time.Since(cmd.begun).Round(time.Microsecond).String())
	}
}

func answerText(kind string, result statusText) string {
	if result.Code == "" {
		return kind + " " + result.Text
	}
	return kind + " [" + result.Code + "] " + result.Text
}

func (c *Conn) isTraced() bool {
	return c.log != nil && c.log.Enabled(context.Background(), slog.LevelDebug)
}
