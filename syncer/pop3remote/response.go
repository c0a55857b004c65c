package pop3remote

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"mailferry/syncer/mailbox"
)

// answer reads a status line. (RFC 1939, section 3) The text of +OK is
// returned; -ERR is a *mailbox.ServerError and leaves the session as it is.
func (s *session) answer(command string) (string, error) {
	line, err := s.in.line()
	if err != nil {
		return "", s.fail(fmt.Errorf("%s: %w", command, err))
	}
	switch text, isOK := cutStatus(line, "+OK"); {
	case isOK:
		return text, nil
	default:
		if text, isErr := cutStatus(line, "-ERR"); isErr {
			return "", refusal(command, text)
		}
	}
	return "", s.fail(fmt.Errorf("%s: %w: neither +OK nor -ERR: %.60q", command, mailbox.ErrProtocol, line))
}

// cutStatus takes the indicator off; servers have been seen to write it small.
func cutStatus(line []byte, indicator string) (string, bool) {
	if len(line) < len(indicator) || !bytes.EqualFold(line[:len(indicator)], []byte(indicator)) {
		return "", false
	}
	rest := line[len(indicator):]
	if len(rest) > 0 && rest[0] != ' ' && rest[0] != '\t' {
		return "", false
	}
	return strings.TrimSpace(string(rest)), true
}

// codeKinds maps response codes to what callers branch on.
// (RFC 2449, section 8; RFC 3206, sections 4 and 5)
var codeKinds = map[string]error{
	"IN-USE":      mailbox.ErrUnavailable,
	"LOGIN-DELAY": mailbox.ErrUnavailable,
	"SYS/TEMP":    mailbox.ErrUnavailable,
	"AUTH":        mailbox.ErrAuth,
}

// refusal makes an error of what follows -ERR. A code is taken off the text; it
// may go on behind a slash with what we do not know. (RFC 2449, section 8.1.1)
func refusal(command, text string) *mailbox.ServerError {
	e := &mailbox.ServerError{Status: "-ERR", Text: text, Command: command}
	if rest, found := strings.CutPrefix(text, "["); found {
		if code, behind, closed := strings.Cut(rest, "]"); closed && isCode(code) {
			e.Code, e.Text = strings.ToUpper(code), strings.TrimSpace(behind)
		}
	}
	for code := e.Code; code != "" && e.Kind == nil; {
		e.Kind = codeKinds[code]
		code = code[:max(strings.LastIndexByte(code, '/'), 0)]
	}
	return e
}

func isCode(text string) bool {
	return text != "" && !strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == '[' })
}

// busyWords are how servers without response codes say that it is for now only.
var busyWords = []string{
	"lock", "in use", "busy", "try again", "temporar", "too many", "already", "maximum number", "minutes",
}

// authError makes a refused login a mailbox.ErrAuth, unless the server said
// that it is for now only.
func authError(err error) error {
	var refused *mailbox.ServerError
	if !errors.As(err, &refused) || refused.Kind != nil || refused.Code == "SYS/PERM" {
		return err
	}
	refused.Kind = mailbox.ErrAuth
	if text := strings.ToLower(refused.Text); refused.Code == "" && containsAny(text, busyWords) {
		refused.Kind = mailbox.ErrUnavailable
	}
	return err
}

func containsAny(text string, words []string) bool {
	for _, word := range words {
		if strings.Contains(text, word) {
			return true
		}
	}
	return false
}
