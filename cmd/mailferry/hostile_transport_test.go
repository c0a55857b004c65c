package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"mailferry/syncer/synctest"
)

// stranger is a server that must not be trusted with a password, or that has
// something else wrong with how a connection begins.
type stranger struct {
	class  int
	name   string
	scheme string // of the URL; "" is "imap", with STARTTLS
	config synctest.RogueConfig
	twist  synctest.Twist
	env    []string
	// sends says that the password may go to this server, in safety.
	sends bool
	ends  []int
	says  []string
}

// trust is a certificate and who vouches for it.
type trust struct {
	caFile string
	config *tls.Config
}

// newTrust makes a certificate for 127.0.0.1 that is good but for one change.
func newTrust(t *testing.T, change func(*x509.Certificate)) trust {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: time.Now().Add(48 * time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	if change != nil {
		change(template)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return trust{path, &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}}
}

func (c trust) env() []string { return []string{"MAILFERRY_TLS_CA_FILE=" + c.caFile} }

// answering changes what is said to STARTTLS in the clear.
func answering(lines ...string) synctest.Twist {
	return func(c *synctest.Call) {
		if c.Verb == "STARTTLS" {
			for i, line := range lines {
				lines[i] = strings.ReplaceAll(line, "{tag}", c.Tag)
			}
			c.Answer = lines
		}
	}
}

func offering(capabilities string) synctest.Twist {
	return func(c *synctest.Call) {
		c.Edit(replacing(synctest.RogueCapability, capabilities))
		if c.Verb == "CAPABILITY" {
			c.Answer[0] = "* CAPABILITY " + capabilities + "\r\n"
		}
	}
}

func strangers57(t *testing.T) []stranger {
	var list []stranger
	for name, change := range map[string]func(*x509.Certificate){
		"expired":         func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-24 * time.Hour) },
		"of the future":   func(c *x509.Certificate) { c.NotBefore = time.Now().Add(24 * time.Hour) },
		"of another host": func(c *x509.Certificate) { c.IPAddresses, c.DNSNames = nil, []string{"imap.example.com"} },
	} {
		c := newTrust(t, change)
		for _, scheme := range []string{"imap", "imaps"} {
			list = append(list, stranger{
				class: 57, name: "a certificate " + name + ", " + scheme, scheme: scheme, env: c.env(),
				config: synctest.RogueConfig{TLS: c.config, Implicit: scheme == "imaps"}, says: []string{"certificate"},
			})
		}
	}
	self, old := newTrust(t, nil), newTrust(t, nil)
	old.config.MinVersion, old.config.MaxVersion = tls.VersionTLS10, tls.VersionTLS10
	return append(list,
		stranger{class: 57, name: "nobody vouches", scheme: "imaps", config: synctest.RogueConfig{TLS: self.config, Implicit: true}, says: []string{"certificate", "tls_pin"}},
		stranger{class: 57, name: "TLS 1.0", scheme: "imaps", env: old.env(), config: synctest.RogueConfig{TLS: old.config, Implicit: true}, says: []string{"protocol version"}})
}

// hostileStrangers are the classes about transport and authentication.
func hostileStrangers(t *testing.T, elsewhere string) []stranger {
	good := newTrust(t, nil)
	secure := synctest.RogueConfig{TLS: good.config}
	start := func(class int, name string, says string, twist synctest.Twist) stranger {
		return stranger{class: class, name: name, config: secure, env: good.env(), twist: twist, says: []string{says}}
	}
	greeting := func(class int, text string, says string) stranger {
		return stranger{
			class: class, name: "the greeting " + text, scheme: "imaps", env: good.env(), says: []string{says},
			config: synctest.RogueConfig{TLS: good.config, Implicit: true, Greeting: text},
		}
	}
	within := func(s stranger) stranger {
		s.scheme, s.config, s.env, s.sends = "imaps", synctest.RogueConfig{TLS: good.config, Implicit: true}, append(good.env(), s.env...), true
		return s
	}
	refusing := func(text string) synctest.Twist {
		return func(c *synctest.Call) {
			if c.Verb == "AUTHENTICATE" || c.Verb == "LOGIN" {
				c.Refuse(text)
			}
		}
	}
	list := []stranger{
		start(49, "STARTTLS is not offered", "STARTTLS", offeringInTheClear("IMAP4rev1 AUTH=PLAIN")),
		start(49, "STARTTLS is refused", "STARTTLS", answering("{tag} NO not today\r\n")),
		start(49, "STARTTLS is unknown", "STARTTLS", answering("{tag} BAD what?\r\n")),
		start(49, "STARTTLS is never answered", "", func(c *synctest.Call) {
			if c.Verb == "STARTTLS" {
				c.Answer, c.Stall = nil, true
			}
		}),
		start(51, "plaintext behind the OK", "in the clear", answering("{tag} OK begin\r\n* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\n")),
		start(52, "capabilities inside the OK", "", func(c *synctest.Call) {
			if c.Verb == "STARTTLS" {
				c.Refuse("OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] begin")
				c.HangUp = true
			}
		}),
		start(53, "a LIST before TLS", "before TLS", answering("* LIST () \"/\" x\r\n", "{tag} OK begin\r\n")),
		start(53, "a FETCH before TLS", "before TLS", answering("* 1 FETCH (FLAGS ())\r\n", "{tag} OK begin\r\n")),
		start(53, "an EXPUNGE before TLS", "before TLS", answering("* 1 EXPUNGE\r\n", "{tag} OK begin\r\n")),
		{class: 50, name: "PREAUTH before STARTTLS", config: synctest.RogueConfig{TLS: good.config, Greeting: "* PREAUTH hello\r\n"}, env: good.env(), says: []string{"PREAUTH"}},
		{class: 50, name: "PREAUTH in the clear", scheme: "imap+plain", config: synctest.RogueConfig{Greeting: "* PREAUTH hello\r\n"}, says: []string{"PREAUTH"}},
		greeting(50, "* PREAUTH hello\r\n", "PREAUTH"),
		greeting(56, "* BYE [UNAVAILABLE] later\r\n", "later"),
		greeting(56, "* BAD go away\r\n", "greeting"),
		greeting(56, "HTTP/1.1 400 Bad Request\r\n", "greeting"),
		greeting(56, "220 mail ESMTP\r\n", ""),
		greeting(56, "+OK POP3 ready\r\n", "greeting"),
		greeting(56, "* OK "+strings.Repeat("x", 1<<20), "more than"),
		greeting(56, strings.Repeat("\x00", 1000)+"\r\n", ""),
		greeting(56, "\r\n", ""),
		{class: 54, name: "LOGINDISABLED", scheme: "imap+plain", twist: offering("IMAP4rev1 LOGINDISABLED"), says: []string{"LOGINDISABLED"}, ends: []int{exitAuth}},
		within(stranger{class: 54, name: "LOGINDISABLED within TLS", twist: offering("IMAP4rev1 LOGINDISABLED"), says: []string{"LOGINDISABLED"}, ends: []int{exitAuth}}),
		within(stranger{class: 55, name: "a referral", twist: refusing("NO [REFERRAL imap://me@" + elsewhere + "/] over there"), ends: []int{exitAuth}}),
		within(stranger{class: 55, name: "a referral with OK", twist: func(c *synctest.Call) {
			if c.Verb == "AUTHENTICATE" {
				c.Answer = []string{"* BYE [REFERRAL imap://me@" + elsewhere + "/] over there\r\n"}
				c.HangUp = true
			}
		}}),
		within(stranger{class: 59, name: "escapes in the refusal", twist: refusing("NO [ALERT] \x1b]0;owned\x07\x1b[2J\u202egnorw\x9b2J"), says: []string{"owned"}, ends: []int{exitAuth}}),
		greeting(59, "* BYE \x1b[31mred\x1b[2J\r\n", `\x1b`),
		within(stranger{class: 58, name: "an OAuth error", env: []string{`MAILFERRY_TOKEN_COMMAND=["echo", "` + canary + `"]`}, twist: func(c *synctest.Call) {
			offering("IMAP4rev1 SASL-IR AUTH=XOAUTH2")(c)
			if c.Verb == "AUTHENTICATE" {
				c.Answer = []string{"+ " + base64.StdEncoding.EncodeToString([]byte(`{"status":"400","schemes":"Bearer","scope":"\u001b[2Jmail"}`)) + "\r\n"}
			}
		}, says: []string{"400"}, ends: []int{exitAuth}}),
		within(stranger{class: 58, name: "an OAuth challenge that is none", env: []string{`MAILFERRY_TOKEN_COMMAND=["echo", "` + canary + `"]`}, twist: func(c *synctest.Call) {
			offering("IMAP4rev1 SASL-IR AUTH=XOAUTH2")(c)
			if c.Verb == "AUTHENTICATE" {
				c.Answer = []string{"+ !!!\r\n"}
			}
		}}),
	}
	return append(list, strangers57(t)...)
}

func offeringInTheClear(capabilities string) synctest.Twist {
	return func(c *synctest.Call) {
		if c.Verb == "CAPABILITY" && !c.Secure {
			c.Answer[0] = "* CAPABILITY " + capabilities + "\r\n"
		}
	}
}

// TestStrangersGetNoPassword meets each with each command.
func TestStrangersGetNoPassword(t *testing.T) {
	t.Parallel()
	elsewhere, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { elsewhere.Close() })
	go func() {
		for {
			conn, err := elsewhere.Accept()
			if err != nil {
				return
			}
			t.Error("a referral was followed")
			_, _ = io.WriteString(conn, "* BYE no\r\n")
			conn.Close()
		}
	}()
	var meetings sync.WaitGroup
	places := make(chan struct{}, 6)
	for _, s := range hostileStrangers(t, elsewhere.Addr().String()) {
		places <- struct{}{}
		meetings.Go(func() {
			t.Run(fmt.Sprintf("%d %.60q", s.class, s.name), func(t *testing.T) { s.meet(t) })
			<-places
		})
	}
	meetings.Wait()
}

func (s stranger) meet(t *testing.T) {
	rogue := synctest.StartRogue(t, s.config)
	for _, command := range hostileCommands {
		rogue.Reset(stock(), s.twist)
		home := t.TempDir()
		w := &world{
			t: t, user: &synctest.User{Name: "me", Password: canary}, binary: builtProgram(t), home: home, tmp: t.TempDir(), addr: rogue.Addr,
			measures: true, patience: hostileEnd, env: append([]string{"MAILFERRY_TIMEOUT=" + hostileTimeout.String()}, s.env...),
		}
		w.disk = synctest.NewMaildir(t, filepath.Join(home, "mail"), false)
		scheme := s.scheme
		if scheme == "" {
			scheme = "imap"
		}
		flags := []string{command, "-vv", "--json", "--no-input"}
		if command == "archive" {
			flags = append(flags, "--older-than=30d")
		}
		o := w.run(append(flags, scheme+"://me@"+rogue.Addr, w.disk.Dir)...)
		a := &arena{world: w, rogue: rogue}
		if w.leavesAStore() {
			t.Errorf("%s: it made a store", command)
		} else {
			a.leaksShown(o)
		}
		if r := raw(o.stdout + o.stderr); r != "" {
			t.Errorf("%s: %s reaches the terminal:\n%s", command, r, o.stderr)
		}
		if o.code == exitDone || o.code == exitUsage || len(s.ends) > 0 && o.code != s.ends[0] {
			t.Errorf("%s: exit code %d\n%s", command, o.code, o.stderr)
		}
		if o.peak > hostileMemory {
			t.Errorf("%s: %d MB of memory", command, o.peak>>20)
		}
		o.says(append(s.says, "error:", "hint:")...)
		s.judge(t, command, rogue.Calls())
	}
}

// judge: what was sent in the clear, or to one who is not trusted, is harmless.
func (s stranger) judge(t *testing.T, command string, calls []synctest.Call) {
	for _, call := range calls {
		isLogin := call.Verb == "LOGIN" || call.Verb == "AUTHENTICATE"
		if isLogin && !(s.sends && call.Secure) {
			t.Errorf("%s: the program said %s", command, call.Verb)
		}
		if strings.Contains(call.Args, canary) && !isLogin {
			t.Errorf("%s: the password went with %s", command, call.Verb)
		}
	}
}

func (w *world) leavesAStore() bool {
	_, err := os.Stat(w.control())
	return err == nil
}
