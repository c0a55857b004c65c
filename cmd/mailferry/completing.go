package main

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"mailferry/cmd/internal/config"
	"mailferry/cmd/internal/ui"
	"mailferry/state"
)

// accountFlags are flags that take the name of an account.
var accountFlags = []string{"account", "to", "into", "against"}

// completeFlags offers what flags can be to the shell, in every command.
func (a *app) completeFlags(cmd *cobra.Command) {
	register := func(flag string, complete cobra.CompletionFunc) {
		if _, taken := cmd.GetFlagCompletionFunc(flag); cmd.Flags().Lookup(flag) != nil && !taken {
			_ = cmd.RegisterFlagCompletionFunc(flag, complete) // an error says that there is one
		}
	}
	register("mailbox", a.completeMailboxes)
	for _, flag := range accountFlags {
		register(flag, a.completeAccounts)
	}
	for _, sub := range cmd.Commands() {
		a.completeFlags(sub)
	}
}

// completeMailboxes offers the mailboxes that the state of the accounts on the
// command line knows; no server is asked.
func (a *app) completeMailboxes(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	none := cobra.ShellCompDirectiveNoFileComp
	targets, err := a.targets(cmd.Context(), args, true)
	if err != nil {
		return nil, none
	}
	var names []string
	for _, t := range targets {
		known, err := a.knownMailboxes(cmd.Context(), t.account)
		if err == nil { // an account without a store has none to offer
			names = append(names, known...)
		}
	}
	slices.Sort(names)
	return slices.Compact(names), none
}

// knownMailboxes reads the names beside a run that may be under way.
func (a *app) knownMailboxes(ctx context.Context, account config.Account) (names []string, err error) {
	store, err := state.Open(ctx, state.Options{Dir: account.Store, ReadOnly: true, Unlocked: true, Now: time.Now})
	if err != nil {
		return nil, err
	}
	known, err := store.Mailboxes(ctx)
	for _, one := range known {
		// A terminal gets what is offered; what it might obey is not.
		if name := string(one.Name); ui.Escape(name) == name {
			names = append(names, name)
		}
	}
	return names, errors.Join(err, store.Close())
}
