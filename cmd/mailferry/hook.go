package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"mailferry/cmd/internal/config"
	"mailferry/syncer"
)

// preSync runs before anything is looked at. When it fails, so does the run.
func (a *app) preSync(ctx context.Context, account config.Account, command string) error {
	return a.hook(ctx, "pre_sync", account.Hooks.PreSync, hookVariables(account, command))
}

// postSync runs when something has changed, and is told how much.
func (a *app) postSync(ctx context.Context, account config.Account, command string, s syncer.Summary) error {
	variables := hookVariables(account, command)
	for _, count := range []struct {
		name  string
		value int
	}{
		{"DOWNLOADED", s.Downloaded}, {"UPLOADED", s.Uploaded},
		{"FLAGS_LOCAL", s.FlagsLocal}, {"FLAGS_REMOTE", s.FlagsRemote},
		{"REMOVED_LOCAL", s.RemovedLocal}, {"EXPUNGED_REMOTE", s.ExpungedRemote},
		{"MOVED", s.Moved}, {"CONFLICTS", s.Conflicts}, {"FAILED", s.Failed}, {"GUARDED", s.Guarded},
	} {
		variables = append(variables, "MAILFERRY_"+count.name+"="+strconv.Itoa(count.value))
	}
	return a.hook(ctx, "post_sync", account.Hooks.PostSync, variables)
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
	for _, variable := range os.Environ() {
		if !strings.HasPrefix(variable, "MAILFERRY_PASSWORD") {
			command.Env = append(command.Env, variable)
		}
	}
	command.Env = append(command.Env, variables...)
	if err := command.Run(); err != nil {
		return hintedError{fmt.Errorf("hook %s: %s: %w", name, argv[0], err), "run it by hand to see what is wrong with it"}
	}
	return nil
}
