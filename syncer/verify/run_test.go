package verify_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"mailferry/syncer"
	"mailferry/syncer/mailbox"
	"mailferry/syncer/plan"
	"mailferry/syncer/synctest"
	"mailferry/syncer/verify"
)

var someDate = mailbox.Date{Unix: 1e9, Known: true}

// world is a store that was synced with a server.
type world struct {
	t      *testing.T
	model  *synctest.Model
	disk   *synctest.Disk
	state  *synctest.State
	server synctest.OtherClient
	reader synctest.MailReader
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, model: synctest.NewModel(synctest.FullModel()), disk: synctest.NewDisk(synctest.DiskOptions{}), state: synctest.NewState(nil)}
	w.server, w.reader = w.model.Other(t), w.disk.Reader(t)
	return w
}

// message is one of its own, with a body of that many lines.
func message(i int) []byte {
	return fmt.Appendf(nil, "Message-ID: <%d@x>\r\nFrom: a@x\r\nDate: Mon, 1 Jan 2024 00:00:0%d +0000\r\nSubject: m%d\r\n\r\n%s\r\n", i, i%10, i, strings.Repeat("body\r\n", i))
}

func (w *world) sync() {
	w.t.Helper()
	policy := plan.Sync()
	policy.AllowDeletes = 1000
	_, err := syncer.Run(context.Background(), syncer.Options{
		Policy: policy, Remote: w.model, RemoteMessages: w.model, RemoteMailboxes: w.model,
		Local: w.disk, LocalDelivery: w.disk, LocalMessages: w.disk, LocalFolders: w.disk,
		Base: w.state, Connections: 2, Reporter: silent{}, Now: time.Now,
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

type silent struct{}

func (silent) Action(plan.Action, syncer.Result, error) {}
func (silent) Guard(plan.Refusal)                       {}
func (silent) Trouble(mailbox.Name, error)              {}
func (silent) Notice(mailbox.Name, string)              {}
func (silent) Progress(syncer.Progress)                 {}

func (w *world) store() *verify.Store { return &verify.Store{Disk: w.disk, Base: w.state, Readers: 2} }

func (w *world) compare(change func(*verify.Options)) *verify.Report {
	w.t.Helper()
	opts := verify.Options{Here: w.store(), There: verify.NewServer(w.model, 2, nil), Linked: true, Workers: 2}
	if change != nil {
		change(&opts)
	}
	report, err := verify.Run(context.Background(), opts)
	if err != nil {
		w.t.Fatal(err)
	}
	return report
}

// found is every difference as "kind mailbox uid".
func found(r *verify.Report) []string {
	var list []string
	for _, d := range r.Differences {
		list = append(list, fmt.Sprintf("%s %s %d", d.Kind, d.Mailbox, d.UID))
	}
	return list
}

func TestRunNamesEachKindOfDifference(t *testing.T) {
	flagged := mailbox.NewFlags(mailbox.FlagFlagged)
	cases := map[string]struct {
		change func(*world)
		want   []string
	}{
		"nothing": {func(*world) {}, nil},
		"new on the server": {func(w *world) {
			w.server.Append("INBOX", mailbox.Flags{}, someDate, message(9))
		}, []string{"missing-here INBOX 5"}},
		"expunged on the server": {func(w *world) { w.server.Expunge("INBOX", 2) }, []string{"missing-there INBOX 2"}},
		"file gone":              {func(w *world) { w.reader.Unlink("INBOX", w.keyOf("INBOX", 2)) }, []string{"missing-here INBOX 2"}},
		"new on disk": {func(w *world) {
			w.reader.Deliver("INBOX", mailbox.Flags{}, someDate, message(9))
		}, []string{"missing-there INBOX 0"}},
		"flag on the server": {func(w *world) { w.server.Store("INBOX", 2, "+FLAGS", flagged) }, []string{"flags INBOX 2"}},
		"keyword on the server": {func(w *world) {
			w.server.Store("INBOX", 2, "+FLAGS", mailbox.NewFlags("alpha"))
		}, []string{"keywords INBOX 2"}},
		"flag on disk":        {func(w *world) { w.reader.SetFlags("INBOX", w.keyOf("INBOX", 2), flagged) }, []string{"flags INBOX 2"}},
		"moved on disk":       {func(w *world) { w.reader.Move("INBOX", w.keyOf("INBOX", 2), "Work", true) }, []string{"folder Work 2"}},
		"mailbox on one side": {func(w *world) { w.server.Create("Empty") }, []string{"mailbox Empty 0"}},
		"gone on both sides": {func(w *world) {
			w.server.Expunge("INBOX", 2)
			w.reader.Unlink("INBOX", w.keyOf("INBOX", 2))
		}, nil},
		"one of two identical messages gone": {func(w *world) { w.server.Expunge("INBOX", 4) }, []string{"missing-there INBOX 4"}},
		"renumbered":                         {func(w *world) { w.server.Renumber("INBOX") }, nil},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.server.Create("Work")
			for i := range 3 {
				w.server.Append("INBOX", mailbox.Flags{}, someDate, message(i))
			}
			w.server.Append("INBOX", mailbox.Flags{}, someDate, message(2)) // two identical ones
			w.sync()
			c.change(w)
			report := w.compare(nil)
			if got := found(report); !slices.Equal(got, c.want) {
				t.Errorf("found %v, want %v", got, c.want)
			}
		})
	}
}

func (w *world) keyOf(name mailbox.Name, uid mailbox.UID) mailbox.Key {
	w.t.Helper()
	known, _ := w.state.Mailboxes(context.Background())
	for _, k := range known {
		links, _ := w.state.Links(context.Background(), k.ID)
		for _, link := range links {
			if k.Name == name && link.UID == uid {
				return link.Key
			}
		}
	}
	w.t.Fatalf("%s has no uid %d", name, uid)
	return ""
}

// flipped is a disk with bit rot: one message reads otherwise than it was
// written.
type flipped struct {
	*synctest.Disk
	key mailbox.Key
}

func (f flipped) Inspect(ctx context.Context, name mailbox.Name, key mailbox.Key) (mailbox.Content, mailbox.Date, error) {
	content, date, err := f.Disk.Inspect(ctx, name, key)
	if key == f.key {
		content.Hash[0] ^= 1
	}
	return content, date, err
}

func TestRunFindsBitRotWithAndWithoutAServer(t *testing.T) {
	w := newWorld(t)
	for i := range 3 {
		w.server.Append("INBOX", mailbox.Flags{}, someDate, message(i))
	}
	w.sync()
	rotten := &verify.Store{Disk: flipped{w.disk, w.keyOf("INBOX", 2)}, Base: w.state, Readers: 1}
	want := []string{"damaged INBOX 2"}
	if got := found(w.compare(func(o *verify.Options) { o.Here = rotten })); !slices.Equal(got, want) {
		t.Errorf("with the server: found %v, want %v", got, want)
	}
	if got := found(w.compare(func(o *verify.Options) { o.Here, o.There = rotten, nil })); !slices.Equal(got, want) {
		t.Errorf("without: found %v, want %v", got, want)
	}
}

func TestRunTellsRewrittenMessagesFromLostOnes(t *testing.T) {
	w := newWorld(t)
	w.server.Append("INBOX", mailbox.Flags{}, someDate, message(1))
	w.server.Append("INBOX", mailbox.Flags{}, someDate, message(2))
	w.server.Append("INBOX", mailbox.Flags{}, someDate, message(3))
	w.sync()
	other := synctest.NewModel(synctest.FullModel())
	there := other.Other(t)
	there.Append("INBOX", mailbox.Flags{}, someDate, append([]byte("X-Received-By: them\r\n"), message(1)...))
	there.Append("INBOX", mailbox.Flags{}, someDate, slices.Concat(message(2), []byte("\r\n"))) // one empty line more
	there.Append("INBOX", mailbox.Flags{}, someDate, []byte(strings.Replace(string(message(3)), "body", "Body", 1)))
	report := w.compare(func(o *verify.Options) { o.There, o.Linked = verify.NewServer(other, 1, nil), false })
	want := []string{"missing-here INBOX 3", "missing-there INBOX 3", "rewritten INBOX 1", "rewritten INBOX 2"}
	if got := found(report); !slices.Equal(got, want) {
		t.Errorf("found %v, want %v", got, want)
	}
	if report.Losses() != 2 {
		t.Errorf("%d losses, want 2", report.Losses())
	}
}

func TestQuickReadsNoMessageAndSeesWhatIsMissing(t *testing.T) {
	w := newWorld(t)
	for i := range 5 {
		w.server.Append("INBOX", mailbox.Flags{}, someDate, message(i))
	}
	w.sync()
	w.server.Expunge("INBOX", 3)
	fetched := 0
	w.model.Interrupt(func(op string) {
		if op == "Fetch" {
			fetched++
		}
	})
	report := w.compare(func(o *verify.Options) { o.Quick = true })
	if got, want := found(report), []string{"missing-there INBOX 3"}; !slices.Equal(got, want) {
		t.Errorf("found %v, want %v", got, want)
	}
	if fetched != 0 || report.Read != 0 {
		t.Errorf("a quick comparison fetched %d times and read %d messages", fetched, report.Read)
	}
}

func TestSampleReadsWhatIsChosen(t *testing.T) {
	w := newWorld(t)
	for i := range 6 {
		w.server.Append("INBOX", mailbox.Flags{}, someDate, message(i))
	}
	w.sync()
	n := 0
	report := w.compare(func(o *verify.Options) {
		o.Sample, o.Chosen = 0.5, func(float64) bool { n++; return n%2 == 0 }
	})
	if report.Read != 3 || report.Pairs != 6 || len(report.Differences) != 0 {
		t.Errorf("read %d of %d, differences %v", report.Read, report.Pairs, found(report))
	}
}

// incomplete is a server whose listings prove nothing.
type incomplete struct{ *synctest.Model }

func (s incomplete) Observe(ctx context.Context, name mailbox.Name, since mailbox.Since, each func(mailbox.RemoteMessage) error) (mailbox.Observation, error) {
	seen, err := s.Model.Observe(ctx, name, since, each)
	seen.Complete = false
	return seen, err
}

func TestAnIncompleteListingEndsTheComparison(t *testing.T) {
	w := newWorld(t)
	w.server.Append("INBOX", mailbox.Flags{}, someDate, message(1))
	w.sync()
	_, err := verify.Run(context.Background(), verify.Options{Here: w.store(), There: verify.NewServer(incomplete{w.model}, 1, nil), Linked: true})
	if !errors.Is(err, mailbox.ErrIncomplete) {
		t.Errorf("error %v", err)
	}
}

// nameless is a server with a mailbox that has no name here.
type nameless struct{ *synctest.Model }

func (nameless) LeftOut() []mailbox.LeftOut {
	return []mailbox.LeftOut{{Text: "a\r\nb", Err: mailbox.ErrUnsupported}}
}

func TestAMailboxThatIsLeftOutEndsTheComparison(t *testing.T) {
	w := newWorld(t)
	w.sync()
	_, err := verify.Run(context.Background(), verify.Options{Here: w.store(), There: verify.NewServer(nameless{w.model}, 1, nil), Linked: true})
	if !errors.Is(err, mailbox.ErrUnsupported) || !strings.Contains(err.Error(), `"a\r\nb"`) {
		t.Errorf("error %v", err)
	}
}

func TestWhatIsKeptOnOneSideOnPurposeIsNoDifference(t *testing.T) {
	w := newWorld(t)
	for i := range 3 {
		w.server.Append("INBOX", mailbox.Flags{}, someDate, message(i))
	}
	w.sync()
	known, _ := w.state.Mailboxes(context.Background())
	links, _ := w.state.Links(context.Background(), known[0].ID)
	kept := links[0]
	kept.Kind, kept.UID = mailbox.KeptLocal, 0
	if err := w.state.Commit(context.Background(), mailbox.Commit{Mailbox: known[0].ID, Put: []*mailbox.Link{&kept}}); err != nil {
		t.Fatal(err)
	}
	w.server.Expunge("INBOX", links[0].UID)
	report := w.compare(nil)
	if len(report.Differences) != 0 || report.KeptHere != 1 {
		t.Errorf("differences %v, kept here %d", found(report), report.KeptHere)
	}
	other := synctest.NewModel(synctest.FullModel())
	report = w.compare(func(o *verify.Options) { o.There, o.Linked = verify.NewServer(other, 1, nil), false })
	if n := report.Count(verify.MissingThere); n != 3 {
		t.Errorf("another server lacks %d messages, want 3: the archived one counts", n)
	}
}
