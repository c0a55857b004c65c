package main

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"mailferry/cmd/internal/config"
)

// watchFlags are the flags of watch.
type watchFlags struct {
	transferFlags
	poll time.Duration
	idle []string
	// patterns are idle's; nil: the account's.
	idlePatterns config.Patterns
}

// pollLeast keeps --poll from being a load on servers.
const pollLeast = time.Second

func newWatchCommand(a *app) *cobra.Command {
	var flags watchFlags
	cmd := &cobra.Command{
		Use:   "watch [ACCOUNT...] | watch URL DIR | watch DIR",
		Short: "Stay, and do what each account's mode says whenever something changes",
		Long: `Stays, and does what the configuration says for each account (as mailferry run)
whenever something changes on the server or, where mode is sync, on disk. A
change is on the other side a second later.

The server tells of changes over a connection that stays open: of all mailboxes
where it can (NOTIFY), else of INBOX and those that --idle or watch = [...] in the
configuration names (IDLE; one connection each, as many as connections allows).
Every --poll it looks at everything, whatever it was told.

A failure is told once, not each time it repeats, and keeps no other account from
going on. Ctrl-C ends it after the message at hand. Meanwhile other commands can
work on the same store. More, and a systemd unit: mailferry help watch`,
		Example: "  mailferry watch                             all configured accounts\n" +
			"  mailferry watch home --idle INBOX --idle 'Lists/*'\n" +
			"  mailferry watch imaps://me%40example.com@imap.example.com ~/Mail",
		ValidArgsFunction: a.completeAccounts,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := flags.check(cmd); err != nil {
				return err
			}
			targets, err := a.targets(cmd.Context(), args, true)
			if err != nil {
				return err
			}
			jobs := make([]job, len(targets))
			for i, t := range targets {
				jobs[i] = a.watchJob(cmd.Context(), t, flags.transferFlags)
			}
			if flags.dryRun {
				return a.runJobs(cmd.Context(), jobs)
			}
			return a.watch(cmd.Context(), jobs, args, flags)
		},
	}
	flags.add(cmd)
	cmd.Flags().DurationVar(&flags.poll, "poll", 15*time.Minute, "look at everything at least every `TIME`")
	cmd.Flags().StringArrayVar(&flags.idle, "idle", nil,
		"wait for news of mailboxes that match `PATTERN` where the server cannot tell of all; repeatable (default INBOX)")
	return cmd
}

func (f *watchFlags) check(cmd *cobra.Command) (err error) {
	if f.idlePatterns, err = config.ParsePatterns(f.idle); err != nil {
		return usagef("--idle: %w", err)
	}
	if f.poll < pollLeast {
		return usagef("--poll %v: allowed are %v and more", f.poll, pollLeast)
	}
	return f.transferFlags.check(cmd)
}

// watchJob is what watch does for an account: what run does. A store that is in
// no configuration goes on with what was done with it last.
func (a *app) watchJob(ctx context.Context, t target, flags transferFlags) job {
	j := job{target: t, command: t.account.Mode, flags: flags}
	if t.account.Adhoc && t.err == nil {
		if last := a.lastTransfer(ctx, t); last != "" {
			j.command = last
		}
	}
	if t.err == nil && j.command == config.ModeArchive {
		j.target.err = a.mayArchive(ctx, j)
	}
	return j
}

// lastTransfer is the command that last transferred mail of a store, "" if
// there is none.
func (a *app) lastTransfer(ctx context.Context, t target) string {
	store, err := a.openBeside(ctx, t)
	if err != nil {
		return ""
	}
	runs, err := store.Runs(ctx, 100)
	if err = errors.Join(err, store.Close()); err != nil {
		return ""
	}
	for _, run := range runs {
		switch run.Command {
		case config.ModeSync, config.ModeBackup, config.ModeArchive:
			return run.Command
		}
	}
	return ""
}
