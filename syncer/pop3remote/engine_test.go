package pop3remote_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"mailferry/maildirout"
	"mailferry/state"
	"mailferry/syncer"
	"mailferry/syncer/mailbox"
	"mailferry/syncer/plan"
	"mailferry/syncer/pop3remote"
)

// store is a store that one POP3 account is backed up or archived to.
type store struct {
	t       testing.TB
	dir     string
	options func() pop3remote.Options
	now     time.Time
}

func newStore(t testing.TB, options func() pop3remote.Options) *store {
	return &store{t: t, dir: filepath.Join(t.TempDir(), "store"), options: options, now: time.Now()}
}

// outcome is what a run came to.
type outcome struct {
	syncer.Summary
	err      error
	failures []error
}

// Action and the others implement syncer.Reporter.
func (o *outcome) Action(_ plan.Action, result syncer.Result, err error) {
	if result == syncer.Failed {
		o.failures = append(o.failures, err)
	}
}
func (o *outcome) Guard(plan.Refusal)                {}
func (o *outcome) Trouble(_ mailbox.Name, err error) { o.failures = append(o.failures, err) }
func (o *outcome) Notice(mailbox.Name, string)       {}
func (o *outcome) Conflicts(int)                     {}
func (o *outcome) Progress(syncer.Progress)          {}

// run is one run of the program.
func (s *store) run(policy plan.Policy) *outcome {
	s.t.Helper()
	o := &outcome{}
	o.Summary, o.err = s.try(policy, o)
	return o
}

func (s *store) try(policy plan.Policy, o *outcome) (_ syncer.Summary, err error) {
	ctx, cancel := context.WithTimeout(s.t.Context(), time.Minute)
	defer cancel()
	clock := func() time.Time { return s.now }
	base, err := state.Open(ctx, state.Options{Dir: s.dir, Identity: state.Identity{Account: "me", URL: "pop3s://me@example.com"}, Now: clock})
	if err != nil {
		return syncer.Summary{}, err
	}
	defer func() { err = errors.Join(err, base.Close()) }()
	disk, err := maildirout.Open(maildirout.Options{Dir: s.dir, Now: clock, Host: "test"})
	if err != nil {
		return syncer.Summary{}, err
	}
	defer disk.Close()
	options := s.options()
	options.Numbers, options.Now = base, clock
	remote, err := pop3remote.Open(ctx, options)
	if err != nil {
		return syncer.Summary{}, err
	}
	defer remote.Close()
	return syncer.Run(ctx, syncer.Options{
		Policy: policy, Remote: remote, RemoteMessages: remote, RemoteMailboxes: remote,
		Local: disk, LocalDelivery: disk, LocalMessages: disk, LocalFolders: disk, Base: base, Marks: base,
		Connections: 1, Recover: true, Reporter: o, Now: clock,
	})
}

func (s *store) backup() *outcome { s.t.Helper(); return s.run(plan.Backup()) }

// archive takes from the server what was first seen at least age ago.
func (s *store) archive(age time.Duration, keep int) *outcome {
	s.t.Helper()
	limits := plan.Retention{Now: mailbox.DateOf(s.now), KeepLatest: keep}
	if age > 0 {
		limits.Before = mailbox.DateOf(s.now.Add(-age))
	}
	return s.run(plan.Archive(limits))
}

// did checks that a run went well and what it did.
func (o *outcome) did(t testing.TB, downloaded, expunged int) *outcome {
	t.Helper()
	if o.err != nil || len(o.failures) > 0 || o.Failed+o.Stale+o.Guarded != 0 || o.RemovedLocal != 0 {
		t.Fatalf("%+v, %v, %v", o.Summary, o.err, o.failures)
	}
	if o.Downloaded != downloaded || o.ExpungedRemote != expunged {
		t.Fatalf("downloaded %d and expunged %d, want %d and %d", o.Downloaded, o.ExpungedRemote, downloaded, expunged)
	}
	return o
}

// disk is what is in the store, by content.
func (s *store) disk() []string {
	s.t.Helper()
	return slices.Sorted(maps.Values(s.files()))
}

func (s *store) files() map[mailbox.Key]string {
	s.t.Helper()
	disk, err := maildirout.Open(maildirout.Options{Dir: s.dir, Now: time.Now, Host: "test"})
	if err != nil {
		s.t.Fatal(err)
	}
	defer disk.Close()
	files := map[mailbox.Key]string{}
	list, _, err := disk.List(s.t.Context(), mailbox.Inbox)
	if errors.Is(err, mailbox.ErrNotFound) {
		return files
	}
	if err != nil {
		s.t.Fatal(err)
	}
	for _, m := range list {
		body, err := disk.Open(s.t.Context(), mailbox.Inbox, m.Key)
		if err != nil {
			s.t.Fatal(err)
		}
		octets, err := io.ReadAll(body)
		if err = errors.Join(err, body.Close()); err != nil {
			s.t.Fatal(err)
		}
		files[m.Key] = string(octets)
	}
	return files
}

// holds checks that the disk has just these messages, each as often as it is
// named.
func (s *store) holds(want ...letter) {
	s.t.Helper()
	var texts []string
	for _, l := range want {
		texts = append(texts, l.text)
	}
	slices.Sort(texts)
	if got := s.disk(); !slices.Equal(got, texts) {
		s.t.Fatalf("%d messages on disk, want %d", len(got), len(texts))
	}
}

func TestBackupBringsWhatIsNewAndNothingTwice(t *testing.T) {
	server := start(t, &pop3Server{letters: mails(1, 250)})
	s := newStore(t, server.options)
	s.backup().did(t, 250, 0)
	s.holds(mails(1, 250)...)
	s.backup().did(t, 0, 0)
	server.add(mail(251))
	s.backup().did(t, 1, 0)
	s.holds(mails(1, 251)...)
	if n := server.sent("DELE"); n > 0 {
		t.Errorf("%d DELE", n)
	}
	if n := server.sent("RETR"); n != 251 {
		t.Errorf("%d RETR", n)
	}
}

func TestWhatAnotherProgramDeletesStaysOnDisk(t *testing.T) {
	server := start(t, &pop3Server{letters: mails(1, 5)})
	s := newStore(t, server.options)
	s.backup().did(t, 5, 0)
	server.letters = append(mails(2, 3), mail(6))
	s.backup().did(t, 1, 0)
	s.holds(mails(1, 6)...)
	// A server that hid them shows them again.
	server.letters = mails(1, 6)
	s.backup().did(t, 0, 0)
	s.holds(mails(1, 6)...)
}

func TestIdenticalMessagesAreSeveral(t *testing.T) {
	for name, unique := range map[string]string{"one unique-id": "same", "none": ""} {
		t.Run(name, func(t *testing.T) {
			twin := mail(1)
			twin.unique = unique
			server := start(t, &pop3Server{letters: []letter{twin, mail(2), twin}})
			s := newStore(t, server.options)
			s.backup().did(t, 3, 0)
			s.holds(twin, mail(2), twin)
			s.backup().did(t, 0, 0)
			server.add(twin)
			s.backup().did(t, 1, 0)
			server.letters = server.letters[2:]
			s.backup().did(t, 0, 0)
			s.holds(twin, mail(2), twin, twin)
		})
	}
}

// odd ways of a server to name its messages: what UIDL tells in each session.
var names = map[string]func(session, number int, of letter) string{
	"honest":            func(_, _ int, of letter) string { return of.unique },
	"another each time": func(session, _ int, of letter) string { return fmt.Sprintf("%d-%s", session, of.unique) },
	"the number":        func(_, number int, _ letter) string { return fmt.Sprint(number) },
	"one for all":       func(int, int, letter) string { return "x" },
	"one for ten":       func(_, _ int, of letter) string { return of.unique[:len(of.unique)-1] },
	"none":              func(int, int, letter) string { return "" },
	"with spaces":       func(_, _ int, of letter) string { return of.unique + "  and more" },
	"too long":          func(_, _ int, of letter) string { return of.unique + string(make([]byte, 600)) },
	"some have none":    func(_, number int, of letter) string { return of.unique[:len(of.unique)*(number%2)] },
}

// sizes are what LIST may tell.
var sizes = map[string]func(session, number int, of letter) string{
	"true":              nil,
	"nothing":           func(int, int, letter) string { return "0" },
	"huge":              func(int, int, letter) string { return "99999999999" },
	"another each time": func(session, number int, _ letter) string { return fmt.Sprint(session*1000 + number) },
	"no number":         func(int, int, letter) string { return "many" },
}

func TestServersThatNameTheirMessagesOddlyLoseAndDoubleNothing(t *testing.T) {
	for name, unique := range names {
		for size, list := range sizes {
			t.Run(name+", sizes "+size, func(t *testing.T) {
				t.Parallel()
				server := start(t, &pop3Server{letters: mails(8, 13), unique: unique, list: list})
				s := newStore(t, server.options)
				s.backup()
				s.holds(mails(8, 13)...)
				for _, now := range [][]letter{mails(10, 15), mails(9, 12), mails(9, 16)} { // mail comes and goes
					server.mu.Lock()
					server.letters = now
					server.mu.Unlock()
					s.backup()
				}
				s.holds(mails(8, 16)...)
				s.backup()
				s.holds(mails(8, 16)...)
				if server.sent("DELE") > 0 {
					t.Error("DELE was sent")
				}
			})
		}
	}
}

func TestUniqueIDThatComesWithAnotherSizeIsAnotherMessage(t *testing.T) {
	// Numbers that move up when a message before them goes.
	server := start(t, &pop3Server{unique: func(_, number int, _ letter) string { return fmt.Sprint(number + 5) }})
	letters := mails(1, 6)
	for i := range letters {
		letters[i].text += strings.Repeat("x", i) + "\r\n"
	}
	server.letters = letters[:4]
	s := newStore(t, server.options)
	s.backup().did(t, 4, 0)
	server.letters = letters[2:]
	s.backup().did(t, 2, 0)
	s.holds(letters...)
}
