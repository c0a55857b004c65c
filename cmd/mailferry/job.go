package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"mailferry/cmd/internal/config"
	"mailferry/cmd/internal/ui"
	"mailferry/state"
	"mailferry/syncer"
	"mailferry/syncer/mailbox"
	"mailferry/syncer/plan"
)

// job is one account's run.
type job struct {
	target  target
	command string // "sync", "backup" or "archive"
	flags   transferFlags
	// archive are the flags of the archive command, nil without them.
	archive *archiveFlags
	// hears, if not nil, puts a listener before the reporter that tells.
	hears   func(reporter) reporter
	manners manners
}

// reporter is a syncer.Reporter that also takes the end.
type reporter interface {
	syncer.Reporter
	Summary(ui.Summary)
}

// husher is a reporter that knows which runs' ends are no news.
type husher interface {
	hushes(end ui.Summary, err error) bool
}

// runJobs runs one account after the other. Each has its own summary; the
// worst exit code is the command's.
func (a *app) runJobs(ctx context.Context, jobs []job) error {
	code := exitDone
	for _, j := range jobs {
		if ctx.Err() != nil || a.stopped() {
			code = worse(code, exitInterrupted)
			break
		}
		code = worse(code, a.runJob(ctx, j))
	}
	return status(code)
}

// runJob runs one account and tells all about it, people and monitoring alike.
func (a *app) runJob(ctx context.Context, j job) int { return a.perform(ctx, j).ExitCode }

func (a *app) perform(ctx context.Context, j job) ui.Summary {
	ended := a.watched(ctx, j)
	summary := a.runTold(ctx, j)
	ended(summary)
	return summary
}

// runTold runs one account and tells people how it ended.
func (a *app) runTold(ctx context.Context, j job) ui.Summary {
	started := time.Now()
	out := a.reporter(j)
	report := &report{Reporter: out, mutes: func(code int, blocks []block, err error) bool { return a.isMuted(j, code, blocks, err) }}
	summary, err := a.transfer(ctx, j, report)
	a.console.EndProgress()
	if err != nil && ctx.Err() != nil {
		// Cancelling cuts connections: whatever broke, this is why.
		err = fmt.Errorf("%w: %w", mailbox.ErrStopped, err)
	}
	if errors.Is(err, state.ErrMarkerMissing) || errors.Is(err, state.ErrOtherStore) {
		out.Guard(plan.Refusal{Reason: plan.MarkerMissing, Side: "disk"})
	}
	end := ui.Summary{Summary: summary, Account: j.target.account.Name, Command: j.command, DryRun: j.flags.dryRun}
	return a.finish(out, report, j.again(), end, started, err)
}

// finish tells a run's end: one block for all that went wrong, and the summary,
// which it completes.
func (a *app) finish(out reporter, report *report, again string, end ui.Summary, started time.Time, err error) ui.Summary {
	end.ExitCode = report.exitCode(end.Summary, err)
	blocks := report.blocks(end.Account, again, end.Summary, err)
	end.Trouble = firstTrouble(end.Account, blocks)
	a.telling.Lock() // what ends at the same time is told one after the other
	defer a.telling.Unlock()
	isMuted := report.mutes != nil && report.mutes(end.ExitCode, blocks, err)
	h, listens := out.(husher)
	if !isMuted && (!listens || !h.hushes(end, err)) {
		report.tell(a.console, end.Account, again, end.Summary, err)
	}
	end.Duration = time.Since(started)
	if err != nil {
		end.Err = err.Error()
	}
	if !isMuted || a.flags.json {
		out.Summary(end)
	}
	return end
}

func (a *app) reporter(j job) reporter {
	if j.hears != nil {
		hears := j.hears
		j.hears = nil
		return hears(a.reporter(j))
	}
	if a.flags.json {
		return ui.NewJSON(a.out(), j.target.account.Name)
	}
	return ui.Text{
		Console: a.console, Account: j.target.account.Name,
		DryRun: j.flags.dryRun, Verbose: a.flags.verbose > 0, Quiet: a.flags.quiet, Fleet: a.fleet,
	}
}

// again is the command line that does the same once more.
func (j job) again() string {
	text := cmp.Or(j.target.line, "mailferry "+j.command+" "+j.target.typed)
	if j.flags.mirror {
		text += " --mirror"
	}
	text += j.archive.typed()
	for _, pattern := range j.flags.mailboxes {
		text += " --mailbox " + quoted(pattern)
	}
	return text
}

// transfer runs the engine over an account's two sides, between its hooks.
func (a *app) transfer(ctx context.Context, j job, report *report) (syncer.Summary, error) {
	if j.target.err != nil && !(j.flags.newStore && j.target.isRemembered) {
		return syncer.Summary{}, j.target.err
	}
	account := j.account()
	if err := j.refusePOP3(account); err != nil {
		return syncer.Summary{}, err
	}
	var changed *changes
	if len(account.Hooks.PostSync) > 0 && !j.flags.dryRun {
		changed = &changes{Reporter: report.Reporter}
		report.Reporter = changed
		defer changed.discard()
	}
	summary, err := a.engine(ctx, j, account, report, changed)
	if !j.flags.dryRun && hasChanged(summary) {
		if hookErr := a.postSync(ctx, account, j.command, summary, changed); hookErr != nil {
			err = errors.Join(err, hookErr)
		}
	}
	return summary, err
}

// account is the configured one with the command line's flags on top.
func (j job) account() config.Account {
	account := j.target.account
	if j.flags.connections > 0 {
		account.Connections = j.flags.connections
	}
	if j.flags.bandwidth.isSet {
		account.BWLimit = j.flags.bandwidth.octets
	}
	if len(j.flags.patterns) > 0 {
		account.Mailboxes = j.flags.patterns
	}
	if account.Server.Protocol == pop3 {
		account.Connections = 1 // POP3 locks the mailbox
	}
	return account
}

func (j job) policy(account config.Account) plan.Policy {
	var policy plan.Policy
	switch {
	case j.command == config.ModeSync:
		policy = plan.Sync()
		policy.OnRemoteDelete = plan.Fate(account.OnRemoteDelete)
		policy.OnLocalDelete = plan.Fate(account.OnLocalDelete)
	case j.flags.mirror:
		policy = plan.Mirror()
	default:
		policy = plan.Backup()
	}
	policy.MaxMessageSize = account.MaxMessageSize
	policy.AllowDeletes = j.flags.allowDeletes
	return policy
}

// engine opens both sides and runs syncer over them. changed may be nil.
func (a *app) engine(ctx context.Context, j job, account config.Account, report *report, changed *changes) (syncer.Summary, error) {
	both, err := a.open(ctx, j, account)
	if err != nil {
		return syncer.Summary{}, err
	}
	summary, err := a.runEngine(ctx, j, account, both, report)
	if changed != nil {
		err = errors.Join(err, changed.resolve(ctx, both.disk, account.Store))
	}
	return summary, errors.Join(err, both.Close())
}

func (a *app) runEngine(ctx context.Context, j job, account config.Account, both *sides, report *report) (syncer.Summary, error) {
	recover, err := both.needsRecovery(ctx)
	if err != nil {
		return syncer.Summary{}, err
	}
	options := a.options(j, account, both, report)
	options.Recover = recover
	named := ask(j.flags.patterns, options.Selects)
	options.Selects = named.Selects
	wasImported, err := both.wasImported()
	if err != nil {
		return syncer.Summary{}, err
	}
	if wasImported {
		options.Essence = essenceOf
	}
	if j.command == config.ModeArchive {
		if err := a.makeArchive(ctx, j, account, both, report, &options); err != nil {
			return syncer.Summary{}, err
		}
	}
	complete := func(summary syncer.Summary, err error) (syncer.Summary, error) {
		if err == nil {
			err = named.missing()
		}
		return summary, err
	}
	if j.flags.dryRun {
		return complete(syncer.Run(ctx, options))
	}
	options.Listed = both.rememberListing
	if j.pushes() {
		options.RemoteMessages, options.RemoteMailboxes = both.remote, both.remote
	}
	return both.record(ctx, j.command, func() (syncer.Summary, error) {
		return complete(a.runRebuilding(ctx, options, both, report))
	})
}

// pushes reports whether the run may write to the server at all.
func (j job) pushes() bool {
	return (j.command == config.ModeSync || j.command == config.ModeArchive) && !j.flags.dryRun
}

func (a *app) options(j job, account config.Account, both *sides, report *report) syncer.Options {
	options := syncer.Options{
		Policy:        j.policy(account),
		Remote:        both.remote,
		Local:         both.disk,
		LocalStream:   both.disk,
		LocalDelivery: both.disk,
		LocalMessages: both.disk,
		LocalFolders:  both.disk,
		Base:          both.base,
		Marks:         both.base,
		LocalCopies:   both.disk,
		Copies:        both.base,
		Scratch:       func() (syncer.Scratch, error) { return state.NewScratch() },
		Selects:       account.Mailboxes.Selects,
		LeftOut:       both.leftOut,
		Connections:   account.Connections,
		Patience:      account.Timeout,
		DryRun:        j.flags.dryRun,
		Stop:          a.stop,
		Reporter:      report,
		Log:           a.log.With("account", account.Name),
		Now:           time.Now,
	}
	if both.imap != nil {
		options.Glances, options.Preparer = both.imap, both.imap
	}
	return options
}

// runRebuilding runs the engine, and once more with an empty state if it found
// that the state is damaged: both sides tell what is there.
func (a *app) runRebuilding(ctx context.Context, options syncer.Options, both *sides, report *report) (syncer.Summary, error) {
	if reason := both.base.Rebuilt(); reason != "" {
		report.Notice("", "the state was built anew from both sides: "+reason)
	}
	summary, err := a.runSettling(ctx, options)
	if !errors.Is(err, state.ErrDamaged) {
		return summary, err
	}
	if err := both.base.Rebuild(ctx, err.Error()); err != nil {
		return summary, fmt.Errorf("rebuild the state: %w", err)
	}
	report.Notice("", "the state was built anew from both sides: "+both.base.Rebuilt())
	options.Recover = true
	return a.runSettling(ctx, options)
}

func hasChanged(s syncer.Summary) bool {
	return s.Downloaded+s.Uploaded+s.FlagsLocal+s.FlagsRemote+s.RemovedLocal+s.ExpungedRemote+s.Moved+
		s.MailboxesCreated+s.MailboxesDeleted+s.MailboxesRenamed > 0
}
