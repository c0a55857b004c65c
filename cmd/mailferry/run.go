package main

import (
	"cmp"

	"github.com/spf13/cobra"
)

func newRunCommand(a *app) *cobra.Command {
	var flags transferFlags
	var manners manners
	var fleet fleetFlags
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
codes. See: mailferry help unattended

Many accounts: --jobs runs several at a time, --shard splits them over machines,
--accounts takes them from a file, with the modes restore and verify, too, and
--report writes what became of each. One that fails stops no other; the exit code
is the worst. See: mailferry help many-accounts`,
		Example: "  mailferry run --all --jobs 8\n" +
			"  mailferry run --accounts customers.csv --jobs 8 --shard 3/10 --report outcome.json",
		ValidArgsFunction: a.completeAccounts,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := cmp.Or(flags.check(cmd), manners.check(), fleet.check(args, a.env)); err != nil {
				return err
			}
			duties, err := a.duties(cmd.Context(), args, flags, manners, fleet)
			if err != nil {
				return err
			}
			if err := a.wait(cmd.Context(), manners); err != nil {
				return err
			}
			if fleet.isFleet() {
				return a.runFleet(cmd.Context(), duties, fleet)
			}
			return a.runDuties(cmd.Context(), duties)
		},
	}
	flags.add(cmd)
	manners.add(cmd)
	fleet.add(cmd)
	return cmd
}
