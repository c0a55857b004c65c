package mailbox

import (
	"errors"
	"time"
)

// What callers branch on. Every error of the remote ports wraps one of these
// where it applies, or none, and then it concerns only the operation at hand.
var (
	// ErrNetwork: the server could not be reached, or the connection was lost
	// and did not come back. Try again later.
	ErrNetwork = errors.New("network")
	// ErrTLS: the server's certificate or its TLS is not to be trusted.
	ErrTLS = errors.New("TLS")
	// ErrAuth: the server refused the credentials.
	ErrAuth = errors.New("authentication")
	// ErrProtocol: the server's answer breaks the protocol; the connection is
	// closed.
	ErrProtocol = errors.New("protocol")
	// ErrNotFound: the mailbox or message is provably not there.
	ErrNotFound = errors.New("not found")
	// ErrExists: the mailbox or folder is already there.
	ErrExists = errors.New("already exists")
	// ErrUnavailable: the server says to try again later ([UNAVAILABLE],
	// [INUSE], [LIMIT], [THROTTLED], BYE).
	ErrUnavailable = errors.New("temporarily unavailable")
	// ErrQuota: the account is over its quota ([OVERQUOTA]).
	ErrQuota = errors.New("over quota")
	// ErrTooLarge: the message is larger than the server takes.
	ErrTooLarge = errors.New("too large")
	// ErrIncomplete: a listing is not provably complete, so what is missing
	// from it is unknown, not gone.
	ErrIncomplete = errors.New("listing is not complete")
	// ErrUIDValidity: the mailbox's UIDs are not those that were asked about.
	ErrUIDValidity = errors.New("UIDs changed their meaning")
	// ErrUnsupported: the server lacks what the operation needs.
	ErrUnsupported = errors.New("not supported by the server")
	// ErrGone: messages that were on the server have been deleted there.
	ErrGone = errors.New("messages are gone from the server")
	// ErrNoUIDPlus: messages were marked \Deleted and not expunged.
	ErrNoUIDPlus = errors.New("the server cannot expunge single messages")
	// ErrStopped: the user asked to stop; what is done is done.
	ErrStopped = errors.New("interrupted")
)

// ServerError is a NO, BAD or BYE. Text and Code are the server's, unescaped.
type ServerError struct {
	// Status is "NO", "BAD" or "BYE".
	Status string
	// Code is the response code's name in capitals, such as "OVERQUOTA", or "".
	Code string
	// Text is what the server says to people.
	Text string
	// Command is what was asked, without arguments: "UID FETCH".
	Command string
	// Kind is one of the sentinels above, or nil.
	Kind error
	// Backoff is how long the server asks to be left alone, 0 if it does not.
	Backoff time.Duration
}

func (e *ServerError) Error() string {
	text := e.Command + ": server says " + e.Status
	if e.Code != "" {
		text += " [" + e.Code + "]"
	}
	if e.Text != "" {
		text += ": " + e.Text
	}
	return text
}

// Unwrap returns Kind.
func (e *ServerError) Unwrap() error { return e.Kind }
