package imapremote

import (
	"context"
	"encoding/base64"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"mailferry/syncer/mailbox"
)

func TestWrongPasswordIsErrAuth(t *testing.T) {
	addr := startDovecot(t, "/", "")
	opts := options(t, addr, "user")
	opts.Password = func(context.Context) (string, error) { return "sesame-wrong", nil }
	for _, opts.Auth = range []string{AuthAuto, AuthPlain, AuthLogin} {
		a, err := Open(t.Context(), opts)
		if !errors.Is(err, mailbox.ErrAuth) {
			t.Errorf("%s: %v, %v", opts.Auth, a, err)
		}
		if err != nil && strings.Contains(err.Error(), "sesame") {
			t.Errorf("the password is in the error: %v", err)
		}
	}
	opts.Password = func(context.Context) (string, error) { return testPassword, nil }
	for _, opts.Auth = range []string{AuthAuto, AuthPlain, AuthLogin} {
		if _, err := open(t, opts).List(t.Context()); err != nil {
			t.Errorf("%s: %v", opts.Auth, err)
		}
	}
}

func TestRefusedLogins(t *testing.T) {
	for _, test := range []struct {
		greeting, answer string
		auth             string
		want             error
		sent             bool
	}{
		{fakeGreeting, "NO nope", "", mailbox.ErrAuth, true},
		{fakeGreeting, "NO [AUTHENTICATIONFAILED] nope", "", mailbox.ErrAuth, true},
		{fakeGreeting, "NO [ALERT] application password required", "", mailbox.ErrAuth, true},
		{fakeGreeting, "NO [UNAVAILABLE] later", "", mailbox.ErrUnavailable, true},
		{fakeGreeting, "NO [LIMIT] too many", "", mailbox.ErrUnavailable, true},
		{fakeGreeting, "NO [ALERT] Too many simultaneous connections.", "", mailbox.ErrUnavailable, true},
		{fakeGreeting, "* BYE [UNAVAILABLE] too many connections", "", mailbox.ErrUnavailable, true},
		{"* OK [CAPABILITY IMAP4rev1 LOGINDISABLED] hello", "OK", "", mailbox.ErrAuth, false},
		{"* OK [CAPABILITY IMAP4rev1 LOGINDISABLED] hello", "OK", AuthLogin, mailbox.ErrAuth, false},
		{"* OK [CAPABILITY IMAP4rev1 AUTH=GSSAPI] hello", "OK", AuthPlain, mailbox.ErrAuth, false},
		{fakeGreeting, "OK", AuthXOAuth2, mailbox.ErrAuth, false},
		{fakeGreeting, "OK", "rot13", mailbox.ErrAuth, false},
	} {
		server := startFake(t, test.greeting, func(_ int, line string) []string {
			switch {
			case strings.HasPrefix(line, "AUTHENTICATE"), strings.HasPrefix(line, "LOGIN"):
				if strings.HasPrefix(test.answer, "*") {
					return []string{test.answer, "HANGUP"}
				}
				return []string{test.answer}
			case line == "CAPABILITY":
				return []string{"BAD not now"}
			}
			return nil
		})
		opts := options(t, server.addr, "user")
		opts.Auth = test.auth
		_, err := Open(t.Context(), opts)
		if !errors.Is(err, test.want) {
			t.Errorf("%s %q: %v", test.auth, test.answer, err)
		}
		if sent := server.count("AUTHENTICATE")+server.count("LOGIN") > 0; sent != test.sent {
			t.Errorf("%s %q: %q", test.auth, test.answer, server.commands())
		}
	}
}

// A server should close the connection after BYE. One that does not, and never
// answers the login, is not waited for. (RFC 3501, section 7.1.5)
func TestServerThatSaysByeAndHoldsTheLineIsLeft(t *testing.T) {
	for _, last := range []string{"* BYE too many connections", "* BYE [AUTHENTICATIONFAILED] bad password"} {
		server := startFake(t, fakeGreeting, func(_ int, line string) []string {
			if strings.HasPrefix(line, "AUTHENTICATE") || strings.HasPrefix(line, "LOGIN") {
				return []string{last}
			}
			return nil
		})
		opts := options(t, server.addr, "user")
		opts.Dialer.Timeout = time.Minute
		began := time.Now()
		_, err := Open(t.Context(), opts)
		var refused *mailbox.ServerError
		if !errors.As(err, &refused) || refused.Status != "BYE" {
			t.Errorf("%s: %v", last, err)
		}
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("%s: it is waited for %v", last, took)
		}
	}
}

// The server waits for an answer to its challenge: an empty line, or %x01 for
// OAUTHBEARER. (RFC 7628, section 3.2.3)
func TestOAuthRefusalSaysWhatTheServerSaidAndIsAnswered(t *testing.T) {
	challenge := base64.StdEncoding.EncodeToString([]byte(`{"status":"401","schemes":"bearer","scope":"https://mail.example.org/"}`))
	for auth, want := range map[string]string{AuthXOAuth2: "", AuthOAuthBearer: "AQ=="} {
		answers := make(chan string, 4)
		server := startFake(t, "* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=XOAUTH2 AUTH=OAUTHBEARER] hello", func(_ int, line string) []string {
			if strings.HasPrefix(line, "AUTHENTICATE") {
				return []string{"+ " + challenge}
			}
			return []string{}
		})
		server.heard = func(line string) { answers <- line }
		opts := options(t, server.addr, "user")
		opts.Auth = auth
		opts.Token = func(context.Context, string) (string, time.Time, error) { return "bearer-secret", time.Time{}, nil }
		_, err := Open(t.Context(), opts)
		if !errors.Is(err, mailbox.ErrAuth) || !strings.Contains(err.Error(), "401") ||
			!strings.Contains(err.Error(), "https://mail.example.org/") || strings.Contains(err.Error(), "bearer-secret") {
			t.Errorf("%s: %v", auth, err)
		}
		<-answers // AUTHENTICATE
		if answer := <-answers; answer != want+"\r\n" {
			t.Errorf("%s: the challenge is answered with %q, want %q", auth, answer, want)
		}
	}
}

func TestBearerIsWhatTheServerOffers(t *testing.T) {
	for offer, want := range map[string]string{
		"AUTH=XOAUTH2": AuthXOAuth2, "AUTH=OAUTHBEARER": AuthOAuthBearer, "AUTH=OAUTHBEARER AUTH=XOAUTH2 AUTH=PLAIN": AuthXOAuth2, "AUTH=PLAIN": "",
	} {
		how, err := chooseAuth(AuthBearer, newCapabilities(strings.Fields(offer), nil))
		if how != want || (err == nil) != (want != "") {
			t.Errorf("%s: %q, %v", offer, how, err)
		}
	}
}

func TestExpiredTokenIsAskedForAgain(t *testing.T) {
	const user = "user=user\x01auth=Bearer "
	server := startFake(t, "* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=XOAUTH2] hello", func(n int, line string) []string {
		response, found := strings.CutPrefix(line, "AUTHENTICATE XOAUTH2 ")
		if !found {
			if line == "NOOP" || strings.HasPrefix(line, "LIST") && n == 1 {
				return nil
			}
			return nil
		}
		octets, _ := base64.StdEncoding.DecodeString(response)
		token := strings.Trim(strings.TrimPrefix(string(octets), user), "\x01")
		if n == 1 && token == "old" || n == 3 && token == "new" {
			return []string{"OK [CAPABILITY IMAP4rev1] welcome"}
		}
		return []string{"NO expired"}
	})
	opts := options(t, server.addr, "user")
	opts.Auth = AuthXOAuth2
	var asked []string
	opts.Token = func(_ context.Context, refused string) (string, time.Time, error) {
		asked = append(asked, refused)
		return []string{"old", "new", "newer"}[len(asked)-1], time.Time{}, nil
	}
	a := open(t, opts)
	s, err := a.pool.acquire(t.Context(), "", false)
	if err != nil {
		t.Fatal(err)
	}
	s.conn.Close()
	a.pool.release(s)
	if _, err := a.List(t.Context()); err != nil || !slices.Equal(asked, []string{"", "old"}) {
		t.Errorf("asked with %q: %v; %q", asked, err, server.commands())
	}
}

// A token that an earlier run left behind may have been revoked since.
func TestTokenThatIsRefusedAtFirstIsRenewedOnce(t *testing.T) {
	logins := 0
	server := startFake(t, "* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=XOAUTH2] hello", func(n int, line string) []string {
		if strings.HasPrefix(line, "AUTHENTICATE") {
			logins = n
			return []string{"NO [AUTHENTICATIONFAILED] Invalid credentials"}
		}
		return nil
	})
	opts := options(t, server.addr, "user")
	opts.Auth = AuthXOAuth2
	asked := 0
	opts.Token = func(context.Context, string) (string, time.Time, error) {
		asked++
		return strings.Repeat("t", asked), time.Time{}, nil
	}
	if _, err := Open(t.Context(), opts); !errors.Is(err, mailbox.ErrAuth) || asked != 2 || logins != 2 {
		t.Errorf("asked %d times, logged in %d times: %v", asked, logins, err)
	}
}
