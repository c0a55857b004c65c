package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/google/renameio/v2/maybe"

	"mailferry/cmd/internal/config"
	"mailferry/cmd/internal/schedule"
	"mailferry/cmd/internal/ui"
)

// unitScheduler keeps timers of the user's own systemd.
type unitScheduler struct{ app *app }

// isThere is nil where systemd runs for this user.
func (u *unitScheduler) isThere(ctx context.Context) error {
	_, err := told(ctx, "", "systemctl", "--user", "show-environment")
	return err
}

// dir is where a user's own units are.
func (u *unitScheduler) dir() string {
	return filepath.Join(config.ConfigDir(u.app.env), "systemd", "user")
}

// harden finds out how far the services can be shut in, and does so.
func (u *unitScheduler) harden(ctx context.Context, jobs []schedule.Job, accounts []config.Account) {
	if slices.ContainsFunc(accounts, needsRealRoot) {
		return
	}
	// Whether this kernel lets a user do it is quicker tried than known.
	_, err := told(ctx, "", "systemd-run", "--user", "--wait", "--collect", "--quiet",
		"-p", "PrivateUsers=yes", "-p", "ProtectSystem=full", "-p", "PrivateTmp=yes", "true")
	if err != nil {
		u.app.log.Info("no view of the system of their own for services", "error", err)
		return
	}
	for i := range jobs {
		jobs[i].Hardening.Namespaces = true
		jobs[i].Hardening.PrivateTmp = !slices.ContainsFunc(accounts, isInTmp)
	}
}

// needsRealRoot reports whether an account's commands insist on files of root
// being root's, as ssh does.
func needsRealRoot(account config.Account) bool {
	if len(account.Tunnel) > 0 {
		return true
	}
	return slices.ContainsFunc(slices.Concat(account.PasswordCommand, account.TokenCommand, account.Hooks.PreSync, account.Hooks.PostSync),
		func(word string) bool {
			return slices.ContainsFunc([]string{"ssh", "scp", "rsync", "sudo", "doas", "git"}, func(name string) bool { return strings.Contains(word, name) })
		})
}

// isInTmp reports whether a private /tmp would hide the account's files.
func isInTmp(account config.Account) bool {
	return slices.ContainsFunc([]string{account.Store, account.PasswordFile, account.TLSCAFile, account.MetricsFile}, func(path string) bool {
		if path == "" {
			return false
		}
		path = absolute(path)
		return strings.HasPrefix(path, "/tmp/") || strings.HasPrefix(path, "/var/tmp/")
	})
}

func (u *unitScheduler) install(ctx context.Context, jobs []schedule.Job, dryRun bool) error {
	var timers []string
	for _, j := range jobs {
		timers = append(timers, j.UnitName()+".timer")
		for _, unit := range [][2]string{{j.UnitName() + ".service", j.Service()}, {j.UnitName() + ".timer", j.Timer()}} {
			if err := u.writeUnit(unit[0], unit[1], dryRun); err != nil {
				return err
			}
		}
	}
	if dryRun {
		return nil
	}
	u.verify(ctx, timers)
	if _, err := told(ctx, "", "systemctl", "--user", "daemon-reload"); err != nil {
		return err
	}
	for _, timer := range timers {
		// Enabled anew and started anew: the time may have changed.
		if _, err := told(ctx, "", "systemctl", "--user", "reenable", timer); err != nil {
			return err
		}
		if _, err := told(ctx, "", "systemctl", "--user", "restart", timer); err != nil {
			return err
		}
	}
	u.tellLinger(ctx)
	return nil
}

// writeUnit replaces a unit of ours, and none of anybody else's.
func (u *unitScheduler) writeUnit(name, text string, dryRun bool) error {
	path := filepath.Join(u.dir(), name)
	if old, err := os.ReadFile(path); err == nil && !strings.HasPrefix(string(old), schedule.Mark) {
		return hintedError{fmt.Errorf("%s is there and was not written by mailferry", path), "remove it, or give it another name"}
	}
	if dryRun {
		if !u.app.flags.json {
			fmt.Fprintf(u.app.out(), "# %s\n%s\n", ui.Escape(path), ui.EscapeLines(text))
		}
		return nil
	}
	if err := os.MkdirAll(u.dir(), 0o755); err != nil {
		return err
	}
	return maybe.WriteFile(path, []byte(text), 0o644)
}

// verify has systemd look at what was written, where it can.
func (u *unitScheduler) verify(ctx context.Context, timers []string) {
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		return
	}
	for _, timer := range timers {
		service := strings.TrimSuffix(timer, ".timer") + ".service"
		_, err := told(ctx, "", "systemd-analyze", "verify", "--user", "--man=no", filepath.Join(u.dir(), service), filepath.Join(u.dir(), timer))
		// It also complains of what is not ours.
		if err != nil && (strings.Contains(err.Error(), "/"+service+":") || strings.Contains(err.Error(), "/"+timer+":")) {
			u.app.console.Warning(err.Error(), "remove it again: mailferry schedule remove")
		}
	}
}

// tellLinger says that timers of a user end with the login.
func (u *unitScheduler) tellLinger(ctx context.Context) {
	lingers, err := told(ctx, "", "loginctl", "show-user", "--property=Linger", "--value")
	if err == nil && strings.TrimSpace(lingers) == "yes" || u.app.flags.json || u.app.flags.quiet {
		return
	}
	fmt.Fprintln(u.app.out(), "it runs while you are logged in; to have it run always: loginctl enable-linger")
}

// ours lists the jobs whose timers are there: the name without ".timer", and
// the account that the service runs.
func (u *unitScheduler) ours() (list []scheduled, err error) {
	paths, err := filepath.Glob(filepath.Join(u.dir(), schedule.UnitPrefix+"*.timer"))
	if err != nil {
		return nil, err
	}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		if !strings.HasPrefix(string(text), schedule.Mark) {
			continue
		}
		one := scheduled{name: strings.TrimSuffix(filepath.Base(path), ".timer")}
		for line := range strings.Lines(string(text)) {
			if about, found := strings.CutPrefix(strings.TrimSpace(line), "Description=mailferry, "); found {
				one.text = one.name + ".timer: " + about
				who, _, _ := strings.Cut(about, ": every ")
				one.account, _ = strings.CutPrefix(who, "account ")
				if who == (schedule.Job{}).About() {
					one.account = ""
				}
			}
		}
		list = append(list, one)
	}
	return list, nil
}

func (u *unitScheduler) remove(ctx context.Context, accounts []string, dryRun bool) (gone []string, err error) {
	list, err := u.ours()
	if err != nil {
		return nil, err
	}
	for _, one := range list {
		if len(accounts) > 0 && !slices.Contains(accounts, one.account) {
			continue
		}
		gone = append(gone, one.account)
		if dryRun {
			continue
		}
		if _, err := told(ctx, "", "systemctl", "--user", "disable", "--now", one.name+".timer"); err != nil {
			return gone, err
		}
		service := os.Remove(filepath.Join(u.dir(), one.name+".service"))
		if errors.Is(service, os.ErrNotExist) {
			service = nil
		}
		if err := errors.Join(os.Remove(filepath.Join(u.dir(), one.name+".timer")), service); err != nil {
			return gone, err
		}
	}
	if len(gone) > 0 && !dryRun {
		_, err = told(ctx, "", "systemctl", "--user", "daemon-reload")
	}
	return gone, err
}

func (u *unitScheduler) show(ctx context.Context) ([]scheduled, error) {
	list, err := u.ours()
	for i, one := range list {
		next, err := told(ctx, "", "systemctl", "--user", "show", one.name+".timer", "--property=NextElapseUSecRealtime", "--value")
		if next = strings.TrimSpace(next); err == nil && next != "" {
			list[i].text += ", next " + next
		}
	}
	return list, err
}
