package ui

import (
	"fmt"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"mailferry/syncer"
)

// Summary is what is told at the end of an account's run.
type Summary struct {
	syncer.Summary
	Account, Command string
	Duration         time.Duration
	ExitCode         int
	DryRun           bool
	// Err is why the run ended early, "" if it did not.
	Err string
	// Trouble is what went wrong first, in a line, "" if nothing did.
	Trouble string
}

// String is the summary in one line for people.
func (s Summary) String() string {
	var parts []string
	for _, c := range []struct {
		n         int
		one, many string
	}{
		{s.Downloaded, "downloaded", "downloaded"},
		{s.Uploaded, "uploaded", "uploaded"},
		{s.FlagsLocal, "flag change on disk", "flag changes on disk"},
		{s.FlagsRemote, "flag change on the server", "flag changes on the server"},
		{s.Moved, "moved", "moved"},
		{s.RemovedLocal, "removed on disk", "removed on disk"},
		{s.ExpungedRemote, "expunged on the server", "expunged on the server"},
		{s.MailboxesCreated, "mailbox created", "mailboxes created"},
		{s.MailboxesRenamed, "mailbox renamed", "mailboxes renamed"},
		{s.MailboxesDeleted, "mailbox deleted", "mailboxes deleted"},
		{s.Conflicts, "conflict settled", "conflicts settled"},
		{s.Guarded, "deletion refused", "deletions refused"},
		{s.Stale, "left for the next run", "left for the next run"},
		{s.Failed, "failed", "failed"},
	} {
		if c.n > 0 {
			parts = append(parts, Plural(c.n, c.one, c.many))
		}
	}
	text := strings.Join(parts, ", ")
	if text == "" {
		text = "nothing to do"
		if s.ExitCode != 0 {
			text = "nothing done"
		}
	}
	if s.DryRun {
		text = "dry run: " + text
	}
	return fmt.Sprintf("%s: %s: %s (%s, %s down, %s up, %s)", Escape(s.Account), s.Command, text,
		Plural(s.Mailboxes, "mailbox", "mailboxes"), humanize.IBytes(uint64(max(0, s.Traffic.OctetsDown))),
		humanize.IBytes(uint64(max(0, s.Traffic.OctetsUp))), s.Duration.Round(10*time.Millisecond))
}

// Plural counts things: "1 mailbox", "3 mailboxes".
func Plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return humanize.Comma(int64(n)) + " " + many
}
