package main

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/zalando/go-keyring"

	"mailferry/cmd/internal/ui"
	"mailferry/syncer/synctest"
)

// inProcess runs a command line here, where the keyring is a false one.
func (w *world) inProcess(stdin string, args ...string) (code int, stdout, stderr string) {
	w.t.Helper()
	input := filepath.Join(w.t.TempDir(), "stdin")
	if err := os.WriteFile(input, []byte(stdin), 0o600); err != nil {
		w.t.Fatal(err)
	}
	file, err := os.Open(input)
	if err != nil {
		w.t.Fatal(err)
	}
	defer file.Close()
	var out, errs bytes.Buffer
	a := &app{
		console: ui.NewConsole(&out, &errs), stdin: file, log: slog.New(slog.DiscardHandler), stop: make(chan struct{}),
		env: func(name string) string {
			for _, variable := range append(w.environment(), "DBUS_SESSION_BUS_ADDRESS=x") {
				if key, value, _ := strings.Cut(variable, "="); key == name && !strings.HasPrefix(name, "MAILFERRY_PASSWORD") {
					return value
				}
			}
			return ""
		},
	}
	root := newRootCommand(a)
	root.SetArgs(args)
	code = a.conclude(root.ExecuteContext(w.t.Context()))
	if text := out.String() + errs.String(); strings.Contains(text, synctest.Canary) {
		w.t.Errorf("mailferry %v shows a secret: %s", args, text)
	}
	return code, out.String(), errs.String()
}

func TestAuthLoginPutsAPasswordIntoTheKeyring(t *testing.T) {
	w := newCanaryWorld(t)
	w.configure(fmt.Sprintf("[accounts.home]\nurl = %q\nstore = %q\n", w.url(), w.disk.Dir))
	keyring.MockInit()
	if code, _, stderr := w.inProcess("", "auth", "login", "home"); code != exitUsage || !strings.Contains(stderr, "--password-stdin") {
		t.Errorf("nobody is there to ask: %d, %s", code, stderr)
	}
	if code, _, stderr := w.inProcess(synctest.Canary+"-wrong\n", "auth", "login", "home", "--password-stdin"); code != exitAuth || !strings.Contains(stderr, "is not stored") {
		t.Errorf("a wrong one: %d, %s", code, stderr)
	}
	if _, err := keyring.Get("mailferry", "home"); !errors.Is(err, keyring.ErrNotFound) {
		t.Errorf("a wrong one is stored: %v", err)
	}
	if code, stdout, stderr := w.inProcess(canaryPassword+"\n", "auth", "login", "home", "--password-stdin", "--json"); code != exitDone || !strings.Contains(stdout, `"stored_in":"keyring"`) {
		t.Errorf("the right one: %d, %s%s", code, stdout, stderr)
	}
	if password, err := keyring.Get("mailferry", "home"); password != canaryPassword || err != nil {
		t.Errorf("the keyring has %d octets, %v", len(password), err)
	}
	if code, stdout, _ := w.inProcess("", "auth", "status"); code != exitDone || !strings.Contains(stdout, "keyring") || !strings.Contains(stdout, "ready") {
		t.Errorf("%d, %s", code, stdout)
	}
	if code, _, stderr := w.inProcess("", "backup", "home", "--no-input"); code != exitDone {
		t.Errorf("backup: %d, %s", code, stderr)
	}
	if code, _, _ := w.inProcess("", "auth", "logout", "home"); code != exitDone {
		t.Error(code)
	}
	if _, err := keyring.Get("mailferry", "home"); !errors.Is(err, keyring.ErrNotFound) {
		t.Errorf("after logout: %v", err)
	}
}

// Tokens go into the keyring where there is one, unless --file.
func TestAuthLoginPutsTokensIntoTheKeyring(t *testing.T) {
	w := newOAuthWorld(t, "")
	keyring.MockInit()
	for _, test := range []struct {
		flags []string
		place string
	}{{nil, "keyring"}, {[]string{"--file"}, "file"}, {nil, "keyring"}} {
		w.authority.Lock()
		w.authority.Polls = 0
		w.authority.Unlock()
		args := append([]string{"auth", "login", "home", "--device", "--json"}, test.flags...)
		if code, stdout, stderr := w.inProcess("", args...); code != exitDone || !strings.Contains(stdout, `"stored_in":"`+test.place+`"`) {
			t.Errorf("%v: %d, %s%s", args, code, stdout, stderr)
		}
		_, err := keyring.Get("mailferry", "home/oauth2")
		files, _ := filepath.Glob(filepath.Join(w.home, "state", "mailferry", "tokens", "for-*"))
		if inKeyring := err == nil; inKeyring != (test.place == "keyring") || inKeyring == (len(files) > 0) {
			t.Errorf("%v: in the keyring %v, files %v", args, inKeyring, files)
		}
		w.authority.Revoke(false)
		if code, _, stderr := w.inProcess("", "backup", "home"); code != exitDone {
			t.Errorf("backup: %d, %s", code, stderr)
		}
	}
}
