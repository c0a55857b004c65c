package main

import (
	"context"

	"mailferry/cmd/internal/config"
	"mailferry/state"
	"mailferry/syncer/mailbox"
	"mailferry/syncer/pop3remote"
)

// pop3 is config.Server's Protocol of a POP3 server.
const pop3 = "pop3"

// openPOP3 connects to a POP3 server.
func (s *sides) openPOP3(ctx context.Context, account config.Account, options pop3remote.Options) error {
	if s.keepsNumbers {
		options.Numbers, options.DryRun = numbers{s}, s.dryRun
	} else if stored := storedNumbers(ctx, account); stored != nil {
		options.Numbers, options.DryRun = stored, true
	}
	remote, err := pop3remote.Open(ctx, options)
	if err == nil {
		s.remote = remote
	}
	return err
}

// numbers is the store's state, which may be opened after the server.
type numbers struct{ *sides }

// Numbering implements pop3remote.Numbers.
func (n numbers) Numbering(ctx context.Context) (mailbox.Numbering, error) {
	return n.base.Numbering(ctx)
}

// Number implements pop3remote.Numbers.
func (n numbers) Number(ctx context.Context, put []mailbox.Numbered, forget []mailbox.UID) error {
	return n.base.Number(ctx, put, forget)
}

// frozenNumbers are read and not written.
type frozenNumbers struct{ known mailbox.Numbering }

// Numbering implements pop3remote.Numbers.
func (n frozenNumbers) Numbering(context.Context) (mailbox.Numbering, error) { return n.known, nil }

// Number implements pop3remote.Numbers.
func (frozenNumbers) Number(context.Context, []mailbox.Numbered, []mailbox.UID) error { return nil }

// storedNumbers are those that the account's store remembers, for commands that
// only read; nil where there is no store.
func storedNumbers(ctx context.Context, account config.Account) pop3remote.Numbers {
	if account.Store == "" {
		return nil
	}
	store, err := state.Open(ctx, state.Options{Dir: account.Store, ReadOnly: true, Unlocked: true})
	if err != nil {
		return nil
	}
	defer store.Close()
	known, err := store.Numbering(ctx)
	if err != nil {
		return nil
	}
	return frozenNumbers{known}
}

// refusePOP3 refuses what cannot be done with a POP3 server.
func (j job) refusePOP3(account config.Account) error {
	if account.Server.Protocol != pop3 {
		return nil
	}
	limits := j.archive.limits(account)
	isArchive := j.command == config.ModeArchive
	for _, row := range []struct {
		is         bool
		what, hint string
	}{
		{
			j.command == config.ModeSync, "a POP3 server can only be backed up or archived: it has no folders, keeps no flags and takes no messages",
			"mailferry backup " + j.target.typed + "\nfor `run`, set mode = \"backup\"; for both directions, use the server's IMAP address: imaps://user@host",
		},
		{
			j.flags.mirror, "--mirror: a message that a POP3 server does not show may be there all the same, so what is on disk stays",
			"mailferry backup " + j.target.typed,
		},
		{isArchive && j.bringsBack(), "--restore-to-server: a POP3 server takes no messages", "mailferry restore " + j.target.typed + " --to imaps://user@host"},
		{isArchive && limits.SeenOnly, "--seen-only (seen_only): a POP3 server does not tell what was read", "limit it otherwise: --older-than 30d, --keep-latest 100"},
		{isArchive && limits.UntilQuota > 0, "--until-quota (until_quota): a POP3 server does not tell its quota", "limit it otherwise: --older-than 30d, --keep-latest 100"},
		{isArchive && len(limits.LeaveFor) > 0, "leave_for: machines cannot tell each other on a POP3 server what they have", "limit it otherwise: --older-than 30d, --keep-latest 100"},
	} {
		if row.is {
			return hintedError{usagef("%s", row.what), row.hint}
		}
	}
	return nil
}
