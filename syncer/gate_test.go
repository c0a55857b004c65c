package syncer_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"mailferry/syncer"
	"mailferry/syncer/mailbox"
	"mailferry/syncer/plan"
	"mailferry/syncer/synctest"
)

// otherDisk is a disk that reads other octets than it was given.
type otherDisk struct{ *synctest.Disk }

func (d otherDisk) Inspect(ctx context.Context, name mailbox.Name, key mailbox.Key) (mailbox.Content, mailbox.Date, error) {
	content, date, err := d.Disk.Inspect(ctx, name, key)
	content.Hash[7] ^= 1
	return content, date, err
}

// brokenDisk is one that cannot be read any more.
type brokenDisk struct{ *synctest.Disk }

func (d brokenDisk) Inspect(context.Context, mailbox.Name, mailbox.Key) (mailbox.Content, mailbox.Date, error) {
	return mailbox.Content{}, mailbox.Date{}, errors.New("input/output error")
}

// otherRows is a server whose rows are bent from a certain look on.
type otherRows struct {
	*synctest.Model
	looks *int
	from  int
	bend  func(*mailbox.RemoteMessage)
}

func (m otherRows) Observe(ctx context.Context, name mailbox.Name, since mailbox.Since, each func(mailbox.RemoteMessage) error) (mailbox.Observation, error) {
	*m.looks++
	bends := *m.looks >= m.from
	return m.Model.Observe(ctx, name, since, func(row mailbox.RemoteMessage) error {
		if bends {
			m.bend(&row)
		}
		return each(row)
	})
}

// forgetful is a state that does not have what it was told.
type forgetful struct {
	*synctest.State
	bend func(*mailbox.Link)
}

func (s forgetful) Scan(ctx context.Context, id mailbox.ID, some mailbox.Some, each func(*mailbox.Link) error) error {
	return s.State.Scan(ctx, id, some, func(link *mailbox.Link) error {
		bent := *link
		s.bend(&bent)
		return each(&bent)
	})
}

// TestGateKeepsWhatDoesNotPass: each question of the gate, answered wrongly for
// every message, keeps all of them on the server.
func TestGateKeepsWhatDoesNotPass(t *testing.T) {
	rows := func(bend func(*mailbox.RemoteMessage)) func(w *world, o *syncer.Options) {
		return func(w *world, o *syncer.Options) {
			o.Remote = otherRows{w.model, new(int), 2, bend} // the gate's look is the second
		}
	}
	atGate := func(w *world, act func()) {
		looks := 0
		w.model.Interrupt(func(op string) {
			if op == "Observe" {
				if looks++; looks == 2 {
					act()
				}
			}
		})
	}
	cases := map[string]struct {
		bend func(w *world, o *syncer.Options)
		// failed messages are named; the others are left for the next run.
		failed bool
	}{
		"file not durable": {func(w *world, _ *syncer.Options) {
			w.disk.Inject(synctest.Fault{Op: "Persist", Kind: synctest.Refused, Err: errors.New("fsync: input/output error")})
		}, false},
		"file has other octets": {func(w *world, o *syncer.Options) { o.Local = otherDisk{w.disk} }, true},
		"file cannot be read":   {func(w *world, o *syncer.Options) { o.Local = brokenDisk{w.disk} }, true},
		"link not in the state": {func(w *world, o *syncer.Options) { o.Base = forgetful{w.state, func(l *mailbox.Link) { l.ID += 100 }} }, true},
		"link of another message": {func(w *world, o *syncer.Options) {
			o.Base = forgetful{w.state, func(l *mailbox.Link) { l.Content.Hash[3] ^= 1 }}
		}, true},
		"link of another UID":      {func(w *world, o *syncer.Options) { o.Base = forgetful{w.state, func(l *mailbox.Link) { l.UID += 100 }} }, true},
		"server tells other sizes": {rows(func(row *mailbox.RemoteMessage) { row.Size++ }), true},
		"server tells other dates": {rows(func(row *mailbox.RemoteMessage) { row.Date.Unix += 3600 }), true},
		"flagged on the server": {func(w *world, _ *syncer.Options) {
			atGate(w, func() {
				for _, m := range w.server.Messages("INBOX") {
					w.server.Store("INBOX", m.UID, "+FLAGS", mailbox.NewFlags(mailbox.FlagFlagged))
				}
			})
		}, false},
		"flagged on the server right before": {func(w *world, _ *syncer.Options) {
			w.meanwhile("Expunge", func() {
				for _, m := range w.server.Messages("INBOX") {
					w.server.Store("INBOX", m.UID, "+FLAGS", mailbox.NewFlags(mailbox.FlagFlagged))
				}
			})
		}, false},
		"flagged on disk": {func(w *world, _ *syncer.Options) {
			atGate(w, func() {
				for _, f := range w.reader.Files("INBOX") {
					w.reader.SetFlags("INBOX", f.Key, mailbox.NewFlags(mailbox.FlagFlagged))
				}
			})
		}, false},
		"file deleted": {func(w *world, _ *syncer.Options) {
			atGate(w, func() {
				for _, f := range w.reader.Files("INBOX") {
					w.reader.Unlink("INBOX", f.Key)
				}
			})
		}, false},
		"renumbered":              {func(w *world, _ *syncer.Options) { atGate(w, func() { w.server.Renumber("INBOX") }) }, true},
		"renumbered right before": {func(w *world, _ *syncer.Options) { w.meanwhile("Expunge", func() { w.server.Renumber("INBOX") }) }, true},
		"listing cut short": {func(w *world, _ *syncer.Options) {
			w.model.Inject(synctest.Fault{Op: "Observe", Kind: synctest.Incomplete, Skip: 1, After: 2})
		}, false},
		"connection lost": {func(w *world, _ *syncer.Options) {
			for range 20 {
				w.model.Inject(synctest.Fault{Op: "Expunge", Kind: synctest.Refused, Err: &mailbox.ServerError{Status: "NO", Command: "UID STORE"}})
			}
		}, true},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			w := calmWorld(t, synctest.FullModel())
			w.put("INBOX", 4)
			expunges := 0
			summary := w.bend(func(o *syncer.Options) {
				archiving(plan.Retention{KeepFlagged: true})(o)
				c.bend(w, o)
				o.RemoteMessages = expunging{o.RemoteMessages, &expunges}
			})
			// The gate keeps them, not the server's refusal, but for what
			// happens behind it.
			if isLate := strings.HasSuffix(name, "right before") || name == "connection lost"; isLate != (expunges > 0) {
				t.Errorf("the server was asked to expunge %d times", expunges)
			}
			w.model.Interrupt(nil)
			w.disk.Interrupt(nil)
			if n := len(w.onServer("INBOX")); n != 4 || summary.ExpungedRemote != 0 {
				t.Fatalf("%d of 4 messages are left: %+v", n, summary)
			}
			if c.failed != (summary.Failed >= 4) {
				t.Errorf("named %d", summary.Failed)
			}
			if !c.failed && summary.Stale == 0 && summary.Failed == 0 && name != "file not durable" {
				t.Errorf("nothing was said: %+v", summary)
			}
		})
	}
}

// expunging counts how often a server is asked to expunge.
type expunging struct {
	syncer.RemoteMessages
	times *int
}

func (e expunging) Expunge(ctx context.Context, ref mailbox.Ref, uids mailbox.UIDSet, since mailbox.ModSeq) (mailbox.UIDSet, error) {
	*e.times++
	return e.RemoteMessages.Expunge(ctx, ref, uids, since)
}

// TestGatesQuestionsComeInTheirOrder: durable, read again, committed, the server
// asked, the intent noted, and only then is anything deleted.
func TestGatesQuestionsComeInTheirOrder(t *testing.T) {
	w := calmWorld(t, synctest.FullModel())
	w.put("INBOX", 2)
	calls := w.watchCalls()
	w.bend(archiving(plan.Retention{}))
	seen := calls()
	rest := seen
	for _, want := range []string{
		"disk Seal", "state Commit", "disk Publish", "state Commit", "server Observe", "disk List", "disk Persist", "state Links",
		"disk Inspect", "disk Inspect", "state Mark", "state Commit", "server Expunge", "server Observe", "state Commit",
	} {
		i := slices.Index(rest, want)
		if i < 0 {
			t.Fatalf("%q is missing or too early in\n%s", want, strings.Join(seen, "\n"))
		}
		if early := slices.Index(rest[:i], "server Expunge"); early >= 0 {
			t.Fatalf("expunged before %q in\n%s", want, strings.Join(seen, "\n"))
		}
		rest = rest[i+1:]
	}
	if n := count(seen, "server Expunge"); n != 1 {
		t.Errorf("%d times expunged", n)
	}
}

func count(list []string, want string) (n int) {
	for _, text := range list {
		if text == want {
			n++
		}
	}
	return n
}

// lazy is a server that says OK and deletes nothing.
type lazy struct{ *synctest.Model }

func (lazy) Expunge(context.Context, mailbox.Ref, mailbox.UIDSet, mailbox.ModSeq) (mailbox.UIDSet, error) {
	return nil, nil
}

func TestServerThatDeletesNothingIsReported(t *testing.T) {
	w := calmWorld(t, synctest.FullModel())
	w.put("INBOX", 1200)
	summary := w.bend(func(o *syncer.Options) {
		archiving(plan.Retention{})(o)
		o.RemoteMessages = lazy{w.model}
	})
	// One group was tried, and the mailbox's trouble is one more failure.
	if summary.ExpungedRemote != 0 || summary.Failed != 501 || len(w.onServer("INBOX")) != 1200 {
		t.Errorf("%+v", summary)
	}
	if summary := w.bend(archiving(plan.Retention{})); summary.ExpungedRemote != 1200 || summary.Downloaded != 0 {
		t.Errorf("a server that was repaired: %+v", summary)
	}
}

// greedy is a server that expunges what nobody asked it to.
type greedy struct {
	*synctest.Model
	server synctest.OtherClient
	extra  []mailbox.UID
}

func (m greedy) Expunge(ctx context.Context, ref mailbox.Ref, uids mailbox.UIDSet, since mailbox.ModSeq) (mailbox.UIDSet, error) {
	modified, err := m.Model.Expunge(ctx, ref, uids, since)
	m.server.Expunge(ref.Name, m.extra...)
	return modified, err
}

func TestServerThatExpungesUnaskedRaisesTheAlarm(t *testing.T) {
	for _, condStore := range []bool{true, false} {
		model := synctest.FullModel()
		model.CondStore = condStore
		w := calmWorld(t, model)
		w.server.Create("Z")
		w.put("Z", 3)
		all := w.put("INBOX", 1204)
		// The last one is flagged and stays, and is what the server takes.
		stray := w.server.Messages("INBOX")[1203].UID
		w.server.Store("INBOX", stray, "+FLAGS", mailbox.NewFlags(mailbox.FlagFlagged))
		o := w.options()
		archiving(plan.Retention{KeepFlagged: true})(&o)
		o.RemoteMessages = greedy{w.model, w.server, []mailbox.UID{stray}}
		_, err := syncer.Run(context.Background(), o)
		var alarm *syncer.AlarmError
		if !errors.As(err, &alarm) || alarm.Mailbox != "INBOX" || alarm.UIDs.String() != fmt.Sprint(stray) || alarm.Kept != 1 {
			t.Fatalf("CONDSTORE %v: %v", condStore, err)
		}
		if n := len(w.onServer("INBOX")); n != 703 || len(w.onServer("Z")) != 3 {
			t.Errorf("CONDSTORE %v: %d left: it did not stop", condStore, n)
		}
		// What went away unasked stays on disk, also when sync is next.
		for range 2 {
			w.bend(guarding)
		}
		if got := w.onDisk("INBOX"); !isSubset(all, got) {
			t.Errorf("CONDSTORE %v: %d files of %d", condStore, len(got), len(all))
		}
	}
}

// TestMachinesWaitForEachOther: two stores of one account, and a third machine
// that does not know of them.
func TestMachinesWaitForEachOther(t *testing.T) {
	home := calmWorld(t, synctest.FullModel())
	all := home.put("INBOX", 3)
	work := calmWorld(t, synctest.FullModel())
	work.model, work.server = home.model, home.server
	limits := func(machine string) func(*syncer.Options) {
		return archiving(plan.Retention{LeaveFor: []string{"Work", "home"}, Machine: machine})
	}
	steps := []struct {
		w                 *world
		bend              func(*syncer.Options)
		reported, expunge int
	}{
		{home, limits("home"), 3, 0},
		{home, limits("home"), 0, 0},
		{home, guarding, 0, 0},
		{work, limits("work"), 0, 3},
		{home, guarding, 0, 0},
		{home, limits("home"), 0, 0},
	}
	for i, s := range steps {
		summary := s.w.bend(s.bend)
		if summary.FlagsRemote != s.reported || summary.ExpungedRemote != s.expunge || summary.Failed+summary.Guarded != 0 {
			t.Fatalf("step %d: %+v", i, summary)
		}
		if summary.FlagsLocal+summary.RemovedLocal != 0 {
			t.Errorf("step %d: the keywords reached the disk: %+v", i, summary)
		}
	}
	for _, w := range []*world{home, work} {
		for _, f := range w.reader.Files("INBOX") {
			if !f.Flags.IsEmpty() {
				t.Errorf("flags %s on disk", f.Flags)
			}
		}
	}
	if !isSubset(all, work.onDisk("INBOX")) {
		t.Error("not all of it is at work")
	}
	if !isSubset(all, home.onDisk("INBOX")) {
		t.Error("not all of it is at home")
	}
}

func TestMachinesNeedKeywords(t *testing.T) {
	model := synctest.FullModel()
	model.Keywords = []string{}
	w := calmWorld(t, model)
	w.put("INBOX", 3)
	summary := w.bend(archiving(plan.Retention{LeaveFor: []string{"work", "home"}, Machine: "home"}))
	if summary.Failed != 1 || summary.ExpungedRemote+summary.FlagsRemote != 0 {
		t.Errorf("%+v", summary)
	}
}
