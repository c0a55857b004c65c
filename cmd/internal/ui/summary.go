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
}

// String is the summary in one line for people.
func (s Summary) String() string {
	var parts []string
	count := func(n int, text string) {
		if n > 0 {
			parts = append(parts, fmt.Sprintf("%s %s", humanize.Comma(int64(n)), text))
		}
	}
	count(s.Downloaded, "downloaded")
	count(s.Uploaded, "uploaded")
	count(s.FlagsLocal, "flag changes on disk")
	count(s.FlagsRemote, "flag changes on the server")
	count(s.Moved, "moved")
	count(s.RemovedLocal, "removed on disk")
	count(s.ExpungedRemote, "expunged on the server")
	count(s.MailboxesCreated, "mailboxes created")
	count(s.MailboxesRenamed, "mailboxes renamed")
	count(s.MailboxesDeleted, "mailboxes deleted")
	count(s.Conflicts, "conflicts settled")
	count(s.Guarded, "deletions refused")
	count(s.Stale, "left for the next run")
	count(s.Failed, "failed")
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
	return fmt.Sprintf("%s: %s: %s (%s mailboxes, %s down, %s up, %s)", Escape(s.Account), s.Command, text,
		humanize.Comma(int64(s.Mailboxes)), humanize.IBytes(uint64(max(0, s.Traffic.OctetsDown))),
		humanize.IBytes(uint64(max(0, s.Traffic.OctetsUp))), s.Duration.Round(10*time.Millisecond))
}
