package pop3remote_test

import (
	"context"
	"crypto/md5"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"mailferry/syncer/imapremote/wire"
	"mailferry/syncer/mailbox"
	"mailferry/syncer/pop3remote"
	"mailferry/syncer/synctest"
)

const stamp = "<1896.697170952@pop.example.org>"

func b64(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }

func TestLoginSaysWhatTheServerTakes(t *testing.T) {
	long := strings.Repeat("t", 400)
	bearer := "user=me\x01auth=Bearer "
	digest := md5.Sum([]byte(stamp + "secret"))
	for _, c := range []struct {
		name, auth, greeting, capa, token string
		want                              []string // what is sent until the login is over
	}{
		{"SASL PLAIN first", "", "", "", "", []string{"CAPA", "AUTH PLAIN " + b64("\x00me\x00secret")}},
		{"without CAPA", "", "", "-", "", []string{"CAPA", "USER me", "PASS secret"}},
		{"USER alone", "", "", "UIDL\r\nTOP\r\nPIPELINING\r\nUSER\r\n", "", []string{"CAPA", "USER me", "PASS secret"}},
		{"APOP in the clear", "", "+OK " + stamp + "\r\n", "", "", []string{"CAPA", "APOP me " + hex.EncodeToString(digest[:])}},
		{"a timestamp that is none", "", "+OK <x\xff@y>\r\n", "", "", []string{"CAPA", "AUTH PLAIN " + b64("\x00me\x00secret")}},
		{"LOGIN", "login", "", "", "", []string{"CAPA", "AUTH LOGIN", b64("me"), b64("secret")}},
		{"login without SASL", "login", "", "UIDL\r\nTOP\r\nPIPELINING\r\n", "", []string{"CAPA", "USER me", "PASS secret"}},
		{"XOAUTH2", "xoauth2", "", "UIDL\r\nTOP\r\nPIPELINING\r\nSASL XOAUTH2\r\n", "tok", []string{"CAPA", "AUTH XOAUTH2 " + b64(bearer+"tok\x01\x01")}},
		// 255 octets are all that a line with AUTH may have. (RFC 5034, section 4)
		{"XOAUTH2, long", "xoauth2", "", "UIDL\r\nTOP\r\nPIPELINING\r\nSASL XOAUTH2\r\n", long, []string{"CAPA", "AUTH XOAUTH2", b64(bearer + long + "\x01\x01")}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var heard []string
			s := start(t, &pop3Server{greeting: c.greeting, capa: c.capa, login: func(command string, more func(string) string) bool {
				switch command {
				case "AUTH XOAUTH2":
					heard = append(heard, more(""))
				case "AUTH LOGIN":
					heard = append(heard, more(b64("Username:")), more(b64("Password:")))
				}
				return true
			}})
			options := s.options()
			options.Auth = c.auth
			options.Token = func(context.Context, string) (string, time.Time, error) { return c.token, time.Time{}, nil }
			open(t, options)
			s.mu.Lock()
			defer s.mu.Unlock()
			if got := append(slices.Clone(s.commands), heard...); !slices.Equal(got, c.want) {
				t.Errorf("sent %q, want %q", got, c.want)
			}
		})
	}
}

func TestLoginErrorsAreToldApart(t *testing.T) {
	for _, c := range []struct {
		name, auth, capa, refusal string
		want                      error
	}{
		{"wrong password", "", "", "-ERR [AUTH] no\r\n", mailbox.ErrAuth},
		{"wrong password without a code", "", "", "-ERR Authentication failed.\r\n", mailbox.ErrAuth},
		{"locked", "", "", "-ERR [IN-USE] another session\r\n", mailbox.ErrUnavailable},
		{"locked without a code", "", "", "-ERR mailbox is locked by another process\r\n", mailbox.ErrUnavailable},
		{"too often", "", "", "-ERR [LOGIN-DELAY] wait\r\n", mailbox.ErrUnavailable},
		{"trouble", "", "", "-ERR [SYS/TEMP] disk\r\n", mailbox.ErrUnavailable},
		{"trouble with details", "", "", "-ERR [SYS/TEMP/DISK] disk\r\n", mailbox.ErrUnavailable},
		{"hung up", "", "", "", mailbox.ErrNetwork},
		{"nonsense", "", "", "* OK IMAP\r\n", mailbox.ErrProtocol},
		{"endless", "", "", "+" + strings.Repeat("x", 100_000), mailbox.ErrProtocol},
		{"no such mechanism", "xoauth2", "", "", mailbox.ErrAuth},
		{"no timestamp", "apop", "", "", mailbox.ErrAuth},
		{"no passwords at all", "", "SASL XOAUTH2\r\n", "", mailbox.ErrAuth},
		{"token refused", "xoauth2", "SASL XOAUTH2\r\n", "+ " + b64(`{"status":"401"}`) + "\r\n", mailbox.ErrAuth},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := start(t, &pop3Server{capa: c.capa, answer: func(_ int, command string) (string, bool) {
				return c.refusal, strings.HasPrefix(command, "AUTH")
			}})
			options := s.options()
			options.Auth = c.auth
			options.Token = func(context.Context, string) (string, time.Time, error) { return "secret", time.Time{}, nil }
			account, err := pop3remote.Open(t.Context(), options)
			if !errors.Is(err, c.want) {
				t.Errorf("error %v, want %v", err, c.want)
			}
			if account != nil || strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), b64("\x00me\x00secret")) {
				t.Errorf("error %v", err)
			}
		})
	}
}

// The server waits for an answer to its challenge: an empty line, or %x01 for
// OAUTHBEARER. (RFC 7628, section 3.2.3)
func TestRefusedTokenIsAnswered(t *testing.T) {
	for auth, want := range map[string]string{"xoauth2": "", "oauthbearer": "AQ=="} {
		answers := make(chan string, 2)
		s := start(t, &pop3Server{capa: "SASL XOAUTH2 OAUTHBEARER\r\n", login: func(_ string, more func(string) string) bool {
			answers <- more(b64(`{"status":"401","scope":"https://mail.example.org/"}`))
			return false
		}})
		options := s.options()
		options.Auth = auth
		options.Token = func(context.Context, string) (string, time.Time, error) { return "canary", time.Time{}, nil }
		_, err := pop3remote.Open(t.Context(), options)
		if !errors.Is(err, mailbox.ErrAuth) || !strings.Contains(err.Error(), "401") || !strings.Contains(err.Error(), "mail.example.org") {
			t.Errorf("%s: %v", auth, err)
		}
		if got := <-answers; got != want {
			t.Errorf("%s: the challenge is answered with %q, want %q", auth, got, want)
		}
	}
}

func TestExpiredTokenIsAskedForAgain(t *testing.T) {
	s := start(t, &pop3Server{capa: "SASL XOAUTH2\r\nUIDL\r\nTOP\r\nPIPELINING\r\n"})
	s.login = func(command string, _ func(string) string) bool {
		_, response, _ := strings.Cut(strings.TrimPrefix(command, "AUTH "), " ")
		octets, _ := base64.StdEncoding.DecodeString(response)
		s.mu.Lock()
		defer s.mu.Unlock()
		return strings.Contains(string(octets), map[bool]string{true: "old", false: "new"}[s.sessions == 1])
	}
	options := s.options()
	asked := 0
	options.Auth = "xoauth2"
	options.Token = func(context.Context, string) (string, time.Time, error) {
		asked++
		return []string{"old", "new", "newer"}[asked-1], time.Time{}, nil
	}
	a := open(t, options)
	for range 3 { // each looks anew, in a session of its own
		if _, err := a.Observe(t.Context(), mailbox.Inbox, mailbox.Since{}, func(mailbox.RemoteMessage) error { return nil }); err != nil {
			t.Fatal(err)
		}
	}
	if asked != 2 {
		t.Errorf("asked %d times", asked)
	}
}

// certified makes certificates and how each side uses them.
func certified(t *testing.T) (server, client *tls.Config) {
	t.Helper()
	dir := t.TempDir()
	if err := synctest.WriteCertificates(dir); err != nil {
		t.Fatal(err)
	}
	pair, err := tls.LoadX509KeyPair(filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"))
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{pair}}, trusting(t, filepath.Join(dir, "ca.pem"))
}

// trusting trusts one authority.
func trusting(t *testing.T, caFile string) *tls.Config {
	t.Helper()
	ca, err := os.ReadFile(caFile)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	return &tls.Config{RootCAs: roots}
}

func TestNoCredentialBeforeVerifiedTLS(t *testing.T) {
	server, client := certified(t)
	const capa = "STLS\r\nUIDL\r\nTOP\r\nPIPELINING\r\nUSER\r\nSASL PLAIN\r\n"
	for _, c := range []struct {
		name, capa, stls string
		client           *tls.Config
		want             error
	}{
		{"not offered", "UIDL\r\nUSER\r\nSASL PLAIN\r\n", "+", client, mailbox.ErrTLS},
		{"refused", capa, "-ERR not today\r\n", client, mailbox.ErrTLS},
		{"refused without CAPA", "-", "-ERR what?\r\n", client, mailbox.ErrTLS},
		{"refused for now", capa, "-ERR [SYS/TEMP] not today\r\n", client, mailbox.ErrUnavailable},
		{"plaintext behind it", capa, "+OK go on\r\n+OK and you are logged in\r\n", client, mailbox.ErrProtocol},
		{"an octet behind it", capa, "+OK go on\r\n+", client, mailbox.ErrProtocol},
		{"a certificate of nobody", capa, "+", &tls.Config{RootCAs: x509.NewCertPool()}, mailbox.ErrTLS},
		{"silence", capa, "", client, mailbox.ErrNetwork},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := start(t, &pop3Server{capa: c.capa, tls: server.Clone(), greeting: "+OK " + stamp + "\r\n"})
			s.answer = func(_ int, command string) (string, bool) {
				if command == "STLS" && c.stls == "" {
					time.Sleep(time.Second)
				}
				return c.stls, command == "STLS" && c.stls != "+"
			}
			options := s.options()
			options.Dialer.Security, options.Dialer.TLS = wire.StartTLS, c.client
			options.Dialer.ConnectTimeout = 500 * time.Millisecond
			if _, err := pop3remote.Open(t.Context(), options); !errors.Is(err, c.want) {
				t.Errorf("error %v, want %v", err, c.want)
			}
			for _, verb := range []string{"AUTH", "USER", "PASS", "APOP"} {
				if s.sent(verb) > 0 {
					t.Errorf("sent %s: %q", verb, s.commands)
				}
			}
		})
	}
}

func TestCapabilitiesAreAskedAgainBehindTLS(t *testing.T) {
	server, client := certified(t)
	s := start(t, &pop3Server{tls: server, greeting: "+OK " + stamp + "\r\n", letters: mails(1, 3)})
	s.answer = func(_ int, command string) (string, bool) {
		// In the clear somebody may have said anything.
		if s.sent("STLS") == 0 && command == "CAPA" {
			return "+OK\r\nSTLS\r\nSASL EXTERNAL\r\n.\r\n", true
		}
		return "", false
	}
	options := s.options()
	options.Dialer.Security, options.Dialer.TLS = wire.StartTLS, client
	a := open(t, options)
	if s.sent("CAPA") != 2 || s.sent("AUTH PLAIN") != 1 || s.sent("APOP") != 0 {
		t.Errorf("sent %q", s.commands)
	}
	seen, err := a.Observe(t.Context(), mailbox.Inbox, mailbox.Since{}, func(mailbox.RemoteMessage) error { return nil })
	if err != nil || seen.Status.Messages != 3 || !seen.Complete {
		t.Errorf("%+v, %v", seen, err)
	}
}
