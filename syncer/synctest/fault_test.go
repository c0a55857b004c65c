package synctest

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"testing"

	"mailferry/syncer/mailbox"
)

// upTwo appends two messages and says what was answered.
func upTwo(t *testing.T, m *Model) (answers int, err error) {
	uploads := []mailbox.Upload{upload(mailbox.Flags{}, someDate(1), text(1)), upload(mailbox.Flags{}, someDate(2), text(2))}
	err = m.Append(t.Context(), mailbox.Inbox, uploads, func(int, mailbox.Appended, error) { answers++ })
	return answers, err
}

func TestFuseKillsBeforeAndAfterEachEffect(t *testing.T) {
	fuse := &Fuse{}
	for at, want := range []struct{ answers, messages int }{{2, 2}, {0, 0}, {0, 1}, {1, 1}, {1, 2}, {2, 2}} {
		opts := FullModel()
		opts.Fuse = fuse
		m := NewModel(opts)
		fuse.Arm(at)
		answers, err := upTwo(t, m)
		messages := len(m.Other(t).Messages(mailbox.Inbox))
		if answers != want.answers || messages != want.messages || fuse.Blown() != errors.Is(err, ErrKilled) {
			t.Errorf("killed at %d: %d answers, %d messages, %v", at, answers, messages, err)
		}
		if fuse.Blown() {
			if _, err := m.List(t.Context()); !errors.Is(err, ErrKilled) {
				t.Errorf("killed at %d: the dead list: %v", at, err)
			}
		}
	}
}

func TestLostAnswerHasItsEffect(t *testing.T) {
	m := NewModel(FullModel())
	m.Inject(Fault{Op: "Append", Kind: Lost, After: 1})
	answers, err := upTwo(t, m)
	if n := len(m.Other(t).Messages(mailbox.Inbox)); answers != 1 || n != 2 || !errors.Is(err, mailbox.ErrNetwork) {
		t.Errorf("%d answers, %d messages, %v", answers, n, err)
	}
	ref := mailbox.Ref{Name: mailbox.Inbox, UIDValidity: 1}
	m.Inject(Fault{Op: "Expunge", Kind: Lost})
	_, err = m.Expunge(t.Context(), ref, mailbox.Range(1, 2), 0)
	if n := len(m.Other(t).Messages(mailbox.Inbox)); n != 1 || !errors.Is(err, mailbox.ErrNetwork) {
		t.Errorf("%d messages left, %v", n, err)
	}
}

func TestIncompleteObservationIsNotComplete(t *testing.T) {
	m := NewModel(FullModel())
	_, err := upTwo(t, m)
	must(t, "append", err)
	m.Inject(Fault{Op: "Observe", Kind: Incomplete, After: 1})
	handed := 0
	observation, err := m.Observe(t.Context(), mailbox.Inbox, mailbox.Since{}, func(mailbox.RemoteMessage) error { handed++; return nil })
	if err != nil || observation.Complete || handed != 1 {
		t.Errorf("%+v, %d messages, %v", observation, handed, err)
	}
}

func TestFetchThatIsCutDeliversNoShortMessage(t *testing.T) {
	m := NewModel(FullModel())
	_, err := upTwo(t, m)
	must(t, "append", err)
	m.Inject(Fault{Op: "Fetch", Kind: Lost, After: 1})
	s := newSink()
	err = m.Fetch(t.Context(), mailbox.Ref{Name: mailbox.Inbox, UIDValidity: 1}, mailbox.Range(1, 9), mailbox.Whole, s)
	if !errors.Is(err, mailbox.ErrNetwork) || len(s.got) != 1 || !bytes.Equal(s.got[1], text(1)) {
		t.Errorf("%v, %v", err, s.got)
	}
}

func TestHiddenMailboxIsStillThere(t *testing.T) {
	m := NewModel(FullModel())
	m.Hide(mailbox.Inbox)
	listed, err := m.List(t.Context())
	exists, existsErr := m.Exists(t.Context(), mailbox.Inbox)
	if err != nil || existsErr != nil || len(listed) != 0 || !exists {
		t.Errorf("%v %v %v %v", listed, err, exists, existsErr)
	}
}

func TestInterruptLetsOthersActFirst(t *testing.T) {
	m := NewModel(FullModel())
	_, err := upTwo(t, m)
	must(t, "append", err)
	m.Interrupt(func(op string) {
		if op == "Fetch" {
			m.Other(t).Expunge(mailbox.Inbox, 1)
		}
	})
	s := newSink()
	must(t, "fetch", m.Fetch(t.Context(), mailbox.Ref{Name: mailbox.Inbox, UIDValidity: 1}, mailbox.Range(1, 2), mailbox.Whole, s))
	if len(s.got) != 1 {
		t.Errorf("got %v", s.order)
	}
}

func TestPowerCutSparesWhatIsDurable(t *testing.T) {
	for seed := range uint64(50) {
		d := NewDisk(DiskOptions{})
		ctx := t.Context()
		must(t, "create", d.Create(ctx, work))
		draft, err := d.Receive(ctx, work, int64(len(text(1))), bytes.NewReader(text(1)))
		must(t, "receive", err)
		must(t, "seal", d.Seal(ctx, []mailbox.Draft{draft}))
		must(t, "publish", d.Publish(ctx, []mailbox.Draft{draft}))
		_, err = d.ChangeFlags(ctx, work, draft.Key, mailbox.FlagChange{Add: flagged})
		must(t, "change", err)
		must(t, "flush", d.Flush(ctx))
		d.PowerCut(rand.New(rand.NewPCG(seed, 0)))
		files := d.Reader(t).Files(work)
		if len(files) != 1 || !bytes.Equal(files[0].Octets, text(1)) || !files[0].Flags.Equal(flagged) {
			t.Fatalf("seed %d: %+v", seed, files)
		}
	}
}

func TestPowerCutMayUndoWhatIsNot(t *testing.T) {
	undone, kept := 0, 0
	for seed := range uint64(50) {
		d := NewDisk(DiskOptions{})
		must(t, "create", d.Create(t.Context(), work))
		key := d.Reader(t).Deliver(work, mailbox.Flags{}, someDate(1), text(1))
		must(t, "remove", d.Remove(t.Context(), work, []mailbox.Key{key}))
		d.PowerCut(rand.New(rand.NewPCG(seed, 0)))
		if left, trash := len(d.Reader(t).Files(work)), len(d.Trash()); left+trash != 1 {
			t.Fatalf("seed %d: %d in the folder, %d in the trash", seed, left, trash)
		} else if left == 1 {
			undone++
		} else {
			kept++
		}
	}
	if undone == 0 || kept == 0 {
		t.Errorf("undone %d times, kept %d times", undone, kept)
	}
}

func TestSweepRemovesWhatAKilledRunLeft(t *testing.T) {
	d := NewDisk(DiskOptions{})
	must(t, "create", d.Create(t.Context(), work))
	for range 2 {
		_, err := d.Receive(t.Context(), work, 1, bytes.NewReader([]byte("x")))
		must(t, "receive", err)
		must(t, "sweep", d.Sweep(t.Context()))
		if n := d.Reader(t).Drafts(work); n != 1 {
			t.Fatalf("%d drafts", n)
		}
		d.Restart()
	}
	must(t, "sweep", d.Sweep(t.Context()))
	if n := d.Reader(t).Drafts(work); n != 0 {
		t.Errorf("%d drafts left", n)
	}
	key := d.Reader(t).Deliver(work, mailbox.Flags{}, someDate(1), text(1))
	must(t, "remove", d.Remove(t.Context(), work, []mailbox.Key{key}))
	for days, want := range map[int]int{30: 1, 31: 0} {
		d.trash[0].days = days
		saved := d.trash
		must(t, "sweep", d.Sweep(t.Context()))
		if len(d.trash) != want {
			t.Errorf("after %d days %d in the trash", days, len(d.trash))
		}
		d.trash = append([]trashed(nil), saved[:1]...)
		d.trash[0] = trashed{name: work, file: &diskFile{File: File{Key: key}}}
	}
}
