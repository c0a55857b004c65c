package config

import (
	"errors"
	"fmt"
	"strings"
)

// Error is trouble with the configuration, for people.
type Error struct {
	// Where is "file:line", "file", the variable's name or "".
	Where string
	// Key is what was set, such as "accounts.home.layout", or "".
	Key     string
	Message string
	// Hint says what to do, or is "".
	Hint string
}

func (e *Error) Error() string {
	var b strings.Builder
	for _, part := range []string{e.Where, e.Key} {
		if part != "" {
			b.WriteString(part + ": ")
		}
	}
	b.WriteString(e.Message)
	return b.String()
}

// HintOf returns the hint of the first *Error in err, or "".
func HintOf(err error) string {
	var e *Error
	if errors.As(err, &e) {
		return e.Hint
	}
	return ""
}

// nearest finds the name that looks most like a mistyped one: at most a third
// of its letters differ. "" if there is none.
func nearest(name string, names []string) string {
	best, bestDistance := "", max(1, len(name)/3)+1
	for _, candidate := range names {
		if d := distance(strings.ToLower(name), strings.ToLower(candidate)); d < bestDistance {
			best, bestDistance = candidate, d
		}
	}
	return best
}

// distance is Levenshtein's.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}

func didYouMean(name string, names []string) string {
	if near := nearest(name, names); near != "" {
		return fmt.Sprintf("did you mean %q?", near)
	}
	return ""
}
