package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"mailferry/cmd/internal/config"
	"mailferry/cmd/internal/discover"
	"mailferry/cmd/internal/ui"
	"mailferry/syncer/imapremote"
)

// initFlags are the answers that can be given on the command line.
type initFlags struct {
	url, name, store, mode, olderThan                 string
	passwordCommand, passwordFile, tokenCommand, auth string
	layout, tlsCAFile, tlsPin                         string
	mailboxes                                         []string
	allowPlaintext, offline, noCheck, dryRun          bool
}

func newInitCommand(a *app) *cobra.Command {
	var f initFlags
	cmd := &cobra.Command{
		Use:   "init [ADDRESS]",
		Short: "Set up an account: find its server, try the login, write the configuration",
		Long: `Sets up an account by questions and answers. From the mail address it finds the
server: mailferry knows the big providers (mailferry help providers); for others it
asks the domain over HTTPS, Mozilla's database and DNS, and says who told it. Your
password goes nowhere before you have agreed to the server, and never over a
connection that is not protected.

Then it tries the login, looks how full the account is, asks how you read your
mail, and recommends to keep both sides the same (sync), to make a copy (backup),
or to move old mail here (archive). The password goes into the keyring or a file
that only you can read, or a command prints it; it is never in the configuration.

The account is added to the configuration file; what is there already stays as it
is. Nothing is written before the end.

With --no-input nothing is asked: what the flags leave open has to be certain, or
the command says what is missing and ends with 2. Without --mode it is sync, or
backup for POP3.`,
		Example: "  mailferry init me@example.com\n" +
			"  mailferry init me@example.com --no-input --name home --store ~/Mail/home --mode backup \\\n" +
			"      --password-command 'pass show mail/home'",
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			s := &setup{app: a, flags: f, address: slices.Concat(args, []string{""})[0], root: cmd.Root()}
			err := s.run(cmd.Context())
			if errors.Is(err, context.Canceled) {
				a.console.Error("interrupted: nothing was written", "mailferry init")
				return status(exitInterrupted)
			}
			return err
		},
	}
	f.add(cmd)
	return cmd
}

// add defines the flags.
func (f *initFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.url, "url", "", "the server, as a `URL` such as imaps://user@imap.example.com")
	flags.StringVar(&f.name, "name", "", "the account's `NAME` (default: the provider's or the domain's)")
	flags.StringVar(&f.store, "store", "", "the `FOLDER` for the mail (default ~/Mail/NAME)")
	flags.StringVar(&f.mode, "mode", "", "what a run does: sync, backup or archive")
	flags.StringVar(&f.olderThan, "older-than", "", "with archive: the `AGE` from which mail leaves the server (default 30d)")
	flags.StringVar(&f.passwordCommand, "password-command", "", "a `COMMAND` that prints the password")
	flags.StringVar(&f.passwordFile, "password-file", "", "a `FILE` with the password, that only you can read")
	flags.StringVar(&f.tokenCommand, "token-command", "", "a `COMMAND` that prints an OAuth2 access token")
	flags.StringVar(&f.auth, "auth", "", "how to log in: plain, login, xoauth2, oauthbearer or external (default: what the server offers)")
	flags.StringVar(&f.layout, "layout", "", "fs or maildir++ (mailferry help maildir)")
	flags.StringArrayVar(&f.mailboxes, "mailbox", nil, "only mailboxes that match `PATTERN`; ! excludes; repeatable")
	flags.StringVar(&f.tlsCAFile, "tls-ca-file", "", "a `FILE` with the certificate of a private authority")
	flags.StringVar(&f.tlsPin, "tls-pin", "", "the `SHA-256` of the server's own certificate")
	flags.BoolVar(&f.allowPlaintext, "allow-plaintext", false, "permit imap+plain:// to another machine")
	flags.BoolVar(&f.offline, "offline", false, "ask nobody about the address: only what mailferry knows itself")
	flags.BoolVar(&f.noCheck, "no-check", false, "do not try the login")
	flags.BoolVarP(&f.dryRun, "dry-run", "n", false, "show what would be written and write nothing")
	for name, values := range map[string][]string{
		"mode": {config.ModeSync, config.ModeBackup, config.ModeArchive}, "layout": {"fs", "maildir++"},
		"auth": {"auto", "plain", "login", "xoauth2", "oauthbearer", "external"},
	} {
		// It fails only for a flag that is not there.
		_ = cmd.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
	}
}

// setup is one run of init: what is known so far.
type setup struct {
	app   *app
	flags initFlags
	root  *cobra.Command
	// ask is nil where nobody can answer.
	ask     *asker
	path    string // of the configuration file
	address string // as typed

	server   config.Server
	provider discover.Provider
	login    discover.Login
	source   string
	name     string
	store    string
	secret   secret
	pin      string
	mode     string
	// olderThan is the archive's limit.
	olderThan string
	// tried says how the login went: "ok", "failed" or "not tried".
	tried    string
	messages int
	room     imapremote.Room
}

func (s *setup) run(ctx context.Context) error {
	ctx, release := s.app.untilStopped(ctx)
	defer release()
	if _, err := s.app.loadConfig(); err != nil {
		return err
	}
	s.path, _ = config.FilePath(s.app.flags.config, s.app.env)
	s.pin, s.mode, s.olderThan, s.tried = s.flags.tlsPin, s.flags.mode, s.flags.olderThan, "not tried"
	if err := s.checkFlags(); err != nil {
		return err
	}
	if s.app.canAsk() {
		s.ask = newAsker(s.app)
		s.ask.tell("mailferry sets up an account. An empty answer takes what is in brackets; Ctrl-C ends it.")
	}
	for _, step := range []func(context.Context) error{
		s.findServer, s.chooseName, s.chooseSecret, s.tryLogin, s.chooseMode, s.chooseStore, s.finish,
	} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return s.tellNext(ctx)
}

// checkFlags refuses what can never become an account.
func (s *setup) checkFlags() error {
	f := s.flags
	switch {
	case f.mode != "" && f.mode != config.ModeSync && f.mode != config.ModeBackup && f.mode != config.ModeArchive:
		return usagef("--mode %q: allowed are sync, backup and archive", f.mode)
	case f.olderThan != "" && f.mode != config.ModeArchive:
		return usagef("--older-than goes with --mode archive")
	case f.name != "" && !config.IsName(f.name):
		return usagef("--name %q: names have letters, digits and any of - _ . @ +", f.name)
	}
	if f.name != "" {
		if _, exists := s.app.config.Account(f.name); exists {
			return s.exists(f.name)
		}
	}
	if s.app.canAsk() || f.url != "" || s.address != "" {
		return nil
	}
	missing := []string{"whose mail: ADDRESS, or --url imaps://user@imap.example.com"}
	if !s.flagsHaveSecret() {
		missing = append(missing, secretMissing)
	}
	return missingError(missing...)
}

const secretMissing = "the password: --password-command, --password-file or --token-command"

// missingError says what the flags leave open.
func missingError(what ...string) error {
	return hintedError{usagef("nobody can be asked here, and this is missing:\n%s", strings.Join(what, "\n")), "mailferry init --help"}
}

func (s *setup) exists(name string) error {
	return hintedError{
		usagef("%s has an account %s already", s.path, name),
		"give the new one another name: --name NAME\nor change what is there with an editor: " + s.path,
	}
}

// chooseName gives the account a name that is free.
func (s *setup) chooseName(ctx context.Context) error {
	if s.flags.name != "" {
		s.name = s.flags.name
		return nil
	}
	s.name = s.freeName()
	if s.ask == nil {
		return nil
	}
	return s.ask.until(ctx, "A short name for this account", s.name, func(text string) error {
		if !config.IsName(text) {
			return errors.New("names have letters, digits and any of - _ . @ +")
		}
		if _, exists := s.app.config.Account(text); exists {
			return fmt.Errorf("there is an account %s already", text)
		}
		s.name = text
		return nil
	})
}

// freeName is the provider's ID or the domain's first part, with a number where
// that is taken.
func (s *setup) freeName() string {
	name := s.provider.ID
	if name == "" {
		_, domain, _ := cutLast(s.address, "@")
		if domain == "" {
			domain = s.server.Host
		}
		name, _, _ = strings.Cut(strings.ToLower(domain), ".")
	}
	if !config.IsName(name) {
		name = "mail"
	}
	free := name
	for i := 2; ; i++ {
		if _, exists := s.app.config.Account(free); !exists {
			return free
		}
		free = fmt.Sprintf("%s-%d", name, i)
	}
}

// json writes an object if that is wanted.
func (s *setup) json(object map[string]any) {
	if s.app.flags.json {
		ui.WriteJSON(s.app.out(), object)
	}
}
