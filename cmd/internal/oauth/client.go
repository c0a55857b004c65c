package oauth

import (
	"context"
	"errors"
	"net/http"
	"time"

	"golang.org/x/oauth2"
)

// Client is an OAuth2 client, which its user has registered.
type Client struct {
	ID string
	// Secret returns the client's secret; nil or "": it has none.
	Secret func(ctx context.Context) (string, error)
	// The addresses of the authorization server; AuthURL or DeviceURL may be
	// "", which rules the way of signing in out.
	AuthURL, TokenURL, DeviceURL string
	Scopes                       []string
	// RedirectHost is the loopback address as it was registered: "127.0.0.1"
	// (also for "") or "localhost".
	RedirectHost string
	// Extra are further parameters of the page to sign in at.
	Extra map[string]string
	// InParams says that the server takes the client's secret among the
	// parameters; else it goes into the header, as every server has to
	// understand. (RFC 6749, section 2.3.1)
	InParams bool
	// HTTP talks to the server; nil: an http.Client that follows no redirect.
	HTTP *http.Client
}

// answerLimit is how long an authorization server may take to answer.
const answerLimit = 30 * time.Second

// noRedirect keeps what is sent at the address that was configured.
func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// exchange calls do with the library's view of the client. A server that does
// not know the header is tried once more with parameters. doing is for errors,
// which never hold what is in hide when do has ended.
func (c Client) exchange(
	ctx context.Context, doing, redirect string, hide *[]string, do func(context.Context, *oauth2.Config) (*oauth2.Token, error),
) (Token, error) {
	secret := ""
	if c.Secret != nil {
		var err error
		if secret, err = c.Secret(ctx); err != nil {
			return Token{}, err
		}
	}
	client := c.HTTP
	if client == nil {
		client = &http.Client{Timeout: answerLimit, CheckRedirect: noRedirect}
	}
	talk := context.WithValue(ctx, oauth2.HTTPClient, client)
	config := &oauth2.Config{
		ClientID: c.ID, ClientSecret: secret, RedirectURL: redirect, Scopes: c.Scopes,
		Endpoint: oauth2.Endpoint{AuthURL: c.AuthURL, TokenURL: c.TokenURL, DeviceAuthURL: c.DeviceURL, AuthStyle: oauth2.AuthStyleInHeader},
	}
	if c.InParams || secret == "" {
		config.Endpoint.AuthStyle = oauth2.AuthStyleInParams
	}
	raw, err := do(talk, config)
	var refused *oauth2.RetrieveError
	if errors.As(err, &refused) && refused.ErrorCode == "invalid_client" && config.Endpoint.AuthStyle == oauth2.AuthStyleInHeader {
		config.Endpoint.AuthStyle = oauth2.AuthStyleInParams
		raw, err = do(talk, config)
	}
	if err != nil {
		return Token{}, explain(ctx, doing, err, append(*hide, secret))
	}
	return c.token(raw)
}

// Renew exchanges a refresh token. Errors are a Refusal, or wrap
// mailbox.ErrNetwork, ErrTLS, ErrUnavailable or ErrProtocol, or are Secret's.
func (c Client) Renew(ctx context.Context, old Token) (Token, error) {
	hide := []string{old.Refresh, old.Access}
	fresh, err := c.exchange(ctx, "renew the token", "", &hide, func(ctx context.Context, config *oauth2.Config) (*oauth2.Token, error) {
		// The library's source is asked once: it has no access token.
		return config.TokenSource(ctx, &oauth2.Token{RefreshToken: old.Refresh}).Token()
	})
	if err != nil {
		return Token{}, err
	}
	fresh.SignedIn = old.SignedIn
	if fresh.LoginExpiry.IsZero() && fresh.Refresh == old.Refresh {
		fresh.LoginExpiry = old.LoginExpiry
	}
	if fresh.Scope == "" {
		fresh.Scope = old.Scope
	}
	return fresh, nil
}
