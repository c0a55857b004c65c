package main

import (
	"context"
	"fmt"

	"mailferry/maildirout"
	"mailferry/syncer"
	"mailferry/syncer/imapremote"
	"mailferry/syncer/mailbox"
	"mailferry/syncer/restore"
)

// readRules puts together what decides the names.
func (r *restoring) readRules() error {
	r.rules = r.flags.rules
	r.rules.Earlier, r.rules.Refused = map[mailbox.Name]mailbox.Name{}, map[mailbox.Name]mailbox.Name{}
	return r.both.base.ReadAside(namesFile, &r.rules.Earlier)
}

// chooseNames decides what the store's mailboxes are called there.
func (r *restoring) chooseNames(ctx context.Context) error {
	if err := r.readRules(); err != nil {
		return err
	}
	if err := r.applyRules(ctx); err != nil {
		return err
	}
	named := ask(r.flags.patterns, r.flags.patterns.Selects)
	for _, c := range r.choices {
		named.Selects(c.From)
		if c.Err != nil && r.flags.patterns.Selects(c.From) {
			r.report.Trouble(c.From, hintedError{
				fmt.Errorf("cannot be on the other server: %w", c.Err),
				"give it another name there: --map " + quoted(string(c.From)+"=NAME"),
			})
		}
	}
	return named.missing()
}

// applyRules makes the choices, and the store look accordingly.
func (r *restoring) applyRules(ctx context.Context) error {
	var err error
	if r.choices, err = nameChoices(ctx, r.both.disk, r.traits, r.rules, r.listed, r.both.imap); err != nil {
		return err
	}
	if !r.flags.dryRun {
		if err := r.both.base.WriteAside(namesFile, namesOf(r.choices)); err != nil {
			return err
		}
	}
	r.files, err = restore.NewSource(ctx, r.both.disk, r.store, r.choices)
	if err == nil {
		r.files.Altered = func(name mailbox.Name, key mailbox.Key) {
			r.report.Trouble(name, fmt.Errorf("message %s is on disk with other octets than were downloaded; it is uploaded as it is", key))
		}
	}
	return err
}

// nameChoices decides what a store's mailboxes are called on another server.
func nameChoices(ctx context.Context, disk *maildirout.Store, traits map[mailbox.Name]trait, rules restore.Rules, listed []mailbox.Listed, remote *imapremote.Account) ([]restore.Choice, error) {
	folders, err := disk.Folders(ctx)
	if err != nil {
		return nil, err
	}
	store := make([]mailbox.Listed, len(folders))
	for i, name := range folders {
		store[i] = mailbox.Listed{Name: name, Attributes: traits[name].Uses}
	}
	choices, err := restore.Names(store, rules, restore.Target{Listed: listed, Separator: remote.Separator(), Allows: remote.Allows})
	if err != nil {
		return nil, usageError{err}
	}
	return choices, nil
}

func namesOf(choices []restore.Choice) map[mailbox.Name]mailbox.Name {
	names := map[mailbox.Name]mailbox.Name{}
	for _, c := range choices {
		if c.Err == nil {
			names[c.From] = c.To
		}
	}
	return names
}

// selects reports whether a mailbox, by its name there, takes part.
func (r *restoring) selects(name mailbox.Name) bool {
	from, ok := r.files.Folder(name)
	if !ok {
		// A folder that was renamed or removed since an earlier restore: its
		// mailbox may be the one that is to be renamed there.
		return r.before[name] && len(r.flags.mailboxes) == 0 && !r.flags.isPart() && r.only == nil
	}
	return r.flags.patterns.Selects(from) && (r.wanted == nil || r.wanted[from] != nil) && (r.only == nil || r.only[name])
}

// runRenaming runs the engine, and once more for mailboxes that the server did
// not make, with names that are plainer.
func (r *restoring) runRenaming(ctx context.Context, options syncer.Options) (syncer.Summary, error) {
	total, err := r.app.runRebuilding(ctx, options, r.both, &r.report.report)
	refused := r.report.refused
	if err != nil || len(refused) == 0 || r.app.stopped() {
		return total, err
	}
	r.only = map[mailbox.Name]bool{}
	for _, name := range refused {
		from, _ := r.files.Folder(name)
		if to := restore.Plain(name, r.both.imap.Separator()); to != name && from != "" {
			r.rules.Refused[from] = to
		}
	}
	if len(r.rules.Refused) == 0 {
		return total, nil
	}
	if err := r.applyRules(ctx); err != nil {
		return total, err
	}
	for _, c := range r.choices {
		if r.rules.Refused[c.From] != "" && c.Err == nil {
			r.only[c.To] = true
			r.report.Notice(c.From, fmt.Sprintf("the server does not take the name; it is %s there", c.To))
		}
	}
	again := r.options()
	again.RemoteMessages, again.RemoteMailboxes = options.RemoteMessages, options.RemoteMailboxes
	next, err := r.app.runRebuilding(ctx, again, r.both, &r.report.report)
	r.only = nil
	return addRounds(total, next), err
}
