package main

import (
	"context"
	"time"

	"mailferry/cmd/internal/monitor"
	"mailferry/cmd/internal/ui"
)

// watched tells monitoring that a run begins; the function that it returns
// tells the end. A dry run is nobody's business. Monitoring that is out of order
// changes no exit code.
func (a *app) watched(ctx context.Context, j job) (ended func(ui.Summary)) {
	account := j.target.account
	pinged := func(monitor.Run) {}
	if j.flags.dryRun {
		return func(ui.Summary) {}
	}
	if account.PingURL != "" {
		pinged = a.pings.Start(ctx, account.PingURL, account.Name)
	}
	return func(end ui.Summary) {
		run := monitor.Run{
			Account: account.Name, Command: end.Command, Ended: time.Now(), Duration: end.Duration, ExitCode: end.ExitCode,
			Counts: countsOf(end.Summary), OctetsDown: end.Traffic.OctetsDown, OctetsUp: end.Traffic.OctetsUp,
		}
		a.log.Info("run ended", "account", account.Name, "command", end.Command, "exit_code", end.ExitCode,
			"duration_ms", end.Duration.Milliseconds(), "downloaded", end.Downloaded, "uploaded", end.Uploaded, "failed", end.Failed)
		if account.MetricsFile != "" {
			if err := monitor.WriteTextfile(account.MetricsFile, run); err != nil {
				a.console.Warning(account.Name+": "+err.Error(), "the run itself is not affected; see metrics_file in: mailferry help unattended")
			}
		}
		pinged(run)
	}
}
