package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"mailferry/cmd/internal/config"
	"mailferry/maildirout"
	"mailferry/state"
)

// target is an account to work on.
type target struct {
	account config.Account
	// typed is how the user can name it on a command line.
	typed string
	// err is why nothing can be done with it, although it is known.
	err error
	// line, if not "", is the whole line that does again what is done.
	line string
	// isRemembered says that err is a missing store of which the account is
	// complete: a new store can be made.
	isRemembered bool
}

// targets finds out what the arguments mean: URL DIR, names of accounts, the
// folders of stores, or nothing for all accounts. What is named twice is one.
func (a *app) targets(ctx context.Context, args []string, allowURL bool) ([]target, error) {
	loaded, err := a.loadConfig()
	if err != nil {
		return nil, err
	}
	if len(args) > 0 && config.IsURL(args[0]) {
		if !allowURL || len(args) != 2 {
			return nil, usagef("a URL is followed by a folder and nothing else: URL DIR")
		}
		server, err := config.ParseURL(args[0])
		if err != nil {
			return nil, err
		}
		account, err := a.adhoc(loaded, server, args[1])
		return []target{{account: account, typed: quoted(server.String()) + " " + quoted(args[1])}}, err
	}
	if len(args) == 0 {
		return allAccounts(loaded)
	}
	if allowURL && len(args) == 2 && config.IsURL(args[1]) {
		return nil, usageError{hintedError{errors.New("the URL comes first, then the folder: URL DIR"), "in this order: " + quoted(args[1]) + " " + quoted(args[0])}}
	}
	var list []target
	for _, arg := range args {
		t, err := a.target(ctx, loaded, arg)
		if err != nil {
			return nil, err
		}
		if !slices.ContainsFunc(list, t.isSame) {
			list = append(list, t)
		}
	}
	return list, nil
}

// isSame reports whether two targets are one account's one store, as an
// account's name and its store's folder are.
func (t target) isSame(other target) bool {
	return t.account.Name == other.account.Name && absolute(t.account.Store) == absolute(other.account.Store)
}

// oneTarget is targets for commands that work on one account.
func (a *app) oneTarget(ctx context.Context, args []string) (target, error) {
	list, err := a.targets(ctx, args, false)
	if err != nil {
		return target{}, err
	}
	if len(list) != 1 {
		return target{}, usagef("%d accounts are configured: say which one", len(list))
	}
	return list[0], nil
}

// lacksArgument is an error where the only argument is a store or an account, and
// what comes after it is not there.
func (a *app) lacksArgument(args []string, what string) error {
	if len(args) != 1 {
		return nil
	}
	loaded, err := a.loadConfig()
	if err != nil {
		return err
	}
	_, isAccount := loaded.Account(args[0])
	if _, err := state.ReadMarker(config.ExpandHome(args[0], a.env)); err == nil || isAccount {
		return usagef("%s is followed by %s", args[0], what)
	}
	return nil
}

func allAccounts(loaded *config.Config) ([]target, error) {
	var list []target
	for _, account := range loaded.Accounts() {
		list = append(list, target{account: account, typed: account.Name})
	}
	if len(list) == 0 {
		return nil, hintedError{
			fmt.Errorf("no account is configured: %w", errNotSetUp),
			"without a configuration: mailferry backup imaps://user@imap.example.com ~/Mail\nwith one: mailferry help configuration",
		}
	}
	return list, nil
}

// target is what one argument means: an account's name wins over a folder.
func (a *app) target(ctx context.Context, loaded *config.Config, arg string) (target, error) {
	if account, ok := loaded.Account(arg); ok {
		return target{account: account, typed: arg}, nil
	}
	if config.IsURL(arg) {
		return target{}, usagef("a URL is followed by a folder and nothing else: URL DIR")
	}
	dir := config.ExpandHome(arg, a.env)
	marker, err := state.ReadMarker(dir)
	if err == nil {
		account, err := a.remembered(loaded, marker.Identity, dir)
		return target{account: account, typed: quoted(arg)}, err
	}
	if missing := a.missingMarker(ctx, dir); missing != nil {
		return a.missingTarget(loaded, missing, arg, dir), nil
	}
	if strings.ContainsRune(arg, filepath.Separator) || arg == "." || arg == ".." || !errors.Is(err, state.ErrNotAStore) {
		return target{}, hintedError{
			fmt.Errorf("%s: not a store of mailferry: %w", arg, errNotSetUp),
			"a store is made by: mailferry backup URL " + quoted(arg),
		}
	}
	hint := "mailferry config check  lists the accounts; a folder is written with a /, like ./" + arg
	if near := loaded.Nearest(arg); near != "" {
		hint = fmt.Sprintf("did you mean %q?", near)
	}
	return target{}, hintedError{fmt.Errorf("%s: no account and no store of that name: %w", arg, errNotSetUp), hint}
}

// missing is a store that this machine remembers and that is not there: a disk
// that is not mounted rather than a folder that was mistyped.
type missing struct{ *state.MarkerMissingError }

// missingMarker returns nil for a folder that never was a store.
func (a *app) missingMarker(ctx context.Context, dir string) *missing {
	store, err := state.Open(ctx, state.Options{Dir: dir, Notes: config.StateDir(a.env), ReadOnly: true, Unlocked: true})
	if err == nil {
		store.Close()
	}
	var found *state.MarkerMissingError
	if errors.As(err, &found) {
		return &missing{found}
	}
	return nil
}

// missingTarget is one whose run is refused, unless it asks for a new store and
// this machine remembers enough of the old one.
func (a *app) missingTarget(loaded *config.Config, m *missing, arg, dir string) target {
	again := "mailferry backup URL " + quoted(arg) + " --new-store"
	account, err := a.remembered(loaded, m.Identity, dir)
	isKnown := err == nil
	if isKnown {
		again = "mailferry backup " + quoted(arg) + " --new-store"
	} else {
		account = config.Account{Name: cmp.Or(m.Account, arg), Store: arg}
	}
	return target{
		account: account, typed: quoted(arg), isRemembered: isKnown,
		err: hintedError{m.MarkerMissingError, "is the disk mounted? If the store is gone for good, a new one is made by: " + again},
	}
}

// remembered makes an account of what a store's marker says. A configured
// account with the same server and folder knows more, its password for one.
func (a *app) remembered(loaded *config.Config, identity state.Identity, dir string) (config.Account, error) {
	// A tunnel has no URL: its account has to be configured.
	if account, ok := loaded.Account(identity.Account); ok && identityURL(account) == identity.URL {
		account.Store = dir
		return account, nil
	}
	if identity.URL == "" {
		return nobodys(loaded, identity, dir), nil
	}
	if strings.HasPrefix(identity.URL, tunnelPrefix) {
		return config.Account{}, hintedError{
			fmt.Errorf("%s: its account, %s, is reached through a tunnel, and is not in the configuration: %w", dir, identity.Account, errNotSetUp),
			"mailferry help configuration",
		}
	}
	server, err := config.ParseURL(identity.URL)
	if err != nil {
		return config.Account{}, fmt.Errorf("%s: the store's marker: %w", dir, err)
	}
	if account, ok := loaded.ForStore(dir, server); ok {
		return account, nil
	}
	account, err := loaded.Adhoc(identity.Account, server, dir)
	account.Layout = cmp.Or(identity.Layout, account.Layout)
	return account, err
}

// nobodys is the account of a store that has none yet, as merge makes one: the
// configured one whose folder it is, else one without a server.
func nobodys(loaded *config.Config, identity state.Identity, dir string) config.Account {
	for _, account := range loaded.Accounts() {
		if absolute(account.Store) == absolute(dir) {
			return account
		}
	}
	account := config.Builtin(dir, config.Server{}, dir)
	account.Layout = cmp.Or(identity.Layout, account.Layout)
	return account
}

// adhoc makes an account of URL DIR. A store that is there already keeps its
// name and its layout.
func (a *app) adhoc(loaded *config.Config, server config.Server, dir string) (config.Account, error) {
	dir = config.ExpandHome(dir, a.env)
	marker, err := state.ReadMarker(dir)
	switch {
	case err != nil && isFlat(dir):
		account, err := loaded.Adhoc("", server, dir)
		account.Layout = string(maildirout.MaildirPP)
		return account, err
	case err != nil || marker.URL != server.String():
		return loaded.Adhoc("", server, dir)
	}
	return a.remembered(loaded, marker.Identity, dir)
}

// isFlat reports whether a folder is a Maildir++: messages of its own, and no
// mailboxes but those whose names begin with a dot.
func isFlat(dir string) bool {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return false
	}
	has := map[string]bool{}
	for _, entry := range entries {
		name := entry.Name()
		has[name] = entry.IsDir()
		if _, err := os.Stat(filepath.Join(dir, name, "cur")); err == nil && !strings.HasPrefix(name, ".") {
			return false
		}
	}
	return has["cur"] && has["new"]
}

// mustBeStore is nil where the account's store is there.
func (a *app) mustBeStore(ctx context.Context, t target) error {
	if _, err := state.ReadMarker(t.account.Store); !errors.Is(err, state.ErrNotAStore) {
		return nil // what else may be wrong is found out when it is opened
	}
	if missing := a.missingMarker(ctx, t.account.Store); missing != nil {
		return missing.MarkerMissingError
	}
	return hintedError{
		fmt.Errorf("%s: no store yet: %w", t.account.Store, errNotSetUp), "the first run makes it: mailferry run " + t.typed,
	}
}

// quoted makes an argument that a shell takes as it is.
func quoted(arg string) string {
	safe := func(r rune) bool {
		return r == '-' || r == '_' || r == '/' || r == '.' || r == ':' || r == '@' || r == '%' || r == '+' || r == '~' || r == '=' || r == ',' ||
			'0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z'
	}
	if arg != "" && strings.IndexFunc(arg, func(r rune) bool { return !safe(r) }) < 0 {
		return arg
	}
	return "'" + strings.ReplaceAll(arg, "'", `'\''`) + "'"
}
