package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"mailferry/cmd/internal/config"
)

// archiveFlags are the flags of archive. Those that were given win over the
// account's [archive] table.
type archiveFlags struct {
	olderThan, untilQuota string
	keepLatest            int
	seenOnly, keepFlagged bool
	bringBack             []string

	given   *pflag.FlagSet
	age     time.Duration
	percent int
}

func newArchiveCommand(a *app) *cobra.Command {
	var flags transferFlags
	var limits archiveFlags
	cmd := &cobra.Command{
		Use:   "archive [ACCOUNT...] | archive URL DIR | archive DIR",
		Short: "Bring mail to disk, prove it, then delete it from the server",
		Long: `Takes mail from the server the way POP3 programs do, without their losses: it is
downloaded as by backup, and only what is proved to be on disk, to the octet, is
deleted from the server. What is proved to be there is the archive's: no later run
uploads it again or takes its absence on the server for a deletion.

Limits say what goes; a message goes only if all of them let it. Flagged (starred)
messages stay unless --keep-flagged=false. Without any limit it asks on a terminal
and refuses elsewhere. --dry-run says what each mailbox would lose and keep.

--restore-to-server brings messages back: name them by Maildir key, by Message-ID,
or by what they are: "from:ann subject:invoice", also to:, mailbox:, since:, before:
(2024-01-31). They are ordinary messages again, and no archive takes them later.

More: mailferry help archive`,
		Example: "  mailferry archive home --older-than 30d --dry-run\n" +
			"  mailferry archive home --until-quota 80%\n" +
			"  mailferry archive imaps://me%40example.com@imap.example.com ~/Mail --older-than 1y --keep-latest 100\n" +
			"  mailferry archive home --restore-to-server 'from:ann since:2024-01-01'",
		ValidArgsFunction: a.completeAccounts,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := flags.check(cmd); err != nil {
				return err
			}
			if err := limits.check(cmd); err != nil {
				return err
			}
			targets, err := a.targets(cmd.Context(), args, true)
			if err != nil {
				return err
			}
			return a.archive(cmd.Context(), targets, flags, limits)
		},
	}
	flags.add(cmd)
	limits.add(cmd)
	return cmd
}

func (f *archiveFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.olderThan, "older-than", "", "only messages that arrived longer than `AGE` ago, such as 30d, 2w or 1y; 0d is any age")
	flags.IntVar(&f.keepLatest, "keep-latest", 0, "the newest `N` messages of each mailbox stay")
	flags.StringVar(&f.untilQuota, "until-quota", "", "only until the account is at `SHARE` of its quota, such as 80%; the oldest go first")
	flags.BoolVar(&f.seenOnly, "seen-only", false, "unread messages stay")
	flags.BoolVar(&f.keepFlagged, "keep-flagged", true, "flagged (starred) messages stay")
	flags.StringArrayVar(&f.bringBack, "restore-to-server", nil, "upload messages that the archive keeps again: `QUERY`, Maildir key or Message-ID; repeatable")
	f.given = flags
}

// check finishes what the flags' own types cannot say.
func (f *archiveFlags) check(cmd *cobra.Command) (err error) {
	if f.keepLatest < 0 {
		return usagef("--keep-latest %d: allowed are 0 and more", f.keepLatest)
	}
	if f.given.Changed("older-than") {
		if f.age, err = config.ParseAge(f.olderThan); err != nil {
			return usagef("--older-than: %w", err)
		}
	}
	if f.percent, err = config.ParsePercent(f.untilQuota); err != nil {
		return usagef("--until-quota: %w", err)
	}
	for _, text := range f.bringBack {
		if _, err := parseQuery(text); err != nil {
			return usagef("--restore-to-server: %w", err)
		}
	}
	return nil
}

// limits are the account's with those of the command line on top. Flags of no
// command line (run) change nothing.
func (f *archiveFlags) limits(account config.Account) config.Archive {
	limits := account.Archive
	if f == nil || f.given == nil {
		return limits
	}
	for name, set := range map[string]func(){
		"older-than":   func() { limits.OlderThan, limits.HasOlderThan = f.age, true },
		"keep-latest":  func() { limits.KeepLatest = f.keepLatest },
		"until-quota":  func() { limits.UntilQuota = f.percent },
		"seen-only":    func() { limits.SeenOnly = f.seenOnly },
		"keep-flagged": func() { limits.KeepFlagged = f.keepFlagged },
	} {
		if f.given.Changed(name) {
			set()
		}
	}
	return limits
}

// typed are the flags as they were given, to be typed again.
func (f *archiveFlags) typed() string {
	if f == nil || f.given == nil {
		return ""
	}
	text := ""
	for _, name := range []string{"older-than", "keep-latest", "until-quota", "seen-only", "keep-flagged"} {
		if f.given.Changed(name) {
			text += " --" + name + "=" + quoted(f.given.Lookup(name).Value.String())
		}
	}
	for _, query := range f.bringBack {
		text += " --restore-to-server " + quoted(query)
	}
	return text
}

// archive asks for what the command line and the configuration leave open, and
// runs.
func (a *app) archive(ctx context.Context, targets []target, flags transferFlags, limits archiveFlags) error {
	jobs := make([]job, len(targets))
	for i, t := range targets {
		jobs[i] = job{target: t, command: config.ModeArchive, flags: flags, archive: &limits}
		if t.err == nil {
			// One account without a limit keeps no other from being archived.
			jobs[i].target.err = a.mayArchive(ctx, jobs[i])
		}
	}
	return a.runJobs(ctx, jobs)
}

// mayArchive reports whether a limit or a person says how much is to go. A dry
// run may always look.
func (a *app) mayArchive(ctx context.Context, j job) error {
	if j.flags.dryRun || j.bringsBack() || j.archive.limits(j.target.account).IsLimited() {
		return nil
	}
	name := j.target.account.Name
	const hint = "say what may go, on the command line or in [accounts.NAME.archive]: --older-than 30d, --keep-latest 100, " +
		"--until-quota 80%%, --seen-only\nlook first: mailferry archive %[1]s --dry-run\nfor everything: mailferry archive %[1]s --older-than 0d"
	refusal := hintedError{
		usagef("no limit is given, so that all mail would be deleted from the server once it is on disk"),
		fmt.Sprintf(hint, j.target.typed),
	}
	if !a.canAsk() {
		return refusal
	}
	kept := "flagged messages stay"
	if !j.archive.limits(j.target.account).KeepFlagged {
		kept = "flagged messages, too"
	}
	yes, err := a.askYes(ctx, fmt.Sprintf("%s: no limit is given: all mail that is proved to be on disk is deleted from the server (%s). Go on? [y/N] ", name, kept))
	if err != nil || yes {
		return err
	}
	return refusal
}

// bringsBack reports whether messages are brought back instead of archived.
func (j job) bringsBack() bool { return j.archive != nil && len(j.archive.bringBack) > 0 }

// isYes reads a person's answer.
func isYes(answer string) bool {
	answer = strings.ToLower(strings.TrimSpace(answer))
	return answer == "y" || answer == "yes"
}
