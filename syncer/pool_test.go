package syncer_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"mailferry/maildirout"
	"mailferry/state"
	"mailferry/syncer"
	"mailferry/syncer/mailbox"
	"mailferry/syncer/plan"
	"mailferry/syncer/synctest"
)

// inParts makes a mailbox of more than a few messages one that is too large to
// be matched in one piece.
func inParts(window int) func(*syncer.Options) {
	return func(o *syncer.Options) { o.Window = window }
}

// bodies is a server that counts the messages it hands over whole.
type bodies struct {
	*synctest.Model
	read *atomic.Int64
}

func (m bodies) Fetch(ctx context.Context, ref mailbox.Ref, uids mailbox.UIDSet, part mailbox.Part, sink mailbox.FetchSink) error {
	if part == mailbox.Whole {
		m.read.Add(int64(uids.Len()))
	}
	return m.Model.Fetch(ctx, ref, uids, part, sink)
}

// notices returns what the runs so far told that contains text.
func (w *world) notices(text string) (list []string) {
	w.trailMu.Lock()
	defer w.trailMu.Unlock()
	for _, line := range w.trail {
		if strings.Contains(line, "notice") && strings.Contains(line, text) {
			list = append(list, line)
		}
	}
	return list
}

func TestLargeMailboxIsMatchedInPartsWithoutTransfer(t *testing.T) {
	for name, policy := range map[string]plan.Policy{"sync": plan.Sync(), "backup": plan.Backup()} {
		for what, happens := range map[string]func(*world){
			"renumbered":     func(w *world) { w.server.Renumber("INBOX") },
			"state lost":     func(w *world) { w.state.Lose() },
			"both":           func(w *world) { w.server.Renumber("INBOX"); w.state.Lose() },
			"and more comes": func(w *world) { w.server.Renumber("INBOX"); w.put("INBOX", 30) },
		} {
			t.Run(name+"/"+what, func(t *testing.T) {
				w := calmWorld(t, synctest.FullModel())
				var read atomic.Int64
				bend := both(inParts(12), w.onRestedDisk, func(o *syncer.Options) {
					o.Policy, o.Remote = policy, bodies{w.model, &read}
				})
				w.put("INBOX", 50)
				w.bend(bend)
				w.bend(bend)
				read.Store(0)
				happens(w)
				fresh := len(w.server.Messages("INBOX")) - 50
				summary := w.bend(bend)
				if summary.Downloaded != fresh || summary.Uploaded+summary.Failed+summary.RemovedLocal+summary.ExpungedRemote != 0 || int(read.Load()) != fresh {
					t.Errorf("%d messages read, %+v", read.Load(), summary)
				}
				if n := len(w.notices("50 of 50 recognised")); (what == "renumbered" || fresh > 0) != (n == 1) {
					t.Errorf("%d notices", n)
				}
				if summary = w.bend(bend); summary.Mailboxes != 0 && summary.Downloaded+summary.FlagsLocal+summary.FlagsRemote > 0 {
					t.Errorf("still something to do: %+v", summary)
				}
				w.check()
			})
		}
	}
}

// A dry run tells the same as the run, and writes nothing.
func TestDryRunMatchesInParts(t *testing.T) {
	w := calmWorld(t, synctest.FullModel())
	w.put("INBOX", 20)
	bend := both(inParts(8), w.onRestedDisk)
	w.bend(bend)
	w.bend(bend)
	w.server.Renumber("INBOX")
	w.put("INBOX", 3)
	before, _ := w.state.Mailboxes(t.Context())
	w.bend(both(bend, func(o *syncer.Options) { o.DryRun = true }))
	after, _ := w.state.Mailboxes(t.Context())
	if fmt.Sprint(before) != fmt.Sprint(after) || len(w.notices("20 of 20 recognised")) != 1 {
		t.Errorf("%v\n%v", before, after)
	}
	if summary := w.bend(bend); summary.Downloaded != 3 {
		t.Errorf("%+v", summary)
	}
}

// TestMatchingInPartsIsKilledAnywhere kills the run at each effect in turn: one
// more run gives what the run would have given.
func TestMatchingInPartsIsKilledAnywhere(t *testing.T) {
	for what, happens := range map[string]func(*world){
		"renumbered": func(w *world) { w.server.Renumber("INBOX") },
		"state lost": func(w *world) { w.state.Lose() },
	} {
		t.Run(what, func(t *testing.T) {
			for at := 1; ; at++ {
				w := calmWorld(t, synctest.FullModel())
				w.put("INBOX", 14)
				bend := both(inParts(4), w.onRestedDisk)
				w.bend(bend)
				w.bend(bend)
				happens(w)
				w.fuse.Arm(at)
				w.bend(bend)
				blown := w.fuse.Blown()
				w.fuse.Arm(0)
				summary := w.bend(bend)
				if summary.Downloaded+summary.Uploaded+summary.RemovedLocal+summary.ExpungedRemote+summary.Failed != 0 {
					t.Fatalf("killed at %d: %+v", at, summary)
				}
				w.settle()
				w.check()
				if !blown {
					return
				}
				if at == 1000 || t.Failed() {
					t.Fatalf("killed at %d", at)
				}
			}
		})
	}
}

// silent is a server that once, when it is asked for some messages by name, does
// not describe the first of them.
type silent struct {
	*synctest.Model
	// at is the look at which that happens, counted down.
	at *int
}

func (m silent) Observe(ctx context.Context, name mailbox.Name, since mailbox.Since, each func(mailbox.RemoteMessage) error) (mailbox.Observation, error) {
	if *m.at--; since.Only.IsEmpty() || *m.at != 0 {
		return m.Model.Observe(ctx, name, since, each)
	}
	var spoiled mailbox.UIDSet
	seen, err := m.Model.Observe(ctx, name, since, func(row mailbox.RemoteMessage) error {
		if spoiled.IsEmpty() {
			spoiled = mailbox.UIDs(row.UID)
			return nil
		}
		return each(row)
	})
	seen.Spoiled = spoiled
	return seen, err
}

// Files that may be a message that was not described do not travel.
func TestPartThatIsNotDescribedInFullIsLeftToTheNextRun(t *testing.T) {
	for what, happens := range map[string]func(*world){
		"renumbered": func(w *world) { w.server.Renumber("INBOX") },
		"state lost": func(w *world) { w.state.Lose() },
	} {
		for at := 1; at < 15; at++ {
			t.Run(fmt.Sprint(what, at), func(t *testing.T) {
				w := calmWorld(t, synctest.FullModel())
				bend := both(inParts(8), w.onRestedDisk)
				w.put("INBOX", 12)
				w.bend(bend)
				w.bend(bend)
				happens(w)
				countdown := at
				first := w.bend(both(bend, func(o *syncer.Options) { o.Remote = silent{w.model, &countdown} }))
				second := w.bend(bend)
				if first.Uploaded+first.Downloaded+second.Uploaded+second.Downloaded != 0 {
					t.Errorf("%+v, then %+v", first, second)
				}
				w.check()
			})
		}
	}
}

// headless is a server that does not hand over the header of one message.
type headless struct {
	*synctest.Model
	uid mailbox.UID
}

func (m headless) Fetch(ctx context.Context, ref mailbox.Ref, uids mailbox.UIDSet, part mailbox.Part, sink mailbox.FetchSink) error {
	if part == mailbox.HeaderOnly {
		uids = uids.Minus(mailbox.UIDs(m.uid))
	}
	return m.Model.Fetch(ctx, ref, uids, part, sink)
}

func TestMessageWithoutItsHeaderIsNotMadeTwoByParts(t *testing.T) {
	w := calmWorld(t, synctest.FullModel())
	w.put("INBOX", 12)
	bend := both(inParts(8), w.onRestedDisk)
	w.bend(bend)
	w.bend(bend)
	w.state.Lose()
	for range 2 {
		if summary := w.bend(both(bend, func(o *syncer.Options) { o.Remote = headless{w.model, 3} })); summary.Downloaded+summary.Uploaded != 0 {
			t.Errorf("%+v", summary)
		}
	}
	w.bend(bend)
	w.check()
}

// A server may have given a message other line ends: then its header is another,
// and it is found by its date.
func TestMessageWithOtherLineEndsIsRecognisedInParts(t *testing.T) {
	for what, happens := range map[string]func(*world){
		"renumbered": func(w *world) { w.server.Renumber("INBOX") },
		"state lost": func(w *world) { w.state.Lose() },
	} {
		t.Run(what, func(t *testing.T) {
			w := calmWorld(t, synctest.FullModel())
			bend := both(inParts(8), w.onRestedDisk, func(o *syncer.Options) { o.RemoteMessages = mending{w.model} })
			w.put("INBOX", 10)
			w.bend(bend)
			date := mailbox.Date{Unix: someDate.Unix + 77, Known: true}
			w.reader.Deliver("INBOX", mailbox.Flags{}, date, []byte("Message-ID: <1>\r\nSubject: x\n\r\nbody\nand\r\nmore\n"))
			for range 3 {
				w.bend(bend)
			}
			w.put("INBOX", 10)
			for range 2 {
				w.bend(bend)
			}
			happens(w)
			for range 2 {
				if summary := w.bend(bend); summary.Downloaded+summary.Uploaded+summary.RemovedLocal+summary.ExpungedRemote+summary.Failed != 0 {
					t.Errorf("%+v", summary)
				}
			}
			if server, disk := len(w.server.Messages("INBOX")), len(w.reader.Files("INBOX")); server != 21 || disk != 21 {
				t.Errorf("%d on the server, %d on disk", server, disk)
			}
		})
	}
}

// A message that was matched, and was moved away and back before the rest was,
// has another UID: it is no deletion.
func TestMovedBackBetweenPartsIsNoDeletion(t *testing.T) {
	w := calmWorld(t, synctest.FullModel())
	bend := both(inParts(8), w.onRestedDisk)
	all := w.put("INBOX", 16)
	w.bend(bend)
	w.bend(bend)
	w.server.Renumber("INBOX")
	var link mailbox.Link
	for at := 1; link.UID == 0; at++ {
		w.fuse.Arm(at)
		w.bend(bend)
		w.fuse.Arm(0)
		links, err := w.state.Links(t.Context(), 1)
		if err != nil || at == 100 {
			t.Fatalf("at %d: %v", at, err)
		}
		if isHalfDone := links[0].UID == 0; isHalfDone {
			link = links[len(links)-1]
		}
	}
	for _, m := range w.server.Messages("INBOX") {
		if m.UID == link.UID {
			w.server.Expunge("INBOX", m.UID)
			w.server.Append("INBOX", m.Flags, m.Date, m.Octets)
		}
	}
	summary := w.bend(bend)
	if summary.RemovedLocal+summary.Downloaded+summary.Uploaded != 0 || len(w.onDisk("INBOX")) != len(all) {
		t.Errorf("%+v", summary)
	}
	w.check()
}

// TestPartsKeepEveryMessageOnce has messages with copies, with headers in
// common and without any, matched in parts by runs that are killed and cut off,
// again and again, while new ones come on both sides. Nobody deletes anything.
func TestPartsKeepEveryMessageOnce(t *testing.T) {
	seeds := histories(t, 300)
	first := number(t, "MAILFERRY_SEED", 1)
	for seed := first; seed < first+seeds; seed++ {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			w := newWorld(t, uint64(seed))
			w.random = rand.New(rand.NewPCG(uint64(seed), 77))
			var before []arrival
			for range 3 + w.random.IntN(4) {
				for range w.random.IntN(12) {
					w.arriveSomewhere(&before)
				}
				if w.random.IntN(3) == 0 {
					w.note("the state is lost")
					w.state.Lose()
				}
				if w.random.IntN(3) == 0 {
					w.note("renumbered")
					w.server.Renumber("INBOX")
				}
				w.disturbedRun()
			}
			w.settle()
			w.check()
		})
	}
}

// arrival is a message that came on one of the sides.
type arrival struct {
	octets     []byte
	isOnServer bool
}

// arriveSomewhere brings a message, or one more copy of one that came before.
func (w *world) arriveSomewhere(before *[]arrival) {
	date := mailbox.Date{Unix: int64(1e9 + w.random.IntN(3)), Known: true}
	one, isCopy := pick(w, *before)
	_, hasFolder := pick(w, w.reader.Names())
	switch {
	case isCopy && w.random.IntN(4) == 0 && one.isOnServer:
		w.fate[string(one.octets)].serverCopies++
	case isCopy && w.random.IntN(4) == 0 && !one.isOnServer:
		w.fate[string(one.octets)].diskCopies++
	default:
		one.isOnServer = !hasFolder || w.random.IntN(3) > 0
		one.octets, date = w.message()
		*before = append(*before, one)
	}
	w.note("arrives: %.20q, on the server: %v", one.octets, one.isOnServer)
	if one.isOnServer {
		w.server.Append("INBOX", w.flags(), date, one.octets)
	} else {
		w.reader.Deliver("INBOX", w.flags(), date, one.octets)
	}
}

// TestLargeStoreIsMatchedInPartsFromATemporaryFile is the whole with a Maildir,
// the state and the temporary file.
func TestLargeStoreIsMatchedInPartsFromATemporaryFile(t *testing.T) {
	w := calmWorld(t, synctest.FullModel())
	w.put("INBOX", 60)
	w.fate["with a keyword\r\n\r\n"] = &fate{}
	w.server.Append("INBOX", mailbox.NewFlags("$Junk", mailbox.FlagSeen), someDate, []byte("with a keyword\r\n\r\n"))
	dir, store := t.TempDir(), t.TempDir()
	disk, err := maildirout.Open(maildirout.Options{Dir: store})
	if err != nil {
		t.Fatal(err)
	}
	defer disk.Close()
	var made atomic.Int64
	run := func(control string) syncer.Summary {
		base, err := state.Open(t.Context(), state.Options{
			Dir: filepath.Join(dir, control), Control: ".mailferry",
			Identity: state.Identity{Account: "home", URL: "imaps://me@imap.example.com", Layout: "fs"},
		})
		if err != nil {
			t.Fatal(err)
		}
		defer base.Close()
		return w.bend(func(o *syncer.Options) {
			o.Window, o.Recover = 16, false
			o.Local, o.LocalDelivery, o.LocalMessages, o.LocalFolders, o.LocalStream, o.LocalCopies = disk, disk, disk, disk, disk, disk
			o.Base, o.Marks, o.Copies = base, base, base
			o.Scratch = func() (syncer.Scratch, error) {
				made.Add(1)
				return state.NewScratch()
			}
		})
	}
	if summary := run("first"); summary.Downloaded != 61 {
		t.Fatalf("%+v", summary)
	}
	for _, step := range []struct {
		control string
		happens func()
	}{
		{"second", func() {}},
		{"second", func() { w.server.Renumber("INBOX") }},
		{"second", func() {}},
	} {
		step.happens()
		summary := run(step.control)
		if summary.Downloaded+summary.Uploaded+summary.FlagsLocal+summary.FlagsRemote+summary.Failed != 0 {
			t.Errorf("%+v", summary)
		}
	}
	if made.Load() != 1 {
		t.Errorf("%d temporary files", made.Load())
	}
}
