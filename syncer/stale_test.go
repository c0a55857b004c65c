package syncer_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"mailferry/syncer"
	"mailferry/syncer/mailbox"
	"mailferry/syncer/synctest"
)

// glimpse is a disk whose next listing misses a file, as readdir may while it
// is renamed.
type glimpse struct {
	*synctest.Disk
	missed *bool
}

func (d glimpse) Tally(context.Context, mailbox.Name) (mailbox.Tally, mailbox.Stamp, error) {
	return mailbox.Tally{}, mailbox.Stamp{}, mailbox.ErrIncomplete
}

func (d glimpse) List(ctx context.Context, name mailbox.Name) ([]mailbox.LocalFile, mailbox.Stamp, error) {
	messages, stamp, err := d.Disk.List(ctx, name)
	if !*d.missed {
		*d.missed = true
		messages = messages[1:]
	}
	return messages, stamp, err
}

func TestFileThatOneListingMissesIsThere(t *testing.T) {
	w := calmWorld(t, synctest.FullModel())
	w.put("INBOX", 3)
	w.run()
	summary := w.bend(func(o *syncer.Options) { o.Local = glimpse{w.disk, new(bool)} })
	if summary.ExpungedRemote+summary.Stale+summary.Failed != 0 {
		t.Errorf("%+v", summary)
	}
}

// coarse is a disk on a file system that counts time in seconds.
type coarse struct{ *synctest.Disk }

func (d coarse) blur(stamp mailbox.Stamp) mailbox.Stamp {
	const second = int64(time.Second)
	return mailbox.Stamp{Cur: 1000 * second, New: 1000 * second, Taken: 1001 * second}
}

func (d coarse) Stamp(ctx context.Context, name mailbox.Name) (mailbox.Stamp, error) {
	stamp, err := d.Disk.Stamp(ctx, name)
	return d.blur(stamp), err
}

func (d coarse) Tally(ctx context.Context, name mailbox.Name) (mailbox.Tally, mailbox.Stamp, error) {
	tally, stamp, err := d.Disk.Tally(ctx, name)
	return tally, d.blur(stamp), err
}

func (d coarse) List(ctx context.Context, name mailbox.Name) ([]mailbox.LocalFile, mailbox.Stamp, error) {
	messages, stamp, err := d.Disk.List(ctx, name)
	return messages, d.blur(stamp), err
}

func TestFolderThatChangedShortlyBeforeIsListed(t *testing.T) {
	w := calmWorld(t, synctest.FullModel())
	w.put("INBOX", 3)
	onCoarse := func(o *syncer.Options) { o.Local = coarse{w.disk} }
	for range 3 {
		w.bend(onCoarse)
	}
	w.reader.Unlink("INBOX", w.reader.Files("INBOX")[0].Key)
	if summary := w.bend(onCoarse); summary.ExpungedRemote != 1 {
		t.Errorf("%+v", summary)
	}
}

// meanwhile lets another client act right before the run's first call of op.
func (w *world) meanwhile(op string, act func()) {
	var once sync.Once
	hook := func(now string) {
		if now == op {
			once.Do(act)
		}
	}
	w.model.Interrupt(hook)
	w.disk.Interrupt(hook)
}

// TestChangeInTheMiddleOfARunMakesActionsStale: what no longer is as the plan
// saw it is left alone, the checkpoint stays, and the next run sees it.
func TestChangeInTheMiddleOfARunMakesActionsStale(t *testing.T) {
	flagged := mailbox.NewFlags(mailbox.FlagFlagged)
	unlink := func(w *world) { w.reader.Unlink("INBOX", w.reader.Files("INBOX")[0].Key) }
	cases := map[string]struct {
		change func(*world)
		op     string
		act    func(*world)
		left   int // messages on both sides in the end
	}{
		"flagged before it is expunged": {unlink, "Expunge", func(w *world) { w.server.Store("INBOX", 1, "+FLAGS", flagged) }, 3},
		"flagged before it is removed": {func(w *world) { w.server.Expunge("INBOX", 1) }, "Observe", func(w *world) {
			w.reader.SetFlags("INBOX", w.reader.Files("INBOX")[0].Key, flagged)
		}, 3},
		"flags of both": {func(w *world) {
			w.reader.SetFlags("INBOX", w.reader.Files("INBOX")[0].Key, flagged)
		}, "StoreFlags", func(w *world) { w.server.Store("INBOX", 1, "+FLAGS", mailbox.NewFlags(mailbox.FlagSeen)) }, 3},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			w := calmWorld(t, synctest.FullModel())
			w.put("INBOX", 3)
			for range 3 {
				w.bend(w.onRestedDisk)
			}
			c.change(w)
			w.meanwhile(c.op, func() { c.act(w) })
			summary := w.bend(w.onRestedDisk)
			w.model.Interrupt(nil)
			w.disk.Interrupt(nil)
			if want := 1; summary.Stale != want {
				t.Errorf("not stale: %+v", summary)
			}
			for range 3 {
				w.bend(w.onRestedDisk)
			}
			var server, disk []string
			for _, name := range w.server.Mailboxes() {
				for _, m := range w.server.Messages(name) {
					server = append(server, fmt.Sprintf("%s %s %s", name, m.Octets, m.Flags))
				}
				for _, f := range w.reader.Files(name) {
					disk = append(disk, fmt.Sprintf("%s %s %s", name, f.Octets, f.Flags))
				}
			}
			slices.Sort(server)
			slices.Sort(disk)
			if len(server) != c.left || !slices.Equal(server, disk) {
				t.Errorf("server\n%s\ndisk\n%s", strings.Join(server, "\n"), strings.Join(disk, "\n"))
			}
		})
	}
}

// A file that is back, or has other flags, when its move is about to happen.
func TestMoveIsCheckedRightBeforeItHappens(t *testing.T) {
	cases := map[string]struct {
		change func(*world)
		list   int // the listing of A for the move
		act    func(*world)
	}{
		"on disk": {func(w *world) {
			w.reader.Move("A", w.reader.Files("A")[0].Key, "INBOX", false)
		}, 4, func(w *world) { w.reader.Move("INBOX", w.reader.Files("INBOX")[0].Key, "A", false) }},
		"on server": {func(w *world) {
			m := w.server.Messages("A")[0]
			w.server.Append("INBOX", m.Flags, m.Date, m.Octets)
			w.server.Expunge("A", m.UID)
		}, 3, func(w *world) {
			w.reader.SetFlags("A", w.reader.Files("A")[0].Key, mailbox.NewFlags(mailbox.FlagFlagged))
		}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			w := calmWorld(t, synctest.FullModel())
			w.server.Create("A")
			text := w.put("A", 1)[0]
			w.run()
			w.run()
			c.change(w)
			lists := 0
			w.disk.Interrupt(func(op string) {
				if op == "List" {
					if lists++; lists == c.list {
						c.act(w)
					}
				}
			})
			oneByOne := func(o *syncer.Options) { o.Glances = nil } // the listings are counted
			if summary := w.bend(oneByOne); summary.Stale != 1 || summary.Moved != 0 {
				t.Errorf("%+v", summary)
			}
			w.disk.Interrupt(nil)
			w.fate[text].moved = true
			w.settle()
			w.check()
		})
	}
}

func TestFolderThatFillsWhileItIsDeletedStays(t *testing.T) {
	w := calmWorld(t, synctest.FullModel())
	w.server.Create("A")
	w.put("A", 2)
	w.run()
	w.server.Delete("A")
	w.meanwhile("Remove", func() { w.reader.Deliver("A", mailbox.Flags{}, someDate, []byte("late")) })
	w.bend(nil)
	if files := w.reader.Files("A"); len(files) != 1 {
		t.Fatalf("%d files are left", len(files))
	}
	w.settle()
	if len(w.server.Messages("A")) != 1 {
		t.Error("what arrived late is not uploaded")
	}
}

// lying is a server that answers each APPEND with a UID of its choice.
type lying struct {
	*synctest.Model
	uid mailbox.UID
}

func (m lying) Append(ctx context.Context, name mailbox.Name, uploads []mailbox.Upload, done func(int, mailbox.Appended, error)) error {
	return m.Model.Append(ctx, name, uploads, func(i int, at mailbox.Appended, err error) {
		at.UID = m.uid
		done(i, at, err)
	})
}

func TestLyingAppendUIDIsNotBelieved(t *testing.T) {
	for _, uid := range []mailbox.UID{1, 4, 99} {
		w := calmWorld(t, synctest.FullModel())
		w.put("INBOX", 3)
		w.run()
		for _, octets := range []string{"one", "two"} {
			w.fate[octets] = &fate{}
			w.reader.Deliver("INBOX", mailbox.Flags{}, someDate, []byte(octets))
		}
		options := w.options()
		options.RemoteMessages = lying{w.model, uid}
		if summary, err := syncer.Run(context.Background(), options); err != nil || summary.Uploaded != 2 || summary.Failed != 0 {
			t.Errorf("uid %d: %+v, %v", uid, summary, err)
		}
		w.settle()
		w.check()
	}
}

// TestFailureKeepsTheCheckpoint: whatever fails once is tried again, although
// neither side changes any more.
func TestFailureKeepsTheCheckpoint(t *testing.T) {
	refused := &mailbox.ServerError{Status: "NO", Command: "any"}
	cases := map[string]struct {
		change func(*world)
		fault  synctest.Fault
		onDisk bool
	}{
		"download": {func(w *world) { w.put("INBOX", 1) }, synctest.Fault{Op: "Fetch", Kind: synctest.Refused, Err: refused}, false},
		"upload": {func(w *world) {
			w.fate["up"] = &fate{}
			w.reader.Deliver("INBOX", mailbox.Flags{}, someDate, []byte("up"))
		}, synctest.Fault{Op: "Append", Kind: synctest.Refused, Err: refused}, false},
		"flags to the server": {func(w *world) {
			w.reader.SetFlags("INBOX", w.reader.Files("INBOX")[0].Key, mailbox.NewFlags(mailbox.FlagSeen))
		}, synctest.Fault{Op: "StoreFlags", Kind: synctest.Refused, Err: refused}, false},
		"flags to the disk": {func(w *world) {
			w.server.Store("INBOX", 1, "+FLAGS", mailbox.NewFlags(mailbox.FlagSeen))
		}, synctest.Fault{Op: "ChangeFlags", Kind: synctest.Refused}, true},
		"expunge": {func(w *world) {
			f := w.reader.Files("INBOX")[0]
			w.fate[string(f.Octets)].deleted = true
			w.reader.Unlink("INBOX", f.Key)
		}, synctest.Fault{Op: "Expunge", Kind: synctest.Refused, Err: refused}, false},
		"file that cannot be read": {func(w *world) {
			w.fate["up"] = &fate{}
			w.reader.Deliver("INBOX", mailbox.Flags{}, someDate, []byte("up"))
		}, synctest.Fault{Op: "Inspect", Kind: synctest.Refused}, true},
		"incomplete listing": {func(w *world) {
			w.fate["up"] = &fate{}
			w.reader.Deliver("INBOX", mailbox.Flags{}, someDate, []byte("up"))
			w.put("INBOX", 1)
		}, synctest.Fault{Op: "Observe", Kind: synctest.Incomplete}, false},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			w := calmWorld(t, synctest.FullModel())
			w.put("INBOX", 3)
			for range 3 {
				w.bend(w.onRestedDisk)
			}
			c.change(w)
			for range 4 { // as often as anything is tried
				if c.onDisk {
					w.disk.Inject(c.fault)
				} else {
					w.model.Inject(c.fault)
				}
			}
			if summary := w.bend(w.onRestedDisk); summary.Failed == 0 {
				t.Errorf("no failure: %+v", summary)
			}
			for range 3 {
				w.bend(w.onRestedDisk)
			}
			w.check()
		})
	}
}

// A state that lost a link but not the checkpoint, as no run leaves it behind:
// the message is found again when anything happens in its mailbox.
func TestMessageUnknownToTheStateIsFoundAgain(t *testing.T) {
	w := calmWorld(t, synctest.FullModel())
	w.put("INBOX", 3)
	w.run()
	w.run()
	known, _ := w.state.Mailboxes(context.Background())
	links, _ := w.state.Links(context.Background(), known[0].ID)
	if err := w.state.Commit(context.Background(), mailbox.Commit{Mailbox: known[0].ID, Forget: []mailbox.LinkID{links[0].ID}}); err != nil {
		t.Fatal(err)
	}
	w.put("INBOX", 1)
	w.settle()
	w.check()
	if after, _ := w.state.Links(context.Background(), known[0].ID); len(after) != 4 {
		t.Errorf("%d links", len(after))
	}
}
