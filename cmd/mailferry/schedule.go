package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"runtime"
	"time"

	"github.com/spf13/cobra"

	"mailferry/cmd/internal/config"
	"mailferry/cmd/internal/schedule"
	"mailferry/cmd/internal/ui"
)

// scheduleFlags are the flags of schedule's commands.
type scheduleFlags struct {
	every, jitter, kind string
	dryRun, noHardening bool
	parsedEvery         schedule.Every
	parsedJitter        time.Duration
	isInstall           bool
}

// scheduler is what makes a system run mailferry regularly: systemd or cron.
type scheduler interface {
	// install makes jobs regular, replacing those of the same accounts.
	install(ctx context.Context, jobs []schedule.Job, dryRun bool) error
	// remove ends what was installed for accounts; nil: everything. It returns
	// the accounts for which there was something.
	remove(ctx context.Context, accounts []string, dryRun bool) ([]string, error)
	// show lists what is installed.
	show(ctx context.Context) ([]scheduled, error)
}

// scheduled is one installed job.
type scheduled struct {
	account, name, text string
}

func newScheduleCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "schedule",
		Short: "Run by itself, every ten minutes for instance: systemd timer or crontab",
		Long: `Makes mailferry run by itself, as you, with a timer of systemd where one runs for
you, else with a line in your crontab. See: mailferry help unattended`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newScheduleInstallCommand(a), newScheduleRemoveCommand(a), newScheduleShowCommand(a))
	return cmd
}

func newScheduleInstallCommand(a *app) *cobra.Command {
	f := scheduleFlags{isInstall: true}
	cmd := &cobra.Command{
		Use:   "install [ACCOUNT...]",
		Short: "Run by itself from now on",
		Long: `Installs a timer, for all accounts or one for each of those named. Doing it again
replaces the earlier one. Nothing else in a crontab is changed, to the octet.

A systemd timer makes up for a run that was due while the machine was off; the
service gets no privileges, and a read-only view of /usr and /etc where the
system allows that. For a password command or hook that does not run like this
(it needs sudo, or ssh): --no-hardening.

Lines in a crontab tell the same failure once, not at every run, and say nothing
of a network that is away: mailferry run --help.`,
		Example: "  mailferry schedule install                      all accounts, every 10 minutes\n" +
			"  mailferry schedule install home --every 1h --dry-run",
		ValidArgsFunction: a.completeAccounts,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := f.check(cmd); err != nil {
				return err
			}
			return a.installSchedule(cmd.Context(), args, f)
		},
	}
	cmd.Flags().StringVar(&f.every, "every", "10m", "how often to run: `TIME` such as 5m, 1h, 1d")
	cmd.Flags().StringVar(&f.jitter, "jitter", "", "be late by up to `TIME`, at random (default a tenth of --every)")
	cmd.Flags().BoolVar(&f.noHardening, "no-hardening", false, "systemd: do not shut the service in")
	f.add(cmd)
	return cmd
}

func newScheduleRemoveCommand(a *app) *cobra.Command {
	var f scheduleFlags
	cmd := &cobra.Command{
		Use:               "remove [ACCOUNT...]",
		Short:             "No longer run by itself",
		Long:              "Removes what install made: for the accounts that are named, or everything.",
		ValidArgsFunction: a.completeAccounts,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := f.check(cmd); err != nil {
				return err
			}
			return a.removeSchedule(cmd.Context(), args, f)
		},
	}
	f.add(cmd)
	return cmd
}

func newScheduleShowCommand(a *app) *cobra.Command {
	var f scheduleFlags
	cmd := &cobra.Command{
		Use:   "show",
		Short: "Say what runs by itself",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := f.check(cmd); err != nil {
				return err
			}
			return a.showSchedule(cmd.Context(), f)
		},
	}
	cmd.Flags().StringVar(&f.kind, "kind", "", "look only there: systemd or cron")
	return cmd
}

func (f *scheduleFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.kind, "kind", "", "systemd or cron (default: systemd where it runs for you)")
	cmd.Flags().BoolVarP(&f.dryRun, "dry-run", "n", false, "show what would be written and change nothing")
}

func (f *scheduleFlags) check(*cobra.Command) error {
	if f.kind != "" && f.kind != kindSystemd && f.kind != kindCron {
		return usagef("--kind %q: allowed are %s and %s", f.kind, kindSystemd, kindCron)
	}
	if !f.isInstall {
		return nil
	}
	span, err := config.ParseAge(f.every)
	if err != nil {
		return usagef("--every: %w", err)
	}
	if f.parsedEvery, err = schedule.ParseEvery(span); err != nil {
		return usagef("--every %s: %w", f.every, err)
	}
	f.parsedJitter = min(span/10, 30*time.Minute)
	if f.jitter != "" {
		if f.parsedJitter, err = config.ParseAge(f.jitter); err != nil {
			return usagef("--jitter: %w", err)
		}
		if f.parsedJitter >= span {
			return usagef("--jitter %s: must be less than --every", f.jitter)
		}
	}
	return nil
}

// The kinds of schedulers.
const (
	kindSystemd = "systemd"
	kindCron    = "cron"
)

// errElsewhere: this system has a scheduler of its own.
var errElsewhere = errors.New("this system schedules in its own way, which mailferry does not set up")

// scheduler is the one of a kind, or with "" the best that is there.
func (a *app) scheduler(ctx context.Context, kind string) (scheduler, string, error) {
	units := &unitScheduler{app: a}
	if kind == kindSystemd || kind == "" && runtime.GOOS == "linux" {
		err := units.isThere(ctx)
		if err == nil {
			return units, kindSystemd, nil
		}
		if kind == kindSystemd {
			return nil, "", hintedError{err, "log in as yourself, not by su or sudo; or use --kind cron"}
		}
		a.log.Info("no timers of systemd", "error", err)
	}
	if runtime.GOOS == "windows" || runtime.GOOS == "darwin" && kind == "" {
		return nil, "", hintedError{errElsewhere, elsewhere(runtime.GOOS, ownPath())}
	}
	if _, err := exec.LookPath("crontab"); err != nil {
		return nil, "", hintedError{
			fmt.Errorf("neither timers of systemd nor a crontab command are here: %w", err),
			"install cron, or have another scheduler run: " + ownPath() + " run",
		}
	}
	return &cronScheduler{app: a}, kindCron, nil
}

func (a *app) installSchedule(ctx context.Context, accounts []string, f scheduleFlags) error {
	chosen, err := a.scheduledAccounts(accounts)
	if err != nil {
		return err
	}
	s, kind, err := a.scheduler(ctx, f.kind)
	if err != nil {
		return err
	}
	jobs := []schedule.Job{a.scheduleJob(kind, "", chosen, f)}
	if len(accounts) > 0 {
		jobs = nil
		for _, account := range chosen {
			jobs = append(jobs, a.scheduleJob(kind, account.Name, []config.Account{account}, f))
		}
	}
	if units, ok := s.(*unitScheduler); ok && !f.noHardening {
		units.harden(ctx, jobs, chosen)
	}
	if err := s.install(ctx, jobs, f.dryRun); err != nil {
		return err
	}
	result := "installed"
	if f.dryRun {
		result = "planned"
	}
	for _, j := range jobs {
		a.tellScheduled(kind, result, j.Account, j.Every.String(), j.About()+" every "+j.Every.String())
	}
	if kind == kindCron {
		a.warnOfPasswords(chosen)
	}
	return a.endSchedule("schedule install", kind, len(jobs))
}

func (a *app) removeSchedule(ctx context.Context, accounts []string, f scheduleFlags) error {
	removed := 0
	for _, kind := range kindsOf(f.kind) {
		s, _, err := a.scheduler(ctx, kind)
		if err != nil {
			if f.kind != "" || errors.Is(err, errElsewhere) {
				return err
			}
			continue // what is not here has nothing installed
		}
		gone, err := s.remove(ctx, accounts, f.dryRun)
		if err != nil {
			return err
		}
		result := "removed"
		if f.dryRun {
			result = "planned"
		}
		for _, account := range gone {
			removed++
			a.tellScheduled(kind, result, account, "", schedule.Job{Account: account}.About())
		}
	}
	if removed == 0 && !a.flags.json && !a.flags.quiet {
		fmt.Fprintln(a.out(), "nothing was scheduled")
	}
	return a.endSchedule("schedule remove", f.kind, removed)
}

func (a *app) showSchedule(ctx context.Context, f scheduleFlags) error {
	count := 0
	for _, kind := range kindsOf(f.kind) {
		s, _, err := a.scheduler(ctx, kind)
		if err != nil {
			if f.kind != "" || errors.Is(err, errElsewhere) {
				return err
			}
			continue
		}
		list, err := s.show(ctx)
		if err != nil {
			return err
		}
		for _, one := range list {
			count++
			a.tellScheduled(kind, "present", one.account, "", one.text)
		}
	}
	if count == 0 && !a.flags.json {
		fmt.Fprintln(a.out(), "nothing is scheduled: mailferry schedule install")
	}
	return a.endSchedule("schedule show", f.kind, count)
}

func kindsOf(kind string) []string {
	if kind != "" {
		return []string{kind}
	}
	return []string{kindSystemd, kindCron}
}

type scheduleObject struct {
	Type    string `json:"type"`
	Kind    string `json:"kind"`
	Result  string `json:"result"`
	Account string `json:"account"`
	Every   string `json:"every,omitempty"`
	Text    string `json:"text"`
}

// tellScheduled tells one job's fate.
func (a *app) tellScheduled(kind, result, account, every, text string) {
	switch {
	case a.flags.json:
		ui.WriteJSON(a.out(), scheduleObject{"schedule", kind, result, account, every, text})
	case !a.flags.quiet:
		fmt.Fprintf(a.out(), "%s: %s: %s\n", kind, result, ui.Escape(text))
	}
}

func (a *app) endSchedule(command, kind string, n int) error {
	if a.flags.json {
		ui.WriteJSON(a.out(), map[string]any{
			"type": "summary", "schema_version": ui.SchemaVersion, "command": command, "kind": cmp.Or(kind, "any"), "jobs": n, "exit_code": 0,
		})
	}
	return nil
}
