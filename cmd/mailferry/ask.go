package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"mailferry/cmd/internal/ui"
)

// asker asks questions one line at a time, in plain text without colours or
// cursor movements: for every terminal, and for screen readers.
type asker struct {
	app   *app
	lines *bufio.Reader
}

func newAsker(a *app) *asker { return &asker{app: a, lines: bufio.NewReader(a.stdin)} }

// errEnded: the terminal has been closed, or Ctrl-D typed.
var errEnded = fmt.Errorf("no answer: %w", context.Canceled)

// tell prints a line of the conversation.
func (q *asker) tell(format string, args ...any) {
	fmt.Fprintln(q.app.console.Err(), ui.Escape(fmt.Sprintf(format, args...)))
}

// line asks for a line; preset is taken for an empty one. Errors wrap
// context.Canceled.
func (q *asker) line(ctx context.Context, question, preset string) (string, error) {
	text := question
	if preset != "" {
		text += " [" + preset + "]"
	}
	if !strings.HasSuffix(question, "?") {
		text += ":"
	}
	fmt.Fprint(q.app.console.Err(), ui.Escape(text)+" ")
	type answer struct {
		text string
		err  error
	}
	answered := make(chan answer, 1)
	go func() {
		text, err := q.lines.ReadString('\n')
		answered <- answer{text, err}
	}()
	select {
	case got := <-answered:
		text := strings.TrimSpace(got.text)
		if got.err != nil && (text == "" || !errors.Is(got.err, io.EOF)) {
			return "", errEnded
		}
		if text == "" {
			return preset, nil
		}
		return text, nil
	case <-q.app.stop:
	case <-ctx.Done():
	}
	return "", context.Canceled
}

// until asks until check takes the answer; its error is told.
func (q *asker) until(ctx context.Context, question, preset string, check func(string) error) error {
	for {
		text, err := q.line(ctx, question, preset)
		if err != nil {
			return err
		}
		if err = check(text); err == nil {
			return nil
		}
		q.tell("  %v", err)
	}
}

// yes asks a question that is answered by yes or no.
func (q *asker) yes(ctx context.Context, question string, preset bool) (is bool, err error) {
	word := map[bool]string{true: "yes", false: "no"}[preset]
	err = q.until(ctx, question+" (yes or no)", word, func(text string) error {
		switch strings.ToLower(text) {
		case "y", "yes":
			is = true
		case "n", "no":
			is = false
		default:
			return errors.New("please type yes or no")
		}
		return nil
	})
	return is, err
}

// choose asks for one of several lines, counted from 1. preset 0 is none.
func (q *asker) choose(ctx context.Context, question string, lines []string, preset int) (i int, err error) {
	for i, line := range lines {
		q.tell("  %d  %s", i+1, line)
	}
	text := ""
	if preset > 0 {
		text = strconv.Itoa(preset)
	}
	err = q.until(ctx, question, text, func(text string) error {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > len(lines) {
			return fmt.Errorf("please type a number from 1 to %d", len(lines))
		}
		i = n
		return nil
	})
	return i, err
}

// splitWords splits a command line as a shell does: at spaces, but for those in
// quotes or behind a backslash.
func splitWords(text string) ([]string, error) {
	var words []string
	var word strings.Builder
	var quote rune
	isWord, isEscaped := false, false
	for _, r := range text {
		switch {
		case isEscaped:
			word.WriteRune(r)
			isEscaped = false
		case r == '\\' && quote != '\'':
			isEscaped, isWord = true, true
		case quote != 0 && r == quote:
			quote = 0
		case quote != 0:
			word.WriteRune(r)
		case r == '\'' || r == '"':
			quote, isWord = r, true
		case r == ' ' || r == '\t':
			if isWord {
				words = append(words, word.String())
			}
			word.Reset()
			isWord = false
		default:
			word.WriteRune(r)
			isWord = true
		}
	}
	if quote != 0 || isEscaped {
		return nil, errors.New("a quotation mark is not closed")
	}
	if isWord {
		words = append(words, word.String())
	}
	if len(words) == 0 || words[0] == "" {
		return nil, errors.New("that is no command")
	}
	return words, nil
}
