package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"mailferry/cmd/internal/config"
	"mailferry/syncer/mailbox"
	"mailferry/syncer/restore"
)

// restoreFlags are the flags of restore.
type restoreFlags struct {
	transferFlags
	to, prefix    string
	maps          []string
	messages      []string
	since, before string
	again         bool

	rules    restore.Rules
	from, up time.Time // of INTERNALDATE; zero: no bound
}

func newRestoreCommand(a *app) *cobra.Command {
	var flags restoreFlags
	cmd := &cobra.Command{
		Use:   "restore [ACCOUNT | DIR] --to ACCOUNT|URL",
		Short: "Upload a store to a server: the same or another one",
		Long: `Uploads the mail of a store to a server: mailboxes (also empty ones), messages,
flags, keywords, dates and subscriptions. What the server has already is
recognised by its content and not uploaded again, also after an interruption:
type the same line once more. Nothing is deleted, neither there nor on disk, and
the server that the store belongs to is not asked.

The mailboxes for sent, drafts, deleted, junk and archived mail go to the ones
that the other server has for the same use, whatever it calls them; --map gives
any mailbox, and those below it, another name. A later restore to the same
server uses the same names, and carries only what is new in the store since:
messages that somebody deleted there meanwhile stay deleted, unless --again.

What the server refuses (too large, over quota, a name or keyword that it does
not take) is listed, the rest goes on, and the exit code is 3. --dry-run looks
at all of this before the first octet is sent.

The password is the one of the server in --to: from its account, or for a URL
from MAILFERRY_PASSWORD_TO or MAILFERRY_PASSWORD. See: mailferry help migration`,
		Example: "  mailferry restore home --to imaps://me%40example.org@imap.example.org --dry-run\n" +
			"  mailferry restore home --to new --map Old=Archive/Old\n" +
			"  mailferry restore ~/Mail --to imaps://me@imap.example.org --mailbox INBOX --since 2024-01-01",
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: a.completeAccounts,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := flags.check(cmd); err != nil {
				return err
			}
			source, err := a.oneTarget(cmd.Context(), args)
			if err != nil {
				return err
			}
			dest, err := a.destination(flags.to, source.account.Store)
			if err != nil {
				return err
			}
			run := &restoring{app: a, source: source, dest: dest, flags: flags}
			return status(run.run(cmd.Context()))
		},
	}
	flags.addHarmless(cmd)
	f := cmd.Flags()
	f.StringVar(&flags.to, "to", "", "the server to upload to: a configured `ACCOUNT` or a URL")
	f.StringArrayVar(&flags.maps, "map", nil, "call the mailbox OLD, and those below it, NEW there: `OLD=NEW`; repeatable")
	f.StringVar(&flags.prefix, "prefix", "", "put everything below the mailbox `NAME` there")
	f.StringArrayVar(&flags.messages, "message", nil, "only the message with this `KEY` or Message-ID; repeatable")
	f.StringVar(&flags.since, "since", "", "only messages that arrived at or after `TIME`: 2024-01-31, or 30d ago")
	f.StringVar(&flags.before, "before", "", "only messages that arrived before `TIME`")
	f.BoolVar(&flags.again, "again", false, "upload once more what an earlier restore brought and is gone from the server")
	return cmd
}

// check finishes what the flags' own types cannot say.
func (f *restoreFlags) check(cmd *cobra.Command) (err error) {
	if err := f.transferFlags.check(cmd); err != nil {
		return err
	}
	if f.to == "" {
		return hintedError{usagef("--to is missing: the server to upload to"), "mailferry restore ACCOUNT --to imaps://user@imap.example.com"}
	}
	f.rules.Map = map[mailbox.Name]mailbox.Name{}
	for _, text := range f.maps {
		from, to, found := strings.Cut(text, "=")
		if !found || from == "" || to == "" {
			return usagef("--map %q: write it like OLD=NEW", text)
		}
		f.rules.Map[typedName(from)] = typedName(to)
	}
	if f.prefix != "" {
		f.rules.Prefix = typedName(strings.Trim(f.prefix, "/"))
	}
	now := time.Now()
	if f.from, err = parseMoment(f.since, now); err != nil {
		return usagef("--since: %w", err)
	}
	if f.up, err = parseMoment(f.before, now); err != nil {
		return usagef("--before: %w", err)
	}
	return nil
}

// isPart reports whether only some of a mailbox's messages are wanted.
func (f *restoreFlags) isPart() bool {
	return len(f.messages) > 0 || !f.from.IsZero() || !f.up.IsZero()
}

// typedName is a mailbox as a person types it: INBOX in any case.
func typedName(text string) mailbox.Name {
	first, rest, below := strings.Cut(text, "/")
	if !strings.EqualFold(first, string(mailbox.Inbox)) {
		return mailbox.Name(text)
	}
	if below {
		return mailbox.Inbox + "/" + mailbox.Name(rest)
	}
	return mailbox.Inbox
}

// parseMoment reads a day (its beginning here), an instant, or how long ago;
// "" is the zero time.
func parseMoment(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if day, err := time.ParseInLocation(time.DateOnly, text, now.Location()); err == nil {
		return day, nil
	}
	if instant, err := time.Parse(time.RFC3339, text); err == nil {
		return instant, nil
	}
	if age, err := config.ParseAge(text); err == nil {
		return now.Add(-age), nil
	}
	return time.Time{}, fmt.Errorf("%.40q is neither a day like 2024-01-31, an instant like 2024-01-31T12:00:00Z, nor a time span like 30d", text)
}
