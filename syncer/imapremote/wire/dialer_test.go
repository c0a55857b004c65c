package wire

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"math/big"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"mailferry/syncer/mailbox"
)

// certificate makes a self-signed one and the pool that trusts it.
func certificate(t testing.TB, host string, until time.Time) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: host}, DNSNames: []string{host},
		NotBefore: until.Add(-48 * time.Hour), NotAfter: until, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(cert)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}

// overTLS turns a script into one that begins with a handshake.
func overTLS(config *tls.Config, script func(p *peer)) func(p *peer) {
	return func(p *peer) {
		conn := tls.Server(p.conn, config)
		if conn.Handshake() != nil {
			return
		}
		script(&peer{t: p.t, conn: conn, in: bufio.NewReader(conn)})
	}
}

func TestDialTellsWhyItDoesNotTrust(t *testing.T) {
	day := 24 * time.Hour
	good, pool := certificate(t, "mail.example", time.Now().Add(day))
	expired, expiredPool := certificate(t, "mail.example", time.Now().Add(-day))
	pin := errors.New("not the pinned certificate")
	tests := []struct {
		name   string
		server *tls.Config
		client *tls.Config
		want   string
	}{
		{"trusted", &tls.Config{Certificates: []tls.Certificate{good}}, &tls.Config{RootCAs: pool, ServerName: "mail.example"}, ""},
		{"self-signed", &tls.Config{Certificates: []tls.Certificate{good}}, &tls.Config{ServerName: "mail.example"}, "unknown authority"},
		{"another host", &tls.Config{Certificates: []tls.Certificate{good}}, &tls.Config{RootCAs: pool, ServerName: "other.example"}, "valid for mail.example"},
		{"no name given", &tls.Config{Certificates: []tls.Certificate{good}}, &tls.Config{RootCAs: pool}, "127.0.0.1"},
		{"expired", &tls.Config{Certificates: []tls.Certificate{expired}}, &tls.Config{RootCAs: expiredPool, ServerName: "mail.example"}, "expired"},
		{"TLS 1.1", &tls.Config{Certificates: []tls.Certificate{good}, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}, &tls.Config{RootCAs: pool, ServerName: "mail.example", MinVersion: tls.VersionTLS10}, "protocol version"},
		{"pinned otherwise", &tls.Config{Certificates: []tls.Certificate{good}}, &tls.Config{RootCAs: pool, ServerName: "mail.example",
			VerifyConnection: func(tls.ConnectionState) error { return pin }}, pin.Error()},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			addr := serve(t, overTLS(test.server, replies("$ OK\r\n")))
			c, err := Dialer{Addr: addr, Security: TLS, TLS: test.client}.Dial(context.Background())
			if test.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				if err := c.Raw(context.Background(), func(x *Exchange) error { return x.Noop() }); err != nil {
					t.Error(err)
				}
				return
			}
			if !errors.Is(err, mailbox.ErrTLS) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error is %v", err)
			}
			if test.name == "expired" && !strings.Contains(err.Error(), `issued by "CN=mail.example"`) {
				t.Errorf("the certificate is not described: %v", err)
			}
		})
	}
}

func TestStartTLSBelievesNothingSaidInTheClear(t *testing.T) {
	good, pool := certificate(t, "mail.example", time.Now().Add(time.Hour))
	config := &tls.Config{Certificates: []tls.Certificate{good}}
	// upgrade greets, answers CAPABILITY, and says ok to STARTTLS.
	upgrade := func(greeting, ok string) func(p *peer) {
		return func(p *peer) {
			p.send(greeting)
			for {
				tag, text := p.command()
				switch text {
				case "CAPABILITY":
					p.send("* CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED\r\n" + tag + " OK\r\n")
				case "STARTTLS":
					p.send(withTag(ok, tag))
					overTLS(config, func(p *peer) {
						for {
							tag, text := p.command()
							if tag == "" {
								return
							}
							if text == "CAPABILITY" {
								p.send("* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\n")
							}
							p.send(tag + " OK\r\n")
						}
					})(p)
					return
				default:
					return
				}
			}
		}
	}
	tests := []struct {
		name, greeting, ok string
		want               error
	}{
		{"capabilities in the greeting", "* OK [CAPABILITY IMAP4rev1 STARTTLS AUTH=EVIL] hi\r\n", "$ OK go\r\n", nil},
		{"capabilities asked for", "* OK hi\r\n", "$ OK go\r\n", nil},
		{"capabilities inside the OK", "* OK hi\r\n", "$ OK [CAPABILITY IMAP4rev1 AUTH=EVIL] go\r\n", nil},
		{"not offered", "* OK [CAPABILITY IMAP4rev1] hi\r\n", "", mailbox.ErrTLS},
		{"refused", "* OK hi\r\n", "$ NO not today\r\n", mailbox.ErrTLS},
		{"plaintext behind the OK", "* OK hi\r\n", "$ OK go\r\n* CAPABILITY IMAP4rev1 AUTH=EVIL\r\n", mailbox.ErrProtocol},
		{"LIST before TLS", "* OK hi\r\n", "* LIST () \"/\" evil\r\n$ OK go\r\n", mailbox.ErrProtocol},
		{"EXPUNGE before TLS", "* OK hi\r\n", "* 1 EXPUNGE\r\n$ OK go\r\n", mailbox.ErrProtocol},
		{"PREAUTH in the clear", "* PREAUTH hi\r\n", "", mailbox.ErrProtocol},
		{"BYE", "* BYE [UNAVAILABLE] no\r\n", "", mailbox.ErrUnavailable},
		{"BYE with a referral", "* BYE [REFERRAL imap://evil/] go there\r\n", "", mailbox.ErrUnavailable},
		{"a bad greeting", "+OK POP3 ready\r\n", "", mailbox.ErrProtocol},
		{"another bad greeting", "* 3 EXISTS\r\n", "", mailbox.ErrProtocol},
		{"no greeting", "", "", mailbox.ErrNetwork},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			addr := serve(t, func(p *peer) {
				if test.greeting != "" {
					upgrade(test.greeting, test.ok)(p)
				}
			})
			c, err := Dialer{Addr: addr, Security: StartTLS, TLS: &tls.Config{RootCAs: pool, ServerName: "mail.example"},
				Timeout: 5 * time.Second}.Dial(context.Background())
			if !errors.Is(err, test.want) {
				t.Fatalf("error is %v, want %v", err, test.want)
			}
			if err != nil {
				return
			}
			defer c.Close()
			if c.Greeting().Capabilities != nil || strings.Contains(string(c.shown), "EVIL") {
				t.Errorf("greeting is %+v, shown as %q", c.Greeting(), c.shown)
			}
			err = c.Raw(context.Background(), func(x *Exchange) error {
				names, err := x.Capability()
				if len(names) != 2 || names[1] != "AUTH=PLAIN" {
					t.Errorf("capabilities are %v", names)
				}
				return err
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
}

func TestPreAuthOnlyThroughTunnel(t *testing.T) {
	for _, security := range []Security{Plain, StartTLS} {
		addr := serve(t, func(p *peer) { p.send("* PREAUTH hi\r\n"); p.command() })
		if _, err := (Dialer{Addr: addr, Security: security}).Dial(context.Background()); !errors.Is(err, mailbox.ErrProtocol) {
			t.Errorf("%d: error is %v", security, err)
		}
	}
	script := `printf '* PREAUTH [CAPABILITY IMAP4rev1] hi\r\n'; read tag rest; printf '%s OK done\r\n' "$tag"; read tag rest`
	c, err := Dialer{Addr: "tunnel", Security: Tunnel, Tunnel: []string{"sh", "-c", script}}.Dial(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if g := c.Greeting(); !g.PreAuth || len(g.Capabilities) != 1 {
		t.Errorf("greeting is %+v", g)
	}
	if err := c.Raw(context.Background(), func(x *Exchange) error { return x.Noop() }); err != nil {
		t.Error(err)
	}
}

func TestTunnelTellsWhatItsCommandSaid(t *testing.T) {
	d := Dialer{Addr: "tunnel", Security: Tunnel, Tunnel: []string{"sh", "-c", "echo no such host >&2; exit 1"}}
	if _, err := d.Dial(context.Background()); !errors.Is(err, mailbox.ErrNetwork) || !strings.Contains(err.Error(), "no such host") {
		t.Errorf("error is %v", err)
	}
	d.Tunnel = []string{"/nonexistent/command"}
	if _, err := d.Dial(context.Background()); !errors.Is(err, mailbox.ErrNetwork) || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("error is %v", err)
	}
}

func TestDialSaysWhatIsWrongWithTheNetwork(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := listener.Addr().String()
	listener.Close()
	if _, err := (Dialer{Addr: addr, Security: Plain}).Dial(context.Background()); !errors.Is(err, mailbox.ErrNetwork) || !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("refused: %v", err)
	}
	var dns *net.DNSError
	if _, err := (Dialer{Addr: "host.invalid:993", ConnectTimeout: 5 * time.Second}).Dial(context.Background()); !errors.Is(err, mailbox.ErrNetwork) || !errors.As(err, &dns) {
		t.Errorf("unknown host: %v", err)
	}
	silent := serve(t, func(p *peer) { io.Copy(io.Discard, p.conn) })
	for _, security := range []Security{Plain, TLS} {
		start := time.Now()
		_, err = Dialer{Addr: silent, Security: security, ConnectTimeout: 100 * time.Millisecond}.Dial(context.Background())
		if !errors.Is(err, mailbox.ErrNetwork) || !errors.Is(err, context.DeadlineExceeded) || time.Since(start) > 5*time.Second {
			t.Errorf("silence: %v", err)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	time.AfterFunc(50*time.Millisecond, cancel)
	if _, err = (Dialer{Addr: silent, Security: TLS}).Dial(ctx); !errors.Is(err, context.Canceled) || errors.Is(err, mailbox.ErrNetwork) {
		t.Errorf("cancelled: %v", err)
	}
	plain := serve(t, replies("$ OK\r\n"))
	if _, err = (Dialer{Addr: plain, Security: TLS}).Dial(context.Background()); !errors.Is(err, mailbox.ErrTLS) || !strings.Contains(err.Error(), "does not speak TLS") {
		t.Errorf("no TLS: %v", err)
	}
}
