package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"mailferry/cmd/internal/config"
	"mailferry/cmd/internal/ui"
)

func newAuthCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "auth",
		Short: "Sign in with OAuth2, or put a password into the keyring",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newAuthLoginCommand(a), newAuthLogoutCommand(a), newAuthStatusCommand(a))
	return cmd
}

func newAuthLoginCommand(a *app) *cobra.Command {
	var f loginFlags
	cmd := &cobra.Command{
		Use:   "login ACCOUNT",
		Short: "Sign in to an account",
		Long: `Signs in to an account that is set up for OAuth2 (mailferry help oauth). It opens
the provider's page in the browser, and names it for when no browser can be
opened; what the provider gives is stored in the keyring, or where there is none in
a file that only you can read, and is renewed from then on by itself.

With --device you sign in on any other machine, by typing a short code there. Not
every provider allows it for mail: Google does not.

For an account without OAuth2 it asks for the password and puts it into the
keyring.

The login is tried before the command ends, unless --no-check.`,
		Example: "  mailferry auth login home\n" +
			"  mailferry auth login work --device\n" +
			"  mailferry auth login work --file        for cron, which reaches no keyring",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.completeAccounts,
		RunE: func(cmd *cobra.Command, args []string) error {
			t, err := a.oneTarget(cmd.Context(), args)
			if err != nil {
				return err
			}
			return a.login(cmd.Context(), t, f)
		},
	}
	cmd.Flags().BoolVar(&f.device, "device", false, "sign in by a code that is typed on another machine")
	cmd.Flags().BoolVar(&f.noBrowser, "no-browser", false, "name the page, open nothing")
	cmd.Flags().BoolVar(&f.file, "file", false, "store the token in a file, also where there is a keyring")
	cmd.Flags().BoolVar(&f.noCheck, "no-check", false, "do not try the login")
	cmd.Flags().BoolVar(&f.passwordStdin, "password-stdin", false, "read the password from standard input")
	return cmd
}

func newAuthLogoutCommand(a *app) *cobra.Command {
	var dryRun bool
	cmd := &cobra.Command{
		Use:   "logout ACCOUNT",
		Short: "Forget an account's token, or its password in the keyring",
		Long: `Removes what auth login stored for an account: its token, or its password in the
keyring. The provider is not told; where to withdraw the permission is printed.`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.completeAccounts,
		RunE: func(cmd *cobra.Command, args []string) error {
			t, err := a.oneTarget(cmd.Context(), args)
			if err != nil {
				return err
			}
			if dryRun {
				return a.wouldLogout(cmd.Context(), t.account)
			}
			return a.logout(cmd.Context(), t.account)
		},
	}
	cmd.Flags().BoolVarP(&dryRun, "dry-run", "n", false, "say what would be removed and remove nothing")
	return cmd
}

func newAuthStatusCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "status [ACCOUNT...]",
		Short: "Say how each account logs in, and until when",
		Long: `Says for each account how it logs in, where its token or password is kept, and
when a login ends. It asks neither the provider nor the mail server and runs no
command: that a token is there does not prove that it is still taken.

The exit code is 12 if some account has to be signed in to.`,
		ValidArgsFunction: a.completeAccounts,
		RunE: func(cmd *cobra.Command, args []string) error {
			targets, err := a.targets(cmd.Context(), args, false)
			if err != nil {
				return err
			}
			return a.authStatus(cmd.Context(), targets)
		},
	}
}

// said tells a person that a command is done; scripts have the exit code.
func (a *app) said(format string, args ...any) {
	if a.console.IsTerminal() && !a.flags.quiet && !a.flags.json {
		fmt.Fprintln(a.console.Err(), ui.EscapeLines(fmt.Sprintf(format, args...)))
	}
}

// authSummary is the last object of an auth command.
func (a *app) authSummary(command string, code int, more map[string]any) {
	if !a.flags.json {
		return
	}
	object := map[string]any{"type": "summary", "schema_version": ui.SchemaVersion, "command": "auth " + command, "exit_code": code}
	for key, value := range more {
		object[key] = value
	}
	ui.WriteJSON(a.out(), object)
}

// permissions is where a provider's users withdraw what they permitted.
func permissions(account config.Account) string {
	switch account.OAuth.Provider {
	case config.ProviderGoogle:
		return "https://myaccount.google.com/permissions"
	case config.ProviderMicrosoft:
		return "https://account.live.com/consent/Manage (a company's account: https://myapps.microsoft.com)"
	}
	return "the provider's page about your account"
}
