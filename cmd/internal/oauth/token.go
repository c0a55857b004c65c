package oauth

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"mailferry/syncer/mailbox"
)

// margin is how long before its end an access token is renewed: a login with
// many connections takes a while, and clocks differ.
const margin = 2 * time.Minute

// Token is what a sign-in gives. The JSON form is that in keyring or file.
type Token struct {
	// Access is shown to the mail server. Expiry is when it ends, zero for
	// unknown.
	Access string    `json:"access_token"`
	Expiry time.Time `json:"access_expiry,omitzero"`
	// Refresh gets another one; "": there is none, and the sign-in ends with
	// Access. LoginExpiry is when it ends, zero for unknown.
	Refresh     string    `json:"refresh_token,omitempty"`
	LoginExpiry time.Time `json:"login_expiry,omitzero"`
	Scope       string    `json:"scope,omitempty"`
	// ClientID and TokenURL are whose Refresh is, and where it may be sent.
	ClientID string `json:"client_id"`
	TokenURL string `json:"token_url"`
	// SignedIn is when the user was asked last, Issued when the server issued
	// the tokens.
	SignedIn time.Time `json:"signed_in"`
	Issued   time.Time `json:"issued"`
	// Renewing is when a renewal began of which the end is not known: zero
	// unless a process is at it, or was killed.
	Renewing time.Time `json:"renewing,omitzero"`
	// Refused is the code with which the server refused to renew, Reason what
	// it said: the user has to sign in anew.
	Refused string `json:"refused,omitempty"`
	Reason  string `json:"reason,omitempty"`
}

// String keeps tokens out of whatever prints a Token.
func (t Token) String() string { return "[token]" }

// GoString is String.
func (t Token) GoString() string { return t.String() }

// IsOf reports whether the client may renew the token.
func (t Token) IsOf(c Client) bool { return t.ClientID == c.ID && t.TokenURL == c.TokenURL }

// isFresh reports whether Access may be shown to a server.
func (t Token) isFresh(now time.Time) bool {
	return t.Access != "" && (t.Expiry.IsZero() || now.Add(margin).Before(t.Expiry))
}

// token checks what the server issued.
func (c Client) token(raw *oauth2.Token) (Token, error) {
	if raw.TokenType != "" && !strings.EqualFold(raw.TokenType, "bearer") {
		return Token{}, fmt.Errorf("%w: the authorization server issues tokens of type %.40q, which mail servers do not take", mailbox.ErrProtocol, raw.TokenType)
	}
	if !isTokenText(raw.AccessToken) || raw.RefreshToken != "" && !isTokenText(raw.RefreshToken) {
		return Token{}, fmt.Errorf("%w: the authorization server issues a token with octets that no token has", mailbox.ErrProtocol)
	}
	now := time.Now()
	t := Token{
		Access: raw.AccessToken, Expiry: raw.Expiry, Refresh: raw.RefreshToken,
		ClientID: c.ID, TokenURL: c.TokenURL, SignedIn: now, Issued: now,
	}
	t.Scope, _ = raw.Extra("scope").(string)
	// Google and Microsoft tell it where a sign-in has an end.
	if seconds := wholeNumber(raw.Extra("refresh_token_expires_in")); seconds > 0 {
		t.LoginExpiry = now.Add(time.Duration(seconds) * time.Second)
	}
	return t, nil
}

// isTokenText: printable ASCII, and nothing that ends a line or a SASL field.
// (RFC 6749, appendix A.12)
func isTokenText(text string) bool {
	return text != "" && !strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r >= 0x7f })
}

func wholeNumber(v any) int64 {
	const century = 100 * 366 * 24 * 60 * 60
	switch n := v.(type) {
	case float64:
		if n > 0 && n < century {
			return int64(n)
		}
	case json.Number:
		if i, err := n.Int64(); err == nil && i < century {
			return i
		}
	}
	return 0
}
