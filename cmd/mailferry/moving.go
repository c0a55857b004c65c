package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"mailferry/cmd/internal/config"
	"mailferry/cmd/internal/ui"
	"mailferry/state"
	"mailferry/syncer"
	"mailferry/syncer/mailbox"
	"mailferry/syncer/restore"
)

// moving makes a store that of another server. Nothing is written before all
// that can be refused has been looked at; from BeginMove on a kill leaves a
// store that only the same command opens, which then does the rest.
type moving struct {
	restoring
	// old is what the store knows of the server that it leaves.
	old *state.Store
	// isThere says that the store has moved before.
	isThere bool
	linked  int
}

func (m *moving) run(ctx context.Context) int {
	started := time.Now()
	m.report = newRestoreReport(m.app.reporter(job{target: m.source, flags: m.flags.transferFlags}))
	err := m.move(ctx)
	if err != nil && ctx.Err() != nil {
		err = fmt.Errorf("%w: %w", mailbox.ErrStopped, err)
	}
	if m.old != nil {
		err = errors.Join(err, m.old.Close())
	}
	err = errors.Join(err, m.close())
	code := m.report.exitCode(syncer.Summary{}, err)
	m.report.tell(m.app.console, m.source.account.Name, m.again(), syncer.Summary{}, err)
	m.tell(code, started, err)
	return code
}

func (m *moving) move(ctx context.Context) error {
	for _, step := range []func(context.Context) error{m.openStore, m.openServer, m.openState, m.chooseNames, m.check} {
		if err := step(ctx); err != nil || m.isThere {
			return err
		}
	}
	if m.flags.dryRun {
		return nil
	}
	for _, step := range []func(context.Context) error{m.keepOld, m.begin, m.renameFolders, m.adopt, m.end} {
		if err := step(ctx); err != nil {
			return hintedError{err, "no mail is lost, and the store waits for the rest: mend this, then: " + m.again()}
		}
	}
	return nil
}

// again is the command line that does the rest.
func (m *moving) again() string {
	return "mailferry account move " + m.source.typed + " --to " + m.dest.typed
}

// openStore opens the store whatever server it is of by now.
func (m *moving) openStore(ctx context.Context) (err error) {
	account := m.source.account
	if m.source.err != nil {
		return m.source.err
	}
	if _, err := state.ReadMarker(account.Store); err != nil {
		return fmt.Errorf("%w: %w", errNotSetUp, err)
	}
	options := m.app.stateOptions(account, m.flags.transferFlags)
	options.Identity, options.Moving = state.Identity{}, true
	if m.store, err = state.Open(ctx, options); err != nil {
		return err
	}
	marker := m.store.Marker()
	m.isThere = !marker.Moving && marker.URL == identityURL(m.dest.account)
	if marker.Moving && marker.URL != identityURL(m.dest.account) {
		return &state.MovingError{Path: account.Store, URL: marker.URL}
	}
	account.Layout = marker.Layout
	m.both = &sides{role: roleTo}
	if m.both.disk, err = openDisk(m.app, account, account.Store, m.flags.dryRun); err != nil {
		return err
	}
	m.traits, err = readTraits(m.store)
	return err
}

// check refuses what could not be done to the end.
func (m *moving) check(context.Context) error {
	if len(m.report.troubles) > 0 {
		return errors.New("not every mailbox can be on the other server; nothing has been changed")
	}
	for _, c := range m.choices {
		isFolder := func(other restore.Choice) bool { return other.From == c.To }
		switch {
		case c.From == c.To:
		case c.From == mailbox.Inbox:
			return fmt.Errorf("INBOX was restored to %s there, and a store's INBOX cannot be renamed; nothing has been changed", c.To)
		case slices.ContainsFunc(m.choices, isFolder):
			return fmt.Errorf("the folder %s is to be %s, and there is one; nothing has been changed", c.From, c.To)
		}
	}
	return nil
}

// keepOld keeps what is known of the old server: stragglers are found with it.
func (m *moving) keepOld(ctx context.Context) (err error) {
	marker := m.store.Marker()
	url := marker.URL
	if marker.Moving {
		url = marker.MovedFrom
	}
	m.old, err = state.Open(ctx, state.Options{
		Dir: m.store.ServerDir(url), Identity: state.Identity{Account: marker.Account, URL: url}, Now: time.Now, Log: m.app.log,
	})
	if err != nil || marker.Moving {
		return err // in an interrupted move it is kept already
	}
	if err := m.old.Adopt(ctx, m.store, false, nil); err != nil {
		return err
	}
	names := map[mailbox.Name]mailbox.Name{}
	for _, c := range m.choices {
		names[c.To] = c.From
	}
	return m.old.WriteAside(namesFile, names)
}

// begin also gives the store the other account's name, unless it has one of
// its own in the configuration.
func (m *moving) begin(context.Context) error {
	name := m.store.Marker().Account
	if m.source.account.Adhoc {
		name = m.dest.account.Name
	}
	return m.store.BeginMove(identityURL(m.dest.account), name)
}

func (m *moving) renameFolders(ctx context.Context) error {
	for _, c := range m.choices {
		if c.From == c.To {
			continue
		}
		if err := m.both.disk.Rename(ctx, c.From, c.To); err != nil {
			return fmt.Errorf("rename the folder %s to %s: %w", c.From, c.To, err)
		}
	}
	return nil
}

// adopt takes what restores have learned of the new server for the store's own
// state. Flags that a folder has no room for are the state's again.
func (m *moving) adopt(ctx context.Context) error {
	held, err := m.heldFlags(ctx)
	if err != nil {
		return err
	}
	return m.store.Adopt(ctx, m.both.base, true, func(name mailbox.Name, link *mailbox.Link) error {
		if link.UID != 0 && link.Key != "" {
			m.linked++
		}
		link.Local = link.Local.Minus(held[name][link.Key])
		return nil
	})
}

// heldFlags are those by folder and key.
func (m *moving) heldFlags(ctx context.Context) (map[mailbox.Name]map[mailbox.Key]mailbox.Flags, error) {
	names := map[mailbox.Name]mailbox.Name{} // new -> old
	if err := m.old.ReadAside(namesFile, &names); err != nil {
		return nil, err
	}
	renamed := map[mailbox.Name]mailbox.Name{}
	for to, from := range names {
		renamed[from] = to
	}
	mailboxes, err := m.old.Mailboxes(ctx)
	if err != nil {
		return nil, err
	}
	held := map[mailbox.Name]map[mailbox.Key]mailbox.Flags{}
	for _, known := range mailboxes {
		links, err := m.old.Links(ctx, known.ID)
		if err != nil {
			return nil, err
		}
		for _, link := range links {
			if flags := link.Agreed.Minus(link.Local); !flags.IsEmpty() && link.Key != "" {
				to := renamed[known.Name]
				if held[to] == nil {
					held[to] = map[mailbox.Key]mailbox.Flags{}
				}
				held[to][link.Key] = flags
			}
		}
	}
	return held, nil
}

func (m *moving) end(context.Context) error {
	if err := m.store.WriteAside(traitsFile, traitsOf(m.listed)); err != nil {
		return err
	}
	return m.store.EndMove()
}

type movedObject struct {
	Type          string       `json:"type"`
	SchemaVersion int          `json:"schema_version"`
	Account       string       `json:"account"`
	Command       string       `json:"command"`
	DryRun        bool         `json:"dry_run"`
	URL           string       `json:"url"`
	Linked        int          `json:"linked"`
	Names         []nameChange `json:"names"`
	DurationMS    int64        `json:"duration_ms"`
	ExitCode      int          `json:"exit_code"`
	Error         string       `json:"error,omitempty"`
}

// tell shows what was done and the line that is to be changed.
func (m *moving) tell(code int, started time.Time, err error) {
	url := identityURL(m.dest.account)
	if m.app.flags.json {
		object := movedObject{
			Type: "summary", SchemaVersion: ui.SchemaVersion, Account: m.source.account.Name, Command: "account move", DryRun: m.flags.dryRun,
			URL: url, Linked: m.linked, Names: []nameChange{}, DurationMS: time.Since(started).Milliseconds(), ExitCode: code,
		}
		for _, c := range m.choices {
			if c.From != c.To {
				object.Names = append(object.Names, nameChange{From: c.From, To: c.To, Reason: string(c.Why)})
			}
		}
		if err != nil {
			object.Error = err.Error()
		}
		ui.WriteJSON(m.app.out(), object)
		return
	}
	if code != exitDone || m.app.flags.quiet {
		return
	}
	m.tellPeople(url)
}

func (m *moving) tellPeople(url string) {
	out := m.app.out()
	for _, c := range m.choices {
		if c.From != c.To && !m.isThere {
			fmt.Fprintf(out, "folder %s -> %s\n", ui.Escape(string(c.From)), ui.Escape(string(c.To)))
		}
	}
	name := ui.Escape(m.source.account.Name)
	switch {
	case m.isThere:
		fmt.Fprintf(out, "%s is of %s already\n", name, url)
	case m.flags.dryRun:
		fmt.Fprintf(out, "%s would move to %s\n", name, url)
		return
	default:
		fmt.Fprintf(out, "%s moved to %s: %d messages are known to be there, nothing was transferred\n", name, url, m.linked)
	}
	if !m.source.account.Adhoc {
		path, _ := config.FilePath(m.app.flags.config, m.app.env)
		fmt.Fprintf(out, "in %s this is to be changed:\n\n  [accounts.%s]\n  url = %q\n\n", path, m.source.account.Name, url)
	}
	fmt.Fprintf(out, "then: mailferry sync %s\n", m.source.typed)
}
