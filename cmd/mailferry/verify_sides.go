package main

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"time"

	"mailferry/cmd/internal/config"
	"mailferry/cmd/internal/ui"
	"mailferry/state"
	"mailferry/syncer/imapremote"
	"mailferry/syncer/mailbox"
	"mailferry/syncer/restore"
	"mailferry/syncer/verify"
)

// roleAgainst is the part that the server in --against plays: its password may
// be in MAILFERRY_PASSWORD_AGAINST.
const roleAgainst = "AGAINST"

// verifyStore compares one account's store.
func (a *app) verifyStore(ctx context.Context, t target, f verifyFlags) ui.Summary {
	v := &verification{account: t.account.Name, typed: t.typed, again: cmp.Or(t.line, "mailferry verify "+t.typed), store: t.account.Store, flags: f, started: time.Now()}
	return a.concludeVerification(v, a.compareStore(ctx, t, f, v))
}

func (a *app) compareStore(ctx context.Context, t target, f verifyFlags, v *verification) (err error) {
	both, err := a.openToRead(ctx, t)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, both.Close()) }()
	account := f.over(t.account)
	here := &verify.Store{Disk: both.disk, Base: both.base, Readers: runtime.GOMAXPROCS(0)}
	named := ask(f.patterns, account.Mailboxes.Selects)
	opts := verify.Options{Here: here, Selects: named.Selects, Workers: account.Connections}
	defer func() {
		if err == nil {
			err = named.missing()
		}
	}()
	if f.offline {
		return a.compare(ctx, v, finding{here: "store", there: "what was written"}, opts)
	}
	if f.against == "" || f.both {
		opts.Linked = true
		one := finding{here: "store", there: serverName(account), ownServer: true}
		if err := a.compareWith(ctx, v, one, account, "", opts); err != nil {
			return err
		}
	}
	if f.against == "" {
		return nil
	}
	other, err := a.otherAccount(ctx, f.against)
	if err != nil {
		return err
	}
	other = f.over(other)
	opts.Linked = false
	return a.withServer(ctx, v, other, roleAgainst, func(there *verify.Server, remote *imapremote.Account) error {
		names, err := a.namesThere(ctx, both, other, remote)
		if err != nil {
			return err
		}
		opts.There = there
		opts.Translate = func(name mailbox.Name) mailbox.Name { return cmp.Or(names[name], name) }
		return a.compare(ctx, v, finding{here: "store", there: serverName(other)}, opts)
	})
}

// namesThere are the names that a restore gave the store's mailboxes on another
// server, or would give them.
func (a *app) namesThere(ctx context.Context, both *sides, other config.Account, remote *imapremote.Account) (map[mailbox.Name]mailbox.Name, error) {
	if remote == nil {
		return nil, nil // POP3: INBOX is INBOX
	}
	rules := restore.Rules{Earlier: map[mailbox.Name]mailbox.Name{}}
	url := identityURL(other)
	known, err := state.Open(ctx, state.Options{
		Dir: both.base.ServerDir(url), Identity: state.Identity{Account: other.Name, URL: url},
		ReadOnly: true, Unlocked: true, Now: time.Now, Log: a.log,
	})
	if err != nil {
		return nil, err
	}
	if err := errors.Join(known.ReadAside(namesFile, &rules.Earlier), known.Close()); err != nil {
		return nil, err
	}
	listed, err := remote.List(ctx)
	if err != nil {
		return nil, err
	}
	traits, err := readTraits(both.base)
	if err != nil {
		return nil, err
	}
	choices, err := nameChoices(ctx, both.disk, traits, rules, listed, remote)
	if err != nil {
		return nil, err
	}
	names := map[mailbox.Name]mailbox.Name{}
	for _, c := range choices {
		if c.Err == nil {
			names[c.From] = c.To
		}
	}
	return names, nil
}

// verifyServers compares two servers without a store.
func (a *app) verifyServers(ctx context.Context, url string, f verifyFlags) int {
	v := &verification{account: url, typed: quoted(url), again: "mailferry verify " + quoted(url), flags: f, started: time.Now()}
	return a.concludeVerification(v, a.compareServers(ctx, url, f, v)).ExitCode
}

func (a *app) compareServers(ctx context.Context, url string, f verifyFlags, v *verification) error {
	if f.offline || f.both {
		return usagef("two servers are compared without --offline and --both")
	}
	first, err := a.otherAccount(ctx, url)
	if err != nil {
		return err
	}
	second, err := a.otherAccount(ctx, f.against)
	if err != nil {
		return err
	}
	first, second = f.over(first), f.over(second)
	v.account = first.Name
	return a.withServer(ctx, v, first, "", func(here *verify.Server, _ *imapremote.Account) error {
		opts := verify.Options{Here: here, Selects: first.Mailboxes.Selects, Workers: first.Connections}
		return a.compareWith(ctx, v, finding{here: serverName(first), there: serverName(second)}, second, roleAgainst, opts)
	})
}

// compareWith adds a server as the second side.
func (a *app) compareWith(ctx context.Context, v *verification, one finding, account config.Account, role string, opts verify.Options) error {
	return a.withServer(ctx, v, account, role, func(there *verify.Server, _ *imapremote.Account) error {
		opts.There = there
		return a.compare(ctx, v, one, opts)
	})
}

// withServer logs in, read-only, and remembers what was read of the server in
// case that the comparison does not come to its end.
func (a *app) withServer(ctx context.Context, v *verification, account config.Account, role string, do func(*verify.Server, *imapremote.Account) error) (err error) {
	both := sides{role: role}
	if err := both.openRemote(ctx, a, account, true); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, both.Close()) }()
	var journal *verify.Journal
	if !v.flags.quick && v.flags.sample == 0 {
		path := a.journalPath(account)
		if v.flags.restart {
			if err := verify.RemoveJournal(path); err != nil {
				return err
			}
		}
		if journal, err = verify.OpenJournal(path, time.Now()); err != nil {
			return err
		}
		if n := journal.Len(); n > 0 {
			v.notes = append(v.notes, fmt.Sprintf("%s: %d messages were read by an interrupted verification within a day and not again", serverName(account), n))
		}
	}
	before := both.remote.Traffic()
	err = do(verify.NewServer(both.remote, account.Connections, journal), both.imap)
	after := both.remote.Traffic()
	v.traffic.OctetsDown += after.OctetsDown - before.OctetsDown
	v.traffic.OctetsUp += after.OctetsUp - before.OctetsUp
	v.traffic.RoundTrips += after.RoundTrips - before.RoundTrips
	v.traffic.Selected += after.Selected - before.Selected
	return errors.Join(err, journal.Close(err == nil))
}

// journalPath is where a verification of an account is remembered.
func (a *app) journalPath(account config.Account) string {
	sum := sha256.Sum256([]byte(identityURL(account)))
	return filepath.Join(config.StateDir(a.env), "verify", hex.EncodeToString(sum[:8])+".journal")
}

// otherAccount is what --against names: an account, a store, or a URL.
func (a *app) otherAccount(ctx context.Context, name string) (config.Account, error) {
	loaded, err := a.loadConfig()
	if err != nil {
		return config.Account{}, err
	}
	if config.IsURL(name) {
		server, err := config.ParseURL(name)
		if err != nil {
			return config.Account{}, err
		}
		return loaded.Adhoc("", server, "")
	}
	t, err := a.target(ctx, loaded, name)
	return t.account, errors.Join(err, t.err)
}

// over lays the command line's flags over an account.
func (f verifyFlags) over(account config.Account) config.Account {
	return job{target: target{account: account}, flags: f.transferFlags}.account()
}

func serverName(account config.Account) string { return identityURL(account) }

// openToRead opens a store without changing it, and holds its lock: mail that
// moves while it is compared would look like a difference.
func (a *app) openToRead(ctx context.Context, t target) (_ *sides, err error) {
	if t.err != nil {
		return nil, t.err
	}
	if err := a.mustBeStore(ctx, t); err != nil {
		return nil, err
	}
	both := &sides{}
	if err := both.openLocal(ctx, a, t.account, transferFlags{dryRun: true}); err != nil {
		return nil, errors.Join(err, both.Close())
	}
	return both, nil
}
