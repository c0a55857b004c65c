package wire

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"

	"mailferry/syncer/mailbox"
)

func TestHideTakesSecretsOutOfWhatServersSay(t *testing.T) {
	b64 := func(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }
	for _, text := range []string{
		"no: LOGIN me CANARY is wrong", "AUTHENTICATE PLAIN " + b64("\x00me\x00CANARY"), b64("CANARY") + "?", "canary",
		"XOAUTH2 " + b64("user=me\x01auth=Bearer CANARY\x01\x01"),
		b64("n,a=me,\x01host=h\x01port=1\x01auth=Bearer CANARY\x01\x01"), "CANARYCANARY", "...CANARY",
	} {
		err := fmt.Errorf("login: %w", &mailbox.ServerError{Status: "NO", Code: strings.ToUpper(text), Text: text})
		var refused *mailbox.ServerError
		if err = Hide(err, "me", "CANARY", "h:1"); !errors.As(err, &refused) || strings.Contains(strings.ToUpper(refused.Error()), "CANARY") {
			t.Errorf("%s: %v", text, refused)
		}
		if said := strings.ToUpper(err.Error()); strings.Contains(said, "CANARY") || strings.Contains(said, strings.ToUpper(b64("CANARY"))) ||
			!strings.Contains(said, hidden) {
			t.Errorf("%s: %v", text, err)
		}
		refusal := &TokenRefusal{Status: text, Scope: text}
		Hide(refusal, "me", "CANARY", "h:1")
		if strings.Contains(strings.ToUpper(refusal.Error()), "CANARY") {
			t.Errorf("%s: %v", text, refusal)
		}
	}
	for _, odd := range []string{".", "[...]", "[", "..."} {
		err := &mailbox.ServerError{Status: "NO", Text: "wrong..."}
		_ = Hide(err, "me", odd, "") // ends
	}
	other := errors.New("lost")
	if Hide(other, "me", "CANARY", "h:1") != other || Hide(nil, "me", "CANARY", "h:1") != nil {
		t.Error("an error without the secret is left as it is")
	}
	innocent := &mailbox.ServerError{Status: "NO", Text: "İ wrong, me"}
	Hide(innocent, "me", "", "")
	Hide(innocent, "me", "CANARY", "")
	if innocent.Text != "İ wrong, me" {
		t.Error(innocent)
	}
}
