package former

import (
	"fmt"
	"io"
	"net/url"
	"strconv"
	"strings"
)

// Account is one of another program's, as mailferry's configuration has it.
type Account struct {
	Name string
	// Entries in their order; Hooks go into a table of their own.
	Entries, Hooks []Entry
	// Notes say what could not be translated.
	Notes []string
}

// Entry is a key with its value: text, true or a list of texts.
type Entry struct {
	Key   string
	Value any
}

// Source is a configuration that is translated.
type Source struct {
	*Settings
	// Decode reads a mailbox's name in modified UTF-7.
	Decode func(string) string
}

func (a *Account) set(key string, value any) {
	for i := range a.Entries {
		if a.Entries[i].Key == key {
			a.Entries[i].Value = value
			return
		}
	}
	a.Entries = append(a.Entries, Entry{key, value})
}

func (a *Account) note(format string, args ...any) {
	note := fmt.Sprintf(format, args...)
	for _, other := range a.Notes {
		if other == note {
			return
		}
	}
	a.Notes = append(a.Notes, note)
}

// server sets url, and what belongs to it.
func (a *Account) server(scheme, user, host, port, usual string) {
	if user == "" {
		user = "USER"
		a.note("who logs in is not said: replace USER")
	}
	if host == "" {
		host = "HOST"
		a.note("the server is not said: replace HOST")
	}
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if port != "" && port != usual {
		host += ":" + port
	}
	a.set("url", scheme+"://"+strings.ReplaceAll(url.QueryEscape(user), "+", "%20")+"@"+host)
	if scheme == "imap+plain" {
		a.note("without TLS mail and password travel in the clear: mailferry refuses that unless the server is this machine, or allow_plaintext = true")
	}
}

// shell makes a command of a line that a shell is to run.
func shell(line string) []string { return []string{"sh", "-c", line} }

// command sets what prints the password, or for OAuth2 the token.
func (a *Account) command(line, auth string) {
	if auth == "xoauth2" || auth == "oauthbearer" {
		a.set("token_command", shell(line))
		return
	}
	a.set("password_command", shell(line))
}

// mechanisms sets auth by the names that SASL has for them.
func (a *Account) mechanisms(names []string) (auth string) {
	for _, name := range names {
		switch lower := strings.ToLower(name); lower {
		case "plain", "login", "xoauth2", "oauthbearer", "external":
			if auth == "" {
				auth = lower
			}
		}
	}
	switch {
	case auth != "":
		a.set("auth", auth)
	case len(names) > 0 && names[0] != "*":
		a.note("mailferry chooses how to log in by itself; it has plain, login, xoauth2, oauthbearer and external, not %s", strings.Join(names, ", "))
	}
	return auth
}

// Write writes accounts as mailferry's configuration.
func Write(w io.Writer, accounts []Account, origin string) error {
	var b strings.Builder
	fmt.Fprintf(&b, "# Translated from %s. Lines with # say what is different here, or has no\n# counterpart. Look through them, then: mailferry config check\n", oneLine(origin))
	for _, account := range accounts {
		fmt.Fprintf(&b, "\n[accounts.%s]\n", keyText(account.Name))
		for _, entry := range account.Entries {
			fmt.Fprintf(&b, "%s = %s\n", entry.Key, valueText(entry.Value))
		}
		for _, note := range account.Notes {
			fmt.Fprintf(&b, "# %s\n", oneLine(note))
		}
		if len(account.Hooks) == 0 {
			continue
		}
		fmt.Fprintf(&b, "\n[accounts.%s.hooks]\n", keyText(account.Name))
		for _, entry := range account.Hooks {
			fmt.Fprintf(&b, "%s = %s\n", entry.Key, valueText(entry.Value))
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// oneLine keeps a comment a comment.
func oneLine(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, text)
}

// keyText quotes an account's name where TOML wants it.
func keyText(name string) string {
	if strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") == "" {
		return name
	}
	return quoteTOML(name)
}

func valueText(value any) string {
	switch v := value.(type) {
	case bool:
		return strconv.FormatBool(v)
	case int:
		return strconv.Itoa(v)
	case []string:
		texts := make([]string, len(v))
		for i := range v {
			texts[i] = quoteTOML(v[i])
		}
		return "[" + strings.Join(texts, ", ") + "]"
	}
	return quoteTOML(fmt.Sprint(value))
}

// quoteTOML makes a basic string. (TOML 1.0, String)
func quoteTOML(text string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range text {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r < ' ' || r == 0x7f:
			fmt.Fprintf(&b, `\u%04X`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// accountName makes a name that mailferry allows, another one than those taken.
func accountName(wanted string, taken []Account) string {
	name := strings.Map(func(r rune) rune {
		if strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.@+", r) {
			return r
		}
		return '-'
	}, wanted)
	if name = strings.TrimLeft(name, "-."); name == "" {
		name = "account"
	}
	name = name[:min(len(name), 60)]
	for n := 1; ; n++ {
		try, free := name, true
		if n > 1 {
			try = name + strconv.Itoa(n)
		}
		for _, other := range taken {
			free = free && other.Name != try
		}
		if free {
			return try
		}
	}
}
