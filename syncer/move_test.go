package syncer_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"mailferry/syncer"
	"mailferry/syncer/mailbox"
	"mailferry/syncer/synctest"
)

// calmWorld is a world in which nothing goes wrong.
func calmWorld(t *testing.T, opts synctest.ModelOptions) *world {
	w := newWorld(t, 1)
	w.model, w.disk = synctest.NewModel(opts), synctest.NewDisk(synctest.DiskOptions{})
	w.server, w.reader = w.model.Other(t), w.disk.Reader(t)
	return w
}

func (w *world) run() syncer.Summary {
	w.t.Helper()
	summary, err := syncer.Run(context.Background(), w.options())
	if err != nil || summary.Failed > 0 {
		w.t.Fatalf("%+v, %v", summary, err)
	}
	return summary
}

var someDate = mailbox.Date{Unix: 1e9, Known: true}

func TestMessageMovedOnServerIsMovedOnDiskWithoutTransfer(t *testing.T) {
	w := calmWorld(t, synctest.FullModel())
	w.server.Create("A")
	octets := []byte("Message-ID: <1>\r\n\r\nbody\r\n")
	seen := mailbox.NewFlags(mailbox.FlagSeen, "$Junk")
	w.fate[string(octets)] = &fate{}
	uid := w.server.Append("INBOX", seen, someDate, octets)
	w.run()
	w.server.Append("A", seen, someDate, octets)
	w.server.Expunge("INBOX", uid)
	key := w.reader.Files("INBOX")[0].Key

	if summary := w.run(); summary.Moved != 1 || summary.Downloaded+summary.RemovedLocal != 0 {
		t.Errorf("a moved message is not moved: %+v", summary)
	}
	files := w.reader.Files("A")
	if len(files) != 1 || files[0].Key != key || !files[0].Flags.Equal(seen) {
		t.Errorf("A has %+v", files)
	}
	w.settle()
	w.check()
}

// Flags that a mail reader changed before or after it filed a message elsewhere
// follow the message, whatever the reader calls the file.
func TestMessageMovedOnDiskIsMovedOnServerWithoutTransfer(t *testing.T) {
	flagged, other := mailbox.NewFlags(mailbox.FlagFlagged), mailbox.NewFlags(mailbox.FlagSeen, "$Done")
	for name, opts := range map[string]synctest.ModelOptions{
		"full": synctest.FullModel(), "no MOVE": {CondStore: true, UIDPlus: true}, "bare": {},
	} {
		for _, renamed := range []bool{true, false} {
			for _, want := range []mailbox.Flags{flagged, other} {
				t.Run(fmt.Sprint(name, ", renamed ", renamed, ", ", want), func(t *testing.T) {
					w := calmWorld(t, opts)
					w.marks = !opts.UIDPlus
					w.server.Create("A")
					octets := []byte("no header, no line end")
					w.fate[string(octets)] = &fate{moved: w.marks}
					w.server.Append("INBOX", flagged, someDate, octets)
					w.run()
					key := w.reader.Move("INBOX", w.reader.Files("INBOX")[0].Key, "A", renamed)
					w.reader.SetFlags("A", key, want)

					summary := w.run()
					if summary.Moved != 1 || summary.Uploaded+summary.ExpungedRemote != 0 {
						t.Errorf("a moved message is not moved: %+v", summary)
					}
					// Without UIDPLUS the server does not tell where it is: the next run sees.
					stored, stale := 0, 0
					switch {
					case want.Equal(flagged):
					case opts.UIDPlus:
						stored = 1
					default:
						stale = 1
					}
					if summary.FlagsRemote != stored || summary.Stale != stale {
						t.Errorf("%+v", summary)
					}
					w.settle()
					if got := w.server.Messages("A"); len(got) != 1 || !got[0].Flags.Equal(want) || string(got[0].Octets) != string(octets) {
						t.Errorf("A has %+v", got)
					}
					w.check()
				})
			}
		}
	}
}

// A run that is killed between a move and the flags that belong to it.
func TestFlagsOfAMovedFileFollowAlsoInTheNextRun(t *testing.T) {
	w := calmWorld(t, synctest.FullModel())
	w.server.Create("A")
	octets := []byte("no header, no line end")
	w.fate[string(octets)] = &fate{}
	w.server.Append("INBOX", mailbox.Flags{}, someDate, octets)
	w.bend(w.onRestedDisk)
	w.reader.Move("INBOX", w.reader.Files("INBOX")[0].Key, "A", true)
	want := mailbox.NewFlags(mailbox.FlagSeen)
	w.reader.SetFlags("A", w.reader.Files("A")[0].Key, want)
	w.model.Inject(synctest.Fault{Op: "StoreFlags", Kind: synctest.Refused, Err: errors.New("STORE: NO not now")})
	if summary := w.bend(w.onRestedDisk); summary.Moved != 1 || summary.Failed != 1 {
		t.Errorf("%+v", summary)
	}
	if summary := w.bend(w.onRestedDisk); summary.FlagsRemote != 1 || summary.Uploaded+summary.Downloaded+summary.Moved+summary.Failed != 0 {
		t.Errorf("%+v", summary)
	}
	if got := w.server.Messages("A"); len(got) != 1 || !got[0].Flags.Equal(want) {
		t.Errorf("A has %+v", got)
	}
	w.settle()
	w.check()
}

func TestMovesAreNoDeletionsForTheGuard(t *testing.T) {
	w := calmWorld(t, synctest.FullModel())
	w.server.Create("A")
	for i := range 40 {
		octets := []byte("body " + string(rune('a'+i)))
		w.fate[string(octets)] = &fate{}
		w.server.Append("INBOX", mailbox.Flags{}, someDate, octets)
	}
	w.run()
	for _, f := range w.reader.Files("INBOX") {
		w.reader.Move("INBOX", f.Key, "A", false)
	}
	options := w.options()
	options.Policy.AllowDeletes = 0
	summary, err := syncer.Run(context.Background(), options)
	if err != nil || summary.Guarded != 0 || summary.Moved != 40 {
		t.Errorf("%+v, %v", summary, err)
	}
	w.settle()
	w.check()
}

func TestMessageWithNewUIDIsLinkedWithoutTransfer(t *testing.T) {
	w := calmWorld(t, synctest.FullModel())
	octets := []byte("Message-ID: <1>\r\n\r\nbody\r\n")
	w.fate[string(octets)] = &fate{}
	uid := w.server.Append("INBOX", mailbox.Flags{}, someDate, octets)
	w.run()
	w.server.Append("INBOX", mailbox.NewFlags(mailbox.FlagSeen), someDate, octets)
	w.server.Expunge("INBOX", uid)

	summary := w.run()
	if summary.Downloaded+summary.RemovedLocal+summary.Uploaded+summary.Conflicts != 0 || summary.FlagsLocal != 1 {
		t.Errorf("moved away and back: %+v", summary)
	}
	w.settle()
	w.check()
}

func TestRenumberedMailboxWithIncompleteListingKeepsItsOldUIDValidity(t *testing.T) {
	w := calmWorld(t, synctest.FullModel())
	for _, octets := range []string{"Message-ID: <1>\r\n\r\n", "Message-ID: <2>\r\n\r\n"} {
		w.fate[octets] = &fate{}
		w.server.Append("INBOX", mailbox.Flags{}, someDate, []byte(octets))
	}
	w.run()
	w.server.Expunge("INBOX", 1)
	w.fate["Message-ID: <1>\r\n\r\n"].deleted = true
	w.server.Renumber("INBOX")
	w.model.Inject(synctest.Fault{Op: "Observe", Kind: synctest.Incomplete})
	if summary, err := syncer.Run(context.Background(), w.options()); err != nil || summary.Failed == 0 {
		t.Fatalf("an incomplete listing is no trouble: %+v, %v", summary, err)
	}
	if summary := w.run(); summary.Downloaded != 0 || summary.RemovedLocal != 0 {
		t.Errorf("renumbered messages are taken for others: %+v", summary)
	}
	w.settle()
	w.check()
}
