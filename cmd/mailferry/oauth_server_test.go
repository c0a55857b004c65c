package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"mailferry/syncer/synctest"
)

func TestSignInByBrowserAndRunWithoutAskingAgain(t *testing.T) {
	for _, auth := range []string{"auto", "xoauth2", "oauthbearer"} {
		t.Run(auth, func(t *testing.T) {
			t.Parallel()
			w := newOAuthWorld(t, fmt.Sprintf("auth = %q\n", auth))
			w.does("backup", "home", "--no-input").exits(exitAuth).says("not signed in", "hint: mailferry auth login home")
			w.does("auth", "status").exits(exitAuth).says("mailferry auth login home")
			w.does("auth", "login", "home").exits(exitDone)
			if w.does("backup", "home", "--json").exits(exitDone).summary.Downloaded != 1 {
				t.Error("nothing was downloaded")
			}
			w.does("sync", "home", "--json").isQuiet()
			if w.renewals() != 0 {
				t.Errorf("%d renewals of a token that is good", w.renewals())
			}
			w.does("status").exits(exitDone)
			o := w.does("auth", "status").exits(exitDone)
			if !strings.Contains(o.stdout, "ready") || !strings.Contains(o.stdout, "file") {
				t.Error(o.stdout)
			}
			o = w.does("auth", "logout", "home", "--dry-run").exits(exitDone)
			if !strings.Contains(o.stdout, "the token in the file would be removed") {
				t.Error(o.stdout)
			}
			w.does("sync", "home", "--json").isQuiet()
			w.does("auth", "logout", "home").exits(exitDone)
			w.does("sync", "home", "--no-input").exits(exitAuth).says("mailferry auth login home")
		})
	}
}

func TestAuthStatusAsJSONEndsWithASummary(t *testing.T) {
	w := newOAuthWorld(t, "")
	w.does("auth", "login", "home", "--json").exits(exitDone)
	o := w.does("auth", "status", "--json").exits(exitDone)
	lines := strings.Split(strings.TrimSpace(o.stdout), "\n")
	var login loginState
	var last struct {
		Type          string
		SchemaVersion int `json:"schema_version"`
		ExitCode      int `json:"exit_code"`
	}
	if err := json.Unmarshal([]byte(lines[0]), &login); err != nil || login.Type != "auth" || login.State != loginReady || login.Method != "oauth" ||
		login.StoredIn != "file" || login.AccessExpires == nil {
		t.Errorf("%s, %v", lines[0], err)
	}
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &last); err != nil || last.Type != "summary" || last.SchemaVersion != 1 {
		t.Errorf("%s, %v", o.stdout, err)
	}
}

func TestTokensThatTheServerRefuses(t *testing.T) {
	w := newOAuthWorld(t, "")
	w.does("auth", "login", "home").exits(exitDone)
	t.Run("expired before its time", func(t *testing.T) {
		w.authority.Expire()
		w.does("backup", "home").exits(exitDone)
		if w.renewals() != 1 {
			t.Errorf("%d renewals", w.renewals())
		}
	})
	t.Run("revoked, but not the sign-in", func(t *testing.T) {
		w.authority.Revoke(false)
		w.does("backup", "home").exits(exitDone)
		if w.renewals() != 2 {
			t.Errorf("%d renewals", w.renewals())
		}
	})
	t.Run("of somebody else", func(t *testing.T) {
		w.change(func(a *synctest.Authority) { a.User = "nobody-else" })
		// One retry, with another token; then the server's reason.
		w.does("backup", "home").exits(exitAuth).says("mailferry auth login home")
		if w.renewals() != 3 {
			t.Errorf("%d renewals", w.renewals())
		}
		w.change(func(a *synctest.Authority) { a.User = w.user.Name })
		w.does("backup", "home").exits(exitDone)
	})
	t.Run("the authorization server is down", func(t *testing.T) {
		w.authority.Revoke(false)
		w.change(func(a *synctest.Authority) { a.Broken = 503 })
		w.does("backup", "home").exits(exitTemporary).says("503")
		w.change(func(a *synctest.Authority) { a.Broken = 0 })
		w.does("backup", "home").exits(exitDone)
	})
	t.Run("the sign-in is revoked", func(t *testing.T) {
		w.authority.Revoke(true)
		w.does("backup", "home").exits(exitAuth).says("invalid_grant", "hint: mailferry auth login home")
		w.does("status", "home", "--offline").exits(exitAuth)
		if o := w.does("status", "home", "--offline"); !strings.Contains(o.stdout, "mailferry auth login home") {
			t.Error(o.stdout)
		}
		w.does("auth", "status").exits(exitAuth).says("invalid_grant")
		w.does("auth", "login", "home").exits(exitDone)
		w.does("backup", "home").exits(exitDone)
		w.does("status", "home").exits(exitDone)
	})
}

// The server takes each refresh token once.
func TestRunsAtTheSameTimeLoseNoRotatedToken(t *testing.T) {
	w := newOAuthWorld(t, "")
	w.does("auth", "login", "home").exits(exitDone)
	before := w.renewals()
	w.authority.Revoke(false)
	var runs sync.WaitGroup
	for range 4 {
		runs.Go(func() {
			cmd, _ := w.killable("show", "home", "INBOX:1")
			if err := cmd.Wait(); err != nil {
				t.Errorf("show: %v", err)
			}
		})
	}
	runs.Wait()
	if n := w.renewals() - before; n != 1 {
		t.Errorf("%d renewals", n)
	}
	w.does("backup", "home").exits(exitDone)
}

// Killed when the server has renewed the token and before the answer is here:
// where the old refresh token stays good, nothing is lost; where it does not,
// the next run says what happened.
func TestKilledWhileTheTokenIsRenewed(t *testing.T) {
	for _, lenient := range []bool{true, false} {
		w := newOAuthWorld(t, "")
		w.does("auth", "login", "home").exits(exitDone)
		w.authority.Lock()
		w.authority.Lenient = lenient
		renewing, killed := make(chan struct{}), make(chan struct{})
		w.authority.OnRenew = func() { close(renewing); <-killed }
		w.authority.Unlock()
		w.authority.Revoke(false)
		cmd, kill := w.killable("backup", "home")
		<-renewing
		kill()
		_ = cmd.Wait()
		close(killed)
		w.authority.Lock()
		w.authority.OnRenew = nil
		w.authority.Unlock()
		if lenient {
			w.does("backup", "home").exits(exitDone)
			continue
		}
		w.does("backup", "home").exits(exitAuth).says("interrupted while it renewed", "mailferry auth login home")
		w.does("auth", "login", "home").exits(exitDone)
		w.does("backup", "home").exits(exitDone)
	}
}

func TestSignInByDevice(t *testing.T) {
	w := newOAuthWorld(t, "")
	w.change(func(a *synctest.Authority) { a.DeviceScript = []string{"authorization_pending"} })
	w.does("auth", "login", "home", "--device").exits(exitDone).says("/type-it-here", "WDJB-MJHT")
	w.does("backup", "home").exits(exitDone)
	w.change(func(a *synctest.Authority) { a.Polls, a.DeviceScript = 0, []string{"access_denied"} })
	w.does("auth", "login", "home", "--device").exits(exitAuth).says("access_denied")
	// A sign-in that failed leaves the old one as it was.
	w.does("backup", "home").exits(exitDone)
}

func TestSignInThatIsDenied(t *testing.T) {
	w := newOAuthWorld(t, "")
	w.authority.Deny = "access_denied"
	w.does("auth", "login", "home").exits(exitAuth).says("access_denied", "the user said no", "mailferry help oauth")
}

func TestSignInAsSomebodyElseIsFoundOutAtOnce(t *testing.T) {
	w := newOAuthWorld(t, "")
	w.change(func(a *synctest.Authority) { a.User = "somebody-else" })
	w.does("auth", "login", "home").exits(exitAuth).says("did you sign in as " + w.user.Name)
}

func TestSignInThatEndsSoonIsWarnedAbout(t *testing.T) {
	w := newOAuthWorld(t, "")
	w.authority.LoginLifetime = 2 * 24 * time.Hour
	w.does("auth", "login", "home").exits(exitDone)
	w.does("backup", "home").exits(exitDone)
	if o := w.does("status", "home", "--offline").exits(exitDone); !strings.Contains(o.stdout, "the sign-in ends") || !strings.Contains(o.stdout, "mailferry auth login home") {
		t.Error(o.stdout)
	}
	if o := w.does("auth", "status").exits(exitDone); !strings.Contains(o.stdout, loginSoon) {
		t.Error(o.stdout)
	}
}

func TestClientSecretFromCommandAndFile(t *testing.T) {
	w := newOAuthWorld(t, "")
	secret := synctest.Canary + "-client-secret"
	w.authority.ClientSecret = secret
	path := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(path, []byte(secret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{fmt.Sprintf("oauth_client_secret_file = %q\n", path), fmt.Sprintf("oauth_client_secret_command = [\"cat\", %q]\n", path)} {
		w.configure(w.url(), w.authority.Keys()+key)
		w.does("auth", "login", "home").exits(exitDone)
		w.authority.Revoke(false)
		w.does("backup", "home").exits(exitDone)
	}
	w.configure(w.url(), w.authority.Keys())
	w.does("auth", "login", "home").exits(exitAuth).says("invalid_client")
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	w.configure(w.url(), w.authority.Keys()+fmt.Sprintf("oauth_client_secret_file = %q\n", path))
	w.does("auth", "login", "home").exits(exitUsage).says("can be read by others", "chmod 600")
}

func TestPOP3WithTokens(t *testing.T) {
	for _, auth := range []string{"auto", "oauthbearer"} {
		w := newOAuthWorld(t, "")
		w.configure("pop3+plain://"+w.user.Name+"@"+w.user.Server.POP3Addr, w.authority.Keys()+fmt.Sprintf("auth = %q\n", auth))
		w.does("auth", "login", "home").exits(exitDone)
		if w.does("backup", "home", "--json").exits(exitDone).summary.Downloaded != 1 {
			t.Errorf("%s: nothing was downloaded", auth)
		}
		w.authority.Revoke(false)
		w.does("backup", "home").exits(exitDone)
		w.authority.Revoke(true)
		w.does("backup", "home").exits(exitAuth).says("invalid_grant")
	}
}

// oama and its like renew by themselves: they are run again when the server
// refuses what they printed.
func TestTokenCommandIsRunAgainForARefusedToken(t *testing.T) {
	w := newOAuthWorld(t, "")
	w.does("auth", "login", "home").exits(exitDone)
	stored, err := os.ReadFile(filepath.Join(w.home, "state", "mailferry", "tokens", "for-home"))
	if err != nil {
		t.Fatal(err)
	}
	var token struct {
		Access string `json:"access_token"`
	}
	if err := json.Unmarshal(stored, &token); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	script := filepath.Join(dir, "oama")
	text := fmt.Sprintf("#!/bin/sh\necho x >>%[1]s/runs\n[ $(wc -l <%[1]s/runs) = 1 ] && echo %[2]s-stale || cat %[1]s/good\n", dir, synctest.Canary)
	if err := os.WriteFile(script, []byte(text), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "good"), []byte(token.Access+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	runs := func() int {
		data, _ := os.ReadFile(filepath.Join(dir, "runs"))
		return strings.Count(string(data), "x")
	}
	w.configure(w.url(), fmt.Sprintf("token_command = [%q]\n", script))
	w.does("backup", "home").exits(exitDone)
	if runs() != 2 {
		t.Errorf("%d runs", runs())
	}
	w.authority.Revoke(true)
	o := w.does("backup", "home").exits(exitAuth).says("token_command")
	if strings.Contains(o.stderr, "mailferry auth login") || runs() != 4 {
		t.Errorf("%d runs\n%s", runs(), o.stderr)
	}
	w.does("auth", "login", "home").exits(exitUsage).says("token_command gets the tokens")
}
