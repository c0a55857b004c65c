package wire

import (
	"encoding/base64"
	"errors"
	"strings"

	"mailferry/syncer/mailbox"
)

// hidden stands for a secret that a server sent back.
const hidden = "[...]"

// Hide takes a secret out of what a server says to a login with it, in any form
// in which the login may have sent it: some servers quote the command that they
// do not like. addr is OAuthBearer's.
func Hide(err error, user, secret, addr string) error {
	if err == nil || secret == "" {
		return err
	}
	forms := []string{secret}
	for _, sent := range []string{secret, "\x00" + user + "\x00" + secret, initial(XOAuth2(user, secret)), initial(OAuthBearer(user, secret, addr))} {
		forms = append(forms, base64.StdEncoding.EncodeToString([]byte(sent)))
	}
	var refused *mailbox.ServerError
	if errors.As(err, &refused) {
		refused.Text = without(refused.Text, forms)
		refused.Code = without(refused.Code, forms)
	}
	var token *TokenRefusal
	if errors.As(err, &token) {
		token.Status, token.Scope = without(token.Status, forms), without(token.Scope, forms)
	}
	// What wraps these has made its text already.
	if text := err.Error(); without(text, forms) != text {
		return &hiddenError{err, without(text, forms)}
	}
	return err
}

// hiddenError is an error with another text.
type hiddenError struct {
	err  error
	text string
}

func (e *hiddenError) Error() string { return e.text }
func (e *hiddenError) Unwrap() error { return e.err }

func initial(mechanism interface {
	Start() (string, []byte, error)
}) string {
	_, response, err := mechanism.Start()
	if err != nil {
		return ""
	}
	return string(response)
}

// without replaces the forms whatever their case: codes come in capitals.
func without(text string, forms []string) string {
	for _, form := range forms {
		var b strings.Builder
		for form != "" {
			at := strings.Index(capitals(text), capitals(form))
			if at < 0 {
				break
			}
			b.WriteString(text[:at] + hidden)
			text = text[at+len(form):]
		}
		text = b.String() + text
	}
	return text
}

// capitals leaves every octet where it is.
func capitals(text string) string {
	octets := []byte(text)
	for i, c := range octets {
		if 'a' <= c && c <= 'z' {
			octets[i] = c - 'a' + 'A'
		}
	}
	return string(octets)
}
