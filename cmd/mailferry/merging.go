package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/gofrs/flock"
	"golang.org/x/sync/errgroup"

	"mailferry/cmd/internal/config"
	"mailferry/cmd/internal/ui"
	"mailferry/state"
	"mailferry/syncer"
	"mailferry/syncer/mailbox"
	"mailferry/syncer/merge"
	"mailferry/syncer/plan"
)

// merging is one merge.
type merging struct {
	app   *app
	flags mergeFlags
	args  []string

	indexes string // the folder with the sources' indexes
	lock    *flock.Flock
	sources []merge.Source
	servers []config.Account // of the sources
	opened  []*sides

	into    target
	both    *sides // of the target
	listed  []mailbox.Listed
	mapping *merge.Mapping
	union   *merge.Union
	result  merge.Report
	gaps    []merge.FlagGap
	out     reporter
	report  *report
}

// run does it all and tells about it; it returns the exit code.
func (m *merging) run(ctx context.Context) int {
	started := time.Now()
	m.into = target{account: config.Account{Name: "merge"}}
	summary, err := m.steps(ctx)
	m.app.console.EndProgress()
	if err != nil && ctx.Err() != nil {
		err = fmt.Errorf("%w: %w", mailbox.ErrStopped, err)
	}
	err = errors.Join(err, m.close())
	if code := exitCode(err); m.out == nil && (code == exitUsage || code == exitNotSetUp) {
		return m.app.conclude(err)
	} else if m.out == nil {
		m.tellTo(m.into)
	}
	if m.flags.explain != "" && err == nil {
		return exitDone
	}
	if err == nil && m.result.Unsure() {
		m.report.Trouble("", errors.New(unsureText(&m.result)))
		summary.Failed++
	}
	end := ui.Summary{Summary: summary, Account: m.into.account.Name, Command: "merge", DryRun: m.flags.dryRun}
	return m.app.finish(m.out, m.report, m.typed(), end, started, err).ExitCode
}

// tellTo chooses who is told of what happens to the target.
func (m *merging) tellTo(t target) {
	m.out = m.app.reporter(job{target: t, flags: m.flags.transferFlags})
	m.report = &report{Reporter: m.out}
}

// typed is the command line that does the same once more.
func (m *merging) typed() string {
	text := "mailferry merge"
	for _, arg := range m.args {
		text += " " + quoted(arg)
	}
	if m.flags.into != "" {
		text += " --into " + quoted(m.flags.into)
	}
	for _, rule := range m.flags.maps {
		text += " --map " + quoted(rule)
	}
	if m.flags.under != "" {
		text += " --under " + quoted(m.flags.under)
	}
	if m.flags.includeDeleted {
		text += " --include-deleted"
	}
	return text
}

func (m *merging) steps(ctx context.Context) (syncer.Summary, error) {
	for _, step := range []func(context.Context) error{m.takeLock, m.openSources, m.openTarget, m.look} {
		if err := step(ctx); err != nil {
			return syncer.Summary{}, err
		}
	}
	m.tellTo(m.into)
	m.app.console.EndProgress()
	if m.flags.explain != "" {
		return syncer.Summary{}, m.explain(ctx)
	}
	var err error
	if m.result, err = m.union.Report(m.mapping); err != nil {
		return syncer.Summary{}, err
	}
	if err := m.showReport(); err != nil {
		return syncer.Summary{}, err
	}
	outbox, err := m.union.Outbox(m.mapping)
	if err != nil {
		return syncer.Summary{}, err
	}
	if m.gaps, err = m.union.FlagGaps(); err != nil {
		return syncer.Summary{}, err
	}
	if !m.flags.dryRun && (outbox.Len() > 0 || len(m.gaps) > 0) {
		if err := m.ask(ctx); err != nil {
			return syncer.Summary{}, err
		}
	}
	summary, err := m.bring(ctx, outbox)
	if err == nil {
		err = m.fillGaps(ctx, &summary)
	}
	if m.isServer() {
		summary.Traffic = m.both.remote.Traffic()
	}
	if err == nil && !m.flags.dryRun {
		m.showNext()
	}
	return summary, err
}

// fillGaps adds flags to messages that the target had already.
func (m *merging) fillGaps(ctx context.Context, summary *syncer.Summary) error {
	for i := range m.gaps {
		gap := &m.gaps[i]
		var err error
		switch {
		case m.flags.dryRun:
		case m.isServer():
			err = gap.FillRemote(ctx, m.both.remote)
		default:
			err = gap.FillLocal(ctx, m.both.disk)
		}
		switch {
		case err != nil && ctx.Err() != nil:
			return err
		case err != nil:
			m.report.Trouble(gap.Ref.Name, fmt.Errorf("flags %s: %w", gap.Add, err))
			summary.Failed++
		case m.isServer():
			summary.FlagsRemote += gap.Len()
		default:
			summary.FlagsLocal += gap.Len()
		}
	}
	return nil
}

// takeLock keeps two merges from writing the same indexes.
func (m *merging) takeLock(context.Context) error {
	m.indexes = filepath.Join(config.StateDir(m.app.env), "merge")
	if err := os.MkdirAll(m.indexes, 0o700); err != nil {
		return err
	}
	m.lock = flock.New(filepath.Join(m.indexes, "lock"))
	held, err := m.lock.TryLock()
	if err != nil {
		return err
	}
	if !held {
		return fmt.Errorf("another merge is at work: %w", state.ErrLocked)
	}
	// What a merge that was killed had not cleared away.
	for _, pattern := range []string{"run-*", "readpst-*"} {
		left, _ := filepath.Glob(filepath.Join(m.indexes, pattern))
		for _, dir := range left {
			if err := os.RemoveAll(dir); err != nil {
				return err
			}
		}
	}
	return nil
}

// look brings all indexes up to date and finds out what is one message.
func (m *merging) look(ctx context.Context) error {
	scanned, err := m.scanAll(ctx)
	if err != nil {
		return err
	}
	m.union = merge.NewUnion(time.Now())
	m.union.IncludeDeleted = m.flags.includeDeleted
	if len(m.flags.patterns) > 0 {
		m.union.Selects = m.flags.patterns.Selects
	}
	m.union.Expect(scanned...)
	for _, s := range scanned {
		if err := m.union.Add(s, false); err != nil {
			return err
		}
	}
	if there := m.targetSource(ctx, m.union.Known()); there != nil {
		meter := m.meter("target", 0)
		s, err := merge.Scan(ctx, there, m.indexes, meter.add)
		if err != nil {
			return err
		}
		m.union.Expect(s)
		if err := m.union.Add(s, true); err != nil {
			return err
		}
	}
	m.union.Join()
	return nil
}

// scanAll scans the sources, as many at once as there are processors.
func (m *merging) scanAll(ctx context.Context) ([]*merge.Scanned, error) {
	var total int64
	for _, source := range m.sources {
		size, err := source.Size(ctx)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", source.Name(), err)
		}
		total += size
	}
	meter := m.meter("reading", total)
	scanned := make([]*merge.Scanned, len(m.sources))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(max(runtime.GOMAXPROCS(0), 1))
	for i, source := range m.sources {
		group.Go(func() (err error) {
			scanned[i], err = merge.Scan(ctx, source, m.indexes, meter.add)
			if err != nil {
				return fmt.Errorf("%s: %w", source.Name(), err)
			}
			return nil
		})
	}
	return scanned, group.Wait()
}

// meter shows how far something has come.
type meter struct {
	app      *app
	quiet    bool
	mu       sync.Mutex
	progress syncer.Progress
}

func (m *merging) meter(phase string, total int64) *meter {
	return &meter{app: m.app, quiet: m.app.flags.quiet, progress: syncer.Progress{Phase: phase, TotalOctets: total}}
}

func (t *meter) add(octets int64, messages int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	p := &t.progress
	p.Octets += octets
	p.Messages += int64(messages)
	p.TotalMessages = max(p.TotalMessages, p.Messages)
	if !t.quiet {
		t.app.console.Progress("merge: "+p.Phase, *p)
	}
}

// bring uploads what is missing, or writes it into the folder.
func (m *merging) bring(ctx context.Context, outbox *merge.Outbox) (syncer.Summary, error) {
	switch {
	case m.flags.into == "" || outbox.Len() == 0:
		return syncer.Summary{}, nil
	case m.isServer():
		return m.upload(ctx, outbox)
	case m.flags.dryRun:
		return syncer.Summary{Downloaded: outbox.Len(), Mailboxes: len(m.result.Mailboxes)}, nil
	}
	// A merge that was killed left drafts behind.
	if err := m.both.disk.Sweep(ctx); err != nil {
		return syncer.Summary{}, err
	}
	meter := m.meter("writing", m.result.Octets)
	meter.progress.TotalMessages = int64(outbox.Len())
	done, err := outbox.Deliver(ctx, m.both.disk, m.app.stop, meter.add)
	for _, failure := range done.Failures {
		m.report.Trouble("", failure)
	}
	return syncer.Summary{Downloaded: done.Messages, Failed: done.Failed, Mailboxes: len(m.result.Mailboxes)}, err
}

// upload runs the engine with what is missing as its disk. Its state lasts only
// for this run: the next one looks at the server anew.
func (m *merging) upload(ctx context.Context, outbox *merge.Outbox) (summary syncer.Summary, err error) {
	dir, err := os.MkdirTemp(m.indexes, "run-")
	if err != nil {
		return syncer.Summary{}, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	base, err := state.Open(ctx, state.Options{Dir: dir, Identity: state.Identity{Layout: "fs"}, Log: m.app.log})
	if err != nil {
		return syncer.Summary{}, err
	}
	defer func() { err = errors.Join(err, base.Close()) }()
	account := m.onTop(m.into.account)
	policy := plan.Restore()
	policy.MaxMessageSize = account.MaxMessageSize
	options := syncer.Options{
		Policy: policy, Remote: m.both.remote, Local: outbox, LocalDelivery: outbox, LocalMessages: outbox, LocalFolders: outbox,
		Base: base, Selects: outbox.Selects, Connections: account.Connections, Patience: account.Timeout, DryRun: m.flags.dryRun, Stop: m.app.stop,
		Reporter: m.report, Log: m.app.log.With("account", account.Name), Now: time.Now,
	}
	if m.flags.dryRun {
		if !m.app.flags.json && m.app.flags.verbose == 0 {
			return syncer.Summary{Uploaded: outbox.Len(), Mailboxes: len(m.result.Mailboxes)}, nil
		}
		return syncer.Run(ctx, options)
	}
	options.RemoteMessages, options.RemoteMailboxes = m.both.remote, m.both.remote
	return m.app.runSettling(ctx, options)
}

func (m *merging) close() error {
	var errs []error
	if m.union != nil {
		errs = append(errs, m.union.Close())
	}
	for _, source := range m.sources {
		errs = append(errs, source.Close())
	}
	for _, both := range m.opened {
		errs = append(errs, both.Close())
	}
	if m.lock != nil {
		errs = append(errs, m.lock.Close())
	}
	return errors.Join(errs...)
}

// unsureText says what may have been missed.
func unsureText(r *merge.Report) string {
	var lines []string
	for _, s := range r.Sources {
		if s.Unreadable > 0 {
			lines = append(lines, fmt.Sprintf("%s: %d places could not be read; all else was taken", s.Name, s.Unreadable))
			for i, d := range s.Damages {
				if i == maxTold {
					break
				}
				if d.Lost {
					lines = append(lines, strings.TrimSpace(fmt.Sprintf("  %s offset %d: %s", d.Unit, d.Offset, d.What)))
				}
			}
		}
		for _, n := range s.Notes {
			if n.Unsure {
				lines = append(lines, s.Name+": "+n.Text)
			}
		}
	}
	return strings.Join(lines, "\n")
}
