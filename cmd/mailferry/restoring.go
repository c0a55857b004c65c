package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"mailferry/cmd/internal/config"
	"mailferry/cmd/internal/ui"
	"mailferry/state"
	"mailferry/syncer"
	"mailferry/syncer/imapremote"
	"mailferry/syncer/mailbox"
	"mailferry/syncer/plan"
	"mailferry/syncer/restore"
	"mailferry/syncer/verify"
)

// namesFile is where the state of a server keeps what the store's mailboxes
// are called there.
const namesFile = "names.json"

// restoring is one restore.
type restoring struct {
	app          *app
	source, dest target
	flags        restoreFlags

	store *state.Store // of the source; holds its lock
	// both is the disk, the other server, and the state of what is there.
	both    *sides
	traits  map[mailbox.Name]trait
	listed  []mailbox.Listed // what the other server has
	rules   restore.Rules
	choices []restore.Choice
	files   *restore.Source
	// before are the mailboxes there that an earlier restore filled.
	before map[mailbox.Name]bool
	// only, if not nil, narrows a further round to some mailboxes.
	only map[mailbox.Name]bool
	// wanted are the keys of the messages asked for; nil: all.
	wanted found
	report *restoreReport
}

// run does it all and tells about it; it returns the exit code.
func (r *restoring) run(ctx context.Context) int { return r.perform(ctx).ExitCode }

func (r *restoring) perform(ctx context.Context) ui.Summary {
	started := time.Now()
	out := r.app.reporter(job{target: r.source, flags: r.flags.transferFlags})
	r.report = newRestoreReport(out)
	summary, err := r.transfer(ctx)
	r.app.console.EndProgress()
	if err != nil && ctx.Err() != nil {
		err = fmt.Errorf("%w: %w", mailbox.ErrStopped, err)
	}
	if err == nil && r.flags.dryRun {
		err = r.preflight(ctx)
	}
	end := ui.Summary{Summary: summary, Account: r.source.account.Name, Command: "restore", DryRun: r.flags.dryRun}
	return r.app.finish(out, &r.report.report, r.typed(), end, started, errors.Join(err, r.close()))
}

// typed is the command line that does the same once more.
func (r *restoring) typed() string {
	if r.source.line != "" {
		return r.source.line
	}
	text := "mailferry restore " + r.source.typed + " --to " + r.dest.typed
	for _, part := range []struct {
		flag string
		list []string
	}{{"map", r.flags.maps}, {"mailbox", r.flags.mailboxes}, {"message", r.flags.messages}} {
		for _, value := range part.list {
			text += " --" + part.flag + " " + quoted(value)
		}
	}
	for _, part := range [][2]string{{"prefix", r.flags.prefix}, {"since", r.flags.since}, {"before", r.flags.before}} {
		if part[1] != "" {
			text += " --" + part[0] + " " + quoted(part[1])
		}
	}
	return text
}

func (r *restoring) transfer(ctx context.Context) (syncer.Summary, error) {
	for _, step := range []func(context.Context) error{r.openStore, r.openServer, r.openState, r.chooseNames, r.findMessages} {
		if err := step(ctx); err != nil {
			return syncer.Summary{}, err
		}
	}
	options := r.options()
	if r.flags.dryRun {
		return syncer.Run(ctx, options)
	}
	recover, err := r.both.needsRecovery(ctx)
	if err != nil {
		return syncer.Summary{}, err
	}
	options.Recover = recover
	options.RemoteMessages, options.RemoteMailboxes = r.both.remote, r.both.remote
	summary, err := r.both.record(ctx, "restore", func() (syncer.Summary, error) {
		return r.runRenaming(ctx, options)
	})
	if err == nil {
		err = r.subscribe(ctx)
	}
	r.report.tellLost()
	return summary, err
}

// openStore opens the store that is restored. It must be there.
func (r *restoring) openStore(ctx context.Context) (err error) {
	account := r.source.account
	if r.source.err != nil {
		return r.source.err
	}
	if _, err := state.ReadMarker(account.Store); errors.Is(err, state.ErrNotAStore) {
		if missing := r.app.missingMarker(ctx, account.Store); missing != nil {
			return missing.MarkerMissingError
		}
		return hintedError{fmt.Errorf("%s: no store yet: %w", account.Store, errNotSetUp), "mailferry backup " + r.source.typed}
	}
	if r.store, err = state.Open(ctx, r.app.stateOptions(account, r.flags.transferFlags)); err != nil {
		return err
	}
	r.both = &sides{role: roleTo}
	if r.both.disk, err = openDisk(r.app, account, account.Store, r.flags.dryRun); err != nil {
		return err
	}
	r.traits, err = readTraits(r.store)
	return err
}

// openServer connects to the other server and lists what is there. A dry run
// does not open it for reading only: servers do not tell then which flags they
// keep. The engine gets nothing to write with.
func (r *restoring) openServer(ctx context.Context) (err error) {
	account := r.account()
	if account.Server.Protocol == pop3 {
		return hintedError{
			usagef("%s: a POP3 server takes no messages", identityURL(account)), "use the server's IMAP address: imaps://user@host",
		}
	}
	if err := r.both.openRemote(ctx, r.app, account, false); err != nil {
		return fmt.Errorf("%s: %w", account.Name, err)
	}
	r.listed, err = r.both.remote.List(ctx)
	return err
}

// account is the other server's, with the command line's flags on top.
func (r *restoring) account() config.Account {
	return job{target: r.dest, flags: r.flags.transferFlags}.account()
}

// openState opens what the store knows of the other server.
func (r *restoring) openState(ctx context.Context) (err error) {
	url := identityURL(r.dest.account)
	r.both.base, err = state.Open(ctx, state.Options{
		Dir:      r.store.ServerDir(url),
		Identity: state.Identity{Account: r.dest.account.Name, URL: url},
		ReadOnly: r.flags.dryRun,
		Now:      time.Now,
		Log:      r.app.log,
	})
	if err != nil {
		return err
	}
	known, err := r.both.base.Mailboxes(ctx)
	r.before = map[mailbox.Name]bool{}
	for _, k := range known {
		r.before[k.Name] = true
	}
	return err
}

// findMessages looks for the messages that --message names.
func (r *restoring) findMessages(ctx context.Context) (err error) {
	if len(r.flags.messages) > 0 {
		r.wanted, err = findMessages(ctx, r.both.disk, r.flags.patterns.Selects, r.flags.messages)
	}
	return err
}

// sends reports whether a message is wanted.
func (r *restoring) sends(action plan.Action) bool {
	if r.wanted != nil && !slices.ContainsFunc(r.choices, func(c restore.Choice) bool {
		return c.To == action.Mailbox && r.wanted[c.From][action.Key]
	}) {
		return false
	}
	date := action.Date.Time()
	return (r.flags.from.IsZero() || action.Date.Known && !date.Before(r.flags.from)) &&
		(r.flags.up.IsZero() || action.Date.Known && date.Before(r.flags.up))
}

func (r *restoring) options() syncer.Options {
	policy := plan.Restore()
	policy.Refill = r.flags.again
	options := syncer.Options{
		Policy:        policy,
		Remote:        &listedOnce{Account: r.both.imap, listed: r.listed},
		Local:         r.files,
		LocalMessages: r.files,
		LocalFolders:  r.files,
		Base:          r.both.base,
		Selects:       r.selects,
		Essence:       essenceOf,
		Connections:   r.account().Connections,
		Patience:      r.account().Timeout,
		DryRun:        r.flags.dryRun,
		Stop:          r.app.stop,
		Reporter:      r.report,
		Log:           r.app.log.With("account", r.dest.account.Name),
		Now:           time.Now,
	}
	if r.flags.isPart() {
		options.Sends = r.sends
	}
	return options
}

// essenceOf is a message without what servers and tools change on the way.
func essenceOf(message io.Reader) (mailbox.Hash, error) {
	canonical, err := verify.Canonicalize(message)
	return canonical.Identity, err
}

// listedOnce answers the first List with a listing that was just made.
type listedOnce struct {
	*imapremote.Account
	listed []mailbox.Listed
}

// List implements syncer.Remote.
func (l *listedOnce) List(ctx context.Context) ([]mailbox.Listed, error) {
	if listed := l.listed; listed != nil {
		l.listed = nil
		return listed, nil
	}
	return l.Account.List(ctx)
}

// subscribe makes subscriptions what they were on the store's own server, for
// mailboxes that come there for the first time. Of those that were there none
// is taken off the list.
func (r *restoring) subscribe(ctx context.Context) error {
	for _, c := range r.choices {
		want := r.traits[c.From].Subscribed
		_, isOld := r.rules.Earlier[c.From]
		if want == nil || isOld || c.Err != nil || !r.selects(c.To) || r.flags.isPart() {
			continue
		}
		i := slices.IndexFunc(r.listed, func(l mailbox.Listed) bool { return l.Name == c.To })
		wasThere := i >= 0
		if wasThere && (!*want || isSubscribed(r.listed[i])) || !wasThere && *want {
			continue
		}
		if err := r.both.imap.Subscribe(ctx, c.To, *want); err != nil {
			if ctx.Err() != nil {
				return err
			}
			r.app.log.Info("subscription not changed", "mailbox", string(c.To), "error", err)
		}
	}
	return nil
}

func (r *restoring) close() error {
	var errs []error
	if r.both != nil {
		errs = append(errs, r.both.Close())
	}
	if r.store != nil {
		errs = append(errs, r.store.Close())
	}
	return errors.Join(errs...)
}
