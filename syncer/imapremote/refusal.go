package imapremote

import (
	"strings"

	"github.com/emersion/go-imap/v2"

	"mailferry/syncer/mailbox"
)

// serverError makes go-imap's error for a NO or BAD the one that callers know.
func serverError(command string, refused *imap.Error) *mailbox.ServerError {
	return &mailbox.ServerError{
		Status:  string(refused.Type),
		Code:    string(refused.Code),
		Text:    refused.Text,
		Command: command,
		Kind:    kindOf(refused.Code, refused.Text),
	}
}

// kindOf tells what a refusal means to callers. (RFC 5530, section 3) Exchange
// says in the text that it throttles.
func kindOf(code imap.ResponseCode, text string) error {
	switch code {
	case imap.ResponseCodeOverQuota:
		return mailbox.ErrQuota
	case imap.ResponseCodeLimit, imap.ResponseCodeUnavailable, imap.ResponseCodeInUse,
		imap.ResponseCodeServerBug, imap.ResponseCodeContactAdmin, "THROTTLED":
		return mailbox.ErrUnavailable
	case imap.ResponseCodeNonExistent, imap.ResponseCodeTryCreate:
		return mailbox.ErrNotFound
	case imap.ResponseCodeAlreadyExists:
		return mailbox.ErrExists
	case imap.ResponseCodeTooBig:
		return mailbox.ErrTooLarge
	case imap.ResponseCodeAuthenticationFailed, imap.ResponseCodeAuthorizationFailed,
		imap.ResponseCodeExpired, imap.ResponseCodePrivacyRequired:
		return mailbox.ErrAuth
	}
	if strings.Contains(strings.ToLower(text), "suggested backoff time") {
		return mailbox.ErrUnavailable
	}
	return nil
}
