package main

import (
	"errors"

	"github.com/spf13/cobra"

	"mailferry/cmd/internal/config"
)

func newRunCommand(a *app) *cobra.Command {
	var flags transferFlags
	var manners manners
	cmd := &cobra.Command{
		Use:   "run [ACCOUNT...]",
		Short: "Do what each account's mode says: the line for a crontab",
		Long: `Does what the configuration says for each account: mode = "sync", "backup"
or "archive", with the limits of its [archive] table.
Without a terminal a run that succeeds prints nothing, so cron mails only trouble:

  */10 * * * *  mailferry run

mailferry schedule install writes such a line, or a timer of systemd. A failure is
told by every run; with --once-per-streak, and without a terminal, one that stays
the same is told once, then once a day, until a run succeeds. With
--quiet-offline a laptop without a network says nothing. Neither changes exit
codes. See: mailferry help unattended`,
		ValidArgsFunction: a.completeAccounts,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := errors.Join(flags.check(cmd), manners.check()); err != nil {
				return err
			}
			targets, err := a.targets(cmd.Context(), args, false)
			if err != nil {
				return err
			}
			if err := a.wait(cmd.Context(), manners); err != nil {
				return err
			}
			jobs := make([]job, len(targets))
			for i, t := range targets {
				jobs[i] = job{target: t, command: t.account.Mode, flags: flags, manners: manners}
				if t.err == nil && t.account.Mode == config.ModeArchive {
					jobs[i].target.err = a.mayArchive(cmd.Context(), jobs[i])
				}
			}
			return a.runJobs(cmd.Context(), jobs)
		},
	}
	flags.add(cmd)
	manners.add(cmd)
	return cmd
}
