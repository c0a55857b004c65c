package former

import (
	"slices"
	"strconv"
	"strings"
)

// offlineimapSettings are those that TranslateOfflineimap reads or that need no
// counterpart; all others are noted, but for what may be a secret.
var offlineimapSettings = []string{
	"type", "localrepository", "remoterepository", "localfolders", "remotehost", "remoteport", "remoteuser", "ssl", "starttls", "sslcacertfile",
	"cert_fingerprint", "remotepass", "remotepassfile", "remotepasseval", "auth_mechanisms", "preauthtunnel", "transporttunnel", "folderfilter",
	"nametrans", "folderincludes", "readonly", "createfolders", "maxsize", "autorefresh", "quick", "presynchook", "postsynchook", "expunge",
	"sync_deletes", "maxconnections", "holdconnectionopen", "keepalive", "idlefolders", "sep", "utime_from_header", "restoreatime",
	"filename_use_mail_timestamp", "oauth2_client_id", "oauth2_client_secret", "oauth2_refresh_token", "oauth2_request_url", "oauth2_access_token",
	"oauth2_client_id_eval", "oauth2_client_secret_eval", "oauth2_refresh_token_eval", "oauth2_access_token_eval", "remoteusereval",
}

// TranslateOfflineimap makes an account of each Account from a server to
// Maildirs.
func TranslateOfflineimap(source Source) []Account {
	var accounts []Account
	active := ""
	if general := source.Find("general", ""); general != nil {
		active = general.Text("accounts")
	}
	for _, name := range source.Names("account") {
		t := offlineimapTranslation{source: source}
		t.Name = accountName(name, accounts)
		section := source.Find("account", name)
		names := strings.FieldsFunc(active, func(r rune) bool { return r == ',' || r == ' ' })
		if active != "" && !slices.Contains(names, name) {
			t.note("offlineimap did not use this account: it is not in accounts of [general]")
		}
		t.translate(section)
		accounts = append(accounts, t.Account)
	}
	return accounts
}

type offlineimapTranslation struct {
	Account
	source Source
}

func (t *offlineimapTranslation) translate(account *Section) {
	local := t.source.Find("repository", account.Text("localrepository"))
	remote := t.source.Find("repository", account.Text("remoterepository"))
	if local == nil || remote == nil || !strings.HasSuffix(strings.ToLower(local.Text("type")), "maildir") {
		t.note("it is not from a server to Maildirs: nothing of it could be translated")
		return
	}
	t.connection(remote)
	t.set("store", local.Text("localfolders"))
	t.set("mode", "sync")
	t.transfers(account, local, remote)
	t.programs(account, local, remote)
	for _, section := range []*Section{account, remote, local} {
		for _, setting := range section.Settings {
			lower := strings.ToLower(setting.Key)
			if slices.Contains(offlineimapSettings, lower) {
				continue
			}
			value := strings.Join(setting.Args, " ")
			if strings.Contains(lower, "pass") || strings.Contains(lower, "secret") || strings.Contains(lower, "token") {
				value = "..."
			}
			t.note("line %d: %s = %s", setting.Line, setting.Key, value)
		}
	}
}

// connection translates the server's Repository.
func (t *offlineimapTranslation) connection(s *Section) {
	host, isGmail := s.Text("remotehost"), strings.EqualFold(s.Text("type"), "Gmail")
	if isGmail && host == "" {
		host = "imap.gmail.com"
	}
	scheme, usual := "imaps", "993"
	if text := s.Text("ssl"); text != "" && !isYes(text) && !isGmail {
		scheme, usual = "imap", "143"
		if text := s.Text("starttls"); text != "" && !isYes(text) {
			scheme = "imap+plain"
		}
	}
	if tunnel := s.Text("preauthtunnel"); tunnel != "" {
		t.set("tunnel", shell(tunnel))
	} else {
		t.server(scheme, s.Text("remoteuser"), host, s.Text("remoteport"), usual)
	}
	if s.Text("transporttunnel") != "" {
		t.note("transporttunnel: a tunnel whose server asks for a password has no counterpart; tunnel is for one that does not")
	}
	if text := s.Text("remoteusereval"); text != "" {
		t.note("remoteusereval is a program in Python: write the user into url")
	}
	auth := t.mechanisms(strings.FieldsFunc(s.Text("auth_mechanisms"), func(r rune) bool { return r == ',' || r == ' ' }))
	t.password(s, auth)
	switch file := s.Text("sslcacertfile"); {
	case file != "" && !strings.EqualFold(file, "OS-DEFAULT"):
		t.set("tls_ca_file", file)
	}
	if print := strings.ReplaceAll(s.Text("cert_fingerprint"), ":", ""); print != "" {
		if _, err := strconv.ParseUint(print[:min(len(print), 8)], 16, 64); err == nil && len(print) == 64 {
			t.set("tls_pin", strings.ToLower(print))
		} else {
			t.note("cert_fingerprint: tls_pin wants one SHA-256: openssl x509 -in server.pem -noout -fingerprint -sha256")
		}
	}
	if n, err := strconv.Atoi(s.Text("maxconnections")); err == nil && n > 1 && n <= 64 {
		t.set("connections", n)
	}
}

// password translates where the password comes from; it is never copied.
func (t *offlineimapTranslation) password(s *Section, auth string) {
	switch {
	case s.Text("remotepassfile") != "":
		t.set("password_file", s.Text("remotepassfile"))
	case s.Text("remotepasseval") != "":
		t.note("remotepasseval is a program in Python; if it runs a command, name that: password_command = [\"pass\", \"show\", \"mail\"]")
	case s.Text("remotepass") != "":
		t.note("remotepass: the password is not copied. Put it into the keyring, or into a file that only you can read: password_file = \"~/.config/mailferry/password\"")
	}
	for _, setting := range s.Settings {
		if strings.HasPrefix(strings.ToLower(setting.Key), "oauth2_") {
			if auth == "" {
				t.set("auth", "xoauth2")
			}
			t.note("oauth2_...: get a token of your own: token_command = [...] (mailferry help configuration)")
			return
		}
	}
}

// transfers translates what travels.
func (t *offlineimapTranslation) transfers(account, local, remote *Section) {
	if isYes(remote.Text("readonly")) {
		t.set("mode", "backup")
	}
	if isYes(local.Text("readonly")) {
		t.note("readonly of the Maildirs: mailferry uploads one way with: mailferry restore")
	}
	if text := remote.Text("expunge"); text != "" && !isYes(text) {
		t.set("on_local_delete", "keep")
		t.note("expunge = no: offlineimap only marked messages as deleted on the server; on_local_delete = \"expunge\" lets deletions on disk reach it")
	}
	if text := local.Text("sync_deletes"); text != "" && !isYes(text) {
		t.set("on_remote_delete", "keep")
	}
	if text := remote.Text("sync_deletes"); text != "" && !isYes(text) {
		t.set("on_local_delete", "keep")
	}
	if size := account.Text("maxsize"); size != "" && size != "0" {
		t.set("max_message_size", size)
	}
	for _, section := range []*Section{local, remote} {
		if text := section.Text("createfolders"); text != "" && !isYes(text) {
			t.note("createfolders = no: mailferry makes mailboxes on both sides; mailboxes leaves some out")
		}
	}
}

// programs translates hooks, and notes what are programs in Python.
func (t *offlineimapTranslation) programs(account, local, remote *Section) {
	if line := account.Text("presynchook"); line != "" {
		t.Hooks = append(t.Hooks, Entry{"pre_sync", shell(line)})
	}
	if line := account.Text("postsynchook"); line != "" {
		t.Hooks = append(t.Hooks, Entry{"post_sync", shell(line)})
	}
	for _, section := range []*Section{remote, local} {
		if text := section.Text("folderfilter"); text != "" {
			t.note("folderfilter is a program in Python; say it with patterns: mailboxes = [\"*\", \"!Junk\"]. It was: %s", text)
		}
		if text := section.Text("nametrans"); text != "" {
			t.note("nametrans is a program in Python: mailferry has one name on both sides; import-state --map renames folders. It was: %s", text)
		}
	}
	if text := remote.Text("folderincludes"); text != "" {
		t.note("folderincludes: name these mailboxes in mailboxes. It was: %s", text)
	}
	if account.Text("autorefresh") != "" || remote.Text("idlefolders") != "" {
		t.note("autorefresh and idlefolders: mailferry schedule install has runs started by the clock; mailferry watch waits for changes")
	}
}
