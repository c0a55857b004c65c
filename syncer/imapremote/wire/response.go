package wire

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"time"

	"mailferry/syncer/mailbox"
)

// statusText is what follows OK, NO, BAD, BYE or PREAUTH.
// (RFC 9051, section 7.1)
type statusText struct {
	// Code is the response code's name in capitals, "" if there is none or it
	// is malformed; Args is the rest of it.
	Code, Args string
	Text       string
}

// parseStatusText never fails: what cannot be read as a code is text.
func parseStatusText(b []byte) statusText {
	b = bytes.TrimLeft(b, " ")
	if len(b) == 0 || b[0] != '[' {
		return statusText{Text: string(b)}
	}
	end := codeEnd(b)
	if end < 0 {
		return statusText{Text: string(b)}
	}
	name, args, _ := bytes.Cut(b[1:end], []byte(" "))
	text := bytes.TrimLeft(b[end+1:], " ")
	if !isCodeName(name) {
		return statusText{Text: string(text)}
	}
	return statusText{
		Code: strings.ToUpper(string(name)),
		Args: strings.TrimSpace(string(args)),
		Text: string(text),
	}
}

// codeEnd finds the bracket that closes a code. One inside a list or a quoted
// string does not: servers put keywords such as "foo]bar" into PERMANENTFLAGS.
func codeEnd(b []byte) int {
	depth, quoted := 0, false
	for i := 1; i < len(b); i++ {
		switch c := b[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '(':
			depth++
		case c == ')':
			depth--
		case c == ']' && depth <= 0:
			return i
		}
	}
	return bytes.IndexByte(b, ']')
}

func isCodeName(b []byte) bool {
	for _, c := range b {
		if c <= ' ' || c >= 0x7f || strings.IndexByte(`(){%*"\]`, c) >= 0 {
			return false
		}
	}
	return len(b) > 0
}

// codeKinds maps response codes to what callers branch on.
// (RFC 9051, section 7.1; RFC 5530; RFC 9208, section 4.2)
var codeKinds = map[string]error{
	"OVERQUOTA":            mailbox.ErrQuota,
	"LIMIT":                mailbox.ErrUnavailable,
	"UNAVAILABLE":          mailbox.ErrUnavailable,
	"INUSE":                mailbox.ErrUnavailable,
	"THROTTLED":            mailbox.ErrUnavailable,
	"SERVERBUG":            mailbox.ErrUnavailable,
	"CONTACTADMIN":         mailbox.ErrUnavailable,
	"NONEXISTENT":          mailbox.ErrNotFound,
	"TRYCREATE":            mailbox.ErrNotFound,
	"ALREADYEXISTS":        mailbox.ErrExists,
	"TOOBIG":               mailbox.ErrTooLarge,
	"AUTHENTICATIONFAILED": mailbox.ErrAuth,
	"AUTHORIZATIONFAILED":  mailbox.ErrAuth,
	"EXPIRED":              mailbox.ErrAuth,
	"PRIVACYREQUIRED":      mailbox.ErrAuth,
}

// serverError builds the error for a NO, BAD or BYE.
func serverError(command, status string, st statusText) *mailbox.ServerError {
	e := &mailbox.ServerError{
		Status:  status,
		Code:    st.Code,
		Text:    st.Text,
		Command: command,
		Kind:    codeKinds[st.Code],
		Backoff: backoff(st.Text),
	}
	if e.Kind == nil && (status == "BYE" || e.Backoff > 0) {
		e.Kind = mailbox.ErrUnavailable
	}
	return e
}

// backoff reads "Suggested Backoff Time: n milliseconds", which Exchange and
// Outlook say when they throttle. At most an hour is believed.
func backoff(text string) time.Duration {
	_, rest, found := strings.Cut(strings.ToLower(text), "suggested backoff time:")
	if !found {
		return 0
	}
	digits, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
	n, err := strconv.ParseUint(digits, 10, 32)
	if err != nil {
		return 0
	}
	return min(time.Duration(n)*time.Millisecond, time.Hour)
}

// hiddenCapability reports whether a capability is kept from both planes.
// IMAP4rev2 changes what is sent (UTF-8 names, ESEARCH for SEARCH) and nothing
// here needs it.
func hiddenCapability(name string) bool { return name == "IMAP4REV2" }

// parseCapabilities splits capability data; names come out in capitals.
func parseCapabilities(b []byte) []string {
	names := []string{}
	for _, field := range bytes.Fields(b) {
		if !isCodeName(field) {
			continue
		}
		if name := strings.ToUpper(string(field)); !hiddenCapability(name) {
			names = append(names, name)
		}
	}
	return names
}

// parseSet reads a set of UIDs as servers send it; ranges stay ranges.
func parseSet(b []byte) (mailbox.UIDSet, error) {
	set, err := mailbox.ParseUIDSet(string(b))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", mailbox.ErrProtocol, err)
	}
	return set, nil
}
