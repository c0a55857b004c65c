package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"mailferry/maildirout"
	"mailferry/state"
	"mailferry/syncer"
	"mailferry/syncer/former"
	"mailferry/syncer/mailbox"
)

// importedFile is where a store remembers that another program filled it.
const importedFile = "imported.json"

// imported is what importedFile says. Files may have header fields that the
// server does not have: a run compares without them where it has to compare.
type imported struct {
	Tool string `json:"tool"`
	// Complete: everything that was to be taken over is in the state.
	Complete bool `json:"complete"`
}

// importing makes another program's Maildir a store. Nothing is written before
// everything that can be refused has been looked at, and the state last: a run
// that is killed is repeated by the same line.
type importing struct {
	app    *app
	target target
	tool   string
	from   string
	flags  importFlags

	both    *sides
	store   former.Store
	listed  []mailbox.Listed
	folders []mailbox.Name
	boxes   []*importedBox
	// others are folders and mailboxes that the other program did not know.
	onlyOnDisk, onlyOnServer []mailbox.Name
}

// importedBox is one mailbox.
type importedBox struct {
	folder former.Folder
	// at is what the folder is called now, name what it is called on the server.
	at, name mailbox.Name
	// renamedFrom is what the folder was called, if it gets another name.
	renamedFrom mailbox.Name
	status      mailbox.Status
	matched     former.Matched
}

func (i *importing) run(ctx context.Context) int {
	started := time.Now()
	err := i.take(ctx)
	if err != nil && ctx.Err() != nil {
		err = fmt.Errorf("%w: %w", mailbox.ErrStopped, err)
	}
	if i.both != nil {
		err = errors.Join(err, i.both.Close())
	}
	code := exitCode(err)
	var refusal *former.Refusal
	switch {
	case errors.As(err, &refusal):
		i.app.console.Error(i.target.account.Name+": "+err.Error(), refusal.Hint)
	case err != nil:
		i.app.console.Error(i.target.account.Name+": "+err.Error(), hintFor(err, i.again()))
	}
	i.tell(code, started, err)
	return code
}

func (i *importing) again() string {
	text := "mailferry import-state " + i.tool + " " + quoted(i.from) + " --account " + quoted(i.flags.account)
	if i.flags.from != "" {
		text += " --from " + quoted(i.flags.from)
	}
	for _, one := range i.flags.maps {
		text += " --map " + quoted(one)
	}
	return text
}

func (i *importing) take(ctx context.Context) error {
	steps := []func(context.Context) error{i.check, i.readMemory, i.connect, i.nameAll, i.compareAll}
	if !i.flags.dryRun {
		steps = append(steps, i.openStore, i.renameAll, i.redateAll, i.commit)
	}
	for _, step := range steps {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// check refuses accounts and folders that cannot become a store.
func (i *importing) check(ctx context.Context) error {
	account := i.target.account
	if account.Server.Protocol == pop3 {
		return hintedError{usagef("a POP3 server: %s works with IMAP", i.tool), "set url to the IMAP server"}
	}
	info, err := os.Stat(account.Store)
	if err != nil || !info.IsDir() {
		return hintedError{fmt.Errorf("store %s: there is no Maildir: %w", account.Store, errNotSetUp), "set store of the account to the Maildir that " + i.tool + " filled"}
	}
	if err := i.mustBeNew(ctx); err != nil {
		return err
	}
	dir, err := filepath.EvalSymlinks(account.Store)
	if err == nil {
		dir, err = filepath.Abs(dir)
	}
	i.store = former.Store{
		Dir: dir, PlusPlus: account.Layout == string(maildirout.MaildirPP),
		Home: i.app.env("HOME"), StateHome: i.app.env("XDG_STATE_HOME"), From: i.flags.from,
	}
	return err
}

// mustBeNew refuses a store that mailferry has worked with.
func (i *importing) mustBeNew(ctx context.Context) error {
	account := i.target.account
	if _, err := state.ReadMarker(account.Store); errors.Is(err, state.ErrNotAStore) {
		if missing := i.app.missingMarker(ctx, account.Store); missing != nil {
			return missing.MarkerMissingError
		}
		return nil
	}
	options := i.app.stateOptions(account, transferFlags{dryRun: true})
	store, err := state.Open(ctx, options)
	if err != nil {
		return err
	}
	var was imported
	known, err := store.Mailboxes(ctx)
	err = errors.Join(err, store.ReadAside(importedFile, &was), store.Close())
	if err != nil {
		return err
	}
	if len(known) == 0 || was.Tool != "" && !was.Complete {
		return nil
	}
	return hintedError{usagef("%s is a store of mailferry already: nothing is to be taken over", account.Store),
		"what the server has: mailferry sync " + i.target.typed}
}

// readMemory reads what the other program remembers.
func (i *importing) readMemory(ctx context.Context) error {
	if _, err := os.Stat(i.from); err != nil {
		return hintedError{usageError{err}, "name " + i.tool + "'s configuration, such as ~/." + i.tool + "rc, or the folder in which it remembers"}
	}
	var found []former.Folder
	var err error
	if i.tool == "mbsync" {
		found, err = former.Mbsync(i.from, i.store)
	} else {
		found, err = former.Offlineimap(ctx, i.from, i.store, i.flags.names, state.ReadTable)
	}
	for _, folder := range found {
		i.boxes = append(i.boxes, &importedBox{folder: folder})
	}
	return err
}

// connect opens both sides; the server only to read.
func (i *importing) connect(ctx context.Context) (err error) {
	i.both = &sides{dryRun: true}
	account := i.target.account
	if i.both.disk, err = openDisk(i.app, account, account.Store, i.flags.dryRun); err != nil {
		return err
	}
	if err := i.both.openRemote(ctx, i.app, account, true); err != nil {
		return err
	}
	if i.listed, err = i.both.remote.List(ctx); err != nil {
		return err
	}
	i.folders, err = i.both.disk.Folders(ctx)
	return err
}

// openStore makes the store. From here on only this line again, or a sync that
// compares by content, goes on.
func (i *importing) openStore(ctx context.Context) (err error) {
	if i.both.base, err = state.Open(ctx, i.app.stateOptions(i.target.account, transferFlags{newStore: true})); err != nil {
		return err
	}
	return i.both.base.WriteAside(importedFile, imported{Tool: i.tool})
}

func (i *importing) renameAll(ctx context.Context) error {
	for _, box := range i.boxes {
		if box.name == "" || box.name == box.at {
			continue
		}
		if err := i.both.disk.Rename(ctx, box.at, box.name); err != nil {
			return err
		}
		box.at = box.name
	}
	return nil
}

// redateAll gives the files the dates of their messages. It comes before the
// state: with the dates a run without a state recognises the messages, too.
func (i *importing) redateAll(ctx context.Context) error {
	for _, box := range i.boxes {
		var keys []mailbox.Key
		for _, link := range box.matched.Links {
			if link.Key == "" {
				continue
			}
			if keys = append(keys, link.Key); link.UID == 0 {
				continue
			}
			if err := i.both.disk.Redate(ctx, box.at, link.Key, link.Date); err != nil {
				return err
			}
		}
		if err := i.both.disk.Persist(ctx, box.at, keys); err != nil {
			return err
		}
	}
	return nil
}

// commit writes the state in one transaction.
func (i *importing) commit(ctx context.Context) error {
	base := i.both.base
	_, err := i.both.record(ctx, "import-state", func() (syncer.Summary, error) {
		known, err := base.Mailboxes(ctx)
		if err != nil {
			return syncer.Summary{}, err
		}
		for _, one := range known { // of an import that was interrupted
			if err := base.Forget(ctx, one.ID); err != nil {
				return syncer.Summary{}, err
			}
		}
		var commits []mailbox.Commit
		for _, box := range i.boxes {
			if box.name == "" {
				continue
			}
			id, err := base.Add(ctx, box.name)
			if err != nil {
				return syncer.Summary{}, err
			}
			commits = append(commits, mailbox.Commit{Mailbox: id, Put: box.matched.Links, Checkpoint: &mailbox.Checkpoint{
				Remote: mailbox.Status{UIDValidity: box.status.UIDValidity}, HasRemote: true, HasLocal: true,
			}})
		}
		return syncer.Summary{}, base.Commit(ctx, commits...)
	})
	if err != nil {
		return err
	}
	return base.WriteAside(importedFile, imported{Tool: i.tool, Complete: true})
}

// wasImported reports whether another program filled the store.
func (s *sides) wasImported() (bool, error) {
	var was imported
	err := s.base.ReadAside(importedFile, &was)
	return was.Tool != "", err
}

// nameAll finds out which mailbox each folder is, and what there is besides.
func (i *importing) nameAll(ctx context.Context) error {
	places, err := maildirout.Places(ctx, i.store.Dir, maildirout.Layout(i.target.account.Layout))
	if err != nil {
		return err
	}
	at := map[string]mailbox.Name{}
	for _, place := range places {
		at[place.Path] = place.Name
	}
	taken := map[mailbox.Name]string{}
	for _, box := range i.boxes {
		box.at = at[box.folder.Path]
		if box.at == "" {
			return &former.Refusal{Path: box.folder.Path, Reason: "is no folder of a store in the layout " + i.target.account.Layout,
				Hint: "is layout right in the configuration? mailferry help maildir"}
		}
		box.name = i.onServer(box.folder)
		if other, twice := taken[box.name]; twice && box.name != "" {
			return &former.Refusal{Path: box.folder.Path, Reason: fmt.Sprintf("two folders are the mailbox %s: this one and %s", box.name, other),
				Hint: "say what they are on the server: --map " + quoted(box.folder.Path+"=NAME")}
		}
		taken[box.name] = box.folder.Path
		if box.name != "" && box.name != box.at {
			if err := i.mayRename(box); err != nil {
				return err
			}
			box.renamedFrom = box.at
		}
	}
	i.findOthers()
	return nil
}

// onServer is the mailbox of a folder, "" if the server has none.
func (i *importing) onServer(folder former.Folder) mailbox.Name {
	for _, wire := range folder.Mailboxes {
		name, err := nameThere(wire)
		if err != nil {
			continue
		}
		if slices.ContainsFunc(i.listed, func(l mailbox.Listed) bool { return l.Name == name }) {
			return name
		}
	}
	return ""
}

// mayRename refuses names that are in the way.
func (i *importing) mayRename(box *importedBox) error {
	if box.at == mailbox.Inbox || box.name == mailbox.Inbox {
		return &former.Refusal{Path: box.folder.Path, Reason: fmt.Sprintf("is %s here and %s on the server; INBOX is not renamed", box.at, box.name),
			Hint: "move the folder by hand and tell " + i.tool + ", let it run once; then: " + i.again()}
	}
	if slices.Contains(i.folders, box.name) {
		return &former.Refusal{Path: box.folder.Path, Reason: fmt.Sprintf("is %s on the server, and there is another folder of that name", box.name),
			Hint: "move the other folder away, then: " + i.again()}
	}
	return nil
}

// findOthers lists what the next sync will carry besides.
func (i *importing) findOthers() {
	selects := i.target.account.Mailboxes.Selects
	for _, name := range i.folders {
		if selects(name) && !slices.ContainsFunc(i.boxes, func(b *importedBox) bool { return b.at == name }) {
			i.onlyOnDisk = append(i.onlyOnDisk, name)
		}
	}
	for _, listed := range i.listed {
		if selects(listed.Name) && !slices.ContainsFunc(i.boxes, func(b *importedBox) bool { return b.name == listed.Name }) {
			i.onlyOnServer = append(i.onlyOnServer, listed.Name)
		}
	}
}
