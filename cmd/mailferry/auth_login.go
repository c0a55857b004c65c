package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"mailferry/cmd/internal/config"
	"mailferry/cmd/internal/oauth"
	"mailferry/cmd/internal/ui"
	"mailferry/cmd/internal/vault"
	"mailferry/syncer/mailbox"
)

// loginFlags are the flags of auth login.
type loginFlags struct {
	device, noBrowser, file, noCheck, passwordStdin bool
}

// login signs in to one account, and tells.
func (a *app) login(ctx context.Context, t target, f loginFlags) error {
	account := t.account
	do := a.signIn
	if !account.OAuth.IsSet() {
		do = a.storePassword
	}
	place, err := do(ctx, account, f)
	code := exitCode(err)
	more := map[string]any{"account": account.Name}
	if place != "" {
		more["stored_in"] = place
	}
	a.authSummary("login", code, more)
	if err != nil {
		text := err.Error()
		if code == exitInterrupted {
			text = "interrupted"
		}
		a.console.Error(account.Name+": "+text, hintFor(err, "mailferry auth login "+quoted(account.Name)))
		return status(code)
	}
	return nil
}

// signIn gets a token from the provider and stores it.
func (a *app) signIn(ctx context.Context, account config.Account, f loginFlags) (oauth.Place, error) {
	if f.passwordStdin {
		return "", usagef("--password-stdin is for accounts without OAuth2")
	}
	if !account.UsesToken() {
		return "", hintedError{usagef("auth = %q logs in without a token", account.Auth), `set auth = "auto", "xoauth2" or "oauthbearer"`}
	}
	client, store := a.oauthClient(account), a.tokenStore(account.Name)
	token, err := a.tokenFromUser(ctx, account, client, f)
	if err != nil {
		return "", signInTrouble(account, err)
	}
	place := oauth.InKeyring
	if f.file || store.Keyring == nil {
		place = oauth.InFile
	}
	unlock, err := store.Lock(ctx)
	if err != nil {
		return "", err
	}
	defer unlock()
	if place, err = store.Save(context.WithoutCancel(ctx), token, place); err != nil {
		return "", err
	}
	store.Tidy(ctx, place)
	unlock()
	if token.Refresh == "" {
		a.console.Warning(account.Name+": the provider gave no token to renew this one with: the sign-in ends with it",
			"many want the scope offline_access for that (mailferry help oauth)")
	}
	if err := a.tryLogin(ctx, account, nil, f); err != nil {
		return place, refusedAfterSignIn(account, err)
	}
	a.said("Signed in. The token is in the %s.", placeText(place, store))
	return place, nil
}

func placeText(place oauth.Place, store oauth.Store) string {
	if place == oauth.InFile {
		return "folder " + store.Folder.Dir + " (only you can read it)"
	}
	return string(place)
}

// tokenFromUser lets the user sign in, by code or in the browser.
func (a *app) tokenFromUser(ctx context.Context, account config.Account, client oauth.Client, f loginFlags) (oauth.Token, error) {
	ctx, cancel := a.untilStopped(ctx)
	defer cancel()
	if f.device || client.AuthURL == "" {
		return client.SignInByDevice(ctx, func(page, code string) {
			fmt.Fprintf(a.console.Err(), "To sign in to %s, open this page in any browser:\n\n  %s\n\nand type this code there: %s\n",
				ui.Escape(account.Name), ui.Escape(page), ui.Escape(code))
		})
	}
	var pasted chan string
	if a.canAsk() {
		pasted = make(chan string)
		go a.readLines(ctx, pasted)
	}
	return client.SignInByBrowser(ctx, func(page string) {
		fmt.Fprintf(a.console.Err(), "To sign in to %s, open this page in a browser on this machine:\n\n  %s\n\n", ui.Escape(account.Name), page)
		if pasted != nil {
			fmt.Fprintf(a.console.Err(), "Where the browser is on another machine, it ends at a page that does not load:\n"+
				"paste that page's address here and press Enter.\n")
		}
		if !f.noBrowser {
			a.openBrowser(page)
		}
	}, pasted)
}

// untilStopped ends with ctx or when the user asks to stop.
func (a *app) untilStopped(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		select {
		case <-a.stop:
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, cancel
}

// readLines hands lines of the terminal on. Its last read may outlive it.
func (a *app) readLines(ctx context.Context, to chan<- string) {
	lines := bufio.NewScanner(io.LimitReader(a.stdin, 1<<20))
	for lines.Scan() {
		select {
		case to <- lines.Text():
		case <-ctx.Done():
			return
		}
	}
}

// signInTrouble says what the user can do about it.
func signInTrouble(account config.Account, err error) error {
	var refused *oauth.Refusal
	topic := "mailferry help oauth"
	if account.OAuth.Provider != "" {
		topic += "-" + account.OAuth.Provider
	}
	switch {
	case errors.Is(err, errors.ErrUnsupported):
		return hintedError{usageError{err}, "the provider's documentation names the address, and " + topic + " the way"}
	case !errors.As(err, &refused):
		return err
	}
	again := "mailferry auth login " + quoted(account.Name)
	switch refused.Code {
	case "expired_token":
		return hintedError{err, "begin again: " + again}
	case "access_denied":
		return hintedError{err, "permit it on the provider's page: " + again + "\nwhat may stand in the way: " + topic}
	}
	return hintedError{err, "is the client registered as " + topic + " says? Then: " + again}
}

// refusedAfterSignIn: the provider issued a token that the mail server does not
// take.
func refusedAfterSignIn(account config.Account, err error) error {
	if !errors.Is(err, mailbox.ErrAuth) {
		return err
	}
	return hintedError{err, fmt.Sprintf("did you sign in as %s, and is IMAP or POP allowed for this account? "+
		"The scope may be wrong, too: mailferry help oauth", account.Server.User)}
}

// tryLogin logs in to the mail server. password nil: with what is stored.
func (a *app) tryLogin(ctx context.Context, account config.Account, password func(context.Context) (string, error), f loginFlags) error {
	if f.noCheck {
		return nil
	}
	both := &sides{password: password}
	err := both.openRemote(ctx, a, account, true)
	return errors.Join(err, both.Close())
}

// storePassword puts a password into the keyring.
func (a *app) storePassword(ctx context.Context, account config.Account, f loginFlags) (oauth.Place, error) {
	keyring := vault.Desktop(a.env)
	switch {
	case len(account.TokenCommand) > 0:
		return "", hintedError{usagef("token_command gets the tokens of this account"), "sign in with the program that it runs (mailferry help oauth)"}
	case account.UsesToken():
		return "", hintedError{usagef("auth = %q needs a token", account.Auth), "set oauth_client_id or token_command: mailferry help oauth"}
	case f.device || f.file || f.noBrowser:
		return "", hintedError{usagef("--device, --file and --no-browser are for accounts with OAuth2"), "set oauth_client_id: mailferry help oauth"}
	case keyring == nil:
		return "", hintedError{fmt.Errorf("put the password into the keyring: %w", vault.ErrNoKeyring),
			"use password_command or password_file instead (mailferry help configuration)"}
	}
	password, err := a.newPassword(ctx, account, f)
	if err != nil {
		return "", err
	}
	once := func(context.Context) (string, error) { return password, nil }
	if err := a.tryLogin(ctx, account, once, f); err != nil {
		return "", fmt.Errorf("the password is not stored: %w", err)
	}
	if err := keyring.Set(ctx, account.Name, password); err != nil {
		return "", hintedError{fmt.Errorf("put the password into the keyring: %w", err), "unlock the keyring, or use password_command or password_file"}
	}
	if len(account.PasswordCommand) > 0 {
		a.console.Warning(account.Name+": password_command is asked before the keyring", "remove it from the configuration")
	}
	a.said("The password is in the keyring.")
	return oauth.InKeyring, nil
}

// newPassword asks for a password or reads it from standard input.
func (a *app) newPassword(ctx context.Context, account config.Account, f loginFlags) (password string, err error) {
	switch {
	case f.passwordStdin:
		line, err := bufio.NewReader(io.LimitReader(a.stdin, 64<<10)).ReadString('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return "", fmt.Errorf("read the password: %w", err)
		}
		password = strings.TrimRight(line, "\r\n")
	case a.canAsk():
		if password, err = a.askPassword(ctx, "Password for "+account.Name+": "); err != nil {
			return "", err
		}
	default:
		return "", hintedError{usagef("nobody is there to ask for the password"), "on a terminal: mailferry auth login " + quoted(account.Name) +
			"\nin a script: --password-stdin"}
	}
	if password == "" {
		return "", fmt.Errorf("no password was given: %w", config.ErrNoPassword)
	}
	return password, nil
}

// logout removes what login stored.
func (a *app) logout(ctx context.Context, account config.Account) error {
	found, err := a.tokenStore(account.Name).Delete(ctx)
	if err != nil {
		return fmt.Errorf("%s: remove the token: %w", account.Name, err)
	}
	hadPassword := false
	if keyring := vault.Desktop(a.env); keyring != nil {
		hadPassword = keyring.Delete(ctx, account.Name) == nil
	}
	a.authSummary("logout", exitDone, map[string]any{"account": account.Name, "removed": found || hadPassword})
	switch {
	case found:
		a.said("The token is removed. The permission itself is withdrawn at %s.", permissions(account))
	case hadPassword:
		a.said("The password is removed from the keyring.")
	default:
		a.said("Nothing was stored for %s.", account.Name)
	}
	return nil
}

// wouldLogout says what logout would remove.
func (a *app) wouldLogout(ctx context.Context, account config.Account) error {
	_, place, err := a.tokenStore(account.Name).Load(ctx)
	hasToken, hasPassword := err == nil, false
	if err != nil && !errors.Is(err, vault.ErrNotFound) {
		return fmt.Errorf("%s: look for the token: %w", account.Name, err)
	}
	if keyring := vault.Desktop(a.env); keyring != nil {
		_, err := keyring.Get(ctx, account.Name)
		hasPassword = err == nil
	}
	a.authSummary("logout", exitDone, map[string]any{"account": account.Name, "dry_run": true, "removed": hasToken || hasPassword})
	if a.flags.json {
		return nil
	}
	name := ui.Escape(account.Name)
	if hasToken {
		fmt.Fprintf(a.out(), "%s: the token in the %s would be removed\n", name, place)
	}
	if hasPassword {
		fmt.Fprintf(a.out(), "%s: the password in the keyring would be removed\n", name)
	}
	if !hasToken && !hasPassword {
		fmt.Fprintf(a.out(), "%s: nothing is stored\n", name)
	}
	return nil
}
