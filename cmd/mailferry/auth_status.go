package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/dustin/go-humanize"

	"mailferry/cmd/internal/config"
	"mailferry/cmd/internal/ui"
	"mailferry/cmd/internal/vault"
)

// The states of a login, as far as this machine knows.
const (
	loginReady   = "ready"
	loginSoon    = "expires-soon"
	loginExpired = "expired"
	loginRefused = "refused"
	loginMissing = "missing"
	loginUnknown = "unknown" // a command knows, or somebody is asked
)

// soon is how long before its end a login is warned about: Google's last seven
// days for clients that are being tested.
const soon = 3 * 24 * time.Hour

// loginState is how an account logs in. As JSON it is the auth object.
type loginState struct {
	Type    string `json:"type"`
	Account string `json:"account"`
	// Method is oauth, token_command, password, or the value of auth.
	Method string `json:"method"`
	// StoredIn is keyring, file, password_command and so on.
	StoredIn string `json:"stored_in,omitempty"`
	State    string `json:"state"`
	// AccessExpires is the access token's end, which renews itself;
	// LoginExpires the sign-in's.
	AccessExpires *time.Time `json:"access_expires,omitempty"`
	LoginExpires  *time.Time `json:"login_expires,omitempty"`
	SignedIn      *time.Time `json:"signed_in,omitempty"`
	Reason        string     `json:"reason,omitempty"`
	Next          string     `json:"next,omitempty"`
}

// authStatus tells about each account.
func (a *app) authStatus(ctx context.Context, targets []target) error {
	code := exitDone
	var states []loginState
	for _, t := range targets {
		s := a.loginState(ctx, t.account)
		code = worse(code, s.exitCode())
		states = append(states, s)
		if a.flags.json {
			ui.WriteJSON(a.out(), s)
		}
	}
	a.authSummary("status", code, map[string]any{"accounts": len(states)})
	if !a.flags.json {
		if err := a.tellLogins(states); err != nil {
			return err
		}
	}
	for _, s := range states {
		if s.exitCode() != exitDone {
			a.console.Error(s.Account+": "+s.text(), s.Next)
		}
	}
	return status(code)
}

func (a *app) tellLogins(states []loginState) error {
	table := tabwriter.NewWriter(a.out(), 0, 8, 2, ' ', 0)
	fmt.Fprintln(table, "ACCOUNT\tLOGIN\tKEPT IN\tSTATE\tENDS")
	for _, s := range states {
		ends := "-"
		switch {
		case s.LoginExpires != nil:
			ends = agoText(s.LoginExpires)
		case s.Method == "oauth" && s.State == loginReady:
			ends = "renews itself"
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", ui.Escape(s.Account), s.Method, cmp.Or(s.StoredIn, "-"), s.State, ends)
	}
	return table.Flush()
}

// loginState finds out what can be known without asking anybody.
func (a *app) loginState(ctx context.Context, account config.Account) loginState {
	s := loginState{Type: "auth", Account: account.Name, State: loginUnknown}
	switch {
	case !account.UsesToken():
		a.passwordState(ctx, account, &s)
	case account.OAuth.IsSet():
		a.tokenState(ctx, account, &s)
	default:
		s.Method, s.StoredIn = "token_command", "token_command"
		if len(account.TokenCommand) == 0 {
			s.StoredIn, s.State, s.Next = "", loginMissing, "set oauth_client_id or token_command: mailferry help oauth"
		}
	}
	return s
}

func (a *app) tokenState(ctx context.Context, account config.Account, s *loginState) {
	s.Method = "oauth"
	client := a.oauthClient(account)
	token, place, err := a.tokenStore(account.Name).Load(ctx)
	s.StoredIn = string(place)
	signIn := "mailferry auth login " + quoted(account.Name)
	switch {
	case errors.Is(err, vault.ErrNotFound):
		s.State, s.Next = loginMissing, signIn
		if errors.Is(err, vault.ErrNoKeyring) && a.env("DBUS_SESSION_BUS_ADDRESS") != "" {
			s.Reason = "the keyring does not answer, and no file has a token"
		}
		return
	case err != nil:
		s.State, s.Reason, s.Next = loginRefused, err.Error(), hintFor(signInHint(account, err), signIn)
		return
	case !token.IsOf(client):
		s.State, s.Reason, s.Next = loginMissing, "signed in with another client ID or at another address", signIn
		return
	}
	s.SignedIn = &token.SignedIn
	if !token.Expiry.IsZero() {
		s.AccessExpires = &token.Expiry
	}
	end := token.LoginExpiry
	if token.Refresh == "" {
		end = token.Expiry
	}
	if !end.IsZero() {
		s.LoginExpires = &end
	}
	switch {
	case token.Refused != "":
		s.State, s.Reason, s.Next = loginRefused, token.Refused, signIn
		if token.Reason != "" {
			s.Reason += ": " + token.Reason
		}
	case end.IsZero():
		s.State = loginReady
	case time.Now().After(end):
		s.State, s.Next = loginExpired, signIn
	case time.Until(end) < soon:
		s.State, s.Next = loginSoon, signIn
	default:
		s.State = loginReady
	}
}

// passwordState names the source that will be asked. Commands are not run.
func (a *app) passwordState(ctx context.Context, account config.Account, s *loginState) {
	s.Method = "password"
	if account.Auth == "external" {
		s.Method = account.Auth
		return
	}
	secrets := a.secrets(account)
	source, isThere := secrets.PasswordSource(ctx)
	s.StoredIn = source
	if isThere {
		s.State = loginReady
	}
}

func (s loginState) exitCode() int {
	switch s.State {
	case loginExpired, loginRefused, loginMissing:
		return exitAuth
	}
	return exitDone
}

// text says in words what is wrong, or will be.
func (s loginState) text() string {
	text := "not signed in"
	switch s.State {
	case loginExpired:
		text = "the sign-in ended " + humanize.Time(*s.LoginExpires)
	case loginSoon:
		text = "the sign-in ends " + humanize.Time(*s.LoginExpires)
	case loginRefused:
		text = "the token cannot be renewed or read"
	}
	if s.Reason != "" {
		text += " (" + s.Reason + ")"
	}
	return text
}

// noteLogin warns in status about a login that has ended or will.
func (h *health) noteLogin(s loginState) {
	h.LoginExpires = s.LoginExpires
	if s.State == loginSoon || s.exitCode() != exitDone {
		h.ExitCode = worse(h.ExitCode, s.exitCode())
		h.Notes = append(h.Notes, s.text()+": "+s.Next)
	}
}
