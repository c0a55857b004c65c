package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"mailferry/syncer/mailbox"
	"mailferry/syncer/synctest"
)

// oauthWorld is a world whose account logs in with tokens of an authorization
// server that its Dovecot asks. Every run of the program is searched for them.
type oauthWorld struct {
	*canaryWorld
	authority *synctest.Authority
	config    string
}

// change changes what the authorization server does from now on.
func (w *oauthWorld) change(how func(*synctest.Authority)) {
	w.authority.Lock()
	defer w.authority.Unlock()
	how(w.authority)
}

// renewals is how often it has renewed a token.
func (w *oauthWorld) renewals() (n int) {
	w.change(func(a *synctest.Authority) { n = a.Renewals })
	return n
}

// newOAuthWorld has the account "home" with the further keys.
func newOAuthWorld(t *testing.T, keys string) *oauthWorld {
	t.Helper()
	authority := synctest.StartAuthority(t)
	w := &oauthWorld{&canaryWorld{newWorld(t, synctest.Dovecot(t, synctest.DovecotOAuth(t, authority)), layoutFS)}, authority, ""}
	authority.User = w.user.Name
	w.config = filepath.Join(w.home, "config", "mailferry", "config.toml")
	w.configure(w.url(), authority.Keys()+keys)
	w.user.Append(inbox, mailbox.Flags{}, someDate, letter("one"))
	return w
}

func (w *oauthWorld) configure(url, keys string) {
	w.t.Helper()
	text := fmt.Sprintf("[accounts.home]\nurl = %q\nstore = %q\n%s", url, w.disk.Dir, keys)
	if err := os.MkdirAll(filepath.Dir(w.config), 0o700); err != nil {
		w.t.Fatal(err)
	}
	if err := os.WriteFile(w.config, []byte(text), 0o600); err != nil {
		w.t.Fatal(err)
	}
}

// killable starts the program and returns what kills it.
func (w *oauthWorld) killable(args ...string) (cmd *exec.Cmd, kill func()) {
	w.t.Helper()
	cmd = w.command(context.Background(), args...)
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	return cmd, func() { _ = cmd.Process.Kill() }
}
