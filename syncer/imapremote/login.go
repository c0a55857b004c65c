package imapremote

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/emersion/go-imap/v2/imapclient"
	"github.com/emersion/go-sasl"

	"mailferry/syncer/imapremote/wire"
	"mailferry/syncer/mailbox"
)

// The values of Options.Auth.
const (
	AuthAuto        = "auto"
	AuthPlain       = "plain"
	AuthLogin       = "login"
	AuthXOAuth2     = "xoauth2"
	AuthOAuthBearer = "oauthbearer"
	AuthExternal    = "external"
	// AuthBearer is XOAUTH2 or OAUTHBEARER, whichever is offered.
	AuthBearer = "bearer"
)

// chooseAuth says how to log in, given what is configured and what the server
// offers. Nothing was sent yet that is worth stealing. Errors wrap
// mailbox.ErrAuth.
func chooseAuth(configured string, caps capabilities) (string, error) {
	switch configured {
	case "", AuthAuto:
		switch {
		case caps.has("AUTH=PLAIN"):
			return AuthPlain, nil
		case caps.has("LOGINDISABLED"):
			return "", fmt.Errorf("%w: the server takes no passwords on this connection (LOGINDISABLED) and offers %s", mailbox.ErrAuth, offered(caps))
		}
		return AuthLogin, nil
	case AuthLogin:
		if caps.has("LOGINDISABLED") {
			return "", fmt.Errorf("%w: the server has disabled LOGIN on this connection (LOGINDISABLED) and offers %s", mailbox.ErrAuth, offered(caps))
		}
		return AuthLogin, nil
	case AuthBearer:
		// Where both are offered, XOAUTH2 is the one that has been tried most.
		if !caps.has("AUTH=XOAUTH2") && caps.has("AUTH=OAUTHBEARER") {
			return AuthOAuthBearer, nil
		}
		return chooseAuth(AuthXOAuth2, caps)
	case AuthPlain, AuthXOAuth2, AuthOAuthBearer, AuthExternal:
		if !caps.has("AUTH=" + strings.ToUpper(configured)) {
			return "", fmt.Errorf("%w: the server does not offer %s; it offers %s", mailbox.ErrAuth, strings.ToUpper(configured), offered(caps))
		}
		return configured, nil
	}
	return "", fmt.Errorf("%w: %q is not a way to log in", mailbox.ErrAuth, configured)
}

// offered lists the SASL mechanisms that a server offers.
func offered(caps capabilities) string {
	var mechanisms []string
	for _, name := range caps.names() {
		if mechanism, found := strings.CutPrefix(name, "AUTH="); found {
			mechanisms = append(mechanisms, mechanism)
		}
	}
	if len(mechanisms) == 0 {
		return "no SASL mechanism"
	}
	return strings.Join(mechanisms, ", ")
}

// login authenticates; again is Secret.Settle's. The error never holds what
// was sent.
func (a *Account) login(ctx context.Context, s *session, caps capabilities) (again bool, err error) {
	how, err := chooseAuth(a.opts.Auth, caps)
	if err != nil {
		return false, err
	}
	if how == AuthExternal {
		return false, authError(a.authenticate(ctx, s, sasl.NewExternalClient(a.opts.User)))
	}
	kind, secret := "password", a.password
	if how == AuthXOAuth2 || how == AuthOAuthBearer {
		kind, secret = "token", a.token
	}
	value, err := secret.Get(ctx)
	if err != nil {
		return false, fmt.Errorf("%s: %w", kind, err)
	}
	switch how {
	case AuthXOAuth2, AuthOAuthBearer:
		err = a.authenticate(ctx, s, a.bearer(how, value))
	case AuthPlain:
		err = a.authenticate(ctx, s, sasl.NewPlainClient("", a.opts.User, value))
	default:
		err = s.control(ctx, "LOGIN", func() error { return login(s.client, a.opts.User, value) })
	}
	err = wire.Hide(err, a.opts.User, value, a.opts.Dialer.Addr)
	err = authError(err)
	return secret.Settle(value, err), err
}

// authenticate runs a SASL exchange. A server that refuses a token waits for
// an answer before it counts the exchange as ended.
func (a *Account) authenticate(ctx context.Context, s *session, mechanism sasl.Client) error {
	err := s.control(ctx, "AUTHENTICATE", func() error { return s.client.Authenticate(mechanism) })
	var refusal *wire.TokenRefusal
	if errors.As(err, &refusal) {
		// The session ends here; what the server says to it changes nothing.
		_, _ = io.WriteString(s.conn, base64.StdEncoding.EncodeToString(refusal.Answer)+"\r\n")
	}
	return err
}

func (a *Account) bearer(how, token string) sasl.Client {
	if how == AuthXOAuth2 {
		return wire.XOAuth2(a.opts.User, token)
	}
	return wire.OAuthBearer(a.opts.User, token, a.opts.Dialer.Addr)
}

// login refuses what would end the command line early.
func login(client *imapclient.Client, user, password string) error {
	if strings.ContainsAny(user+password, "\x00\r\n") {
		return fmt.Errorf("%w: user name or password holds NUL, CR or LF", mailbox.ErrAuth)
	}
	return client.Login(user, password).Wait()
}

// authError makes a refusal of the login an mailbox.ErrAuth, unless the server
// said that it is for now only.
func authError(err error) error {
	var r *wire.TokenRefusal
	if errors.As(err, &r) {
		return fmt.Errorf("%w: %w", mailbox.ErrAuth, err)
	}
	var refused *mailbox.ServerError
	if !errors.As(err, &refused) || refused.Status != "NO" || refused.Kind != nil {
		return err
	}
	if tooMany(refused.Text) {
		refused.Kind = mailbox.ErrUnavailable
	} else {
		refused.Kind = mailbox.ErrAuth
	}
	return err
}

// tooMany recognises a limit on connections that came without a code.
func tooMany(text string) bool {
	text = strings.ToLower(text)
	return strings.Contains(text, "too many") || strings.Contains(text, "maximum number of connections") ||
		strings.Contains(text, "connection limit") || strings.Contains(text, "simultaneous")
}
