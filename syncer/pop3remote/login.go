package pop3remote

import (
	"context"
	"crypto/md5"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

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
	AuthAPOP        = "apop"
	// AuthBearer is XOAUTH2 or OAUTHBEARER, whichever is offered.
	AuthBearer = "bearer"

	// authUser is USER and PASS, which need no SASL.
	authUser = "user"
)

// maxInitial is how long a line with AUTH and its initial response may be,
// CRLF included. (RFC 5034, section 4)
const maxInitial = 255

// chooseAuth says how to log in. Errors wrap mailbox.ErrAuth.
func (s *session) chooseAuth(configured string) (string, error) {
	mechanisms := s.caps.mechanisms()
	switch configured {
	case "", AuthAuto:
		return s.autoAuth(mechanisms)
	case AuthAPOP:
		if s.stamp == "" {
			return "", fmt.Errorf("%w: the server's greeting has no timestamp, which APOP needs", mailbox.ErrAuth)
		}
		return AuthAPOP, nil
	case AuthLogin:
		if !slices.Contains(mechanisms, "LOGIN") {
			return authUser, nil
		}
		return AuthLogin, nil
	case AuthBearer:
		if !slices.Contains(mechanisms, "XOAUTH2") && slices.Contains(mechanisms, "OAUTHBEARER") {
			return AuthOAuthBearer, nil
		}
		return s.chooseAuth(AuthXOAuth2)
	case AuthPlain, AuthXOAuth2, AuthOAuthBearer, AuthExternal:
		// A server without CAPA may know it all the same.
		if s.caps != nil && !slices.Contains(mechanisms, strings.ToUpper(configured)) {
			return "", fmt.Errorf("%w: the server does not offer %s; it offers %s", mailbox.ErrAuth, strings.ToUpper(configured), s.offers())
		}
		return configured, nil
	}
	return "", fmt.Errorf("%w: %q is not a way to log in", mailbox.ErrAuth, configured)
}

// autoAuth prefers what a server has always known how to check. APOP hides the
// password, which matters only where nothing else does, and is weak besides.
func (s *session) autoAuth(mechanisms []string) (string, error) {
	takesUser := s.caps == nil || s.caps.has("USER") || len(mechanisms) == 0
	switch {
	case s.stamp != "" && s.stream.Security() == wire.Plain:
		return AuthAPOP, nil
	case slices.Contains(mechanisms, "PLAIN"):
		return AuthPlain, nil
	case takesUser:
		return authUser, nil
	case slices.Contains(mechanisms, "LOGIN"):
		return AuthLogin, nil
	case s.stamp != "":
		return AuthAPOP, nil
	}
	return "", fmt.Errorf("%w: the server takes no passwords here; it offers %s", mailbox.ErrAuth, s.offers())
}

func (s *session) offers() string {
	if list := s.caps.mechanisms(); len(list) > 0 {
		return strings.Join(list, ", ")
	}
	return "no SASL mechanism"
}

// timestamp finds APOP's challenge in a greeting: a message-id in ASCII. Other
// octets would help whoever wants to find the password out from the answers.
// (RFC 1939, section 7; CVE-2007-1558)
func timestamp(greeting string) string {
	first, last := strings.IndexByte(greeting, '<'), strings.IndexByte(greeting, '>')
	if first < 0 || last < first {
		return ""
	}
	stamp := greeting[first : last+1]
	isOdd := func(r rune) bool { return r <= ' ' || r >= 0x7f }
	if strings.Count(stamp, "@") != 1 || strings.Count(stamp, "<") != 1 || strings.ContainsFunc(stamp, isOdd) {
		return ""
	}
	return stamp
}

// login authenticates; again is Secret.Settle's. The error never holds what was
// sent.
func (a *Account) login(ctx context.Context, s *session) (again bool, err error) {
	how, err := s.chooseAuth(a.opts.Auth)
	if err != nil {
		return false, err
	}
	kind, secret := "password", a.password
	if how == AuthXOAuth2 || how == AuthOAuthBearer {
		kind, secret = "token", a.token
	}
	value := ""
	if how != AuthExternal {
		if value, err = secret.Get(ctx); err != nil {
			return false, fmt.Errorf("%s: %w", kind, err)
		}
	}
	err = authError(s.authenticate(how, a.opts.User, value, a.opts.Dialer.Addr))
	err = wire.Hide(err, a.opts.User, value, a.opts.Dialer.Addr)
	return how != AuthExternal && secret.Settle(value, err), err
}

func (s *session) authenticate(how, user, secret, addr string) error {
	switch how {
	case AuthPlain:
		return s.sasl(sasl.NewPlainClient("", user, secret))
	case AuthLogin:
		return s.sasl(sasl.NewLoginClient(user, secret))
	case AuthXOAuth2:
		return s.sasl(wire.XOAuth2(user, secret))
	case AuthOAuthBearer:
		return s.sasl(wire.OAuthBearer(user, secret, addr))
	case AuthExternal:
		return s.sasl(sasl.NewExternalClient(user))
	}
	if strings.ContainsAny(user+secret, "\x00\r\n") {
		return fmt.Errorf("%w: user name or password holds NUL, CR or LF", mailbox.ErrAuth)
	}
	if how == AuthAPOP {
		digest := md5.Sum([]byte(s.stamp + secret))
		_, err := s.do("APOP " + user + " " + hex.EncodeToString(digest[:]))
		return err
	}
	if _, err := s.do("USER " + user); err != nil {
		return err
	}
	_, err := s.do("PASS " + secret)
	return err
}

// sasl runs an exchange. (RFC 5034, section 4)
func (s *session) sasl(client sasl.Client) error {
	mechanism, initial, err := client.Start()
	if err != nil {
		return err
	}
	command := "AUTH " + mechanism
	isPending := initial != nil
	// LOGIN is older than initial responses, and some servers know none for it.
	if text := encoded(initial); isPending && mechanism != sasl.Login && len(command)+1+len(text)+2 <= maxInitial {
		command += " " + text
		isPending = false
	}
	if err := s.send(command); err != nil {
		return err
	}
	for {
		challenge, isDone, err := s.challenge()
		if isDone || err != nil {
			return err
		}
		// The first challenge only asks for what did not fit the line.
		response := initial
		if !isPending {
			if response, err = client.Next(challenge); err != nil {
				s.answerRefusal(err)
				return fmt.Errorf("%w: %w", mailbox.ErrAuth, err)
			}
		}
		isPending = false
		if err := s.send(base64.StdEncoding.EncodeToString(response)); err != nil {
			return err
		}
	}
}

// answerRefusal ends the exchange in which a server refused a token: it waits
// for that, and what it says then changes nothing.
func (s *session) answerRefusal(err error) {
	var refusal *wire.TokenRefusal
	if errors.As(err, &refusal) {
		_ = s.send(base64.StdEncoding.EncodeToString(refusal.Answer))
	}
}

// encoded is an initial response; an empty one is a "=".
func encoded(initial []byte) string {
	if len(initial) == 0 {
		return "="
	}
	return base64.StdEncoding.EncodeToString(initial)
}

// challenge reads a line of an exchange; isDone says that it was +OK.
func (s *session) challenge() (challenge []byte, isDone bool, err error) {
	if err := s.in.need(2); err != nil {
		return nil, false, s.fail(fmt.Errorf("AUTH: %w", err))
	}
	if start := s.in.buf[s.in.r:]; start[0] != '+' || start[1] != ' ' && start[1] != '\r' {
		_, err := s.answer("AUTH")
		return nil, err == nil, err
	}
	line, err := s.in.line()
	if err == nil {
		challenge, err = base64.StdEncoding.DecodeString(strings.TrimSpace(string(line[1:])))
	}
	if err != nil {
		return nil, false, s.fail(fmt.Errorf("AUTH: %w: a challenge that cannot be read: %w", mailbox.ErrProtocol, err))
	}
	return challenge, false, nil
}
