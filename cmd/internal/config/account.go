// Package config turns a configuration file, the environment and URLs into
// validated accounts.
package config

import (
	"errors"
	"slices"
	"time"

	"mailferry/syncer/mailbox"
)

// The modes that an account can have.
const (
	ModeSync    = "sync"
	ModeBackup  = "backup"
	ModeArchive = "archive"
)

// Account is everything that is configured for one account. All values are
// valid: whoever holds an Account need not check them again.
type Account struct {
	Name string
	// Server is the parsed url. With a Tunnel it may be zero.
	Server Server
	// Store is the folder's path, with ~ replaced.
	Store string
	// Mode is what `run` does: ModeSync, ModeBackup or ModeArchive.
	Mode string
	// PasswordCommand and TokenCommand are argument vectors; no shell.
	PasswordCommand, TokenCommand []string
	PasswordFile                  string
	// OAuth says how tokens are got; see OAuth.IsSet.
	OAuth OAuth
	// Layout is "fs" or "maildir++".
	Layout string
	// Mailboxes says which mailboxes take part.
	Mailboxes Patterns
	// TLSCAFile is a private CA's certificate; TLSPin the SHA-256 of the
	// server's certificate in 64 lower-case hexadecimal digits. "" is none.
	TLSCAFile, TLSPin string
	// Auth is auto, plain, login, xoauth2, oauthbearer or external.
	Auth string
	// Tunnel is a command whose stdin and stdout are a server.
	Tunnel []string
	// OnRemoteDelete is "trash" or "keep", OnLocalDelete "expunge", "trash"
	// or "keep".
	OnRemoteDelete, OnLocalDelete string
	// MaxMessageSize in octets; 0 is no limit.
	MaxMessageSize int64
	// BWLimit in octets per second, both directions together; 0 is no limit.
	BWLimit int64
	// Timeout is how long a server may be silent when an answer is due, or take
	// to be connected to; 0 is a minute, and half a minute to connect.
	Timeout        time.Duration
	AllowPlaintext bool
	// PingURL is told of each run's begin and end; MetricsFile keeps its numbers
	// for Prometheus. "" is none.
	PingURL, MetricsFile string
	// Connections is how many connections may be open at once, at least 1.
	Connections int
	// Watch says which mailboxes are worth a connection that waits for news,
	// where the server cannot tell of all over one.
	Watch Patterns
	// Machine is this machine's name among those that share the account; "" is
	// the host's name.
	Machine string
	Archive Archive
	Hooks   Hooks
	// Adhoc says that the account comes from the command line or a store's
	// marker, not from the configuration.
	Adhoc bool
	// password is the one that stands in a list of accounts; a function, so that
	// no log prints it. nil is none.
	password func() string
}

// Archive is what limits the archive command.
type Archive struct {
	// OlderThan counts only with HasOlderThan; 0 then is any age.
	OlderThan    time.Duration
	HasOlderThan bool
	KeepLatest   int
	// UntilQuota is the share of the quota in percent at which to stop; 0 is
	// not to look at it.
	UntilQuota            int
	SeenOnly, KeepFlagged bool
	// LeaveFor names the machines that must have a copy first.
	LeaveFor []string
}

// IsLimited reports whether any limit says how much is archived.
func (a Archive) IsLimited() bool {
	return a.HasOlderThan || a.KeepLatest > 0 || a.UntilQuota > 0 || a.SeenOnly
}

// Hooks are commands that surround a run.
type Hooks struct {
	PreSync, PostSync []string
}

// builtin is what holds where nothing is configured.
func builtin(name string) Account {
	return Account{
		Name:           name,
		Mode:           ModeSync,
		Layout:         "fs",
		Auth:           "auto",
		OnRemoteDelete: "trash",
		OnLocalDelete:  "expunge",
		Connections:    4,
		Watch:          Patterns{{text: string(mailbox.Inbox)}},
		Archive:        Archive{KeepFlagged: true},
	}
}

// Config is a whole configuration. The zero value has no accounts.
type Config struct {
	// Path of the file, "" without one.
	Path     string
	accounts []Account // sorted by name
	// defaults is the base for accounts that are not configured.
	defaults Account
	env      func(string) string
	// others can be named, but are not among Accounts.
	others map[string]Account
}

// Accounts lists the accounts sorted by name.
func (c *Config) Accounts() []Account { return slices.Clone(c.accounts) }

// Account returns the account of that name.
func (c *Config) Account(name string) (Account, bool) {
	for _, account := range c.accounts {
		if account.Name == name {
			return account, true
		}
	}
	account, ok := c.others[name]
	return account, ok
}

// ForStore returns the configured account that keeps its mail in dir and is on
// server, as far as these are given.
func (c *Config) ForStore(dir string, server Server) (Account, bool) {
	for _, account := range c.accounts {
		if account.Server.String() == server.String() && samePath(account.Store, dir) {
			return account, true
		}
	}
	return Account{}, false
}

// Adhoc makes an account that is not in the file, from the defaults and the
// environment. Its name is "user@host" unless one is given.
func (c *Config) Adhoc(name string, server Server, dir string) (Account, error) {
	account := c.defaults
	account.Server = server
	account.Name = name
	if name == "" {
		account.Name = server.AccountName()
	}
	account.Store = dir
	account.Adhoc = true
	if err := overlayEnvironment(&account, c.env); err != nil {
		return Account{}, err
	}
	if err := errors.Join(checkServer(account), checkOAuth(account)); err != nil {
		return Account{}, err
	}
	return account, nil
}

// Nearest returns the configured account's name that looks most like name, or
// "" if none does.
func (c *Config) Nearest(name string) string {
	names := make([]string, len(c.accounts))
	for i, account := range c.accounts {
		names[i] = account.Name
	}
	return nearest(name, names)
}

// Builtin makes an account of which nothing is configured.
func Builtin(name string, server Server, dir string) Account {
	account := builtin(name)
	account.Server, account.Store, account.Adhoc = server, dir, true
	return account
}
