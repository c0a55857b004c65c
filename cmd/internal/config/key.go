package config

import (
	"cmp"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/BurntSushi/toml"

	"mailferry/cmd/internal/monitor"
	"mailferry/syncer/mailbox"
)

// key is a row of the table of keys: how a value is read into an account.
type key struct {
	name string
	// allowed says in words what values there are.
	allowed string
	// own keys make sense for one account only: not in [defaults] and not in
	// the environment.
	own bool
	set func(a *Account, v value) error
}

// value is a TOML value of the file or text of the environment.
type value struct{ raw any }

// accountKeys are the keys of [defaults] and [accounts.NAME].
var accountKeys = []key{
	{"url", "a URL such as imaps://user@imap.example.com", true, func(a *Account, v value) (err error) {
		text, err := v.text()
		if err == nil {
			a.Server, err = ParseURL(text)
		}
		return err
	}},
	{"store", "a folder such as ~/Mail/home", true, func(a *Account, v value) error { return v.nonEmpty(&a.Store) }},
	{"mode", "sync, backup or archive", false, func(a *Account, v value) error {
		return v.oneOf(&a.Mode, ModeSync, ModeBackup, ModeArchive)
	}},
	{"password_command", `a list such as ["pass", "show", "mail/home"]`, false, func(a *Account, v value) error { return v.list(&a.PasswordCommand) }},
	{"password_file", "a file that only you can read", false, func(a *Account, v value) error { return v.into(&a.PasswordFile) }},
	{"layout", "fs or maildir++", false, func(a *Account, v value) error { return v.oneOf(&a.Layout, "fs", "maildir++") }},
	{"mailboxes", `a list such as ["*", "!Junk"]`, false, func(a *Account, v value) error {
		var texts []string
		err := v.list(&texts)
		if err == nil {
			a.Mailboxes, err = ParsePatterns(texts)
		}
		return err
	}},
	{"tls_ca_file", "a file with certificates in PEM", false, func(a *Account, v value) error { return v.into(&a.TLSCAFile) }},
	{"tls_pin", "the SHA-256 of a certificate, 64 hexadecimal digits", false, func(a *Account, v value) error { return v.pin(&a.TLSPin) }},
	{"auth", "auto, plain, login, xoauth2, oauthbearer, external or (POP3) apop", false, func(a *Account, v value) error {
		return v.oneOf(&a.Auth, "auto", "plain", "login", "xoauth2", "oauthbearer", "external", "apop")
	}},
	{"token_command", "a list such as [\"oama\", \"access\", \"me@example.com\"]", false, func(a *Account, v value) error { return v.list(&a.TokenCommand) }},
	{"oauth_provider", "google or microsoft", false, func(a *Account, v value) error {
		return v.oneOf(&a.OAuth.Provider, "", ProviderGoogle, ProviderMicrosoft)
	}},
	{"oauth_client_id", "the client ID that you registered", false, func(a *Account, v value) error { return v.into(&a.OAuth.ClientID) }},
	{"oauth_client_secret_command", `a list such as ["pass", "show", "mail/oauth"]`, false, func(a *Account, v value) error {
		return v.list(&a.OAuth.SecretCommand)
	}},
	{"oauth_client_secret_file", "a file that only you can read", false, func(a *Account, v value) error { return v.into(&a.OAuth.SecretFile) }},
	{"oauth_tenant", "a Microsoft tenant: common, consumers, organizations, a domain or an ID", false, func(a *Account, v value) error {
		return v.tenant(&a.OAuth.Tenant)
	}},
	{"oauth_auth_url", "an https:// URL", false, func(a *Account, v value) error { return v.endpoint(&a.OAuth.AuthURL) }},
	{"oauth_token_url", "an https:// URL", false, func(a *Account, v value) error { return v.endpoint(&a.OAuth.TokenURL) }},
	{"oauth_device_url", "an https:// URL", false, func(a *Account, v value) error { return v.endpoint(&a.OAuth.DeviceURL) }},
	{"oauth_scopes", `a list such as ["https://mail.example.com/"]`, false, func(a *Account, v value) error { return v.list(&a.OAuth.Scopes) }},
	{"tunnel", `a list such as ["ssh", "host", "imapd"]`, false, func(a *Account, v value) error { return v.list(&a.Tunnel) }},
	{"on_remote_delete", "trash or keep", false, func(a *Account, v value) error { return v.oneOf(&a.OnRemoteDelete, "trash", "keep") }},
	{"on_local_delete", "expunge, trash or keep", false, func(a *Account, v value) error {
		return v.oneOf(&a.OnLocalDelete, "expunge", "trash", "keep")
	}},
	{"max_message_size", `"0" for no limit, or a size such as "25M"`, false, func(a *Account, v value) error { return v.size(&a.MaxMessageSize) }},
	{"bwlimit", `"0" for no limit, or octets per second such as "500k"`, false, func(a *Account, v value) error { return v.size(&a.BWLimit) }},
	{"timeout", `a time span such as "60s"`, false, func(a *Account, v value) error { return v.span(&a.Timeout) }},
	{"allow_plaintext", "true or false", false, func(a *Account, v value) error { return v.truth(&a.AllowPlaintext) }},
	{"machine", "a name of letters, digits and - _ . such as work", false, func(a *Account, v value) error {
		text, err := v.text()
		if err == nil && text != "" && !mailbox.IsMachine(text) {
			err = fmt.Errorf("%.40q is not a name for a machine", text)
		}
		a.Machine = text
		return err
	}},
	{"ping_url", "an https URL such as https://hc-ping.com/UUID", false, func(a *Account, v value) error {
		text, err := v.text()
		if err == nil && text != "" {
			err = monitor.CheckURL(text)
		}
		a.PingURL = text
		return err
	}},
	{"metrics_file", "a file such as /var/lib/node_exporter/mailferry.prom", false, func(a *Account, v value) error { return v.into(&a.MetricsFile) }},
	{"watch", `a list such as ["INBOX", "Lists/*"]`, false, func(a *Account, v value) error {
		var texts []string
		err := v.list(&texts)
		if err == nil {
			a.Watch, err = ParsePatterns(texts)
		}
		return err
	}},
	{"connections", "a number from 1 to 64", false, func(a *Account, v value) error { return v.number(&a.Connections, 1, 64) }},
}

// archiveKeys are the keys of [accounts.NAME.archive].
var archiveKeys = []key{
	{"older_than", "a time span such as 30d", true, func(a *Account, v value) error {
		text, err := v.text()
		if err == nil && text != "" {
			a.Archive.OlderThan, err = ParseAge(text)
			a.Archive.HasOlderThan = true
		}
		return err
	}},
	{"keep_latest", "a number, 0 or more", true, func(a *Account, v value) error { return v.number(&a.Archive.KeepLatest, 0, 1<<31-1) }},
	{"until_quota", `a share such as "80%", or ""`, true, func(a *Account, v value) error {
		text, err := v.text()
		if err == nil {
			a.Archive.UntilQuota, err = ParsePercent(text)
		}
		return err
	}},
	{"seen_only", "true or false", true, func(a *Account, v value) error { return v.truth(&a.Archive.SeenOnly) }},
	{"keep_flagged", "true or false", true, func(a *Account, v value) error { return v.truth(&a.Archive.KeepFlagged) }},
	{"leave_for", `a list of machines such as ["work", "home"]`, true, func(a *Account, v value) error {
		err := v.list(&a.Archive.LeaveFor)
		for _, name := range a.Archive.LeaveFor {
			if err == nil && !mailbox.IsMachine(name) {
				err = fmt.Errorf("%.40q is not a name for a machine", name)
			}
		}
		return err
	}},
}

// hookKeys are the keys of [accounts.NAME.hooks].
var hookKeys = []key{
	{"pre_sync", `a list such as ["/usr/bin/true"]`, true, func(a *Account, v value) error { return v.list(&a.Hooks.PreSync) }},
	{"post_sync", `a list such as ["notmuch", "new"]`, true, func(a *Account, v value) error { return v.list(&a.Hooks.PostSync) }},
}

// subtables are the tables within an account, by name.
var subtables = map[string][]key{"archive": archiveKeys, "hooks": hookKeys}

func find(keys []key, name string) (key, bool) {
	i := slices.IndexFunc(keys, func(k key) bool { return k.name == name })
	if i < 0 {
		return key{}, false
	}
	return keys[i], true
}

func names(keys []key) []string {
	list := make([]string, len(keys))
	for i, k := range keys {
		list[i] = k.name
	}
	return list
}

func (v value) text() (string, error) {
	text, ok := v.raw.(string)
	if !ok {
		return "", fmt.Errorf("is %s, not text in quotes", v.kind())
	}
	if hasControl(text) {
		return "", fmt.Errorf("contains control characters")
	}
	return text, nil
}

// kind names the value's type for people.
func (v value) kind() string {
	switch v.raw.(type) {
	case string:
		return "text"
	case int64:
		return "a number"
	case float64:
		return "a number with a fraction"
	case bool:
		return "true or false"
	case []any:
		return "a list"
	case map[string]any:
		return "a table"
	}
	return "a date or time"
}

func (v value) into(target *string) error {
	text, err := v.text()
	*target = text
	return err
}

func (v value) nonEmpty(target *string) error {
	if err := v.into(target); err != nil {
		return err
	}
	if *target == "" {
		return fmt.Errorf("is empty")
	}
	return nil
}

func (v value) oneOf(target *string, allowed ...string) error {
	text, err := v.text()
	if err != nil {
		return err
	}
	if !slices.Contains(allowed, text) {
		suffix := didYouMean(text, allowed)
		if suffix != "" {
			suffix = "; " + suffix
		}
		return fmt.Errorf("%.40q is not allowed%s", text, suffix)
	}
	*target = text
	return nil
}

func (v value) list(target *[]string) error {
	items, ok := v.raw.([]any)
	if !ok {
		return fmt.Errorf("is %s, not a list", v.kind())
	}
	texts := make([]string, len(items))
	for i, item := range items {
		text, err := value{item}.text()
		if err != nil {
			return fmt.Errorf("item %d %w", i+1, err)
		}
		texts[i] = text
	}
	if len(texts) > 0 && texts[0] == "" {
		return fmt.Errorf("item 1 is empty")
	}
	*target = texts
	return nil
}

func (v value) truth(target *bool) error {
	truth, ok := v.raw.(bool)
	if !ok {
		return fmt.Errorf("is %s, not true or false", v.kind())
	}
	*target = truth
	return nil
}

func (v value) number(target *int, low, high int64) error {
	n, ok := v.raw.(int64)
	if !ok {
		return fmt.Errorf("is %s, not a number", v.kind())
	}
	if n < low || n > high {
		return fmt.Errorf("%d is out of range", n)
	}
	*target = int(n)
	return nil
}

func (v value) size(target *int64) error {
	if n, ok := v.raw.(int64); ok && n >= 0 {
		*target = n
		return nil
	}
	text, err := v.text()
	if err == nil {
		*target, err = ParseSize(cmp.Or(text, "0"))
	}
	return err
}

// span reads a time that is long enough to be meant.
func (v value) span(target *time.Duration) error {
	text, err := v.text()
	if err != nil {
		return err
	}
	if *target, err = ParseAge(text); err == nil && (*target < time.Second || *target > time.Hour) {
		err = fmt.Errorf("%.40q is not between 1s and 1h", text)
	}
	return err
}

// pin reads a fingerprint as openssl prints it (with colons) or without.
func (v value) pin(target *string) error {
	text, err := v.text()
	if err != nil {
		return err
	}
	digits := strings.ToLower(strings.ReplaceAll(text, ":", ""))
	if octets, err := hex.DecodeString(digits); text != "" && (err != nil || len(octets) != 32) {
		return fmt.Errorf("is not a SHA-256")
	}
	*target = digits
	return nil
}

// fromEnvironment makes a value of text: a list is written as in TOML, or is
// one item.
func (k key) fromEnvironment(text string) value {
	var table map[string]any
	if _, err := toml.Decode("v = "+text, &table); err == nil && len(table) == 1 {
		switch table["v"].(type) {
		case int64, bool, []any:
			return value{table["v"]}
		}
	}
	if strings.HasPrefix(k.allowed, "a list") {
		return value{[]any{text}}
	}
	return value{text}
}
