package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"mailferry/cmd/internal/discover"
	"mailferry/syncer/imapremote"
	"mailferry/syncer/mailbox"
)

// checkServer logs in by the engine's own way, for reading only, and looks
// around.
func (c *checkup) checkServer(ctx context.Context, password func(context.Context) (string, error)) {
	var shown *tls.ConnectionState
	both := &sides{password: password, watchTLS: func(state tls.ConnectionState) { shown = &state }}
	account := c.account
	account.Connections = 1
	began := time.Now()
	err := both.openRemote(ctx, c.app, account, true)
	took := time.Since(began)
	c.checkTLS(ctx, shown, err)
	switch {
	case errors.Is(err, errKnown), errors.Is(err, mailbox.ErrTLS):
		return // told
	case err != nil:
		c.loginFailed(err)
		return
	}
	defer both.Close()
	c.ok("login", "as %s, in %s", c.account.Server.User, roundTime(took))
	if both.imap == nil {
		c.checkPOP3(ctx, both.remote)
		return
	}
	c.checkCapabilities(both.imap.Capabilities())
	c.checkNamespaces(both.imap.Namespaces())
	c.checkMailboxes(ctx, both.imap)
}

// pop3Extensions are what makes a difference with POP3. (RFC 2449)
var pop3Extensions = []struct{ name, without string }{
	{"PIPELINING", "one question at a time"},
	{"TOP", "messages are known again only by their unique-ids, or by reading them whole"},
	{"UIDL", "messages are known again by their content"},
}

func (c *checkup) checkPOP3(ctx context.Context, remote server) {
	const check = "capabilities"
	c.note(check, "POP3: no folders, no flags, nothing can be uploaded; backup and archive work")
	told, ok := remote.(interface {
		Capabilities(context.Context) ([]string, error)
	})
	if !ok {
		return
	}
	has, err := told.Capabilities(ctx)
	switch {
	case err != nil:
		c.fail(check, err)
	case has == nil:
		c.note(check, "the server does not tell what it can do (CAPA); it is tried out")
	default:
		c.ok(check, "it has %s", strings.Join(has, ", "))
		for _, row := range pop3Extensions {
			if !slices.Contains(has, row.name) {
				c.note(check, "no %s: %s", row.name, row.without)
			}
		}
	}
}

func (c *checkup) loginFailed(err error) {
	check := "login"
	if errors.Is(err, mailbox.ErrNetwork) || errors.Is(err, mailbox.ErrProtocol) {
		check = "connection"
	}
	fix := hintFor(err, "mailferry doctor "+c.account.Name)
	if p, ok := discover.ByHost(c.account.Server.Host); ok && errors.Is(err, mailbox.ErrAuth) {
		fix = strings.Join(append([]string{fix}, p.Notes...), "\n")
	}
	c.bad(check, exitCode(err), fix, "%v", err)
}

// checkCapabilities says what is gained and lost. A row that another one makes
// superfluous is not missed.
func (c *checkup) checkCapabilities(has []string) {
	const check = "capabilities"
	stands := func(name string) bool {
		return slices.ContainsFunc(has, func(h string) bool { return h == name || strings.HasPrefix(h, name+"=") })
	}
	var used []string
	var missing []imapremote.Extension
	for _, row := range imapremote.Extensions() {
		isGmails := row.Name == "X-GM-EXT-1"
		isSpared := row.Name == "LITERAL-" && stands("LITERAL+") || row.Name == "CONDSTORE" && stands("QRESYNC") || row.Name == "QRESYNC"
		switch {
		case stands(row.Name):
			used = append(used, row.Name)
			if c.app.flags.verbose > 0 {
				c.ok(check, "%s (%s): %s", row.Name, row.RFC, row.Gains)
			}
		case !isGmails && !isSpared:
			missing = append(missing, row)
		}
	}
	if c.app.flags.verbose == 0 {
		c.ok(check, "made use of: %s", strings.Join(used, ", "))
	}
	for _, row := range missing {
		c.note(check, "no %s (%s). With it, %s; without it, %s", row.Name, row.RFC, row.Gains, row.Without)
	}
	if !stands("UIDPLUS") && c.account.Mode == "archive" {
		c.warn(check, exitFailed, "mode = \"backup\", or ask the provider for UIDPLUS (RFC 4315)", "no UIDPLUS: an archive can only mark messages as \\Deleted")
	}
}

func (c *checkup) checkNamespaces(spaces []imapremote.Namespace) {
	own, others := "none: names are taken as they are", 0
	for i, space := range spaces {
		switch {
		case !space.IsPersonal:
			others++
		case i == 0:
			own = fmt.Sprintf("prefix %q, levels separated by %q", space.Prefix, space.Separator)
		}
	}
	if others > 0 {
		own += fmt.Sprintf("; %d of other users or shared, which are left alone", others)
	}
	c.ok("namespace", "%s", own)
}

// checkMailboxes lists the mailboxes, and looks at the quota and the clock.
func (c *checkup) checkMailboxes(ctx context.Context, remote *imapremote.Account) {
	listed, err := remote.List(ctx)
	if err != nil {
		c.fail("mailboxes", err)
		return
	}
	messages, selected := 0, 0
	var newest mailbox.Status
	for _, l := range listed {
		if c.account.Mailboxes.Selects(l.Name) {
			selected++
			if l.Status != nil {
				messages += int(l.Status.Messages)
			}
		}
		if l.Name == mailbox.Inbox && l.Status != nil {
			newest = *l.Status
		}
	}
	if selected == 0 && len(listed) > 0 {
		c.warn("mailboxes", exitUsage, `mailboxes = ["*"]`, "none of %d mailboxes takes part", len(listed))
	} else {
		c.ok("mailboxes", "%d of %d take part, with %s messages", selected, len(listed), humanize.Comma(int64(messages)))
	}
	c.checkQuota(ctx, remote)
	c.checkClock(ctx, remote, newest)
}

// quotaWarning is the share of the quota in percent that is warned of.
const quotaWarning = 95

func (c *checkup) checkQuota(ctx context.Context, remote *imapremote.Account) {
	room, err := remote.Room(ctx)
	switch {
	case err != nil:
		c.fail("quota", err)
	case room.Limit <= 0:
		c.note("quota", "the server does not tell")
	case 100*room.Used/room.Limit >= quotaWarning:
		c.warn("quota", exitFailed, "mailferry archive "+c.account.Name+" --until-quota 80% --dry-run", "the account is full to %d %%: %s of %s",
			100*room.Used/room.Limit, humanize.IBytes(uint64(room.Used)), humanize.IBytes(uint64(room.Limit)))
	default:
		c.ok("quota", "%s of %s (%d %%)", humanize.IBytes(uint64(room.Used)), humanize.IBytes(uint64(room.Limit)), 100*room.Used/room.Limit)
	}
}

// lastArrivals is how many of INBOX's last UIDs are looked at for the date of
// its latest message.
const lastArrivals = 200

// checkClock compares our clock with the server's as the archive does: no
// message can have arrived in the future.
func (c *checkup) checkClock(ctx context.Context, remote *imapremote.Account, inbox mailbox.Status) {
	if inbox.Messages == 0 || inbox.UIDNext <= 1 || inbox.UIDValidity == 0 {
		return
	}
	first := mailbox.UID(max(1, int64(inbox.UIDNext)-lastArrivals))
	var last mailbox.RemoteMessage
	_, err := remote.Observe(ctx, mailbox.Inbox, mailbox.Since{Remote: inbox, Only: mailbox.Range(first, inbox.UIDNext-1)},
		func(m mailbox.RemoteMessage) error {
			if m.UID > last.UID {
				last = m
			}
			return nil
		})
	if err != nil {
		c.note("clock", "the latest message's date is not known: %v", err)
		return
	}
	if last.Date.Known {
		c.judgeClock(time.Now(), last.Date.Time())
	}
}

// clockTolerance is the archive's: see plan.DoubtClock.
const clockTolerance = 24 * time.Hour

func (c *checkup) judgeClock(now, arrived time.Time) {
	ahead := arrived.Sub(now)
	fix := "set this machine's clock (timedatectl set-ntp true); if it is right, the server's is wrong"
	switch {
	case ahead > clockTolerance:
		c.bad("clock", exitFailed, fix, "the latest message in INBOX arrived on %s, which is still to come: nothing is archived by age",
			arrived.UTC().Format(time.DateTime))
	case ahead > 2*time.Minute:
		c.warn("clock", exitFailed, fix, "the server's clock is ahead by at least %s", ahead.Round(time.Minute))
	default:
		c.ok("clock", "nothing arrived in the future")
	}
}
