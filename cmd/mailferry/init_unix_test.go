//go:build unix

package main

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"mailferry/cmd/internal/discover"
	"mailferry/cmd/internal/ui"
	"mailferry/syncer/mailbox"
	"mailferry/syncer/synctest"
)

// records is a DNS that has nothing but the SRV record of one mail server.
type records struct{ host, port string }

func (r records) LookupMX(context.Context, string) ([]*net.MX, error) {
	return nil, errors.New("no MX")
}

func (r records) LookupSRV(_ context.Context, service, _, _ string) (string, []*net.SRV, error) {
	port, err := strconv.Atoi(r.port)
	if service != "imaps" || err != nil {
		return "", nil, errors.New("no SRV")
	}
	return "", []*net.SRV{{Target: r.host + ".", Port: uint16(port)}}, nil
}

type noWeb struct{}

func (noWeb) RoundTrip(*http.Request) (*http.Response, error) { return nil, errors.New("no web") }

// finderOf finds the server at addr by SRV, and nothing else.
func finderOf(addr string) discover.Finder {
	_, port, _ := net.SplitHostPort(addr)
	return discover.Finder{
		Client:   &http.Client{Transport: noWeb{}},
		Resolver: records{"localhost", port},
		Dial:     func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("no route") },
	}
}

// homeOf is an environment with an empty home.
func homeOf(t *testing.T) (env map[string]string, home string) {
	home = t.TempDir()
	return map[string]string{"HOME": home, "TERM": "dumb"}, home
}

func readText(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func mustHaveMode(t *testing.T, path string, want os.FileMode) {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Mode().Perm(); got != want {
		t.Errorf("%s has mode %o, want %o", path, got, want)
	}
}

// declinesSchedule answers init's last question, which it asks where there is a
// schedule to install.
func (term *terminal) declinesSchedule() {
	term.t.Helper()
	root := newRootCommand(&app{console: ui.NewConsole(io.Discard, io.Discard)})
	if found, rest, err := root.Find([]string{"schedule", "install"}); err == nil && len(rest) == 0 && found.Name() == "install" {
		term.answers("Install that schedule now?", "no")
	}
}

func TestInitTalksOnATerminalAndEndsWithAnAccountThatRuns(t *testing.T) {
	server := synctest.Dovecot(t, synctest.DovecotConfig{Extra: smallQuota})
	user := server.User(t)
	user.Append(inbox, mailbox.NewFlags(seen), someDate, letter("hello"))
	env, home := homeOf(t)
	env["XDG_CONFIG_HOME"] = filepath.Join(home, "conf")
	term := talk(t, env, finderOf(server.TLSAddr), "init", "--tls-ca-file", server.CAFile)
	term.answers("Your mail address", "nonsense")
	term.answers("not a mail address", user.Name+"@mail.example")
	before := term.sees("Your password will be sent to the server that you choose here.")
	if !strings.Contains(before, "not told by mail.example itself") || !strings.Contains(before, "SRV record _imaps._tcp.mail.example") {
		t.Errorf("the source is not told: %s", before)
	}
	term.types("1")
	term.answers("Your user name there", user.Name)
	term.answers("A short name for this account [mail]", "home")
	term.answers("Where shall mailferry get the password from? [1]", "")
	term.answers("it is not shown", user.Password+"-wrong")
	term.sees("That did not work")
	term.answers("What now?", "1")
	term.answers("Your user name there ["+user.Name+"]", "")
	term.answers("Where shall mailferry get the password from?", "1")
	term.answers("it is not shown", user.Password)
	term.sees("The login worked. There are 1 messages.")
	term.answers("another device", "no")
	term.answers("room on the server short", "no")
	term.answers("in the folder on this computer", "yes")
	term.sees("Recommended: sync.")
	term.answers("What shall a run do? [1]", "")
	term.answers("The folder for the mail on this computer [~/Mail/home]", "")
	term.sees("has the account home now")
	term.sees("mailferry run home")
	term.declinesSchedule()
	term.exits(exitDone)
	if n := len(regexp.MustCompile(`it is not shown\): \r?\n`).FindAllString(term.screen(), -1)); n != 2 || strings.Contains(term.screen(), "-wrong") {
		t.Errorf("the password was shown: %s", term.screen())
	}
	if strings.Contains(term.screen(), "\x1b") {
		t.Errorf("escape sequences on a dumb terminal: %q", term.screen())
	}
	file := filepath.Join(home, "conf", "mailferry", "config.toml")
	mustHaveMode(t, file, 0o600)
	mustHaveMode(t, filepath.Dir(file), 0o700)
	mustHaveMode(t, filepath.Join(home, "conf", "mailferry", "home.password"), 0o600)
	if text := readText(t, file); strings.Contains(text, user.Password+"\n") || !strings.Contains(text, `mode          = "sync"`) {
		t.Error(text)
	}
	talk(t, env, discover.Finder{}, "run", "home").exits(exitDone)
	if found, err := filepath.Glob(filepath.Join(home, "Mail", "home", "INBOX", "cur", "*")); err != nil || len(found) != 1 {
		t.Errorf("%q, %v", found, err)
	}
}

// counted is a port that counts who connects.
func counted(t *testing.T) (addr string, n *atomic.Int64) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	n = &atomic.Int64{}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			n.Add(1)
			conn.Close()
		}
	}()
	return listener.Addr().String(), n
}

func TestInitConnectsToNobodyBeforeTheServerWasAgreedTo(t *testing.T) {
	addr, connections := counted(t)
	env, home := homeOf(t)
	env["MAILFERRY_PASSWORD"] = "secret"
	term := talk(t, env, finderOf(addr), "init", "me@mail.example")
	term.sees("Which is yours?")
	term.types("") // an untrusted one is no preset
	term.sees("please type a number")
	term.types("2") // none of these
	term.answers("The server's name", "\x04")
	term.exits(exitInterrupted)
	// Nobody can be asked: then it has to be certain.
	term = talk(t, env, finderOf(addr), "init", "me@mail.example", "--no-input")
	term.sees("somebody has to confirm")
	term.sees("--url imaps://")
	term.exits(exitUsage)
	if n := connections.Load(); n > 0 {
		t.Errorf("%d connections", n)
	}
	if entries, err := os.ReadDir(home); err != nil || len(entries) > 0 {
		t.Errorf("%v, %v", entries, err)
	}
}

func TestInitPinsAnUnknownCertificateOnlyWhenTold(t *testing.T) {
	server := synctest.Dovecot(t, synctest.DovecotConfig{})
	user := server.User(t)
	env, home := homeOf(t)
	url := "imaps://" + user.Name + "@" + server.TLSAddr
	for _, answer := range []string{"no", "yes"} {
		term := talk(t, env, discover.Finder{}, "init", "--url", url, "--name", "home", "--mode", "backup", "--password-command", "echo "+user.Password)
		term.sees("certificate")
		term.sees("SHA-256")
		term.answers("Trust this one certificate", answer)
		if answer == "no" {
			term.answers("What now?", "4")
			term.exits(exitInterrupted)
			continue
		}
		term.sees("The login worked")
		term.answers("The folder for the mail", "")
		term.declinesSchedule()
		term.exits(exitDone)
	}
	if text := readText(t, filepath.Join(home, ".config", "mailferry", "config.toml")); !strings.Contains(text, "tls_pin") {
		t.Error(text)
	}
	talk(t, env, discover.Finder{}, "run", "home").exits(exitDone)
}

func TestInitRecommendsToArchiveWhenTheAccountIsFull(t *testing.T) {
	server := synctest.Dovecot(t, synctest.DovecotConfig{Extra: smallQuota})
	user := server.User(t)
	for i := range 9 {
		user.Append(inbox, mailbox.NewFlags(seen), someDate, filler(i))
	}
	env, home := homeOf(t)
	term := talk(t, env, discover.Finder{}, "init", "--url", "imaps://"+user.Name+"@"+server.TLSAddr, "--tls-ca-file", server.CAFile,
		"--password-command", "echo "+user.Password, "--name", "full", "--store", "~/full")
	term.sees("The account is full to 8")
	term.answers("another device", "yes")
	term.answers("Shall old mail leave the server? (yes or no) [yes]", "")
	term.sees("Recommended: archive.")
	term.answers("What shall a run do? [3]", "")
	term.answers("From which age shall mail leave the server [90d]", "soon")
	term.answers("From which age shall mail leave the server [90d]", "10d")
	term.declinesSchedule()
	term.exits(exitDone)
	if text := readText(t, filepath.Join(home, ".config", "mailferry", "config.toml")); !strings.Contains(text, `older_than   = "10d"`) {
		t.Error(text)
	}
}

func TestInitStopsWhenTheUserDoes(t *testing.T) {
	env, home := homeOf(t)
	term := talk(t, env, discover.Finder{}, "init", "me@gmail.com")
	term.sees("Which is yours? [1]")
	close(term.stop)
	term.sees("interrupted: nothing was written")
	term.exits(exitInterrupted)
	if entries, err := os.ReadDir(home); err != nil || len(entries) > 0 {
		t.Errorf("%v, %v", entries, err)
	}
}

func TestInitSaysThatMicrosoftTakesNoPasswords(t *testing.T) {
	env, home := homeOf(t)
	term := talk(t, env, discover.Finder{}, "init", "me@outlook.com")
	term.answers("Which is yours? [1]", "")
	term.sees("OAuth2 only")
	term.answers("Your user name there", "")
	term.answers("A short name for this account [outlook]", "")
	term.answers("Where shall mailferry get the token from? [1]", "")
	term.answers("another device", "")
	term.answers("room on the server short", "")
	term.answers("in the folder on this computer", "no")
	term.answers("What shall a run do? [2]", "")
	term.answers("The folder for the mail", "")
	term.sees("mailferry auth login outlook")
	term.exits(exitDone)
	if text := readText(t, filepath.Join(home, ".config", "mailferry", "config.toml")); !strings.Contains(text, `"xoauth2"`) {
		t.Error(text)
	}
}
