package main

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"time"

	"mailferry/cmd/internal/config"
	"mailferry/cmd/internal/oauth"
	"mailferry/cmd/internal/vault"
	"mailferry/syncer/imapremote"
	"mailferry/syncer/mailbox"
)

// tokens returns what gives the account's OAuth2 access tokens.
func (a *app) tokens(account config.Account) func(ctx context.Context, refused string) (string, time.Time, error) {
	source := oauth.Source{Client: a.oauthClient(account), Store: a.tokenStore(account.Name), Log: a.log.With("account", account.Name)}
	return func(ctx context.Context, refused string) (token string, until time.Time, err error) {
		if account.OAuth.IsSet() {
			token, until, err = source.Token(ctx, refused)
		} else {
			token, err = a.secrets(account).Token(ctx)
		}
		return token, until, signInHint(account, err)
	}
}

// oauthClient is the client that the account's owner has registered.
func (a *app) oauthClient(account config.Account) oauth.Client {
	o := account.OAuth
	client := oauth.Client{
		ID: o.ClientID, Secret: a.secrets(account).ClientSecret,
		AuthURL: o.AuthURL, TokenURL: o.TokenURL, DeviceURL: o.DeviceURL, Scopes: o.Scopes,
	}
	switch o.Provider {
	case config.ProviderGoogle:
		client = oauth.Google(client)
	case config.ProviderMicrosoft:
		client = oauth.Microsoft(client, o.Tenant, account.Server.Protocol)
	default:
		return client
	}
	if client.Extra == nil {
		client.Extra = map[string]string{}
	}
	if strings.Contains(account.Server.User, "@") {
		client.Extra["login_hint"] = account.Server.User
	}
	return client
}

func (a *app) tokenStore(account string) oauth.Store {
	return oauth.Store{
		Account: account, Keyring: vault.Desktop(a.env),
		Folder: vault.Folder{Dir: filepath.Join(config.StateDir(a.env), "tokens")},
	}
}

// signInHint names the command that helps against a refused or missing token.
func signInHint(account config.Account, err error) error {
	var hinted hintedError
	var exposed *vault.ExposedError
	switch {
	case err == nil || errors.As(err, &hinted) || config.HintOf(err) != "":
		return err
	case errors.As(err, &exposed):
		return hintedError{err, "whoever could read it can read the mail; sign in anew: mailferry auth login " + quoted(account.Name) +
			"\nor, if nobody did: chmod 600 " + quoted(exposed.Path)}
	case !account.UsesToken() || !errors.Is(err, mailbox.ErrAuth):
		return err
	case account.OAuth.IsSet():
		return hintedError{err, "mailferry auth login " + quoted(account.Name)}
	}
	return hintedError{err, "sign in anew with the program in token_command, and see what it prints (mailferry help oauth)"}
}

// authOf is how the account logs in: "auto" means a token where there is one.
func authOf(account config.Account) string {
	if account.Auth == "auto" && account.UsesToken() {
		return imapremote.AuthBearer
	}
	return account.Auth
}
