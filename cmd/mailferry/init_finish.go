package main

import (
	"cmp"
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"mailferry/cmd/internal/config"
	"mailferry/cmd/internal/ui"
)

// fullFrom is the share of the quota from which the room counts as short.
const fullFrom = 80

// chooseMode asks how the mail is read, and recommends.
func (s *setup) chooseMode(ctx context.Context) error {
	isPOP3 := s.server.Protocol == pop3
	if s.ask == nil || s.mode != "" {
		s.mode = cmp.Or(s.mode, map[bool]string{true: config.ModeBackup, false: config.ModeSync}[isPOP3])
	} else if err := s.askMode(ctx, isPOP3); err != nil {
		return err
	}
	if s.mode == config.ModeArchive {
		s.olderThan = cmp.Or(s.olderThan, "30d")
	}
	if isPOP3 && s.mode == config.ModeSync {
		return hintedError{usagef("a POP3 server can only be backed up or archived"), "--mode backup"}
	}
	return nil
}

func (s *setup) askMode(ctx context.Context, isPOP3 bool) (err error) {
	u := usage{isPOP3: isPOP3, isReadOnly: strings.HasPrefix(s.server.Host, "export.imap.")}
	s.ask.tell("Three questions on how you read this mail:")
	if u.hasOthers, err = s.ask.yes(ctx, "Do you also read it on another device, or in the browser?", true); err != nil {
		return err
	}
	question := "Is the room on the server short, so that old mail has to leave it?"
	isFull := s.fullness() >= fullFrom
	if isFull {
		question = fmt.Sprintf("The account is full to %d %%. Shall old mail leave the server?", s.fullness())
	}
	if u.isShort, err = s.ask.yes(ctx, question, isFull); err != nil {
		return err
	}
	if !u.isPOP3 && !u.isShort && !u.isReadOnly {
		if u.changesHere, err = s.ask.yes(ctx, "Will you read, sort or delete mail in the folder on this computer (with mutt, aerc, notmuch ...)?", true); err != nil {
			return err
		}
	}
	recommended := advise(u)
	s.ask.tell("Recommended: %s. %s", recommended.mode, recommended.why)
	var lines, modes []string
	preset := 0
	for _, row := range modeLines {
		if row.mode == config.ModeSync && (u.isPOP3 || u.isReadOnly) {
			continue
		}
		lines, modes = append(lines, row.text), append(modes, row.mode)
		if row.mode == recommended.mode {
			preset = len(lines)
		}
	}
	i, err := s.ask.choose(ctx, "What shall a run do?", lines, preset)
	if err != nil {
		return err
	}
	s.mode = modes[i-1]
	if s.mode != config.ModeArchive {
		return nil
	}
	return s.ask.until(ctx, "From which age shall mail leave the server", cmp.Or(recommended.olderThan, "30d"), func(text string) error {
		_, err := config.ParseAge(text)
		s.olderThan = text
		return err
	})
}

// chooseStore gives the account a folder of its own.
func (s *setup) chooseStore(ctx context.Context) error {
	preset := cmp.Or(s.flags.store, "~/Mail/"+s.name)
	if s.ask == nil || s.flags.store != "" {
		return s.checkStore(ctx, preset)
	}
	return s.ask.until(ctx, "The folder for the mail on this computer", preset, func(text string) error {
		return s.checkStore(ctx, text)
	})
}

// checkStore refuses a folder that belongs to something else.
func (s *setup) checkStore(ctx context.Context, text string) error {
	s.store = absolute(text)
	dir := config.ExpandHome(s.store, s.app.env)
	for _, other := range s.app.config.Accounts() {
		if isWithinFolder(dir, other.Store) || isWithinFolder(other.Store, dir) {
			return usagef("%s is in the folder of account %s, or around it: every account has its own", text, other.Name)
		}
	}
	account, _, err := s.candidate()
	if err != nil {
		return err
	}
	return s.app.probe(ctx, account, transferFlags{})
}

// isWithinFolder reports whether a path is a folder or lies in it.
func isWithinFolder(path, folder string) bool {
	relative, err := filepath.Rel(folder, path)
	return err == nil && relative != ".." && !strings.HasPrefix(relative, ".."+string(filepath.Separator))
}

// tables is the account in TOML, as far as it is known.
func (s *setup) tables() string {
	head := []string{fmt.Sprintf("%s: made by `mailferry init`. All keys: mailferry help configuration", cmp.Or(s.provider.Name, s.server.Host))}
	own := config.Table{Lines: []config.Line{
		{Key: "url", Value: s.server.String()},
		{Key: "store", Value: cmp.Or(s.store, "~/Mail/"+s.name), Comment: "the mail on this computer"},
		{Key: "mode", Value: cmp.Or(s.mode, config.ModeBackup), Comment: "what `mailferry run` does: sync, backup or archive"},
	}}
	add := func(key string, value any, comment string) {
		own.Lines = append(own.Lines, config.Line{Key: key, Value: value, Comment: comment})
	}
	f := s.flags
	switch s.secret.keeper {
	case byCommand:
		add("password_command", s.secret.command, "prints the password; no shell")
	case byToken:
		add("token_command", s.secret.command, "prints an OAuth2 access token; no shell")
	case byOAuth:
		provider, topic := s.oauthProvider()
		add("", nil, "Fill in the client ID that you register (mailferry help "+topic+"):")
		add("", nil, fmt.Sprintf("oauth_provider = %q", provider))
		add("", nil, "oauth_client_id = \"...\"")
	case inFile:
		add("password_file", s.secret.path, "only you can read it")
	case inKeyring:
		add("", nil, "The password is in the keyring: service \"mailferry\", user \""+s.name+"\".")
	case inEnvironment:
		add("", nil, "The password comes from the environment: "+config.PasswordVariable(s.name)+" or MAILFERRY_PASSWORD.")
	case byPrompt:
		add("", nil, "The password is asked for on the terminal. For runs by itself: password_command or password_file.")
	}
	if f.auth == "" && s.secret.keeper == byOAuth {
		f.auth = "xoauth2"
	}
	for _, row := range []struct {
		key     string
		value   any
		isSet   bool
		comment string
	}{
		{"auth", f.auth, f.auth != "", ""},
		{"layout", f.layout, f.layout != "", ""},
		{"mailboxes", f.mailboxes, len(f.mailboxes) > 0, "* is anything, ! excludes"},
		{"tls_ca_file", absolute(f.tlsCAFile), f.tlsCAFile != "", ""},
		{"tls_pin", s.pin, s.pin != "", "this one certificate is trusted"},
		{"allow_plaintext", true, f.allowPlaintext, "mail and password travel unprotected"},
	} {
		if row.isSet {
			add(row.key, row.value, row.comment)
		}
	}
	tables := []config.Table{own}
	if s.mode == config.ModeArchive {
		tables = append(tables, config.Table{Name: "archive", Lines: []config.Line{
			{Key: "older_than", Value: cmp.Or(s.olderThan, "30d"), Comment: "mail leaves the server from this age on, once it is safe here"},
			{Key: "keep_flagged", Value: true, Comment: "what is starred stays (mailferry help archive)"},
		}})
	}
	return config.NewAccount(s.name, head, tables)
}

// oauthProvider is the value of oauth_provider and the topic about it.
func (s *setup) oauthProvider() (provider, topic string) {
	switch s.provider.ID {
	case "gmail":
		provider = config.ProviderGoogle
	case "outlook", "microsoft365":
		provider = config.ProviderMicrosoft
	default:
		return "", "oauth"
	}
	return provider, "oauth-" + provider
}

// finish stores the secret and writes the configuration.
func (s *setup) finish(ctx context.Context) error {
	_, extended, err := s.candidate()
	if err != nil {
		return err
	}
	if s.flags.dryRun {
		if !s.app.flags.json {
			fmt.Fprint(s.app.out(), ui.EscapeLines(s.tables()))
		}
		return nil
	}
	if err := s.keepSecret(ctx); err != nil {
		return fmt.Errorf("keep the password: %w", err)
	}
	if err := extended.Write(); err != nil {
		return fmt.Errorf("write the configuration: %w", err)
	}
	return nil
}

// tellNext ends with what to type next.
func (s *setup) tellNext(ctx context.Context) error {
	s.json(map[string]any{
		"type": "summary", "schema_version": ui.SchemaVersion, "command": "init", "account": s.name, "url": s.server.String(), "store": s.store,
		"mode": s.mode, "config": s.path, "password": string(s.secret.keeper), "login": s.tried, "dry_run": s.flags.dryRun, "exit_code": exitDone,
	})
	if s.app.flags.json || s.flags.dryRun || s.app.flags.quiet || s.ask == nil && !s.app.console.OutIsTerminal() {
		return nil
	}
	out := s.app.out()
	fmt.Fprintf(out, "%s has the account %s now.\n", ui.Escape(s.path), s.name)
	next := func(what, command string) { fmt.Fprintf(out, "  %-30s %s\n", what, ui.Escape(command)) }
	if s.secret.keeper == byOAuth {
		_, topic := s.oauthProvider()
		next("first, get a client ID:", "mailferry help "+topic)
		next("then let it log in:", "mailferry auth login "+s.name)
	}
	next("fetch the mail:", s.command("run"))
	next("if something is wrong:", s.command("doctor"))
	return s.offerSchedule(ctx, next)
}

// command is a command line about the account.
func (s *setup) command(verb string) string {
	text := "mailferry " + verb + " " + s.name
	if s.app.flags.config != "" {
		text += " --config " + quoted(s.app.flags.config)
	}
	return text
}

// offerSchedule offers to run the account every now and then.
func (s *setup) offerSchedule(ctx context.Context, next func(what, command string)) error {
	install, rest, err := s.root.Find([]string{"schedule", "install"})
	if err != nil || len(rest) > 0 || install.Name() != "install" {
		next("then, as a line of a crontab:", "*/15 * * * *  "+s.command("run"))
		return nil
	}
	next("then, to run it by itself:", "mailferry schedule install")
	if s.ask == nil || s.secret.keeper == byPrompt || s.secret.keeper == byOAuth || s.secret.keeper == inEnvironment || s.tried != "ok" {
		return nil
	}
	wanted, err := s.ask.yes(ctx, "Install that schedule now?", false)
	if err != nil || !wanted {
		return nil // the account is set up, whatever becomes of this question
	}
	s.app.config = nil // it has the account now
	args := []string{"schedule", "install"}
	if s.app.flags.config != "" {
		args = append(args, "--config", s.app.flags.config)
	}
	s.root.SetArgs(args)
	return s.root.ExecuteContext(ctx)
}
