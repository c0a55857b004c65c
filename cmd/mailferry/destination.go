package main

import (
	"fmt"

	"mailferry/cmd/internal/config"
)

// roleTo is the part that the server in --to plays: its password may be in
// MAILFERRY_PASSWORD_TO.
const roleTo = "TO"

// destination is the server in --to: a configured account or a URL.
func (a *app) destination(to, store string) (target, error) {
	loaded, err := a.loadConfig()
	if err != nil {
		return target{}, err
	}
	if account, ok := loaded.Account(to); ok {
		return target{account: account, typed: to}, nil
	}
	if config.IsURL(to) {
		server, err := config.ParseURL(to)
		if err != nil {
			return target{}, err
		}
		account, err := loaded.Adhoc("", server, store)
		return target{account: account, typed: quoted(to)}, err
	}
	hint := "--to takes an account of the configuration or a URL: imaps://user@imap.example.com"
	if near := loaded.Nearest(to); near != "" {
		hint = fmt.Sprintf("did you mean %q?", near)
	}
	return target{}, hintedError{fmt.Errorf("%s: no account of that name: %w", to, errNotSetUp), hint}
}
