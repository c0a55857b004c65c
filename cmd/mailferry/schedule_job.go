package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"mailferry/cmd/internal/config"
	"mailferry/cmd/internal/schedule"
)

// scheduledAccounts are the configured accounts with these names, or all. A
// store's folder will not do: what is to be done with it is in no configuration.
func (a *app) scheduledAccounts(names []string) ([]config.Account, error) {
	loaded, err := a.loadConfig()
	if err != nil {
		return nil, err
	}
	all, err := allAccounts(loaded)
	if err != nil {
		return nil, err
	}
	var chosen []config.Account
	for _, t := range all {
		if len(names) == 0 {
			chosen = append(chosen, t.account)
		}
	}
	for _, name := range names {
		account, ok := loaded.Account(name)
		if !ok {
			return nil, hintedError{fmt.Errorf("%s: no account of that name is configured: %w", name, errNotSetUp), "mailferry config check lists the accounts"}
		}
		chosen = append(chosen, account)
	}
	return chosen, nil
}

// carried are the variables that a run by itself needs as they are here, for it
// begins with next to nothing.
var carried = []string{"PATH", "XDG_STATE_HOME", "GNUPGHOME", "PASSWORD_STORE_DIR"}

// scheduleJob is the line to run for an account, or with "" for all.
func (a *app) scheduleJob(kind, account string, accounts []config.Account, f scheduleFlags) schedule.Job {
	j := schedule.Job{
		Account: account, Every: f.parsedEvery, Jitter: int(f.parsedJitter.Seconds()),
		Hardening: schedule.Hardening{Basic: !f.noHardening},
	}
	path, _ := config.FilePath(a.flags.config, a.env)
	j.Argv = []string{ownPath(), "run"}
	if account != "" {
		j.Argv = append(j.Argv, account)
	}
	j.Argv = append(j.Argv, "--config", absolute(path), "--no-input", "--quiet-offline")
	if kind == kindCron {
		j.Argv = append(j.Argv, "--once-per-streak")
		if f.parsedJitter > 0 {
			j.Argv = append(j.Argv, "--jitter", fmt.Sprintf("%ds", int(f.parsedJitter.Seconds())))
		}
	}
	for _, name := range carried {
		if value := a.env(name); value != "" {
			if name == "PATH" {
				value = tidyPath(value)
			}
			j.Env = append(j.Env, name+"="+value)
		}
	}
	// The session's bus leads to the keyring; where it is does not change.
	if bus := a.env("DBUS_SESSION_BUS_ADDRESS"); kind == kindCron && strings.HasPrefix(bus, "unix:path=/run/user/") {
		j.Env = append(j.Env, "DBUS_SESSION_BUS_ADDRESS="+bus)
	}
	return j
}

// tidyPath leaves out of a PATH what is there twice, and what is no folder: a
// crontab's lines may not be long.
func tidyPath(list string) string {
	var kept []string
	for _, dir := range filepath.SplitList(list) {
		if info, err := os.Stat(dir); err == nil && info.IsDir() && filepath.IsAbs(dir) && !slices.Contains(kept, dir) {
			kept = append(kept, dir)
		}
	}
	return strings.Join(kept, string(filepath.ListSeparator))
}

// ownPath is this program's path, by the name under which it is found: a
// package manager's next version has another real path.
func ownPath() string {
	own, err := os.Executable()
	if err != nil {
		return "mailferry"
	}
	real, err := os.Stat(own)
	found, lookErr := exec.LookPath(os.Args[0])
	if err != nil || lookErr != nil {
		return own
	}
	found = absolute(found)
	if info, err := os.Stat(found); err == nil && os.SameFile(real, info) {
		return found
	}
	return own
}

// warnOfPasswords names accounts whose password cron cannot get.
func (a *app) warnOfPasswords(accounts []config.Account) {
	var names []string
	for _, account := range accounts {
		if len(account.PasswordCommand)+len(account.TokenCommand)+len(account.Tunnel) == 0 && account.PasswordFile == "" && account.Auth != "external" {
			names = append(names, account.Name)
		}
	}
	if len(names) > 0 {
		a.console.Warning(strings.Join(names, ", ")+": the password is in no command and no file; cron has none of your variables, and the keyring only while you are logged in",
			"set password_command or password_file: mailferry help configuration")
	}
}

// told runs another program for what it prints. Its own words are the error.
func told(ctx context.Context, stdin, name string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.WaitDelay = time.Second
	cmd.Stdin = strings.NewReader(stdin)
	var out, errs strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		text := cmp.Or(strings.TrimSpace(errs.String()), strings.TrimSpace(out.String()), err.Error())
		return out.String(), fmt.Errorf("%s %s: %s", name, strings.Join(args, " "), text)
	}
	return out.String(), nil
}
