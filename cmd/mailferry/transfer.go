package main

import (
	"github.com/spf13/cobra"

	"mailferry/cmd/internal/config"
)

// transferFlags are the flags of commands that transfer and delete.
type transferFlags struct {
	dryRun, mirror, newStore  bool
	allowDeletes, connections int
	bandwidth                 rateFlag
	mailboxes                 []string
	patterns                  config.Patterns
}

// rateFlag is a pflag.Value for octets per second.
type rateFlag struct {
	octets int64
	isSet  bool
	text   string
}

func (r *rateFlag) String() string { return r.text }
func (r *rateFlag) Type() string   { return "RATE" }

// Set reads "500k", "2M" or "0".
func (r *rateFlag) Set(text string) (err error) {
	r.octets, err = config.ParseSize(text)
	r.isSet, r.text = true, text
	return err
}

func (f *transferFlags) add(cmd *cobra.Command) {
	f.addHarmless(cmd)
	flags := cmd.Flags()
	flags.IntVar(&f.allowDeletes, "allow-deletes", 0, "confirm `N` deletions that a guard refused")
	flags.BoolVar(&f.newStore, "new-store", false, "make a store although the folder has content, or its store is gone")
}

// addHarmless adds the flags of a command that transfers and deletes nothing.
func (f *transferFlags) addHarmless(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.BoolVarP(&f.dryRun, "dry-run", "n", false, "show what would be done and change nothing")
	flags.IntVar(&f.connections, "connections", 0, "open at most `N` connections to the server (default 4)")
	flags.Var(&f.bandwidth, "bwlimit", "transfer at most `RATE` octets per second in both directions together, such as 500k or 2M")
	flags.StringArrayVar(&f.mailboxes, "mailbox", nil, "only mailboxes that match `PATTERN`; ! excludes; repeatable")
}

// check finishes what the flags' own types cannot say.
func (f *transferFlags) check(cmd *cobra.Command) (err error) {
	if f.patterns, err = config.ParsePatterns(f.mailboxes); err != nil {
		return usagef("--mailbox: %w", err)
	}
	if f.allowDeletes < 0 {
		return usagef("--allow-deletes %d: allowed are 0 and more", f.allowDeletes)
	}
	if cmd.Flags().Changed("connections") && (f.connections < 1 || f.connections > 64) {
		return usagef("--connections %d: allowed are 1 to 64", f.connections)
	}
	return nil
}

// newTransferCommand makes a command that runs jobs of one kind.
func newTransferCommand(a *app, cmd *cobra.Command, command string) *cobra.Command {
	var flags transferFlags
	flags.add(cmd)
	if command == config.ModeBackup {
		cmd.Flags().BoolVar(&flags.mirror, "mirror", false, "move messages that are gone from the server to the store's trash")
	}
	cmd.ValidArgsFunction = a.completeAccounts
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := flags.check(cmd); err != nil {
			return err
		}
		targets, err := a.targets(cmd.Context(), args, true)
		if err != nil {
			return err
		}
		jobs := make([]job, len(targets))
		for i, t := range targets {
			jobs[i] = job{target: t, command: command, flags: flags}
		}
		return a.runJobs(cmd.Context(), jobs)
	}
	return cmd
}

// completeAccounts offers the configured accounts to the shell.
func (a *app) completeAccounts(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	loaded, err := a.loadConfig()
	if err != nil {
		return nil, cobra.ShellCompDirectiveDefault
	}
	var names []string
	for _, account := range loaded.Accounts() {
		names = append(names, account.Name)
	}
	return names, cobra.ShellCompDirectiveDefault
}
