package main

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"

	"mailferry/cmd/internal/config"
)

func TestElsewhereTheTextCanBeUsedAsItIs(t *testing.T) {
	text := elsewhere("darwin", "/Applications/A & B/mailferry")
	_, plist, found := strings.Cut(text, "mailferry.plist\n")
	plist, rest, closed := strings.Cut(plist, "</plist>\n")
	if !found || !closed || !strings.Contains(rest, "launchctl bootstrap") || !strings.Contains(rest, "--kind cron") {
		t.Fatalf("%s", text)
	}
	decoder, words := xml.NewDecoder(strings.NewReader(plist+"</plist>")), []string{}
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if text, ok := token.(xml.CharData); ok && strings.TrimSpace(string(text)) != "" {
			words = append(words, string(text))
		}
	}
	if got := strings.Join(words, "|"); got != "Label|mailferry|ProgramArguments|/Applications/A & B/mailferry|run|--no-input|--quiet-offline|StartInterval|600" {
		t.Errorf("%s", got)
	}
	if text := elsewhere("windows", `C:\Program Files\mailferry.exe`); !strings.Contains(text, `/TR "\"C:\Program Files\mailferry.exe\" run --no-input --quiet-offline"`) {
		t.Errorf("%s", text)
	}
}

func TestWhatAServiceMayNotHideIsNotHidden(t *testing.T) {
	for _, c := range []struct {
		account           config.Account
		realRoot, private bool
	}{
		{config.Account{Store: "/home/me/Mail", PasswordCommand: []string{"pass", "show", "x"}}, false, true},
		{config.Account{Store: "/tmp/mail"}, false, false},
		{config.Account{Store: "/home/me/Mail", MetricsFile: "/var/tmp/x.prom"}, false, false},
		{config.Account{Store: "/home/me/Mail", Tunnel: []string{"socket"}}, true, true},
		{config.Account{Store: "/home/me/Mail", PasswordCommand: []string{"/usr/bin/ssh", "vault"}}, true, true},
		{config.Account{Store: "/home/me/Mail", Hooks: config.Hooks{PostSync: []string{"sh", "-c", "cd Mail; git commit -a"}}}, true, true},
	} {
		if got := needsRealRoot(c.account); got != c.realRoot {
			t.Errorf("%+v needs the real root: %v", c.account, got)
		}
		if got := isInTmp(c.account); got == c.private {
			t.Errorf("%+v is in /tmp: %v", c.account, got)
		}
	}
}
