package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"mailferry/cmd/internal/ui"
	"mailferry/state"
	"mailferry/syncer"
	"mailferry/syncer/mailbox"
	"mailferry/syncer/plan"
	"mailferry/syncer/restore"
)

// roleFrom is the part that the server in --from plays.
const roleFrom = "FROM"

// collecting brings what still arrives at the server that a store moved from.
type collecting struct {
	app    *app
	source target
	from   string
	flags  transferFlags

	store  *state.Store
	both   *sides
	server target
	report *report
}

func (c *collecting) run(ctx context.Context) int {
	started := time.Now()
	out := c.app.reporter(job{target: c.source, flags: c.flags})
	c.report = &report{Reporter: out}
	summary, err := c.collect(ctx)
	c.app.console.EndProgress()
	if err != nil && ctx.Err() != nil {
		err = fmt.Errorf("%w: %w", mailbox.ErrStopped, err)
	}
	if c.both != nil {
		err = errors.Join(err, c.both.Close())
	}
	if c.store != nil {
		err = errors.Join(err, c.store.Close())
	}
	again := "mailferry account stragglers " + c.source.typed
	if c.from != "" {
		again += " --from " + quoted(c.from)
	}
	end := ui.Summary{Summary: summary, Account: c.source.account.Name, Command: "stragglers", DryRun: c.flags.dryRun}
	return c.app.finish(out, c.report, again, end, started, err).ExitCode
}

func (c *collecting) collect(ctx context.Context) (syncer.Summary, error) {
	files, err := c.open(ctx)
	if err != nil {
		return syncer.Summary{}, err
	}
	account := job{target: c.server, flags: c.flags}.account()
	options := syncer.Options{
		Policy:        plan.Collect(),
		Remote:        c.both.remote,
		Local:         files,
		LocalDelivery: files,
		LocalMessages: files,
		LocalFolders:  files,
		Base:          c.both.base,
		Selects:       account.Mailboxes.Selects,
		LeftOut:       c.both.leftOut,
		Connections:   account.Connections,
		Patience:      account.Timeout,
		DryRun:        c.flags.dryRun,
		Stop:          c.app.stop,
		Reporter:      c.report,
		Log:           c.app.log.With("account", account.Name),
		Now:           time.Now,
	}
	if c.flags.dryRun {
		return syncer.Run(ctx, options)
	}
	if options.Recover, err = c.both.needsRecovery(ctx); err != nil {
		return syncer.Summary{}, err
	}
	return c.both.record(ctx, "stragglers", func() (syncer.Summary, error) {
		return c.app.runRebuilding(ctx, options, c.both, c.report)
	})
}

// open opens the store, what it knows of the old server, and that server.
func (c *collecting) open(ctx context.Context) (_ *restore.Collector, err error) {
	account := c.source.account
	if c.source.err != nil {
		return nil, c.source.err
	}
	marker, err := state.ReadMarker(account.Store)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errNotSetUp, err)
	}
	if c.from == "" {
		c.from = marker.MovedFrom
	}
	if c.from == "" {
		return nil, hintedError{usagef("the store has not moved: which server is the old one?"), "mailferry account move, or say it by --from"}
	}
	if c.server, err = c.app.destination(c.from, account.Store); err != nil {
		return nil, err
	}
	if c.store, err = state.Open(ctx, c.app.stateOptions(account, c.flags)); err != nil {
		return nil, err
	}
	url := identityURL(c.server.account)
	if c.server.account.Server.Protocol == pop3 {
		// Which messages were known there is not kept when a store moves.
		return nil, hintedError{
			fmt.Errorf("%s: collecting stragglers from a POP3 server is %w", url, mailbox.ErrUnsupported),
			"its mail comes by: mailferry backup " + c.server.typed + " DIR, and goes on by: mailferry restore DIR --to URL",
		}
	}
	if _, err := state.ReadMarker(c.store.ServerDir(url)); err != nil {
		return nil, hintedError{
			fmt.Errorf("%s: the store never moved from there: %w", url, errNotSetUp),
			"its mail comes by: mailferry backup " + c.server.typed + " DIR, and goes on by: mailferry restore DIR --to URL",
		}
	}
	c.both = &sides{role: roleFrom}
	c.both.base, err = state.Open(ctx, state.Options{
		Dir: c.store.ServerDir(url), Identity: state.Identity{URL: url}, ReadOnly: c.flags.dryRun, Now: time.Now, Log: c.app.log,
	})
	if err != nil {
		return nil, err
	}
	if c.both.disk, err = openDisk(c.app, account, account.Store, c.flags.dryRun); err != nil {
		return nil, err
	}
	if err := c.both.openRemote(ctx, c.app, c.server.account, true); err != nil {
		return nil, fmt.Errorf("%s: %w", c.server.account.Name, err)
	}
	names := map[mailbox.Name]mailbox.Name{}
	if err := c.both.base.ReadAside(namesFile, &names); err != nil {
		return nil, err
	}
	var choices []restore.Choice
	for folder, there := range names {
		choices = append(choices, restore.Choice{From: folder, To: there})
	}
	return restore.NewCollector(ctx, c.both.disk, choices)
}
