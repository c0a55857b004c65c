package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"mailferry/cmd/internal/config"
	"mailferry/cmd/internal/ui"
	"mailferry/syncer"
	"mailferry/syncer/imapremote"
	"mailferry/syncer/mailbox"
	"mailferry/syncer/plan"
)

// imapServer is what an archive wants to know of an IMAP server.
type imapServer interface {
	Capabilities() []string
	Room(ctx context.Context) (imapremote.Room, error)
}

// archivePolicy makes a run's policy of the account's limits. Both sides are
// open.
func (a *app) archivePolicy(ctx context.Context, j job, account config.Account, both *sides) (plan.Policy, error) {
	if j.bringsBack() {
		return a.bringBackPolicy(ctx, j, account, both)
	}
	limits := j.archive.limits(account)
	now := time.Now()
	retention := plan.Retention{
		KeepLatest: limits.KeepLatest, SeenOnly: limits.SeenOnly, KeepFlagged: limits.KeepFlagged,
		LeaveFor: limits.LeaveFor, Machine: machineOf(account),
		Now: mailbox.DateOf(now),
	}
	if limits.HasOlderThan && limits.OlderThan > 0 {
		retention.Before = mailbox.DateOf(now.Add(-limits.OlderThan))
	}
	runs, err := both.base.Runs(ctx, 1)
	if err != nil {
		return plan.Policy{}, err
	}
	if len(runs) > 0 {
		last := runs[0].Started
		if runs[0].Ended.After(last) {
			last = runs[0].Ended
		}
		retention.LastRun = mailbox.DateOf(last)
	}
	server, isIMAP := any(both.remote).(imapServer)
	if limits.UntilQuota > 0 {
		if err := freeUntil(ctx, server, isIMAP, limits.UntilQuota, &retention); err != nil {
			return plan.Policy{}, err
		}
	}
	policy := plan.Archive(retention)
	if isIMAP && slices.Contains(server.Capabilities(), "X-GM-EXT-1") {
		if account.OnLocalDelete != "trash" {
			return plan.Policy{}, errLabels
		}
		policy.OnLocalDelete = plan.Trash
	}
	return policy, nil
}

// makeArchive makes options of a backup those of an archive.
func (a *app) makeArchive(ctx context.Context, j job, account config.Account, both *sides, report *report, options *syncer.Options) error {
	policy, err := a.archivePolicy(ctx, j, account, both)
	if err != nil {
		return err
	}
	policy.MaxMessageSize, policy.AllowDeletes = options.Policy.MaxMessageSize, options.Policy.AllowDeletes
	options.Policy = policy
	options.Foretell = a.foretell(j, report.Reporter)
	return nil
}

// errLabels: a server whose mailboxes are labels keeps what is expunged.
var errLabels = hintedError{
	usageError{errors.New("this server's mailboxes are labels, as Gmail's are: what is expunged from one stays in All Mail and frees nothing")},
	`set on_local_delete = "trash" for the account: messages then move to the server's trash, which it empties after a time`,
}

// freeUntil asks the server how much is to be freed.
func freeUntil(ctx context.Context, server imapServer, isIMAP bool, percent int, retention *plan.Retention) error {
	const hint = "limit it otherwise: --older-than 1y, --keep-latest 100"
	var room imapremote.Room
	var err error
	if isIMAP {
		room, err = server.Room(ctx)
	}
	if err != nil {
		return err
	}
	if room.Limit <= 0 {
		return hintedError{fmt.Errorf("--until-quota: a quota is %w", mailbox.ErrUnsupported), hint}
	}
	retention.HasFree = true
	retention.Free = max(0, room.Used-room.Limit/100*int64(percent))
	return nil
}

// machineOf is this machine's name among those that share the account.
func machineOf(account config.Account) string {
	if account.Machine != "" {
		return account.Machine
	}
	host, err := os.Hostname()
	if err != nil || host == "" {
		host = "localhost"
	}
	host, _, _ = strings.Cut(host, ".")
	name := []byte(strings.ToLower(host))
	for i, c := range name {
		if !mailbox.IsMachine(string(rune(c))) {
			name[i] = '-'
		}
	}
	return string(name[:min(len(name), 32)])
}

// foretell tells what an archive takes from the server: a dry run by mailbox,
// and a person who watches in one line, before anything is deleted.
func (a *app) foretell(j job, out syncer.Reporter) func([]plan.Loss) error {
	told := false
	return func(losses []plan.Loss) error {
		if told {
			return nil // a further round of the same run
		}
		told = true
		for _, loss := range losses {
			if teller, ok := out.(ui.LossTeller); ok {
				teller.Loss(loss)
			}
		}
		if a.flags.json || a.flags.quiet || j.flags.dryRun || !a.console.IsTerminal() || len(losses) == 0 {
			return nil
		}
		goes, remains := totals(losses)
		mailboxes := "1 mailbox"
		if len(losses) > 1 {
			mailboxes = fmt.Sprintf("%d mailboxes", len(losses))
		}
		fmt.Fprintf(a.console.Err(), "mailferry: %s: to be deleted from the server, once proved to be on disk: %s (%s) in %s; to remain in there: %s\n",
			ui.Escape(j.target.account.Name), count(goes.Messages), humanize.IBytes(uint64(max(0, goes.Octets))), mailboxes, count(remains.Messages))
		return nil
	}
}

func totals(losses []plan.Loss) (goes, remains plan.Holding) {
	for _, loss := range losses {
		goes.Messages += loss.Goes.Messages
		goes.Octets += loss.Goes.Octets
		remains.Messages += loss.Remains.Messages
		remains.Octets += loss.Remains.Octets
	}
	return goes, remains
}

func count(messages int) string {
	if messages == 1 {
		return "1 message"
	}
	return humanize.Comma(int64(messages)) + " messages"
}
