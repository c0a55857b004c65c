package config

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func environment(pairs ...string) func(string) string {
	return func(name string) string {
		for _, pair := range pairs {
			if key, value, _ := strings.Cut(pair, "="); key == name {
				return value
			}
		}
		return ""
	}
}

func load(t *testing.T, text string, pairs ...string) (*Config, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config.toml")
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return Load(path, true, environment(append(pairs, "HOME=/home/me")...))
}

const everything = `
[defaults]
connections = 2

[accounts.home]
url              = "imaps://me%40example.com@imap.example.com"
store            = "~/Mail/home"
mode             = "backup"
password_command = ["pass", "show", "mail/home"]
password_file    = "~/secret"
layout           = "maildir++"
mailboxes        = ["*", "!Junk"]
tls_ca_file      = "~/ca.pem"
tls_pin          = "AB:00000000000000000000000000000000000000000000000000000000000000"
auth             = "plain"
token_command    = ["oama"]
tunnel           = []
on_remote_delete = "keep"
on_local_delete  = "trash"
max_message_size = "25M"
bwlimit          = "500k"
timeout          = "90s"
allow_plaintext  = true
machine          = "work"
ping_url         = "https://hc-ping.com/uuid"
metrics_file     = "~/mail.prom"

[accounts.home.archive]
older_than   = "2w"
keep_latest  = 5
until_quota  = "80%"
keep_flagged = false
seen_only    = true
leave_for    = ["work", "home-2"]

[accounts.home.hooks]
pre_sync  = ["true"]
post_sync = ["notmuch", "new"]

[accounts.other]
url = "imap://me@localhost"
store = "/mail"
connections = 7
`

func TestLoadReadsEveryKey(t *testing.T) {
	config, err := load(t, everything)
	if err != nil {
		t.Fatal(err)
	}
	home, ok := config.Account("home")
	if !ok {
		t.Fatal("no account home")
	}
	checks := map[string]bool{
		"url": home.Server.String() == "imaps://me%40example.com@imap.example.com", "store": home.Store == "/home/me/Mail/home",
		"mode": home.Mode == ModeBackup, "password_command": slices.Equal(home.PasswordCommand, []string{"pass", "show", "mail/home"}),
		"password_file": home.PasswordFile == "/home/me/secret", "layout": home.Layout == "maildir++",
		"mailboxes": slices.Equal(home.Mailboxes.Strings(), []string{"*", "!Junk"}), "tls_ca_file": home.TLSCAFile == "/home/me/ca.pem",
		"tls_pin": home.TLSPin == "ab"+strings.Repeat("0", 62), "auth": home.Auth == "plain",
		"token_command": slices.Equal(home.TokenCommand, []string{"oama"}), "on_remote_delete": home.OnRemoteDelete == "keep",
		"on_local_delete": home.OnLocalDelete == "trash", "max_message_size": home.MaxMessageSize == 25<<20,
		"bwlimit": home.BWLimit == 500<<10, "timeout": home.Timeout == 90*time.Second, "allow_plaintext": home.AllowPlaintext, "defaults": home.Connections == 2,
		"older_than": home.Archive.OlderThan == 14*24*time.Hour, "keep_latest": home.Archive.KeepLatest == 5,
		"until_quota": home.Archive.UntilQuota == 80, "keep_flagged": !home.Archive.KeepFlagged,
		"seen_only": home.Archive.SeenOnly, "leave_for": slices.Equal(home.Archive.LeaveFor, []string{"work", "home-2"}),
		"machine":  home.Machine == "work",
		"ping_url": home.PingURL == "https://hc-ping.com/uuid", "metrics_file": home.MetricsFile == "/home/me/mail.prom",
		"pre_sync": slices.Equal(home.Hooks.PreSync, []string{"true"}), "post_sync": slices.Equal(home.Hooks.PostSync, []string{"notmuch", "new"}),
	}
	for key, ok := range checks {
		if !ok {
			t.Errorf("%s was not read as it is written: %+v", key, home)
		}
	}
	other, _ := config.Account("other")
	if other.Connections != 7 || other.Mode != ModeSync || other.Layout != "fs" || !other.Archive.KeepFlagged || other.Archive.IsLimited() {
		t.Errorf("other = %+v, want its own connections and the built-in rest", other)
	}
}

func TestLoadReadsOAuthKeys(t *testing.T) {
	config, err := load(t, `
[accounts.work]
url   = "imaps://me@outlook.office365.com"
store = "/mail"
oauth_provider           = "microsoft"
oauth_client_id          = "id"
oauth_client_secret_file = "~/client"
oauth_tenant             = "example.com"
[accounts.own]
url   = "imaps://me@example.com"
store = "/own"
oauth_client_id             = "id"
oauth_client_secret_command = ["pass", "client"]
oauth_auth_url   = "https://login.example.com/auth"
oauth_token_url  = "http://127.0.0.1:8080/token"
oauth_device_url = "https://login.example.com/device"
oauth_scopes     = ["mail", "offline"]
`)
	if err != nil {
		t.Fatal(err)
	}
	work, _ := config.Account("work")
	own, _ := config.Account("own")
	if got := work.OAuth; got.Provider != "microsoft" || got.ClientID != "id" || got.SecretFile != "/home/me/client" || got.Tenant != "example.com" || !work.UsesToken() {
		t.Errorf("work: %+v", got)
	}
	if got := own.OAuth; !slices.Equal(got.SecretCommand, []string{"pass", "client"}) || got.AuthURL != "https://login.example.com/auth" ||
		got.TokenURL != "http://127.0.0.1:8080/token" || got.DeviceURL != "https://login.example.com/device" || !slices.Equal(got.Scopes, []string{"mail", "offline"}) {
		t.Errorf("own: %+v", got)
	}
}

func TestLoadNamesLineAndRemedy(t *testing.T) {
	account := "[accounts.home]\nurl = \"imaps://me@host\"\nstore = \"~/Mail\"\n"
	for name, test := range map[string]struct{ text, where, message, hint string }{
		"unknown key":            {account + "conections = 4\n", ":4", "unknown key", `"connections"`},
		"unknown key far off":    {account + "zzzzzz = 4\n", ":4", "unknown key", "known keys: url"},
		"unknown table":          {"[acounts.home]\n", ":1", "unknown key", `"accounts"`},
		"unknown archive key":    {account + "[accounts.home.archive]\nolder = \"1d\"\n", ":5", "unknown key", "older_than"},
		"wrong type":             {account + "connections = \"four\"\n", ":4", "is text, not a number", "1 to 64"},
		"out of range":           {account + "\nconnections = 0\n", ":5", "out of range", "1 to 64"},
		"bad value":              {account + "mode = \"synk\"\n", ":4", `"sync"`, "sync, backup or archive"},
		"list expected":          {account + "password_command = \"pass show\"\n", ":4", "is text, not a list", "pass"},
		"number in list":         {account + "mailboxes = [\"*\", 3]\n", ":4", "item 2", "list"},
		"password in URL":        {"[accounts.home]\nurl = \"imaps://me:s3cret@host\"\nstore = \"x\"\n", ":2", "contains a password", "password_command"},
		"no url":                 {"[accounts.home]\nstore = \"x\"\n", ":1", "has no url", "imaps://"},
		"no store":               {"\n[accounts.home]\nurl = \"imaps://me@host\"\n", ":2", "has no store", "~/Mail/home"},
		"plaintext":              {"[accounts.home]\nstore = \"x\"\nurl = \"imap+plain://me@example.com\"\n", ":1", "in the clear", "allow_plaintext"},
		"plaintext POP3":         {"[accounts.home]\nstore = \"x\"\nurl = \"pop3+plain://me@example.com\"\n", ":1", "in the clear", "pop3s://"},
		"store in defaults":      {"[defaults]\nstore = \"x\"\n", ":2", "does not belong", "its own store"},
		"account is no table":    {"[accounts]\nhome = 3\n", ":2", "is not a table", "[accounts.home]"},
		"bad account name":       {"[accounts.\"a/b\"]\nstore = \"x\"\n", ":1", "not a name", "letters"},
		"secret in the file":     {account + "oauth_client_secret = \"x\"\n", ":4", "unknown key", `"oauth_client_`},
		"provider alone":         {account + "oauth_provider = \"google\"\n", ":1", "is missing", "mailferry help oauth-google"},
		"no addresses":           {account + "oauth_client_id = \"x\"\n", ":1", "is missing", "google"},
		"token in the clear":     {account + "oauth_token_url = \"http://example.com\"\n", ":4", "does not begin with https", "https"},
		"tenant with a path":     {account + "oauth_tenant = \"a/../b\"\n", ":4", "is not a tenant", "common"},
		"tokens from two":        {account + "token_command = [\"x\"]\noauth_provider = \"google\"\noauth_client_id = \"x\"\n", ":1", "exclude each other", "keep"},
		"bad size":               {account + "max_message_size = \"big\"\n", ":4", "not a size", "25M"},
		"bad pin":                {account + "tls_pin = \"abc\"\n", ":4", "not a SHA-256", "64"},
		"syntax":                 {account + "mode = sync\n", ":4", "not valid TOML", ""},
		"syntax with a secret":   {account + "password = s3cret\n", ":4", "not valid TOML: expected value but found something else", ""},
		"ping in the clear":      {account + "ping_url = \"http://example.com/x\"\n", ":4", "in the clear", "https"},
		"bad machine":            {account + "machine = \"my pc\"\n", ":4", "not a name for a machine", "letters"},
		"bad machine to wait":    {account + "[accounts.home.archive]\nleave_for = [\"a b\"]\n", ":5", "not a name for a machine", "work"},
		"bad age":                {account + "[accounts.home.archive]\nolder_than = \"soon\"\n", ":5", "not a time span", "30d"},
		"empty pattern":          {account + "mailboxes = [\"!\"]\n", ":4", "empty pattern", "!Junk"},
		"dotted key in defaults": {"defaults.conections = 4\n", ":1", "unknown key", `"connections"`},
	} {
		_, err := load(t, test.text)
		var detailed *Error
		if !errors.As(err, &detailed) {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if !strings.HasSuffix(detailed.Where, "config.toml"+test.where) || !strings.Contains(detailed.Message, test.message) ||
			!strings.Contains(detailed.Hint, test.hint) || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s:\n%s: %s: %s\n%s", name, detailed.Where, detailed.Key, detailed.Message, detailed.Hint)
		}
	}
}

func TestLoadTellsAllThatIsWrongInOrder(t *testing.T) {
	_, err := load(t, "[accounts.z]\nurl = \"x\"\n[accounts.a]\nconections = 1\nmode = \"x\"\n")
	lines := strings.Split(err.Error(), "\n")
	if len(lines) != 3 || !strings.Contains(lines[0], ":2:") || !strings.Contains(lines[1], ":4:") || !strings.Contains(lines[2], ":5:") {
		t.Errorf("errors are not one a line, in the order of the file:\n%v", err)
	}
}

func TestLoadOfMissingFile(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "none.toml")
	if config, err := Load(missing, false, environment()); err != nil || len(config.Accounts()) != 0 {
		t.Errorf("the default place without a file: %v", err)
	}
	if _, err := Load(missing, true, environment()); err == nil {
		t.Error("a file that somebody named may not be missing")
	}
}

func TestEnvironmentOverridesFile(t *testing.T) {
	text := "[accounts.home]\nurl = \"imaps://me@host\"\nstore = \"x\"\nconnections = 3\nmailboxes = [\"A\"]\n"
	config, err := load(t, text, "MAILFERRY_CONNECTIONS=9", `MAILFERRY_MAILBOXES=["B", "!C"]`, "MAILFERRY_MODE=backup", "MAILFERRY_STORE=/elsewhere",
		"MAILFERRY_BWLIMIT=1M", "MAILFERRY_TUNNEL=cat")
	if err != nil {
		t.Fatal(err)
	}
	home, _ := config.Account("home")
	if home.Connections != 9 || home.Mode != ModeBackup || home.Store != "x" || home.BWLimit != 1<<20 ||
		!slices.Equal(home.Mailboxes.Strings(), []string{"B", "!C"}) || !slices.Equal(home.Tunnel, []string{"cat"}) {
		t.Errorf("%+v", home)
	}
	_, err = load(t, text, "MAILFERRY_CONNECTIONS=many")
	if err == nil || !strings.Contains(err.Error(), "MAILFERRY_CONNECTIONS") {
		t.Errorf("a bad variable: %v", err)
	}
}

func TestPasswordOfAnAccountNamedFileIsNoPath(t *testing.T) {
	text := "[accounts.file]\nurl = \"imaps://me@host\"\nstore = \"x\"\n"
	config, err := load(t, text, "MAILFERRY_PASSWORD_FILE=s3cret")
	if err != nil {
		t.Fatal(err)
	}
	if account, _ := config.Account("file"); account.PasswordFile != "" {
		t.Errorf("password_file = %q", account.PasswordFile)
	}
}

func TestPathsFollowXDG(t *testing.T) {
	env := environment("HOME=/home/me")
	if path, explicit := FilePath("", env); path != "/home/me/.config/mailferry/config.toml" || explicit {
		t.Errorf("FilePath = %q, %v", path, explicit)
	}
	if path := StateDir(env); path != "/home/me/.local/state/mailferry" {
		t.Errorf("StateDir = %q", path)
	}
	env = environment("HOME=/home/me", "XDG_CONFIG_HOME=/c", "XDG_STATE_HOME=relative", "MAILFERRY_CONFIG=/e.toml")
	if path, explicit := FilePath("", env); path != "/e.toml" || !explicit {
		t.Errorf("FilePath = %q, %v", path, explicit)
	}
	if path, _ := FilePath("/f.toml", env); path != "/f.toml" {
		t.Errorf("FilePath = %q", path)
	}
	if path := StateDir(env); path != "/home/me/.local/state/mailferry" {
		t.Errorf("StateDir = %q", path)
	}
}

func FuzzLoadNeverPanics(f *testing.F) {
	f.Add(everything)
	f.Add("[accounts]\nx = []\n[defaults.hooks]\npre_sync = 1979-05-27\n")
	f.Fuzz(func(t *testing.T, text string) {
		config, err := parse("x", []byte(text), environment())
		if err != nil && err.Error() == "" {
			t.Fatal("an error without words")
		}
		if err != nil {
			return
		}
		for _, account := range config.Accounts() { // whoever holds one need not check it again
			if account.Store == "" || account.Connections < 1 || account.Connections > 64 || account.MaxMessageSize < 0 || account.BWLimit < 0 ||
				account.Timeout < 0 || account.Archive.OlderThan < 0 || !slices.Contains([]string{ModeSync, ModeBackup, ModeArchive}, account.Mode) {
				t.Fatalf("%+v", account)
			}
		}
	})
}
