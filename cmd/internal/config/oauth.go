package config

import (
	"fmt"
	"net/url"
	"strings"
)

// The values of OAuth.Provider.
const (
	ProviderGoogle    = "google"
	ProviderMicrosoft = "microsoft"
)

// OAuth is what is configured about getting tokens. The client is the user's
// own: none is shipped.
type OAuth struct {
	// Provider is ProviderGoogle, ProviderMicrosoft or "", and fills in what is
	// not given below.
	Provider string
	ClientID string
	// SecretCommand prints the client's secret, SecretFile has it; many clients
	// have none.
	SecretCommand []string
	SecretFile    string
	// Tenant is Microsoft's; "" is common.
	Tenant                       string
	AuthURL, TokenURL, DeviceURL string
	Scopes                       []string
}

// IsSet reports whether tokens are got by us.
func (o OAuth) IsSet() bool { return o.ClientID != "" }

// UsesToken reports whether the account logs in with an OAuth2 token.
func (a Account) UsesToken() bool {
	switch a.Auth {
	case "xoauth2", "oauthbearer":
		return true
	case "auto":
		return len(a.TokenCommand) > 0 || a.OAuth.IsSet()
	}
	return false
}

// checkOAuth checks what the keys say together. Errors are of type *Error.
func checkOAuth(a Account) error {
	o := a.OAuth
	isKnown := o.Provider != ""
	isAny := isKnown || o.Tenant != "" || o.AuthURL+o.TokenURL+o.DeviceURL != "" || len(o.Scopes) > 0 ||
		o.SecretFile != "" || len(o.SecretCommand) > 0
	fail := func(key, message, hint string) error { return &Error{Key: key, Message: message, Hint: hint} }
	switch {
	case !o.IsSet() && !isAny:
		return nil
	case !o.IsSet():
		topic := "oauth"
		if isKnown {
			topic += "-" + o.Provider
		}
		return fail("oauth_client_id", "is missing", "how to get one: mailferry help "+topic)
	case len(a.TokenCommand) > 0:
		return fail("token_command", "and oauth_client_id exclude each other", "keep the one that shall get the tokens")
	case o.SecretFile != "" && len(o.SecretCommand) > 0:
		return fail("oauth_client_secret_file", "and oauth_client_secret_command exclude each other", "keep one of them")
	case o.Tenant != "" && o.Provider != ProviderMicrosoft:
		return fail("oauth_tenant", "is Microsoft's", `set oauth_provider = "microsoft", or leave it out`)
	case !isKnown && o.TokenURL == "":
		return fail("oauth_token_url", "is missing", `give the provider's addresses, or oauth_provider = "google" or "microsoft"`)
	case !isKnown && o.AuthURL == "" && o.DeviceURL == "":
		return fail("oauth_auth_url", "is missing", "give oauth_auth_url, oauth_device_url, or both: the provider's documentation names them")
	case !isKnown && len(o.Scopes) == 0:
		return fail("oauth_scopes", "is missing", "what is asked for: the provider's documentation names it")
	}
	return nil
}

// endpoint reads the URL of an authorization server. Codes and tokens travel
// there: never in the clear, except within this machine.
func (v value) endpoint(target *string) error {
	text, err := v.text()
	if err != nil || text == "" {
		*target = text
		return err
	}
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || u.User != nil || u.Fragment != "":
		return fmt.Errorf("is not a URL such as https://login.example.com/token")
	case u.Scheme == "https":
	case u.Scheme != "http" || !(Server{Host: u.Hostname()}).IsLoopback():
		return fmt.Errorf("does not begin with https://")
	}
	*target = text
	return nil
}

// tenant reads what becomes a part of a path.
func (v value) tenant(target *string) error {
	text, err := v.text()
	isOdd := func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '.'
	}
	if err == nil && (strings.ContainsFunc(text, isOdd) || strings.Trim(text, ".") != text) {
		err = fmt.Errorf("%.60q is not a tenant", text)
	}
	*target = text
	return err
}
