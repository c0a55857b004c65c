package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/pem"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"mailferry/syncer/synctest"
)

// at runs a backup with a URL of its own.
func (w *world) at(url string, flags ...string) outcome {
	w.t.Helper()
	return w.run(append(append([]string{"backup", "--no-input"}, flags...), url, w.disk.Dir)...)
}

// leavesNothing checks that a refused run made no store.
func (o outcome) leavesNothing(w *world) {
	o.tb.Helper()
	if _, err := os.Stat(w.control()); err == nil {
		o.tb.Error("the failed run made a store")
	}
}

func TestWrongPasswordAndUnreachableServers(t *testing.T) {
	server := synctest.Dovecot(t, synctest.DovecotConfig{})
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	refusing := closed.Addr().String()
	if err := closed.Close(); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, url, password string
		code                int
		says                []string
	}{
		{"wrong password", "imap+plain://someone@" + server.Addr, "wrong", exitAuth, []string{"AUTHENTICATE", "hint:", "password"}},
		{"unknown host", "imaps://someone@no-such-host.invalid", "pass", exitTemporary, []string{"no-such-host.invalid", "hint:"}},
		{"refused connection", "imap+plain://someone@" + refusing, "pass", exitTemporary, []string{refusing, "refused", "hint:"}},
		{"TLS where there is none", "imaps://someone@" + server.Addr, "pass", exitFailed, []string{server.Addr}},
		{"plaintext to elsewhere", "imap+plain://someone@mail.example.com", "pass", exitUsage, []string{"allow_plaintext"}},
		{"password in the URL", "imaps://someone:secret@" + server.TLSAddr, "pass", exitUsage, []string{"password", "hint:"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, server, layoutFS)
			w.user.Password = c.password
			o := w.at(c.url)
			if o.code != c.code && !(c.code == exitFailed && o.code == exitTemporary) {
				t.Errorf("exit code %d, want %d\n%s", o.code, c.code, o.stderr)
			}
			if o.says(c.says...); strings.Contains(o.stderr+o.stdout, "secret") || strings.Contains(o.stderr, "wrong") {
				t.Errorf("a password is shown: %s", o.stderr)
			}
			o.leavesNothing(w)
		})
	}
}

// pinOf is the SHA-256 of the certificate in a file, as tls_pin wants it.
func pinOf(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(text)
	sum := sha256.Sum256(block.Bytes)
	return hex.EncodeToString(sum[:])
}

func TestCertificatesAreBelievedOnlyWhenVouchedFor(t *testing.T) {
	server := synctest.Dovecot(t, synctest.DovecotConfig{})
	pin := pinOf(t, filepath.Join(server.Dir, "cert.pem"))
	wrongPin := strings.Repeat("ab", 32)
	elsewhere := newProxyAt(t, "127.0.0.2:0", server.TLSAddr)
	_, tlsPort, err := net.SplitHostPort(server.TLSAddr)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, url string
		env       []string
		isGood    bool
		says      []string
	}{
		{"nobody vouches", "imaps://USER@" + server.TLSAddr, nil, false, []string{"certificate", "tls_pin", "tls_ca_file"}},
		{"nobody vouches, STARTTLS", "imap://USER@" + server.Addr, nil, false, []string{"certificate", "tls_pin", "tls_ca_file"}},
		{"a private CA", "imaps://USER@" + server.TLSAddr, []string{"MAILFERRY_TLS_CA_FILE=" + server.CAFile}, true, nil},
		{"a private CA, by name", "imaps://USER@localhost:" + tlsPort, []string{"MAILFERRY_TLS_CA_FILE=" + server.CAFile}, true, nil},
		{"a private CA, STARTTLS", "imap://USER@" + server.Addr, []string{"MAILFERRY_TLS_CA_FILE=" + server.CAFile}, true, nil},
		{"a private CA, another host", "imaps://USER@" + elsewhere.addr, []string{"MAILFERRY_TLS_CA_FILE=" + server.CAFile}, false, []string{"127.0.0.2", "certificate"}},
		{"the right pin", "imaps://USER@" + server.TLSAddr, []string{"MAILFERRY_TLS_PIN=" + pin}, true, nil},
		{"the right pin, STARTTLS", "imap://USER@" + server.Addr, []string{"MAILFERRY_TLS_PIN=" + pin}, true, nil},
		{"a wrong pin", "imaps://USER@" + server.TLSAddr, []string{"MAILFERRY_TLS_PIN=" + wrongPin}, false, []string{pin}},
		{"a wrong pin beside the CA", "imaps://USER@" + server.TLSAddr, []string{"MAILFERRY_TLS_PIN=" + wrongPin, "MAILFERRY_TLS_CA_FILE=" + server.CAFile}, false, nil},
		{"no such CA file", "imaps://USER@" + server.TLSAddr, []string{"MAILFERRY_TLS_CA_FILE=/no/such/file"}, false, []string{"/no/such/file"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, server, layoutFS)
			w.env = append(w.env, c.env...)
			onServer{w}.add(inbox, "a")
			o := w.at(strings.Replace(c.url, "USER", url.PathEscape(w.user.Name), 1))
			if c.isGood {
				o.exits(exitDone)
				w.same()
				return
			}
			if o.code == exitDone || o.code == exitTemporary || o.code == exitAuth {
				t.Errorf("exit code %d\n%s", o.code, o.stderr)
			}
			o.says(c.says...)
			o.leavesNothing(w)
		})
	}
}

func TestTunnelIsAServer(t *testing.T) {
	server := synctest.Dovecot(t, synctest.DovecotConfig{})
	w := newWorld(t, server, layoutFS)
	populate(onServer{w})
	w.configure(`[accounts.home]
store = ` + strconv.Quote(w.disk.Dir) + `
tunnel = ["doveadm", "-c", ` + strconv.Quote(filepath.Join(server.Dir, "dovecot.conf")) + `, "exec", "imap", "-u", "` + w.user.Name + `"]
`)
	w.run("sync", "home").exits(exitDone)
	want := expectationOf(t, w.same())
	onDisk{w}.add(inbox, "x")
	onServer{w}.flag(inbox, "a", "+", flagged)
	want.add(inbox, "x")
	want.flagged(inbox, "a", seen, flagged)
	w.run("sync", "home").exits(exitDone)
	want.check(w.same())
	w.run("sync", "--json", "home").isQuiet()
}

func TestTunnelThatEndsAtOnceIsReported(t *testing.T) {
	server := synctest.Dovecot(t, synctest.DovecotConfig{})
	w := newWorld(t, server, layoutFS)
	for _, command := range []string{`["false"]`, `["/no/such/command"]`, `["echo", "hello"]`} {
		w.configure("[accounts.home]\nstore = " + strconv.Quote(w.disk.Dir) + "\ntunnel = " + command + "\n")
		if o := w.run("backup", "home"); o.code == exitDone || o.stderr == "" {
			t.Errorf("%s: exit code %d: %s", command, o.code, o.stderr)
		}
	}
}

// configure writes the configuration file.
func (w *world) configure(text string) string {
	w.t.Helper()
	folder := filepath.Join(w.home, "config", "mailferry")
	path := filepath.Join(folder, "config.toml")
	if err := os.MkdirAll(folder, 0o700); err != nil {
		w.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		w.t.Fatal(err)
	}
	return path
}

func TestMistypedConfigurationIsToldWithItsLine(t *testing.T) {
	server := synctest.Dovecot(t, synctest.DovecotConfig{})
	w := newWorld(t, server, layoutFS)
	path := w.configure("[accounts.home]\nurl = \"imap+plain://" + w.user.Name + "@" + server.Addr + "\"\nstroe = \"x\"\n")
	for _, command := range []string{"sync", "backup"} {
		w.run(command, "home").exits(exitUsage).says(path+":3", "stroe", "store")
	}
	w.configure("[accounts.home\nurl = 3\n")
	w.run("sync").exits(exitUsage).says(path+":", "TOML")
}
