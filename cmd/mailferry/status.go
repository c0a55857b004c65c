package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"mailferry/cmd/internal/config"
	"mailferry/cmd/internal/ui"
	"mailferry/state"
	"mailferry/syncer"
)

// statusFlags are the flags of status.
type statusFlags struct {
	offline bool
	maxAge  string
	age     time.Duration
}

func newStatusCommand(a *app) *cobra.Command {
	var f statusFlags
	cmd := &cobra.Command{
		Use:   "status [ACCOUNT... | DIR...]",
		Short: "Say how each account is doing: last runs, what is pending, sizes, quota",
		Long: `Says for each account when it last ran and last succeeded, how often it failed in
a row and why, what the next run would do, how much mail there is, and how full
the account is. It looks at the server unless --offline, and changes nothing.

The exit code is for monitoring: 0 if the last run succeeded and the server can be
reached, else the code that the last run ended with, or 13 or 12 for a server that
cannot be reached or refuses the login. With --max-age a last success that is older
is a failure (1).`,
		Example: "  mailferry status\n" +
			"  mailferry status home --offline --max-age 26h   for a monitoring system",
		ValidArgsFunction: a.completeAccounts,
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			if f.maxAge != "" {
				if f.age, err = config.ParseAge(f.maxAge); err != nil {
					return usagef("--max-age: %w", err)
				}
			}
			targets, err := a.targets(cmd.Context(), args, false)
			if err != nil {
				return err
			}
			code := exitDone
			for i, t := range targets {
				if i > 0 && !a.flags.json {
					fmt.Fprintln(a.out())
				}
				code = worse(code, a.status(cmd.Context(), t, f))
			}
			return status(code)
		},
	}
	cmd.Flags().BoolVar(&f.offline, "offline", false, "do not ask the server")
	cmd.Flags().StringVar(&f.maxAge, "max-age", "", "a last success that is older than this `TIME` is a failure, such as 26h")
	return cmd
}

// health is what status tells of one account. As JSON it is the status object.
type health struct {
	Type          string         `json:"type"`
	SchemaVersion int            `json:"schema_version"`
	Account       string         `json:"account"`
	URL           string         `json:"url,omitempty"`
	Mode          string         `json:"mode"`
	Store         string         `json:"store"`
	LastRun       *time.Time     `json:"last_run"`
	LastCommand   string         `json:"last_command,omitempty"`
	LastOK        bool           `json:"last_ok"`
	LastExitCode  int            `json:"last_exit_code"`
	LastError     string         `json:"last_error,omitempty"`
	LastSuccess   *time.Time     `json:"last_success"`
	Failures      int            `json:"failures_in_a_row"`
	FailingSince  *time.Time     `json:"failing_since,omitempty"`
	IsRunning     bool           `json:"running"`
	Messages      int            `json:"messages"`
	Octets        int64          `json:"octets"`
	Mailboxes     int            `json:"mailboxes"`
	StateOctets   int64          `json:"state_octets"`
	TrashOctets   int64          `json:"trash_octets"`
	Pending       map[string]int `json:"pending"`
	QuotaUsed     int64          `json:"quota_used,omitempty"`
	QuotaLimit    int64          `json:"quota_limit,omitempty"`
	LoginExpires  *time.Time     `json:"login_expires,omitempty"`
	ServerError   string         `json:"server_error,omitempty"`
	Notes         []string       `json:"notes,omitempty"`
	ExitCode      int            `json:"exit_code"`
}

// status looks at one account and tells; it returns the exit code.
func (a *app) status(ctx context.Context, t target, f statusFlags) int {
	h := health{
		Type: "status", SchemaVersion: ui.SchemaVersion, Account: t.account.Name, URL: identityURL(t.account),
		Mode: t.account.Mode, Store: t.account.Store, Pending: nil,
	}
	err := a.examine(ctx, t, f, &h)
	if err != nil {
		h.ExitCode, h.ServerError = exitCode(err), err.Error()
	}
	if a.flags.json {
		ui.WriteJSON(a.out(), h)
	} else if err == nil {
		a.tellHealth(h)
	}
	if err != nil {
		a.console.Error(t.account.Name+": "+err.Error(), hintFor(err, "mailferry status "+t.typed))
	}
	return h.ExitCode
}

func (a *app) examine(ctx context.Context, t target, f statusFlags, h *health) error {
	if t.err != nil {
		return t.err
	}
	store, err := a.openBeside(ctx, t)
	if err != nil {
		return err
	}
	err = a.examineStore(ctx, store, f, h)
	if err = errors.Join(err, store.Close()); err != nil {
		return err
	}
	h.TrashOctets = sizeBelow(filepath.Join(store.Control(), "trash"))
	h.noteLogin(a.loginState(ctx, t.account))
	if !f.offline {
		a.examineServer(ctx, t, h)
	}
	return nil
}

// openBeside reads the state beside a run that may be under way.
func (a *app) openBeside(ctx context.Context, t target) (*state.Store, error) {
	if err := a.mustBeStore(ctx, t); err != nil {
		return nil, err
	}
	options := a.stateOptions(t.account, transferFlags{})
	options.ReadOnly, options.Unlocked = true, true
	options.Identity = state.Identity{}
	return state.Open(ctx, options)
}

func (a *app) examineStore(ctx context.Context, store *state.Store, f statusFlags, h *health) error {
	runs, err := store.Runs(ctx, 0)
	if err != nil {
		return err
	}
	h.takeRuns(runs)
	h.noteTaken(runs)
	known, err := store.Mailboxes(ctx)
	if err != nil {
		return err
	}
	h.Mailboxes = len(known)
	if h.Messages, h.Octets, err = store.Volume(ctx); err != nil {
		return err
	}
	if info, err := os.Stat(filepath.Join(store.Control(), "state.db")); err == nil {
		h.StateOctets = info.Size()
	}
	if reason := store.Rebuilt(); reason != "" {
		h.Notes = append(h.Notes, "the state is damaged ("+reason+"): the next run builds it anew from both sides")
	}
	if f.age > 0 && (h.LastSuccess == nil || time.Since(*h.LastSuccess) > f.age) {
		h.ExitCode = worse(h.ExitCode, exitFailed)
		h.Notes = append(h.Notes, "no success within "+f.maxAge)
	}
	return nil
}

// takeRuns reads the history, the latest run first.
func (h *health) takeRuns(runs []state.Run) {
	for i, run := range runs {
		started := run.Started
		if i == 0 {
			h.LastRun, h.LastCommand, h.LastOK, h.LastError = &started, run.Command, run.OK, reasonOf(run)
			h.IsRunning = run.Ended.IsZero()
			h.LastExitCode = codeOf(run)
			if !h.IsRunning {
				h.ExitCode = h.LastExitCode
			}
		}
		switch {
		case run.OK:
			h.LastSuccess = &started
			return
		case run.Ended.IsZero() && i == 0:
			// Under way, or killed: the next run tells.
		default:
			// Of a long streak not all runs are remembered, but they are numbered.
			h.Failures = int(runs[0].ID-run.ID) + 1
			if h.IsRunning {
				h.Failures--
			}
			h.FailingSince = &started
		}
	}
}

// takenRuns is how many of the last runs are searched for another program's
// deletions.
const takenRuns = 50

// noteTaken names another program that empties INBOX, if runs saw it.
func (h *health) noteTaken(runs []state.Run) {
	times, messages := 0, 0
	for _, run := range runs[:min(len(runs), takenRuns)] {
		var counts syncer.Summary
		if json.Unmarshal([]byte(run.Summary), &counts) == nil && counts.TakenAway > 0 {
			times++
			messages += counts.TakenAway
		}
	}
	if times > 0 {
		h.Notes = append(h.Notes, fmt.Sprintf("another POP client deletes mail here, it seems: %d messages went from INBOX without us (seen by %d of the last runs)", messages, times))
	}
}

// reasonOf is why a run failed: its error, else what it counted.
func reasonOf(run state.Run) string {
	var counts runCounts
	if run.Error != "" || run.OK || json.Unmarshal([]byte(run.Summary), &counts) != nil {
		return run.Error
	}
	var parts []string
	if counts.Guarded > 0 {
		parts = append(parts, ui.Plural(counts.Guarded, "deletion", "deletions")+" refused by a guard")
	}
	if counts.Failed > 0 {
		parts = append(parts, ui.Plural(counts.Failed, "failure", "failures"))
	}
	return strings.Join(parts, ", ")
}

// codeOf is the exit code that a run ended with.
func codeOf(run state.Run) int {
	var counts runCounts
	if run.OK {
		return exitDone
	}
	if json.Unmarshal([]byte(run.Summary), &counts) == nil && counts.ExitCode != exitDone {
		return counts.ExitCode
	}
	return exitFailed
}

// examineServer finds out what the next run would do, and the quota.
func (a *app) examineServer(ctx context.Context, t target, h *health) {
	command := t.account.Mode
	if command != config.ModeSync || t.account.Server.Protocol == pop3 {
		command = config.ModeBackup
	}
	j := job{target: t, command: command, flags: transferFlags{dryRun: true}}
	account := j.account()
	both, err := a.open(ctx, j, account)
	if err == nil {
		err = a.examineSides(ctx, j, account, both, h)
		err = errors.Join(err, both.Close())
	}
	switch {
	case errors.Is(err, state.ErrLocked):
		h.IsRunning = true
	case err != nil:
		h.ServerError = err.Error()
		h.ExitCode = worse(h.ExitCode, exitCode(err))
	}
}

func (a *app) examineSides(ctx context.Context, j job, account config.Account, both *sides, h *health) error {
	options := a.options(j, account, both, &report{Reporter: silent{}})
	summary, err := syncer.Run(ctx, options)
	if err != nil {
		return err
	}
	h.Pending = pendingOf(summary)
	if both.imap == nil {
		return nil
	}
	room, err := both.imap.Room(ctx)
	h.QuotaUsed, h.QuotaLimit = room.Used, room.Limit
	return err
}

func pendingOf(s syncer.Summary) map[string]int {
	pending := map[string]int{}
	for name, n := range map[string]int{
		"download": s.Downloaded, "upload": s.Uploaded, "flag-local": s.FlagsLocal, "flag-remote": s.FlagsRemote,
		"remove-local": s.RemovedLocal, "expunge-remote": s.ExpungedRemote, "move": s.Moved,
		"mailbox": s.MailboxesCreated + s.MailboxesDeleted + s.MailboxesRenamed, "guarded": s.Guarded,
	} {
		if n > 0 {
			pending[name] = n
		}
	}
	return pending
}

// sizeBelow adds up the files of a folder, as far as they can be seen.
func sizeBelow(dir string) (octets int64) {
	_ = filepath.WalkDir(dir, func(_ string, entry os.DirEntry, err error) error {
		if err != nil {
			return nil
		}
		if info, err := entry.Info(); err == nil && info.Mode().IsRegular() {
			octets += info.Size()
		}
		return nil
	})
	return octets
}

func (a *app) tellHealth(h health) {
	w := tabwriter.NewWriter(a.out(), 0, 8, 2, ' ', 0)
	row := func(name, format string, args ...any) {
		fmt.Fprintf(w, "  %s\t%s\n", name, ui.Escape(fmt.Sprintf(format, args...)))
	}
	fmt.Fprintf(w, "%s\t%s\n", ui.Escape(h.Account), ui.Escape(h.URL))
	row("last run", "%s", lastRunText(h))
	row("last success", "%s", agoText(h.LastSuccess))
	if h.Failures > 0 {
		row("failures", "%d in a row, since %s; last good %s", h.Failures, agoText(h.FailingSince), agoText(h.LastSuccess))
		row("because", "%s", h.LastError)
	} else {
		row("failures", "none")
	}
	row("mail", "%s messages, %s, in %s; state %s; trash %s", humanize.Comma(int64(h.Messages)),
		humanize.IBytes(uint64(h.Octets)), ui.Plural(h.Mailboxes, "mailbox", "mailboxes"), humanize.IBytes(uint64(h.StateOctets)), humanize.IBytes(uint64(h.TrashOctets)))
	switch {
	case h.Pending != nil:
		row("pending", "%s", pendingText(h.Pending))
	case h.ServerError != "":
		row("server", "%s", h.ServerError)
	}
	if h.QuotaLimit > 0 {
		row("quota", "%s of %s (%d %%)", humanize.IBytes(uint64(h.QuotaUsed)), humanize.IBytes(uint64(h.QuotaLimit)), 100*h.QuotaUsed/h.QuotaLimit)
	}
	for _, note := range h.Notes {
		row("note", "%s", note)
	}
	w.Flush()
}

func lastRunText(h health) string {
	switch {
	case h.LastRun == nil:
		return "never"
	case h.IsRunning:
		return h.LastCommand + ", " + agoText(h.LastRun) + ": under way, or killed"
	case h.LastOK:
		return h.LastCommand + ", " + agoText(h.LastRun) + ": done"
	}
	return fmt.Sprintf("%s, %s: failed (exit code %d)", h.LastCommand, agoText(h.LastRun), h.LastExitCode)
}

func agoText(at *time.Time) string {
	if at == nil {
		return "never"
	}
	return humanize.Time(*at) + " (" + at.Local().Format("2006-01-02 15:04") + ")"
}

var pendingKinds = []struct{ kind, text string }{
	{"download", "to download"}, {"upload", "to upload"}, {"flag-local", "flag changes for the disk"},
	{"flag-remote", "flag changes for the server"}, {"move", "to move"}, {"remove-local", "to remove on disk"},
	{"expunge-remote", "to expunge on the server"}, {"mailbox", "mailboxes to make, rename or delete"},
	{"guarded", "deletions that a guard would refuse"},
}

func pendingText(pending map[string]int) string {
	text := ""
	for _, k := range pendingKinds {
		if n := pending[k.kind]; n > 0 {
			if text != "" {
				text += ", "
			}
			text += fmt.Sprintf("%d %s", n, k.text)
		}
	}
	if text == "" {
		return "nothing"
	}
	return text
}
