package main

import (
	"github.com/spf13/cobra"
)

func newAccountCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "account",
		Short: "Move a store to another server, and collect what still arrives at the old one",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newAccountMoveCommand(a), newAccountStragglersCommand(a))
	return cmd
}

func newAccountMoveCommand(a *app) *cobra.Command {
	var to string
	var dryRun bool
	cmd := &cobra.Command{
		Use:   "move [ACCOUNT | DIR] --to ACCOUNT|URL",
		Short: "Make a store that of another server, without transferring its mail",
		Long: `Makes a store that of another server: from then on sync, backup and the others
work with the new one. The mail stays where it is on disk; what a restore
brought to the new server before is known to be there, and nothing is
transferred. Where no restore went before, the next sync recognises messages by
their content, and uploads those that the new server lacks.

Folders that are called otherwise on the new server are renamed on disk: Sent
becomes Gesendet, for instance. Neither server is changed. At the end the line
is shown that is to be changed in the configuration.`,
		Example:           "  mailferry account move home --to imaps://me@imap.new.example",
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: a.completeAccounts,
		RunE: func(cmd *cobra.Command, args []string) error {
			if to == "" {
				return hintedError{usagef("--to is missing: the server to move to"), "mailferry account move ACCOUNT --to imaps://user@imap.example.com"}
			}
			source, err := a.oneTarget(cmd.Context(), args)
			if err != nil {
				return err
			}
			dest, err := a.destination(to, source.account.Store)
			if err != nil {
				return err
			}
			m := &moving{restoring: restoring{app: a, source: source, dest: dest}}
			m.flags.dryRun = dryRun
			return status(m.run(cmd.Context()))
		},
	}
	cmd.Flags().StringVar(&to, "to", "", "the server to move to: a configured `ACCOUNT` or a URL")
	cmd.Flags().BoolVarP(&dryRun, "dry-run", "n", false, "show what would be done and change nothing")
	return cmd
}

func newAccountStragglersCommand(a *app) *cobra.Command {
	var from string
	var flags transferFlags
	cmd := &cobra.Command{
		Use:   "stragglers [ACCOUNT | DIR] [--from ACCOUNT|URL]",
		Short: "Bring what still arrives at the server that a store moved from",
		Long: `Downloads the messages that arrived at the old server since the store moved to
the new one, into the folders that they belong to. The next sync uploads them to
the new server. What is on the old server is not changed, and nothing else is
taken from there: neither flags nor deletions.

The old server's password comes from its account, or for a URL from
MAILFERRY_PASSWORD_FROM or MAILFERRY_PASSWORD.`,
		Example:           "  mailferry account stragglers home && mailferry sync home",
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: a.completeAccounts,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := flags.check(cmd); err != nil {
				return err
			}
			source, err := a.oneTarget(cmd.Context(), args)
			if err != nil {
				return err
			}
			s := &collecting{app: a, source: source, from: from, flags: flags}
			return status(s.run(cmd.Context()))
		},
	}
	flags.addHarmless(cmd)
	cmd.Flags().StringVar(&from, "from", "", "the old server: a configured `ACCOUNT` or a URL (default the one that the store moved from)")
	return cmd
}
