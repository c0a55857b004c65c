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
		Long: `Does what the configuration says for each account: mode = "sync", "backup"
or "archive", with the limits of its [archive] table.
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
				jobs[i] = job{target: t, command: t.account.Mode, flags: flags}
				if t.err == nil && t.account.Mode == config.ModeArchive {
					jobs[i].target.err = a.mayArchive(cmd.Context(), jobs[i])
				}
			}
			return a.runJobs(cmd.Context(), jobs)
		},
	}
	flags.add(cmd)
	return cmd
}
