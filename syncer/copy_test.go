package syncer_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"mailferry/syncer"
	"mailferry/syncer/mailbox"
	"mailferry/syncer/plan"
	"mailferry/syncer/synctest"
)

// noNames is a server that has no names for contents.
func noNames() synctest.ModelOptions {
	opts := synctest.FullModel()
	opts.ObjectID = false
	return opts
}

// letter is a message of more than plan.HeaderWorth octets.
func letter(header string, n int) []byte {
	return fmt.Appendf(nil, "%s\r\n\r\n%s%d\r\n", header, strings.Repeat("line\r\n", plan.HeaderWorth/6), n)
}

// arrive puts a message onto the server.
func (w *world) arrive(name mailbox.Name, date int64, octets []byte) mailbox.UID {
	if w.fate[string(octets)] == nil {
		w.fate[string(octets)] = &fate{}
	} else {
		w.fate[string(octets)].serverCopies++
	}
	return w.server.Append(name, mailbox.Flags{}, mailbox.Date{Unix: date, Known: true}, octets)
}

// down returns how many octets of messages a run reads.
func (w *world) down() int64 {
	before := w.model.Traffic().OctetsDown
	w.run()
	return w.model.Traffic().OctetsDown - before
}

func TestMessageCopiedOnServerIsNotDownloadedAgain(t *testing.T) {
	for name, test := range map[string]struct {
		opts   synctest.ModelOptions
		octets []byte
		most   int64
	}{
		"the server names contents": {synctest.FullModel(), []byte("short\r\n"), 0},
		"its header tells":          {noNames(), letter("Message-ID: <1>", 1), 100},
	} {
		t.Run(name, func(t *testing.T) {
			w := calmWorld(t, test.opts)
			w.server.Create("A")
			uid := w.arrive("INBOX", 1e9, test.octets)
			w.run()
			w.server.Store("INBOX", uid, "+FLAGS", mailbox.NewFlags(mailbox.FlagFlagged))
			w.arrive("A", 1e9, test.octets)
			if down := w.down(); down > test.most {
				t.Errorf("%d octets down", down)
			}
			first, second := w.reader.Files("INBOX"), w.reader.Files("A")
			if len(first) != 1 || len(second) != 1 || first[0].Key == second[0].Key || !second[0].Flags.IsEmpty() || !bytes.Equal(second[0].Octets, test.octets) {
				t.Errorf("INBOX has %+v, A %+v", first, second)
			}
			w.settle()
			w.check()
		})
	}
}

func TestFirstPullReadsEachMessageOnce(t *testing.T) {
	for name, opts := range map[string]synctest.ModelOptions{"named": synctest.FullModel(), "by header": noNames()} {
		t.Run(name, func(t *testing.T) {
			w := calmWorld(t, opts)
			w.server.Create("All")
			w.server.Create("Label")
			total := int64(0)
			for i := range 20 {
				octets := letter(fmt.Sprintf("Message-ID: <%d>", i), i)
				for _, name := range []mailbox.Name{"INBOX", "All", "Label"}[:1+i%3] {
					w.arrive(name, 1e9+int64(i), octets)
				}
				total += int64(len(octets))
			}
			if down := w.down(); down > total+20*100 {
				t.Errorf("%d octets down of %d", down, total)
			}
			w.settle()
			w.check()
		})
	}
}

func TestWhatIsOnlyLikeAnotherMessageIsDownloaded(t *testing.T) {
	one, two := letter("Message-ID: <1>", 1), letter("Message-ID: <1>", 2)
	for name, test := range map[string]struct {
		opts          synctest.ModelOptions
		first, second []byte
		date          int64
	}{
		"named otherwise":                  {synctest.FullModel(), one, two, 1e9},
		"another header":                   {noNames(), one, letter("Message-ID: <2>", 1), 1e9},
		"another date":                     {noNames(), one, one, 2e9},
		"no Message-ID in the header":      {noNames(), letter("Subject: same", 1), letter("Subject: same", 2), 1e9},
		"short, and its header tells less": {noNames(), []byte("Message-ID: <1>\r\n\r\n1"), []byte("Message-ID: <1>\r\n\r\n2"), 1e9},
	} {
		for _, together := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, together %v", name, together), func(t *testing.T) {
				w := calmWorld(t, test.opts)
				w.server.Create("Z")
				w.arrive("INBOX", 1e9, test.first)
				if !together {
					w.run()
				}
				w.arrive("Z", test.date, test.second)
				w.run()
				if got := w.reader.Files("Z"); len(got) != 1 || !bytes.Equal(got[0].Octets, test.second) || got[0].Date.Unix != test.date {
					t.Errorf("Z has %.100v", got)
				}
				w.settle()
				w.check()
			})
		}
	}
}

func TestCopyOfAFileThatWasChangedOrRemovedIsDownloaded(t *testing.T) {
	for _, spoil := range []func(w *world, key mailbox.Key){
		func(w *world, key mailbox.Key) { w.reader.Edit("INBOX", key, []byte("others\r\n")) },
		func(w *world, key mailbox.Key) { w.reader.Edit("INBOX", key, []byte("shorter")) },
		func(w *world, key mailbox.Key) { w.reader.Unlink("INBOX", key) },
	} {
		w := calmWorld(t, synctest.FullModel())
		w.server.Create("A")
		octets := []byte("octets\r\n")
		w.arrive("INBOX", 1e9, octets)
		w.run()
		spoil(w, w.reader.Files("INBOX")[0].Key)
		w.arrive("A", 1e9, octets)
		if down := w.down(); down != int64(len(octets)) {
			t.Errorf("%d octets down", down)
		}
		if got := w.reader.Files("A"); len(got) != 1 || !bytes.Equal(got[0].Octets, octets) {
			t.Errorf("A has %+v", got)
		}
	}
}

func TestOneMessageTwiceInAMailboxIsTwoMessages(t *testing.T) {
	w := calmWorld(t, synctest.FullModel())
	octets := []byte("twice\r\n")
	w.arrive("INBOX", 1e9, octets)
	w.arrive("INBOX", 1e9, octets)
	if down := w.down(); down != int64(len(octets)) {
		t.Errorf("%d octets down", down)
	}
	w.settle()
	w.check()
	if got := w.reader.Files("INBOX"); len(got) != 2 || got[0].Key == got[1].Key {
		t.Errorf("INBOX has %+v", got)
	}
}

// copied puts a second file of a message's octets into another folder.
func (w *world) copied(from, to mailbox.Name, flags mailbox.Flags) {
	for _, f := range w.reader.Files(from) {
		w.fate[string(f.Octets)].diskCopies++
		w.reader.Deliver(to, flags, mailbox.Date{Unix: 3e9, Known: true}, f.Octets)
	}
}

func TestFileCopiedOnDiskIsCopiedOnTheServer(t *testing.T) {
	seen, flagged := mailbox.NewFlags(mailbox.FlagSeen, "$Junk"), mailbox.NewFlags(mailbox.FlagFlagged)
	for name, opts := range map[string]synctest.ModelOptions{
		"full": synctest.FullModel(), "no CONDSTORE": {UIDPlus: true}, "no UIDPLUS": {CondStore: true, Move: true},
	} {
		for _, flags := range []mailbox.Flags{{}, seen, flagged} {
			t.Run(fmt.Sprint(name, flags), func(t *testing.T) {
				w := calmWorld(t, opts)
				w.server.Create("A")
				uid := w.arrive("INBOX", 1e9, []byte("one\r\n"))
				w.arrive("INBOX", 1e9, []byte("two\r\n"))
				w.server.Store("INBOX", uid, "+FLAGS", seen)
				w.run()
				w.copied("INBOX", "A", flags)

				if summary := w.run(); summary.Uploaded != 2 || summary.Traffic.OctetsUp != 0 {
					t.Errorf("%+v", summary)
				}
				w.settle()
				w.check()
				messages := w.server.Messages("A")
				if len(messages) != 2 {
					t.Fatalf("A has %+v", messages)
				}
				for i, m := range messages {
					if m.Date.Unix != 1e9 {
						t.Errorf("the copy's date is %v", m.Date)
					}
					if want := w.reader.Files("A")[i].Flags; !m.Flags.Equal(want) || opts.UIDPlus && !want.Equal(flags) || !want.Intersect(flags).Equal(flags) {
						t.Errorf("%d has the flags %s on the server, %s on disk", m.UID, m.Flags, want)
					}
				}
				if got := w.server.Messages("INBOX"); len(got) != 2 || !got[0].Flags.Equal(seen) {
					t.Errorf("INBOX has %+v", got)
				}
			})
		}
	}
}

func TestFileCopiedTwiceIsThreeMessages(t *testing.T) {
	w := calmWorld(t, synctest.FullModel())
	w.server.Create("A")
	w.arrive("INBOX", 1e9, []byte("one\r\n"))
	w.run()
	w.copied("INBOX", "A", mailbox.Flags{})
	w.copied("INBOX", "A", mailbox.NewFlags(mailbox.FlagSeen))
	if summary := w.run(); summary.Uploaded != 2 || summary.Traffic.OctetsUp != 0 {
		t.Errorf("%+v", summary)
	}
	w.settle()
	w.check()
	if got := w.server.Messages("A"); len(got) != 2 || got[0].Flags.Equal(got[1].Flags) {
		t.Errorf("A has %+v", got)
	}
}

// What the copy is made of goes while we look, or the answer is lost.
func TestCopyThatFailsOrIsLostIsUploadedOnce(t *testing.T) {
	for name, test := range map[string]struct {
		opts  synctest.ModelOptions
		spoil func(w *world)
	}{
		"gone":          {synctest.FullModel(), func(w *world) { w.server.Expunge("INBOX", 1) }},
		"mailbox gone":  {synctest.FullModel(), func(w *world) { w.server.Delete("B") }},
		"lost":          {synctest.FullModel(), func(w *world) { w.model.Inject(synctest.Fault{Op: "Copy", Kind: synctest.Lost}) }},
		"lost, poor":    {synctest.ModelOptions{}, func(w *world) { w.model.Inject(synctest.Fault{Op: "Copy", Kind: synctest.Lost}) }},
		"flags lost":    {synctest.FullModel(), func(w *world) { w.model.Inject(synctest.Fault{Op: "StoreFlags", Kind: synctest.Lost}) }},
		"renumbered":    {synctest.FullModel(), func(w *world) { w.server.Renumber("INBOX") }},
		"the file goes": {synctest.FullModel(), func(w *world) { w.reader.Unlink("INBOX", w.reader.Files("INBOX")[0].Key) }},
	} {
		t.Run(name, func(t *testing.T) {
			w := calmWorld(t, test.opts)
			w.marks = !test.opts.UIDPlus
			w.server.Create("A")
			w.server.Create("B")
			w.arrive("INBOX", 1e9, []byte("one\r\n"))
			w.run()
			w.copied("INBOX", "A", mailbox.NewFlags(mailbox.FlagFlagged))
			w.fate["one\r\n"].deleted = true
			test.spoil(w)
			w.run()
			w.settle()
			w.check()
			got := w.server.Messages("A")
			if len(got) != 1 || string(got[0].Octets) != "one\r\n" || !got[0].Flags.Has(mailbox.FlagFlagged) {
				t.Errorf("A has %+v", got)
			}
		})
	}
}

func TestACopyIsNotRepeatedAfterTheRunWasKilled(t *testing.T) {
	for at := 1; at <= 20; at++ {
		w := calmWorld(t, synctest.FullModel())
		opts := synctest.FullModel()
		opts.Fuse = w.fuse
		w.model, w.disk = synctest.NewModel(opts), synctest.NewDisk(synctest.DiskOptions{Fuse: w.fuse})
		w.server, w.reader = w.model.Other(t), w.disk.Reader(t)
		w.server.Create("A")
		w.arrive("INBOX", 1e9, []byte("one\r\n"))
		w.run()
		w.copied("INBOX", "A", mailbox.NewFlags(mailbox.FlagFlagged))
		w.fuse.Arm(at)
		_, err := syncer.Run(t.Context(), w.options())
		w.fuse.Arm(0)
		w.disk.Restart()
		w.settle()
		w.check()
		if got := w.server.Messages("A"); len(got) != 1 || !got[0].Flags.Equal(mailbox.NewFlags(mailbox.FlagFlagged)) {
			t.Errorf("killed at %d (%v): A has %+v", at, err, got)
		}
	}
}
