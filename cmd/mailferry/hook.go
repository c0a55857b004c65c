package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"

	"mailferry/cmd/internal/config"
	"mailferry/cmd/internal/monitor"
	"mailferry/syncer"
)

// preSync runs before anything is looked at. When it fails, so does the run.
func (a *app) preSync(ctx context.Context, account config.Account, command string) error {
	return a.hook(ctx, "pre_sync", account.Hooks.PreSync, hookVariables(account, command))
}

// postSync runs when something has changed, and is told how much and which
// files.
func (a *app) postSync(ctx context.Context, account config.Account, command string, s syncer.Summary, changed *changes) error {
	variables := hookVariables(account, command)
	for _, count := range countsOf(s) {
		variables = append(variables, "MAILFERRY_"+strings.ToUpper(count.Name)+"="+strconv.Itoa(count.N))
	}
	if changed != nil && changed.list != "" {
		variables = append(variables, "MAILFERRY_CHANGED_FILES="+changed.list)
	}
	return a.hook(ctx, "post_sync", account.Hooks.PostSync, variables)
}

// countsOf are a run's counts by the names that hooks and monitoring know.
func countsOf(s syncer.Summary) []monitor.Count {
	return []monitor.Count{
		{Name: "downloaded", N: s.Downloaded}, {Name: "uploaded", N: s.Uploaded},
		{Name: "flags_local", N: s.FlagsLocal}, {Name: "flags_remote", N: s.FlagsRemote},
		{Name: "removed_local", N: s.RemovedLocal}, {Name: "expunged_remote", N: s.ExpungedRemote},
		{Name: "moved", N: s.Moved}, {Name: "conflicts", N: s.Conflicts}, {Name: "failed", N: s.Failed}, {Name: "guarded", N: s.Guarded},
	}
}

func hookVariables(account config.Account, command string) []string {
	return []string{"MAILFERRY_ACCOUNT=" + account.Name, "MAILFERRY_STORE=" + account.Store, "MAILFERRY_COMMAND=" + command}
}

// hook runs a command without a shell. What it prints is a message, not a
// result. Our passwords are not its business.
func (a *app) hook(ctx context.Context, name string, argv, variables []string) error {
	if len(argv) == 0 {
		return nil
	}
	command := exec.CommandContext(ctx, argv[0], argv[1:]...)
	command.WaitDelay = 2 * time.Second
	command.Stdout, command.Stderr = a.console.Err(), a.console.Err()
	command.Env = append(hookEnvironment(), variables...)
	if err := command.Run(); err != nil {
		return hintedError{fmt.Errorf("hook %s: %s: %w", name, argv[0], err), "run it by hand to see what is wrong with it"}
	}
	return nil
}

// hookEnvironment is ours without passwords.
func hookEnvironment() []string {
	return slices.DeleteFunc(os.Environ(), func(variable string) bool { return strings.HasPrefix(variable, "MAILFERRY_PASSWORD") })
}
