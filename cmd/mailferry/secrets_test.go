package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mailferry/syncer/mailbox"
	"mailferry/syncer/synctest"
)

// canaryPassword is the right password of every user in these tests.
const canaryPassword = synctest.Canary + "-pa55w0rd"

// newCanaryWorld has a Dovecot whose only password is a canary.
func newCanaryWorld(t *testing.T) *canaryWorld {
	t.Helper()
	extra := "auth_failure_delay = 0\npassdb {\n  driver = static\n  args = password=" + canaryPassword + "\n}\n"
	w := &canaryWorld{newWorld(t, synctest.Dovecot(t, synctest.DovecotConfig{Extra: extra}), layoutFS)}
	w.env = append(w.env, "MAILFERRY_PASSWORD="+canaryPassword, "MAILFERRY_PASSWORD_HOME="+canaryPassword, "MAILFERRY_PASSWORD_TO="+canaryPassword)
	w.user.Append(inbox, mailbox.Flags{}, someDate, letter("one"))
	w.user.Append(inbox, mailbox.Flags{}, someDate, letter("two"))
	return w
}

func TestNoCommandShowsAPassword(t *testing.T) {
	w := newCanaryWorld(t)
	other := w.user.Server.User(t)
	there := "imap+plain://" + other.Name + "@" + w.addr
	out := filepath.Join(w.home, "out")
	for _, args := range [][]string{
		{"backup", w.url(), w.disk.Dir}, {"sync", w.disk.Dir, "--log-format", "json"}, {"sync", w.disk.Dir, "--json"},
		{"sync", w.disk.Dir, "--dry-run"}, {"archive", w.disk.Dir, "--older-than", "0d", "--dry-run"},
		{"verify", w.disk.Dir, "--html", filepath.Join(w.home, "proof.html")}, {"verify", w.disk.Dir, "--json"},
		{"status", w.disk.Dir}, {"status", w.disk.Dir, "--json"}, {"auth", "status", w.disk.Dir, "--json"},
		{"state", w.disk.Dir}, {"show", w.disk.Dir, "INBOX:1"}, {"undo", w.disk.Dir},
		{"export", w.disk.Dir, "--format", "mbox", out},
		{"restore", w.disk.Dir, "--to", there, "--dry-run"}, {"restore", w.disk.Dir, "--to", there, "--json"},
		{"merge", w.disk.Dir, "--into", there, "--dry-run"},
		{"archive", w.disk.Dir, "--older-than", "0d", "--json"},
	} {
		if o := w.does(args...); o.code != exitDone {
			t.Errorf("%v: exit code %d\n%s", args, o.code, o.stderr)
		}
	}
}

// Each way in which a login goes wrong, and servers that quote what they were
// sent.
func TestNoRefusedLoginShowsAPassword(t *testing.T) {
	w := newCanaryWorld(t)
	w.user.Password = "unused"
	quotes := func(answer string) map[string]string { return map[string]string{"LOGIN": answer} }
	for name, server := range map[string]tattler{
		"quotes LOGIN":    {says: quotes("{tag} NO [AUTHENTICATIONFAILED] LOGIN user \"" + canaryPassword + "\" is wrong\r\n")},
		"in a code":       {says: quotes("{tag} NO [" + canaryPassword + "] no\r\n")},
		"quotes with BAD": {says: quotes("{tag} BAD LOGIN \"" + canaryPassword + "\"?\r\n")},
		"quotes with BYE": {says: quotes("* BYE not with " + canaryPassword + "\r\n"), hangsUp: "LOGIN"},
		"as nonsense":     {says: quotes(canaryPassword + " what?\r\n"), hangsUp: "LOGIN"},
		"as an ALERT":     {says: quotes("* OK [ALERT] " + canaryPassword + "\r\n{tag} NO no\r\n")},
		"LOGINDISABLED":   {capability: "IMAP4rev1 LOGINDISABLED"},
	} {
		url := "imap+plain://user@" + server.start(t)
		dir := filepath.Join(w.home, "refused")
		if o := w.does("backup", url, dir); o.code == exitDone || o.stderr == "" {
			t.Errorf("%s: exit code %d\n%s", name, o.code, o.stderr)
		}
		if o := w.does("backup", url, dir, "--json"); o.code == exitDone || !strings.Contains(o.stdout, `"summary"`) {
			t.Errorf("%s: exit code %d\n%s", name, o.code, o.stdout)
		}
	}
}

func TestNoSourceOfPasswordsShowsThem(t *testing.T) {
	w := newCanaryWorld(t)
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte(canaryPassword+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		key  string
		code int
	}{
		"a command":                  {fmt.Sprintf("password_command = [\"cat\", %q]", secret), exitDone},
		"a file":                     {fmt.Sprintf("password_file = %q", secret), exitDone},
		"a command that fails":       {fmt.Sprintf("password_command = [\"sh\", \"-c\", \"cat '%s'; exit 1\"]", secret), exitAuth},
		"a command with a bad token": {fmt.Sprintf("auth = \"xoauth2\"\ntoken_command = [\"cat\", %q]", secret), exitAuth},
	} {
		w.env = []string{"MAILFERRY_LAYOUT=" + layoutFS}
		w.user.Password = "wrong"
		w.configure(fmt.Sprintf("[accounts.home]\nurl = %q\nstore = %q\n%s\n", w.url(), w.disk.Dir, test.key))
		if o := w.does("backup", "home"); o.code != test.code {
			t.Errorf("%s: exit code %d\n%s", name, o.code, o.stderr)
		}
		w.does("config", "check", "--json").exits(exitDone)
	}
	// A mistyped configuration is quoted nowhere.
	for _, text := range []string{"password = \"" + canaryPassword + "\"", "password_file = [\"" + canaryPassword + "\"]", "x = " + canaryPassword,
		"url = \"imaps://me:" + canaryPassword + "@host\"", "mode = [\"" + canaryPassword} {
		config := filepath.Join(t.TempDir(), "config.toml")
		if err := os.WriteFile(config, []byte("[accounts.home]\nstore = \"x\"\n"+text+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		w.does("config", "check", "--config", config).exits(exitUsage)
		w.does("backup", "home", "--config", config, "--json").exits(exitUsage)
	}
}

func TestHooksAndBrowsersFindNoPasswordInTheirEnvironment(t *testing.T) {
	w := newCanaryWorld(t)
	w.configure(fmt.Sprintf("[accounts.home]\nurl = %q\nstore = %q\n[accounts.home.hooks]\npre_sync = [\"env\"]\npost_sync = [\"env\"]\n", w.url(), w.disk.Dir))
	o := w.does("backup", "home").exits(exitDone)
	if strings.Count(o.stderr, "MAILFERRY_COMMAND=backup") != 2 {
		t.Errorf("the hooks did not run: %s", o.stderr)
	}
}
