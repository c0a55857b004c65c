package main

import (
	"github.com/spf13/cobra"

	"mailferry/cmd/internal/config"
)

func newRunCommand(a *app) *cobra.Command {
	var flags transferFlags
	cmd := &cobra.Command{
		Use:   "run [ACCOUNT...]",
		Short: "Do what each account's mode says: the line for a crontab",
		Long: `Does what the configuration says for each account: mode = "sync" or "backup".
Without a terminal a run that succeeds prints nothing, so cron mails only trouble:

  */10 * * * *  mailferry run`,
		ValidArgsFunction: a.completeAccounts,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := flags.check(cmd); err != nil {
				return err
			}
			targets, err := a.targets(cmd.Context(), args, false)
			if err != nil {
				return err
			}
			jobs := make([]job, len(targets))
			for i, t := range targets {
				if t.account.Mode == config.ModeArchive {
					return hintedError{
						usagef("%s: mode = \"archive\" is not in this version", t.account.Name),
						"set mode to sync or backup, or name the accounts to run: mailferry run ACCOUNT",
					}
				}
				jobs[i] = job{target: t, command: t.account.Mode, flags: flags}
			}
			return a.runJobs(cmd.Context(), jobs)
		},
	}
	flags.add(cmd)
	return cmd
}
