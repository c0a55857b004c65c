package oauth

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"mailferry/syncer/mailbox"
)

// Refusal is an authorization server's no. (RFC 6749, section 5.2; RFC 8628,
// section 3.5)
type Refusal struct {
	// Doing is what was asked for, such as "renew the token".
	Doing string
	// Code is such as "invalid_grant", Description what the server says to it.
	Code, Description string
	// Interrupted is when a renewal began that was never ended, so that its
	// token may be lost; else zero.
	Interrupted time.Time
}

func (r *Refusal) Error() string {
	text := fmt.Sprintf("the authorization server refuses to %s: %s", r.Doing, r.Code)
	switch {
	case r.Code == "expired_token":
		text += ": nobody signed in in time"
	case r.Description != "":
		text += ": " + r.Description
	}
	if !r.Interrupted.IsZero() {
		text += fmt.Sprintf(" (a run was interrupted while it renewed the token at %s; the server may take each only once)",
			r.Interrupted.Local().Format("2006-01-02 15:04"))
	}
	return text
}

// Unwrap returns mailbox.ErrAuth.
func (r *Refusal) Unwrap() error { return mailbox.ErrAuth }

// maxDescription is how much of a server's explanation is told.
const maxDescription = 300

// explain makes the library's errors ours: what they quote may hold secrets.
func explain(ctx context.Context, doing string, err error, hide []string) error {
	var refused *oauth2.RetrieveError
	var failed *url.Error
	switch {
	case errors.As(err, &refused):
		return refusal(doing, refused, hide)
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.As(err, &failed):
		return unreachable(doing, failed)
	case errors.Is(err, context.DeadlineExceeded):
		// The time that the server gave for typing the code is over.
		return &Refusal{Doing: doing, Code: "expired_token"}
	case errors.Is(err, mailbox.ErrProtocol):
		return err
	}
	return fmt.Errorf("%s: %w: the authorization server's answer cannot be understood", doing, mailbox.ErrProtocol)
}

// unreachable keeps the host of the address, and nothing else of it.
func unreachable(doing string, failed *url.Error) error {
	host := ""
	if u, err := url.Parse(failed.URL); err == nil {
		host = u.Host
	}
	var certificate *tls.CertificateVerificationError
	switch {
	case failed.Timeout():
		return fmt.Errorf("%s: %s: %w: no answer in time", doing, host, mailbox.ErrNetwork)
	case errors.As(failed, &certificate):
		return fmt.Errorf("%s: %s: %w: %w", doing, host, mailbox.ErrTLS, failed.Err)
	}
	return fmt.Errorf("%s: %s: %w: %w", doing, host, mailbox.ErrNetwork, failed.Err)
}

func refusal(doing string, refused *oauth2.RetrieveError, secrets []string) error {
	status := 0
	if refused.Response != nil {
		status = refused.Response.StatusCode
	}
	if refused.ErrorCode == "temporarily_unavailable" || refused.ErrorCode == "server_error" ||
		status >= 500 || status == http.StatusTooManyRequests {
		return fmt.Errorf("%s: %w: the authorization server answers %d %s", doing, mailbox.ErrUnavailable, status, http.StatusText(status))
	}
	if refused.ErrorCode == "" {
		return fmt.Errorf("%s: %w: the authorization server answers %d %s", doing, mailbox.ErrProtocol, status, http.StatusText(status))
	}
	return &Refusal{Doing: doing, Code: scrubbed(refused.ErrorCode, secrets), Description: scrubbed(refused.ErrorDescription, secrets)}
}

// scrubbed is the first line of what a server says, without what we sent.
func scrubbed(text string, secrets []string) string {
	for _, secret := range secrets {
		if secret != "" {
			text = strings.ReplaceAll(text, secret, "[...]")
			text = strings.ReplaceAll(text, url.QueryEscape(secret), "[...]")
		}
	}
	text, _, _ = strings.Cut(strings.TrimSpace(text), "\n")
	text = strings.TrimSpace(text)
	if len(text) > maxDescription {
		text = strings.ToValidUTF8(text[:maxDescription], "") + "..."
	}
	return text
}
