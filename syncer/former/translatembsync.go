package former

import (
	"cmp"
	"path"
	"slices"
	"strings"

	"mailferry/syncer/mailbox"
)

// mbsyncSettings are those that TranslateMbsync reads or that need no
// counterpart; all others are noted.
var mbsyncSettings = []string{
	"imapaccount", "imapstore", "maildirstore", "channel", "account", "host", "port", "user", "pass", "passcmd", "usercmd", "usekeychain",
	"ssltype", "tlstype", "authmechs", "authmech", "tunnel", "certificatefile", "path", "inbox", "subfolders", "flatten", "mapinbox", "trash",
	"far", "near", "master", "slave", "pattern", "patterns", "sync", "create", "remove", "expunge", "maxsize", "maxmessages", "expireunread",
	"syncstate", "copyarrivaldate", "fsync", "useimaps", "requiressl", "usenamespace", "altmap", "infodelimiter", "fielddelimiter",
	"pathdelimiter", "timeout", "pipelinedepth", "systemcertificates", "subscribedonly",
}

// TranslateMbsync makes an account of each pair of a server and a tree of
// Maildirs that channels connect.
func TranslateMbsync(source Source) []Account {
	var accounts []Account
	byPair := map[[2]string][]*Section{}
	var pairs [][2]string
	for i := range source.Sections {
		section := &source.Sections[i]
		if section.Kind != "channel" {
			continue
		}
		channel := mbsyncChannel{Section: section}
		far, _ := channel.end("Far", "Master")
		near, _ := channel.end("Near", "Slave")
		pair := [2]string{far, near}
		if byPair[pair] == nil {
			pairs = append(pairs, pair)
		}
		byPair[pair] = append(byPair[pair], section)
	}
	for _, pair := range pairs {
		t := mbsyncTranslation{source: source, channels: byPair[pair]}
		name := pair[0]
		if remote := source.Find("imapstore", pair[0]); len(t.channels) == 1 {
			name = t.channels[0].Name
		} else if remote != nil && remote.Text("Account") != "" {
			name = remote.Text("Account")
		}
		t.Name = accountName(name, accounts)
		t.translate(pair[0], pair[1])
		accounts = append(accounts, t.Account)
	}
	return accounts
}

// mbsyncTranslation is one account in the making.
type mbsyncTranslation struct {
	Account
	source   Source
	channels []*Section
}

func (t *mbsyncTranslation) translate(far, near string) {
	remote, local := t.source.Find("imapstore", far), t.source.Find("maildirstore", near)
	if remote == nil || local == nil {
		t.note("its channel is not from an IMAPStore (Far) to a MaildirStore (Near): nothing of it could be translated")
		return
	}
	connection := remote
	if name := remote.Text("Account"); name != "" {
		if connection = t.source.Find("imapaccount", name); connection == nil {
			t.note("IMAPAccount %s is not there", name)
			connection = remote
		}
	}
	t.connection(connection)
	t.maildirs(local)
	t.set("mode", "sync")
	t.mailboxes(remote, local)
	for _, channel := range t.channels {
		t.directions(channel)
	}
	t.rest(append([]*Section{connection, remote, local}, t.channels...))
}

// connection translates an IMAPAccount.
func (t *mbsyncTranslation) connection(s *Section) {
	tunnel := s.Text("Tunnel")
	scheme, usual := "imap", "143"
	switch kind := strings.ToLower(s.Text("TLSType", "SSLType")); {
	case kind == "imaps" || kind == "" && isYes(s.Text("UseIMAPS")):
		scheme, usual = "imaps", "993"
	case kind == "none" || kind == "" && tunnel != "":
		scheme = "imap+plain"
	}
	if tunnel != "" {
		t.set("tunnel", shell(tunnel))
		t.note("the tunnel stands for the server; a url is not needed")
	} else {
		t.server(scheme, s.Text("User"), s.Text("Host"), s.Text("Port"), usual)
	}
	if command := s.Text("UserCmd"); command != "" {
		t.note("UserCmd: a user cannot be had by a command; write it into url. It was: %s", command)
	}
	auth := t.mechanisms(s.All("AuthMech", "AuthMechs"))
	switch command := strings.TrimPrefix(s.Text("PassCmd"), "+"); {
	case command != "":
		t.command(command, auth)
	case s.Text("Pass") != "":
		t.note("Pass: the password is not copied. Put it into the keyring, or into a file that only you can read: password_file = \"~/.config/mailferry/password\"")
	case isYes(s.Text("UseKeychain")):
		t.note("UseKeychain: mailferry has a keyring entry of its own")
	}
	if file := s.Text("CertificateFile"); file != "" {
		t.set("tls_ca_file", file)
		t.note("CertificateFile: if it holds the server's own certificate rather than an authority's, use tls_pin, its SHA-256, instead of tls_ca_file")
	}
}

// maildirs translates a MaildirStore.
func (t *mbsyncTranslation) maildirs(s *Section) {
	inbox, root := s.Text("Inbox"), s.Text("Path")
	if inbox == "" {
		inbox = "~/Maildir"
	}
	switch {
	case strings.EqualFold(s.Text("SubFolders"), "Maildir++"):
		t.set("store", strings.TrimSuffix(inbox, "/"))
		t.set("layout", "maildir++")
		return
	case strings.HasSuffix(root, "/"):
		t.set("store", strings.TrimSuffix(root, "/"))
	case root != "":
		t.set("store", path.Dir(root))
	default:
		t.set("store", path.Dir(inbox))
	}
	if store := strings.TrimSuffix(root, "/"); root != "" && path.Clean(inbox) != path.Join(store, string(mailbox.Inbox)) {
		t.note("INBOX is at %s; mailferry has it inside of the store: move it to %s/INBOX", inbox, store)
	}
	if strings.EqualFold(s.Text("SubFolders"), "Legacy") {
		t.note("SubFolders Legacy: mailferry has Work/Project where mbsync has Work/.Project; rename the folders")
	}
}

// mailboxes says which mailboxes take part.
func (t *mbsyncTranslation) mailboxes(remote, local *Section) {
	var patterns []string
	add := func(pattern string) {
		if !slices.Contains(patterns, pattern) {
			patterns = append(patterns, pattern)
		}
	}
	for _, section := range t.channels {
		channel := mbsyncChannel{Section: section}
		_, far := channel.end("Far", "Master")
		_, near := channel.end("Near", "Slave")
		list := section.All("Pattern", "Patterns")
		if len(list) == 0 {
			if far == "" {
				far = string(mailbox.Inbox)
			}
			add(t.source.Decode(far))
			if near == "" {
				near = string(mailbox.Inbox)
			}
			if near != far {
				t.note("%s was %s on disk; mailferry has one name on both sides, and import-state renames the folder", far, near)
			}
			continue
		}
		for _, pattern := range list {
			pattern, isOut := strings.CutPrefix(pattern, "!")
			pattern = t.source.Decode(far + pattern)
			if isOut {
				pattern = "!" + pattern
			}
			add(pattern)
		}
	}
	if !slices.Equal(patterns, []string{"*"}) {
		t.set("mailboxes", patterns)
	}
	if local.Text("Flatten") != "" {
		t.note("Flatten: mailferry nests folders as the server nests mailboxes; import-state renames them")
	}
	if prefix := remote.Text("Path"); prefix != "" && !strings.EqualFold(strings.Trim(prefix, "./"), "INBOX") {
		t.note("Path %s on the server: mailferry starts at the top; names in mailboxes need it in front", prefix)
	}
	if isYes(remote.Text("SubscribedOnly")) {
		t.note("SubscribedOnly: mailferry takes all mailboxes that mailboxes names, subscribed or not")
	}
}

// directions translates what a channel carries.
func (t *mbsyncTranslation) directions(channel *Section) {
	globals := t.source.Globals()
	get := func(keys ...string) string {
		if text := channel.Text(keys...); text != "" {
			return strings.ToLower(text)
		}
		return strings.ToLower(globals.Text(keys...))
	}
	words := strings.Fields(get("Sync"))
	pulls, pushes := slices.Contains(words, "pull"), slices.Contains(words, "push")
	switch {
	case len(words) == 0 || slices.Contains(words, "all") || pulls && pushes:
	case pulls:
		t.set("mode", "backup")
		t.note("Sync Pull: a backup deletes nothing; mailferry backup --mirror moves what was deleted on the server to the store's trash")
		return
	case pushes:
		t.note("Sync Push: mailferry uploads one way with: mailferry restore")
	default:
		t.note("Sync %s: mailferry carries messages, flags and deletions together", strings.Join(words, " "))
	}
	expunge := strings.Fields(get("Expunge"))
	both := slices.Contains(expunge, "both")
	if !both && !slices.Contains(expunge, "far") && !slices.Contains(expunge, "master") {
		t.set("on_local_delete", "keep")
		t.note("Expunge: mbsync only marked messages as deleted on the server; on_local_delete = \"expunge\" (or \"trash\") lets deletions on disk reach it")
	}
	if !both && !slices.Contains(expunge, "near") && !slices.Contains(expunge, "slave") {
		t.set("on_remote_delete", "keep")
		t.note("Expunge: mbsync only marked files as deleted; on_remote_delete = \"trash\" moves those that were deleted on the server to the store's trash")
	}
	if create := get("Create"); create != "both" {
		t.note("Create is %s: mailferry makes mailboxes on both sides; mailboxes leaves some out", cmp.Or(create, "none"))
	}
	if remove := get("Remove"); remove != "both" {
		t.note("Remove is %s: mailferry follows deletions of mailboxes, behind its guards", cmp.Or(remove, "none"))
	}
	if size := get("MaxSize"); size != "" && size != "0" {
		t.set("max_message_size", strings.TrimSuffix(size, "b"))
	}
	if n := get("MaxMessages"); n != "" && n != "0" {
		t.note("MaxMessages %s: mailferry keeps everything on disk; what mbsync took off stays on the server only", n)
	}
}

// rest notes what has no counterpart.
func (t *mbsyncTranslation) rest(sections []*Section) {
	if trash := sections[1].Text("Trash"); trash != "" {
		t.set("on_local_delete", "trash")
		t.note("Trash: deleted messages are moved to the mailbox that the server has for it (\\Trash), which may not be %s", trash)
	}
	seen := map[*Section]bool{}
	for _, section := range sections {
		if seen[section] {
			continue
		}
		seen[section] = true
		for _, setting := range section.Settings {
			if !slices.Contains(mbsyncSettings, strings.ToLower(setting.Key)) {
				t.note("line %d: %s %s", setting.Line, setting.Key, strings.Join(setting.Args, " "))
			}
		}
	}
}

// isYes reads a switch.
func isYes(text string) bool {
	return slices.Contains([]string{"yes", "true", "on", "1"}, strings.ToLower(text))
}
