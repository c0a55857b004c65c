//go:build linux

package main

import (
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mailferry/cmd/internal/discover"
	"mailferry/cmd/internal/ui"
	"mailferry/state"
	"mailferry/syncer/mailbox"
	"mailferry/syncer/synctest"
)

// patient is an account that doctor looks at.
type patient struct {
	t    *testing.T
	env  map[string]string
	home string
}

func newPatient(t *testing.T, lines ...string) patient {
	t.Helper()
	env, home := homeOf(t)
	env["MAILFERRY_PASSWORD"] = synctest.Password
	dir := filepath.Join(home, ".config", "mailferry")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	text := "[accounts.home]\nstore = \"~/Mail\"\n" + strings.Join(lines, "\n") + "\n"
	if err := os.WriteFile(filepath.Join(dir, "config.toml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return patient{t, env, home}
}

// run runs a command line that has to end with a code.
func (p patient) run(code int, args ...string) string {
	p.t.Helper()
	term := talk(p.t, p.env, discover.Finder{}, args...)
	term.exits(code)
	return term.screen()
}

// findings runs doctor, and returns the texts by check and status.
func (p patient) findings(code int) map[string]string {
	p.t.Helper()
	screen := p.run(code, "doctor", "home", "--json")
	found := map[string]string{}
	for line := range strings.Lines(screen) {
		var s symptom
		if err := json.Unmarshal([]byte(line), &s); err != nil {
			p.t.Fatalf("%v: %s", err, screen)
		}
		if s.Type == "check" {
			found[s.Check+" "+string(s.Status)] += s.Text + "\n" + s.Fix + "\n"
		}
	}
	return found
}

func (p patient) has(found map[string]string, key, text string) {
	p.t.Helper()
	if !strings.Contains(found[key], text) {
		p.t.Errorf("no %q with %q: %v", key, text, found)
	}
}

func TestDoctorLooksAtTheCertificate(t *testing.T) {
	server := synctest.Dovecot(t, synctest.DovecotConfig{Extra: smallQuota})
	user := server.User(t)
	url := `url = "imaps://` + user.Name + "@" + server.TLSAddr + `"`
	starttls := `url = "imap://` + user.Name + "@" + server.Addr + `"`
	ca := `tls_ca_file = "` + server.CAFile + `"`

	p := newPatient(t, url, ca)
	found := p.findings(exitDone)
	p.has(found, "certificate ok", "by mailferry test CA, until ")
	p.has(found, "certificate ok", "private authority")
	p.has(found, "quota ok", "of 200 KiB")
	p.has(newPatient(t, starttls, ca).findings(exitDone), "certificate ok", "private authority")

	// Nobody vouches for it: the pin that would is told, and works.
	p = newPatient(t, url)
	found = p.findings(exitFailed)
	_, pin, _ := strings.Cut(found["certificate error"], `tls_pin = "`)
	pin, _, _ = strings.Cut(pin, `"`)
	if len(pin) != 64 {
		t.Fatalf("%v", found)
	}
	p.has(newPatient(t, url, `tls_pin = "`+pin+`"`).findings(exitDone), "certificate ok", "the pinned one")
	p.has(newPatient(t, url, `tls_pin = "`+strings.Repeat("ab", 32)+`"`).findings(exitFailed), "certificate error", "not the pinned one")
}

func TestDoctorWarnsOfACertificateThatEndsSoon(t *testing.T) {
	for left, want := range map[time.Duration]grade{13 * 24 * time.Hour: warning, 15 * 24 * time.Hour: good} {
		d := &diagnosis{app: quietApp(), grades: map[grade]int{}}
		leaf := &x509.Certificate{NotAfter: time.Now().Add(left), Issuer: pkix.Name{CommonName: "CA"}}
		(&checkup{diagnosis: d}).checkTLS(t.Context(), &tls.ConnectionState{PeerCertificates: []*x509.Certificate{leaf}}, nil)
		if d.grades[want] != 1 {
			t.Errorf("%s: %v", left, d.grades)
		}
	}
}

func TestDoctorComparesTheClockAsTheArchiveDoes(t *testing.T) {
	now := time.Date(2024, 5, 1, 12, 0, 0, 0, time.UTC)
	for ahead, want := range map[time.Duration]grade{-time.Hour: good, time.Minute: good, time.Hour: warning, 25 * time.Hour: bad} {
		d := &diagnosis{app: quietApp(), grades: map[grade]int{}}
		(&checkup{diagnosis: d}).judgeClock(now, now.Add(ahead))
		if d.grades[want] != 1 {
			t.Errorf("%s: %v", ahead, d.grades)
		}
	}
	server := synctest.Dovecot(t, synctest.DovecotConfig{})
	user := server.User(t)
	user.Append(inbox, mailbox.NewFlags(seen), someDate, letter("one"))
	// Dovecot brings an APPEND's date down to its clock's, but not a file's.
	file, later := filepath.Join(user.Maildir, "new", "1.later.host"), time.Now().Add(72*time.Hour)
	if err := errors.Join(os.WriteFile(file, letter("of tomorrow"), 0o644), os.Chtimes(file, later, later)); err != nil {
		t.Fatal(err)
	}
	p := newPatient(t, `url = "imap+plain://`+user.Name+"@"+server.Addr+`"`)
	p.has(p.findings(exitFailed), "clock error", "still to come")
}

func TestDoctorSaysThatAnotherRunHoldsTheStore(t *testing.T) {
	server := synctest.Dovecot(t, synctest.DovecotConfig{})
	user := server.User(t)
	user.Append(inbox, mailbox.NewFlags(seen), someDate, letter("one"))
	p := newPatient(t, `url = "imap+plain://`+user.Name+"@"+server.Addr+`"`)
	p.run(exitDone, "run", "home")
	store, err := state.Open(t.Context(), state.Options{Dir: filepath.Join(p.home, "Mail"), Notes: filepath.Join(p.home, ".local", "state", "mailferry")})
	if err != nil {
		t.Fatal(err)
	}
	found := p.findings(exitLocked)
	p.has(found, "lock warning", "another run is at work")
	p.has(found, "state ok", "whole: 1 messages")
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	p.findings(exitDone)
}

func TestDoctorChangesNothing(t *testing.T) {
	server := synctest.Dovecot(t, synctest.DovecotConfig{})
	user := server.User(t)
	user.Append(inbox, mailbox.NewFlags(), someDate, letter("unread"))
	p := newPatient(t, `url = "imap+plain://`+user.Name+"@"+server.Addr+`"`)
	p.run(exitDone, "run", "home")
	before, remote := everyFile(t, p.home), user.Messages(inbox)
	p.findings(exitDone)
	if after := everyFile(t, p.home); after != before {
		t.Errorf("before:\n%s\nafter:\n%s", before, after)
	}
	if after := user.Messages(inbox); len(after) != 1 || after[0].Flags.String() != remote[0].Flags.String() {
		t.Errorf("%+v, was %+v", after, remote)
	}
}

// quietApp is for code that only tells.
func quietApp() *app { return &app{console: ui.NewConsole(io.Discard, io.Discard)} }

// everyFile lists a tree with sizes, modes and times.
func everyFile(t *testing.T, root string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(root, func(path string, entry os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err == nil {
			b.WriteString(strings.Join([]string{path, info.Mode().String(), info.ModTime().Format(time.RFC3339Nano)}, " ") + "\n")
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestStatusCountsAStreakThatIsLongerThanWhatIsRemembered(t *testing.T) {
	at := func(minute int) time.Time { return time.Date(2024, 1, 1, 0, minute, 0, 0, time.UTC) }
	runs := []state.Run{
		{ID: 900, Started: at(900), Ended: at(901)},
		{ID: 899, Started: at(899), Ended: at(900)},
		{ID: 11, Started: at(11), Ended: at(12)}, // the first that failed; those between are forgotten
		{ID: 10, Started: at(10), Ended: at(11), OK: true},
	}
	var h health
	h.takeRuns(runs)
	if h.Failures != 890 || !h.FailingSince.Equal(at(11)) || h.LastSuccess == nil || !h.LastSuccess.Equal(at(10)) {
		t.Errorf("%+v", h)
	}
}
