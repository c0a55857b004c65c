package merge_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mailferry/state"
	"mailferry/syncer"
	"mailferry/syncer/imapremote"
	"mailferry/syncer/imapremote/wire"
	"mailferry/syncer/mailbox"
	"mailferry/syncer/merge"
	"mailferry/syncer/plan"
	"mailferry/syncer/synctest"
)

// quiet is a Reporter that stops a run after some uploads.
type quiet struct {
	tb     testing.TB
	after  int
	cancel context.CancelFunc
}

func (q *quiet) Action(a plan.Action, result syncer.Result, err error) {
	if err != nil && q.cancel == nil {
		q.tb.Errorf("%s %s: %v", a.Kind, a.Mailbox, err)
	}
	if q.after--; q.after == 0 && q.cancel != nil {
		q.cancel()
	}
}
func (q *quiet) Guard(r plan.Refusal) { q.tb.Errorf("%+v", r) }
func (q *quiet) Trouble(name mailbox.Name, err error) {
	if q.cancel == nil {
		q.tb.Errorf("%s: %v", name, err)
	}
}
func (q *quiet) Notice(mailbox.Name, string) {}
func (q *quiet) Progress(syncer.Progress)    {}

// mergeInto is what the command does for a server.
func mergeInto(t *testing.T, user *synctest.User, indexes string, sources []merge.Source, cutAfter int) syncer.Summary {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	server, err := imapremote.Open(ctx, imapremote.Options{
		Dialer: wire.Dialer{Addr: user.Server.Addr, Security: wire.Plain}, User: user.Name,
		Password: func(context.Context) (string, error) { return user.Password, nil }, Connections: 2,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	listed, err := server.List(ctx)
	if err != nil {
		t.Fatal(err)
	}
	mapping, err := merge.NewMapping(nil, "", listed)
	if err != nil {
		t.Fatal(err)
	}
	u := merge.NewUnion(testNow)
	defer u.Close()
	add := func(source merge.Source, isTarget bool) {
		scanned, err := merge.Scan(ctx, source, indexes, nil)
		if err == nil {
			err = u.Add(scanned, isTarget)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, source := range sources {
		add(source, false)
	}
	add(merge.NewRemote(merge.RemoteOptions{Kind: merge.IMAP, Name: "target", ID: user.Server.Addr + user.Name, Server: server, Known: u.Known()}), true)
	u.Join()
	outbox, err := u.Outbox(mapping)
	if err != nil {
		t.Fatal(err)
	}
	base, err := state.Open(ctx, state.Options{Dir: filepath.Join(t.TempDir(), "base"), Identity: state.Identity{Layout: "fs"}})
	if err != nil {
		t.Fatal(err)
	}
	defer base.Close()
	reporter := &quiet{tb: t}
	if cutAfter > 0 {
		reporter.after, reporter.cancel = cutAfter, cancel
	}
	summary, err := syncer.Run(ctx, syncer.Options{
		Policy: plan.Restore(), Remote: server, RemoteMessages: server, RemoteMailboxes: server, Local: outbox, LocalDelivery: outbox,
		LocalMessages: outbox, LocalFolders: outbox, Base: base, Selects: outbox.Selects, Connections: 2, Reporter: reporter, Now: time.Now,
	})
	if err != nil && !(cutAfter > 0 && errors.Is(err, context.Canceled)) {
		t.Logf("cut run ended with %v", err)
		if cutAfter == 0 {
			t.Fatal(err)
		}
	}
	return summary
}

// The union is on the server by hash, whatever the server had before, also
// after a run that was cut off, and a further run uploads nothing.
func TestServersHoldTheUnionByHash(t *testing.T) {
	servers := map[string]func(testing.TB) *synctest.Server{
		"dovecot": func(tb testing.TB) *synctest.Server { return synctest.Dovecot(tb, synctest.DovecotConfig{}) },
		"cyrus":   synctest.Cyrus,
	}
	for name, start := range servers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			user := start(t).User(t)
			dir := t.TempDir()
			message := func(i int) string {
				return fmt.Sprintf("Message-ID: <%d@x>\nFrom: a@x\nDate: Mon, 1 Jan 2018 09:%02d:00 +0100\nSubject: m %d\n\n%s\n\nFrom %d\n",
					i, i%60, i, strings.Repeat("text\n", i%40), i)
			}
			wireForm := func(text string) string { return strings.ReplaceAll(text, "\n", "\r\n") }
			want := map[mailbox.Hash]bool{}
			var first, second []copied
			for i := range 120 {
				want[hashText(wireForm(message(i)))] = true
				switch {
				case i < 60:
					first = append(first, copied{text: message(i), seen: true})
				default:
					second = append(second, copied{text: message(i)})
				}
				if i%3 == 0 {
					first = append(first, copied{text: message(i)})
					second = append(second, copied{text: message(i)})
				}
			}
			writeThunderbird(t, filepath.Join(dir, "tb"), first)
			writeMbox(t, filepath.Join(dir, "Inbox.mbox"), second, mboxrd)
			sources := []merge.Source{open(t, filepath.Join(dir, "tb")), open(t, filepath.Join(dir, "Inbox.mbox"))}
			// The server has one with other transport fields, one to the
			// octet, and one that nobody else has.
			date := mailbox.DateOf(testNow)
			traced := wireForm("Received: from a by b; Mon, 1 Jan 2018 10:00:00 +0100\n" + message(7))
			stranger := wireForm("From: only@server\nSubject: s\n\nonly there\n")
			for _, text := range []string{traced, wireForm(message(8)), stranger} {
				user.Append(mailbox.Inbox, mailbox.Flags{}, date, []byte(text))
			}
			delete(want, hashText(wireForm(message(7))))
			want[hashText(traced)], want[hashText(stranger)] = true, true

			mergeInto(t, user, filepath.Join(dir, "index"), sources, 20)
			mergeInto(t, user, filepath.Join(dir, "index"), sources, 0)
			got := map[mailbox.Hash]int{}
			for _, messages := range user.Snapshot() {
				for _, m := range messages {
					got[m.Hash]++
					if strings.Contains(string(m.Octets), "Subject: m 30\r") && !m.Flags.Has(mailbox.FlagSeen) {
						t.Errorf("flags %s of %s", m.Flags, m.Octets)
					}
				}
			}
			for hash, n := range got {
				if n != 1 || !want[hash] {
					t.Errorf("%s is there %d times, wanted: %v", hash, n, want[hash])
				}
			}
			if len(got) != len(want) {
				t.Errorf("%d messages, want %d", len(got), len(want))
			}
			if again := mergeInto(t, user, filepath.Join(dir, "index"), sources, 0); again.Uploaded != 0 {
				t.Errorf("a further run uploads %d", again.Uploaded)
			}
		})
	}
}

// nameless is a server with a mailbox that has no name here.
type nameless struct{ *synctest.Model }

func (nameless) LeftOut() []mailbox.LeftOut {
	return []mailbox.LeftOut{{Text: "a\r\nb", Err: mailbox.ErrUnsupported}}
}

func TestAMailboxThatIsLeftOutIsTold(t *testing.T) {
	source := merge.NewRemote(merge.RemoteOptions{Kind: merge.IMAP, Name: "x", ID: "x", Server: nameless{synctest.NewModel(synctest.FullModel())}})
	var damages []merge.Damage
	err := source.Units(t.Context(), func(merge.Unit) error { return nil }, func(d merge.Damage) { damages = append(damages, d) })
	if err != nil || len(damages) != 1 || !damages[0].Lost || !strings.Contains(damages[0].What, `"a\r\nb"`) {
		t.Errorf("%v, %+v", err, damages)
	}
}
