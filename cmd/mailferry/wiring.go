package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"mailferry/cmd/internal/config"
	"mailferry/maildirout"
	"mailferry/state"
	"mailferry/syncer"
	"mailferry/syncer/imapremote"
	"mailferry/syncer/mailbox"
	"mailferry/syncer/pop3remote"
)

// server is a mail server of any protocol.
type server interface {
	syncer.Remote
	syncer.RemoteMessages
	syncer.RemoteMailboxes
}

// sides is what a run works on.
type sides struct {
	remote server
	// imap is remote where it is an IMAP server, else nil.
	imap *imapremote.Account
	// onlyOptions: openIMAP does not connect, and leaves how it would in options.
	onlyOptions bool
	options     imapremote.Options
	disk        *maildirout.Store
	base        *state.Store
	// role is the server's part on the command line, see config.Secrets.
	role string
	// password, if not nil, is asked in place of the account's sources.
	password func(context.Context) (string, error)
	// watchTLS, if not nil, is shown the connection once its certificate was
	// found good.
	watchTLS func(tls.ConnectionState)
	// keepsNumbers: what is learnt of a POP3 server's messages is remembered in
	// base, unless dryRun.
	keepsNumbers, dryRun bool
	// scratch is an empty folder that stands for a store which a dry run must
	// not make.
	scratch string
}

// open opens both sides. A folder that is no store yet becomes one only after
// the server has let us in: a mistyped user must not leave a store behind that
// belongs to nobody.
func (a *app) open(ctx context.Context, j job, account config.Account) (_ *sides, err error) {
	both := &sides{}
	defer func() {
		if err != nil {
			err = errors.Join(err, both.Close())
		}
	}()
	local := func(ctx context.Context) error { return both.openLocal(ctx, a, account, j.flags) }
	both.keepsNumbers, both.dryRun = true, j.flags.dryRun
	remote := func(ctx context.Context) error { return both.openRemote(ctx, a, account, !j.pushes()) }
	hook := func(ctx context.Context) error {
		if j.flags.dryRun {
			return nil
		}
		return a.preSync(ctx, account, j.command)
	}
	steps := []func(context.Context) error{local, hook, remote}
	if _, err := state.ReadMarker(account.Store); err != nil {
		probe := func(ctx context.Context) error { return a.probe(ctx, account, j.flags) }
		steps = []func(context.Context) error{probe, hook, remote, local}
	}
	for _, step := range steps {
		if err := step(ctx); err != nil {
			if both.base != nil {
				err = errors.Join(err, both.recordFailure(ctx, j.command, err))
			}
			return nil, err
		}
	}
	return both, nil
}

// probe finds out whether the account's store can be made, and makes nothing.
func (a *app) probe(ctx context.Context, account config.Account, flags transferFlags) error {
	options := a.stateOptions(account, flags)
	options.ReadOnly = true
	store, err := state.Open(ctx, options)
	if err != nil {
		return err
	}
	if err := store.Close(); err != nil || account.Layout != string(maildirout.FS) {
		return err
	}
	// In this layout messages in the root are no mailbox's: they would be left out.
	if _, err := os.Stat(filepath.Join(account.Store, "cur")); err == nil {
		return hintedError{
			fmt.Errorf("%s: has messages of its own, as a Maildir++ has, and the layout is fs: %w", account.Store, errNotSetUp),
			"set layout = \"maildir++\" in the configuration; or are other mailboxes folders without a dot? Then move its cur, new and tmp into INBOX",
		}
	}
	return nil
}

func (a *app) stateOptions(account config.Account, flags transferFlags) state.Options {
	return state.Options{
		Dir:      account.Store,
		Notes:    config.StateDir(a.env),
		Identity: identityOf(account),
		NewStore: flags.newStore,
		ReadOnly: flags.dryRun,
		Now:      time.Now,
		Log:      a.log,
	}
}

// identityOf is whose a store is; of nobody where the account has no server.
func identityOf(account config.Account) state.Identity {
	if !hasServer(account) {
		return state.Identity{Layout: account.Layout}
	}
	return state.Identity{Account: account.Name, URL: identityURL(account), Layout: account.Layout}
}

func hasServer(account config.Account) bool {
	return account.Server.Scheme != "" || len(account.Tunnel) > 0
}

func noServer(account config.Account) error {
	return hintedError{
		fmt.Errorf("the store has no account yet: %w", errNotSetUp),
		"give it one: mailferry sync imaps://user@imap.example.com " + quoted(account.Store),
	}
}

// tunnelPrefix stands before an account's name where it has no URL.
const tunnelPrefix = "tunnel:"

// identityURL is what a store remembers its server by.
func identityURL(account config.Account) string {
	switch url := account.Server.String(); {
	case url != "":
		return url
	case len(account.Tunnel) > 0:
		return tunnelPrefix + account.Name
	}
	return ""
}

func (s *sides) openLocal(ctx context.Context, a *app, account config.Account, flags transferFlags) error {
	base, err := state.Open(ctx, a.stateOptions(account, flags))
	if err != nil {
		return err
	}
	s.base = base
	dir := account.Store
	if _, err := os.Stat(dir); flags.dryRun && errors.Is(err, os.ErrNotExist) {
		if s.scratch, err = os.MkdirTemp("", "mailferry-dry-run-"); err != nil {
			return err
		}
		dir = s.scratch
	}
	s.disk, err = openDisk(a, account, dir, flags.dryRun)
	return err
}

func openDisk(a *app, account config.Account, dir string, readOnly bool) (*maildirout.Store, error) {
	host, err := os.Hostname()
	if err != nil {
		host = "localhost"
	}
	return maildirout.Open(maildirout.Options{
		Dir:      dir,
		Layout:   maildirout.Layout(account.Layout),
		Now:      time.Now,
		Host:     host,
		ReadOnly: readOnly,
		Log:      a.log,
	})
}

// openRemote connects and logs in.
func (s *sides) openRemote(ctx context.Context, a *app, account config.Account, readOnly bool) error {
	if !hasServer(account) {
		return noServer(account)
	}
	dialer, err := a.dialer(ctx, account)
	if err != nil {
		return err
	}
	if s.watchTLS != nil {
		showTLS(dialer.TLS, s.watchTLS)
	}
	secrets := a.secrets(account)
	secrets.Role = s.role
	auth, token, password := authOf(account), a.tokens(account), secrets.Password
	if s.password != nil {
		password = s.password
	}
	log := a.log.With("account", account.Name)
	if account.Server.Protocol == pop3 {
		err = s.openPOP3(ctx, account, pop3remote.Options{
			Dialer: dialer, User: account.Server.User, Auth: auth,
			Password: password, Token: token, ReadOnly: readOnly, Log: log,
		})
	} else {
		err = s.openIMAP(ctx, imapremote.Options{
			Dialer: dialer, User: account.Server.User, Auth: auth, Password: password, Token: token,
			Connections: account.Connections, ReadOnly: readOnly, Log: log,
		})
	}
	if errors.Is(err, config.ErrNoPassword) {
		return hintedError{err, secrets.PasswordHint()}
	}
	return signInHint(account, err)
}

func (s *sides) openIMAP(ctx context.Context, options imapremote.Options) error {
	if s.onlyOptions {
		s.options = options
		return nil
	}
	account, err := imapremote.Open(ctx, options)
	if err == nil {
		s.remote, s.imap = account, account
	}
	return err
}

// imapOptions are those with which an account would be opened for reading.
func (a *app) imapOptions(ctx context.Context, account config.Account) (imapremote.Options, error) {
	s := &sides{onlyOptions: true}
	err := s.openRemote(ctx, a, account, true)
	return s.options, err
}

// leftOut tells which mailboxes the server's last listing had to leave out.
func (s *sides) leftOut() []mailbox.LeftOut {
	if s.imap == nil {
		return nil
	}
	return s.imap.LeftOut()
}

// needsRecovery reports whether the last run may have left something behind.
func (s *sides) needsRecovery(ctx context.Context) (bool, error) {
	if !s.base.Clean() || s.base.Rebuilt() != "" {
		return true, nil
	}
	runs, err := s.base.Runs(ctx, 1)
	return len(runs) > 0 && !runs[0].OK, err
}

// record surrounds a run by its entry in the state.
func (s *sides) record(ctx context.Context, command string, run func() (syncer.Summary, error)) (syncer.Summary, error) {
	id, err := s.base.BeginRun(ctx, command)
	if err != nil {
		return syncer.Summary{}, err
	}
	summary, runErr := run()
	text := ""
	if runErr != nil {
		text = runErr.Error()
	}
	counts, err := json.Marshal(runCounts{summary, recordedCode(summary, runErr)})
	if err != nil {
		return summary, errors.Join(runErr, err)
	}
	// The entry is written even when the user has cancelled the run.
	ok := runErr == nil && summary.Failed == 0 && summary.Guarded == 0
	if err := s.base.EndRun(context.WithoutCancel(ctx), id, ok, text, string(counts)); err != nil {
		return summary, errors.Join(runErr, fmt.Errorf("record the run: %w", err))
	}
	return summary, runErr
}

// recordFailure notes a run that did not get as far as the mail: status counts
// these too.
func (s *sides) recordFailure(ctx context.Context, command string, reason error) error {
	if s.dryRun {
		return nil
	}
	_, err := s.record(context.WithoutCancel(ctx), command, func() (syncer.Summary, error) { return syncer.Summary{}, reason })
	if errors.Is(err, reason) {
		return nil // recorded
	}
	return err
}

// runCounts is what the state keeps of a run besides its error.
type runCounts struct {
	syncer.Summary
	ExitCode int
}

// recordedCode is the exit code as far as a run's counts tell it.
func recordedCode(summary syncer.Summary, err error) int {
	code := exitCode(err)
	if summary.Stale > 0 {
		code = worse(code, exitTemporary)
	}
	if summary.Guarded > 0 {
		code = worse(code, exitGuarded)
	}
	if summary.Failed > 0 {
		code = worse(code, exitPartly)
	}
	return code
}

// Close closes what is open.
func (s *sides) Close() error {
	var errs []error
	if s.remote != nil {
		// All that was asked for has been answered: how the server takes its
		// leave changes nothing.
		_ = s.remote.Close()
	}
	if s.disk != nil {
		errs = append(errs, s.disk.Close())
	}
	if s.base != nil {
		errs = append(errs, s.base.Close())
	}
	if s.scratch != "" {
		errs = append(errs, os.RemoveAll(s.scratch))
	}
	return errors.Join(errs...)
}
