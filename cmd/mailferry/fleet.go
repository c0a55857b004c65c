package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"mailferry/cmd/internal/config"
	"mailferry/cmd/internal/ui"
)

// fleetFlags are the flags of a run over many accounts.
type fleetFlags struct {
	all                     bool
	jobs                    int
	shard, accounts, report string
	part                    shard
}

func (f *fleetFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.BoolVar(&f.all, "all", false, "all accounts, and one summary at the end")
	flags.IntVar(&f.jobs, "jobs", 1, "run `N` accounts at the same time, each with its own connections")
	flags.StringVar(&f.shard, "shard", "", "only this `PART` of the accounts, such as 3/10; auto/10: the part that Kubernetes or Slurm names")
	flags.StringVar(&f.accounts, "accounts", "", "the accounts of this CSV or JSON lines `FILE`, not those of the configuration")
	flags.StringVar(&f.report, "report", "", "write what became of each account to `FILE`: .json, .csv or a table; - is stdout")
}

func (f *fleetFlags) check(args []string, env func(string) string) (err error) {
	switch {
	case f.jobs < 1 || f.jobs > 1000:
		return usagef("--jobs %d: allowed are 1 to 1000", f.jobs)
	case f.all && len(args) > 0:
		return usagef("--all, or the names of accounts: say one of them")
	}
	if f.part, err = parseShard(f.shard, env); err != nil {
		return usagef("--shard: %w", err)
	}
	return nil
}

// runDuties does one after the other. Each has its own summary; the worst exit
// code is the command's.
func (a *app) runDuties(ctx context.Context, duties []duty) error {
	code := exitDone
	for _, one := range duties {
		if ctx.Err() != nil || a.stopped() {
			code = worse(code, exitInterrupted)
			break
		}
		code = worse(code, one.do(ctx).ExitCode)
	}
	return status(code)
}

// isFleet reports whether there is a summary over all accounts.
func (f *fleetFlags) isFleet() bool {
	return f.all || f.jobs > 1 || f.shard != "" || f.accounts != "" || f.report != ""
}

// duty is what is to be done for one account.
type duty struct {
	account, command string
	do               func(context.Context) ui.Summary
}

// duties are what the accounts' modes, or a list's, ask for.
func (a *app) duties(ctx context.Context, args []string, flags transferFlags, manners manners, fleet fleetFlags) (list []duty, err error) {
	var listed []config.Listed
	if fleet.accounts != "" {
		if listed, err = a.readList(fleet.accounts); err != nil {
			return nil, err
		}
	}
	targets, err := a.targets(ctx, args, false)
	if err != nil {
		return nil, err
	}
	for _, t := range targets {
		if !fleet.part.has(t.account.Name) {
			continue
		}
		one := config.Listed{Account: t.account, Mode: t.account.Mode}
		for _, l := range listed {
			if l.Account.Name == t.account.Name {
				one = l
				t.line = "mailferry run --accounts " + quoted(fleet.accounts) + " " + t.typed
			}
		}
		list = append(list, a.dutyFor(ctx, t, one, flags, manners))
	}
	return list, nil
}

// readList makes a list's accounts those of the configuration.
func (a *app) readList(path string) ([]config.Listed, error) {
	loaded, err := a.loadConfig()
	if err != nil {
		return nil, err
	}
	with, listed, err := loaded.ReadList(path)
	if err == nil {
		a.config = with
	}
	return listed, err
}

func (a *app) dutyFor(ctx context.Context, t target, one config.Listed, flags transferFlags, manners manners) duty {
	w := duty{account: t.account.Name, command: one.Mode}
	switch one.Mode {
	case config.ModeVerify:
		f := verifyFlags{against: one.To, transferFlags: flags}
		w.do = func(ctx context.Context) ui.Summary { return a.verifyStore(ctx, t, f) }
	case config.ModeRestore:
		w.do = func(ctx context.Context) ui.Summary { return a.restoreListed(ctx, t, one, flags) }
	default:
		j := job{target: t, command: one.Mode, flags: flags, manners: manners}
		if t.err == nil && one.Mode == config.ModeArchive {
			j.target.err = a.mayArchive(ctx, j)
		}
		w.do = func(ctx context.Context) ui.Summary { return a.perform(ctx, j) }
	}
	return w
}

func (a *app) restoreListed(ctx context.Context, t target, one config.Listed, flags transferFlags) ui.Summary {
	dest, err := a.destination(one.To, t.account.Store)
	r := &restoring{app: a, source: t, dest: dest, flags: restoreFlags{transferFlags: flags, to: one.To}}
	if err != nil {
		r.source.err = err
	}
	return r.perform(ctx)
}

// runFleet does the duties, some at a time, and tells what became of all.
func (a *app) runFleet(ctx context.Context, duties []duty, fleet fleetFlags) error {
	started := time.Now()
	if fleet.jobs > 1 {
		a.fleet = ui.NewFleet(a.console, len(duties))
	}
	outcomes := a.doAll(ctx, duties, fleet.jobs)
	a.console.EndProgress()
	total := ui.Total{Command: "run", Duration: time.Since(started), Accounts: outcomes}
	for _, one := range outcomes {
		total.ExitCode = worse(total.ExitCode, one.ExitCode)
	}
	a.tellTotal(total)
	if fleet.report != "" {
		if err := a.writeReport(fleet.report, total); err != nil {
			a.console.Error("the report: "+err.Error(), "")
			total.ExitCode = worse(total.ExitCode, exitFailed)
		}
	}
	return status(total.ExitCode)
}

// doAll starts duties in their order, as many at a time as are allowed. One that
// fails stops no other; when the user stops, no more begin.
func (a *app) doAll(ctx context.Context, duties []duty, atATime int) []ui.Summary {
	outcomes := make([]ui.Summary, len(duties))
	for i, w := range duties {
		outcomes[i] = ui.Summary{Account: w.account, Command: w.command, ExitCode: exitInterrupted, Trouble: "not begun"}
	}
	next := make(chan int)
	var workers sync.WaitGroup
	for range min(atATime, len(duties)) {
		workers.Go(func() {
			for i := range next {
				began := time.Now()
				outcomes[i] = duties[i].do(ctx)
				outcomes[i].Duration = time.Since(began)
				if a.fleet != nil {
					a.fleet.Ended(duties[i].account)
				}
			}
		})
	}
	for i := range duties {
		if ctx.Err() != nil || a.stopped() {
			break
		}
		select {
		case next <- i:
		case <-a.stop:
		case <-ctx.Done():
		}
	}
	close(next)
	workers.Wait()
	return outcomes
}

// tellTotal tells it where a run tells anything.
func (a *app) tellTotal(total ui.Total) {
	switch {
	case a.flags.json:
		ui.WriteJSON(a.out(), total.Object())
	case a.flags.quiet, total.ExitCode == exitDone && a.flags.verbose == 0 && !a.console.OutIsTerminal():
	default:
		fmt.Fprintln(a.out(), total.String())
	}
}
