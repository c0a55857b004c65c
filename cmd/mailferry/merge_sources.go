package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"mailferry/cmd/internal/config"
	"mailferry/maildirout"
	"mailferry/state"
	"mailferry/syncer/mailbox"
	"mailferry/syncer/merge"
)

// roleInto is the part that the server in --into plays: its password may be in
// MAILFERRY_PASSWORD_INTO.
const roleInto = "INTO"

// openSources opens what the arguments name, in their order.
func (m *merging) openSources(ctx context.Context) error {
	if len(m.args) >= merge.MaxSources {
		return usagef("%d sources: at most %d can be merged at once", len(m.args), merge.MaxSources-1)
	}
	seen := map[string]string{}
	for _, arg := range m.args {
		source, err := m.openSource(ctx, arg)
		if err != nil {
			return err
		}
		m.sources = append(m.sources, source)
		if other, twice := seen[source.ID()]; twice {
			return usagef("%s and %s are the same source", other, arg)
		}
		seen[source.ID()] = arg
	}
	return nil
}

// openSource opens one: an account's name wins over a path.
func (m *merging) openSource(ctx context.Context, arg string) (merge.Source, error) {
	loaded, err := m.app.loadConfig()
	if err != nil {
		return nil, err
	}
	if account, ok := loaded.Account(arg); ok {
		return m.serverSource(ctx, arg, account)
	}
	if config.IsURL(arg) {
		server, err := config.ParseURL(arg)
		if err != nil {
			return nil, err
		}
		account, err := loaded.Adhoc("", server, "")
		if err != nil {
			return nil, err
		}
		return m.serverSource(ctx, arg, account)
	}
	kind, at := merge.SplitKind(arg)
	if at, err = filepath.Abs(config.ExpandHome(at, m.app.env)); err != nil {
		return nil, err
	}
	if kind == "" {
		kind, err = merge.Recognise(at)
	} else {
		_, err = os.Stat(at)
	}
	switch {
	case errors.Is(err, merge.ErrNoMail):
		return nil, hintedError{usageError{err}, "name the folder with the mail itself, or force a kind: " + string(merge.Mbox) + ":" + quoted(arg) +
			"\nkinds: " + kindNames()}
	case errors.Is(err, fs.ErrNotExist):
		return nil, hintedError{fmt.Errorf("%s: no such file or folder, and no account of that name: %w", arg, errNotSetUp), "mailferry config check  lists the accounts"}
	case err != nil:
		return nil, err
	}
	return m.fileSource(ctx, kind, arg, at)
}

func (m *merging) fileSource(ctx context.Context, kind merge.Kind, name, at string) (merge.Source, error) {
	switch kind {
	case merge.Store:
		return storeSource(ctx, name, at)
	case merge.Outlook:
		source, err := merge.NewOutlook(ctx, name, at, m.indexes)
		if errors.Is(err, merge.ErrNoReadpst) {
			return nil, hintedError{fmt.Errorf("%s: %w", name, err), readpstHint}
		}
		return source, err
	}
	return merge.NewFiles(kind, name, at)
}

const readpstHint = "Debian, Ubuntu: sudo apt install pst-utils\nFedora: sudo dnf install libpst\nmacOS: brew install libpst"

// storeSource reads a store's Maildir without opening the store.
func storeSource(ctx context.Context, name, at string) (merge.Source, error) {
	marker, err := state.ReadMarker(at)
	if err != nil {
		return nil, err
	}
	return merge.NewStore(name, at, func() ([]merge.Folder, error) {
		places, err := maildirout.Places(ctx, at, maildirout.Layout(marker.Layout))
		folders := make([]merge.Folder, len(places))
		for i, p := range places {
			folders[i] = merge.Folder{Path: p.Path, Name: p.Name}
		}
		return folders, err
	}), nil
}

// serverSource connects to a server that is only read.
func (m *merging) serverSource(ctx context.Context, name string, account config.Account) (merge.Source, error) {
	both := &sides{}
	m.opened = append(m.opened, both)
	if err := both.openRemote(ctx, m.app, m.onTop(account), true); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	m.servers = append(m.servers, account)
	return merge.NewRemote(merge.RemoteOptions{
		Kind: protocolKind(account), Name: name, ID: identityURL(account), Server: both.remote, Selects: m.selects(account),
	}), nil
}

func protocolKind(account config.Account) merge.Kind {
	if account.Server.Protocol == pop3 {
		return merge.POP3
	}
	return merge.IMAP
}

// onTop puts the command line's flags on top of an account.
func (m *merging) onTop(account config.Account) config.Account {
	return job{target: target{account: account}, flags: m.flags.transferFlags}.account()
}

// selects says which of a server's mailboxes are looked at.
func (m *merging) selects(account config.Account) func(mailbox.Name) bool {
	return m.onTop(account).Mailboxes.Selects
}

// openTarget finds out what --into names and connects to it, or takes its lock.
func (m *merging) openTarget(ctx context.Context) error {
	if m.flags.into == "" {
		m.into = target{account: config.Account{Name: "merge"}}
		var err error
		if m.mapping, err = merge.NewMapping(m.flags.maps, m.flags.under, nil); err != nil {
			return usageError{err}
		}
		return nil
	}
	loaded, err := m.app.loadConfig()
	if err != nil {
		return err
	}
	_, isAccount := loaded.Account(m.flags.into)
	if !isAccount && !config.IsURL(m.flags.into) {
		return m.openFolder(ctx)
	}
	into, err := m.app.destination(m.flags.into, "")
	if err != nil {
		return err
	}
	m.into = into
	account := m.onTop(into.account)
	if protocolKind(account) == merge.POP3 {
		return hintedError{usagef("--into %s: a POP3 server takes no mail", m.flags.into), "use the server's IMAP address: imaps://"}
	}
	m.both = &sides{role: roleInto}
	m.opened = append(m.opened, m.both)
	if err := m.both.openRemote(ctx, m.app, account, m.flags.dryRun || m.flags.explain != ""); err != nil {
		return err
	}
	if m.listed, err = m.both.remote.List(ctx); err != nil {
		return err
	}
	m.mapping, err = merge.NewMapping(m.flags.maps, m.flags.under, m.listed)
	return err
}

// refuseWithin keeps the folder in --into out of the sources: they are never
// written.
func (m *merging) refuseWithin(dir string) error {
	target := resolvedPath(dir)
	for _, arg := range m.args {
		if _, at := merge.SplitKind(arg); !config.IsURL(arg) {
			source := resolvedPath(config.ExpandHome(at, m.app.env))
			if below, err := filepath.Rel(source, target); err == nil && filepath.IsLocal(below) {
				return hintedError{usagef("--into %s: it is in the source %s, and sources are never written", m.flags.into, arg), "name a folder beside it"}
			}
		}
	}
	return nil
}

// resolvedPath is a path without symbolic links, as far as it exists.
func resolvedPath(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		path = abs
	}
	if real, err := filepath.EvalSymlinks(path); err == nil {
		return real
	}
	if parent := filepath.Dir(path); parent != path {
		return filepath.Join(resolvedPath(parent), filepath.Base(path))
	}
	return path
}

// openFolder opens the folder in --into as a store, and makes it one if it is
// not there yet.
func (m *merging) openFolder(ctx context.Context) error {
	dir := config.ExpandHome(m.flags.into, m.app.env)
	if err := m.refuseWithin(dir); err != nil {
		return err
	}
	m.into = target{account: config.Account{Name: m.flags.into, Store: dir, Layout: "fs"}, typed: quoted(m.flags.into)}
	marker, err := state.ReadMarker(dir)
	if err == nil {
		m.into.account.Layout = marker.Layout
	} else if missing := m.app.missingMarker(ctx, dir); missing != nil && !m.flags.newStore {
		return missing.MarkerMissingError
	}
	readOnly := m.flags.dryRun || m.flags.explain != ""
	m.both = &sides{}
	m.opened = append(m.opened, m.both)
	m.both.base, err = state.Open(ctx, state.Options{
		Dir: dir, Notes: config.StateDir(m.app.env), Identity: state.Identity{Layout: m.into.account.Layout},
		NewStore: m.flags.newStore, ReadOnly: readOnly, Log: m.app.log,
	})
	if err != nil {
		return err
	}
	if _, err := os.Stat(dir); err == nil && !readOnly {
		if m.both.disk, err = openDisk(m.app, m.into.account, dir, false); err != nil {
			return err
		}
	}
	var listed []mailbox.Listed
	places, err := maildirout.Places(ctx, dir, maildirout.Layout(m.into.account.Layout))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, p := range places {
		listed = append(listed, mailbox.Listed{Name: p.Name})
	}
	m.listed = listed
	m.mapping, err = merge.NewMapping(m.flags.maps, m.flags.under, listed)
	return err
}

// targetSource is what the target has already, as one more source; nil for a
// new one.
func (m *merging) targetSource(ctx context.Context, known *merge.Known) merge.Source {
	switch {
	case m.flags.into == "" || len(m.listed) == 0:
		return nil
	case m.isServer():
		return merge.NewRemote(merge.RemoteOptions{
			Kind: merge.IMAP, Name: m.flags.into, ID: "into:" + identityURL(m.into.account), Server: m.both.remote, Known: known,
		})
	}
	dir := m.into.account.Store
	listed := slices.Clone(m.listed)
	return merge.NewStore(m.flags.into, dir, func() ([]merge.Folder, error) {
		places, err := maildirout.Places(ctx, dir, maildirout.Layout(m.into.account.Layout))
		folders := make([]merge.Folder, 0, len(listed))
		for _, p := range places {
			folders = append(folders, merge.Folder{Path: p.Path, Name: p.Name})
		}
		return folders, err
	})
}

// isServer reports whether the target is one.
func (m *merging) isServer() bool { return m.both != nil && m.both.remote != nil }
