package syncer_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"mailferry/syncer"
	"mailferry/syncer/mailbox"
	"mailferry/syncer/plan"
	"mailferry/syncer/synctest"
)

// archiving makes a run an archive with limits.
func archiving(limits plan.Retention) func(*syncer.Options) {
	return func(o *syncer.Options) { o.Policy = plan.Archive(limits) }
}

// both bends options twice.
func both(bends ...func(*syncer.Options)) func(*syncer.Options) {
	return func(o *syncer.Options) {
		for _, bend := range bends {
			bend(o)
		}
	}
}

func (w *world) onServer(name mailbox.Name) []string {
	list := []string{}
	for _, m := range w.server.Messages(name) {
		list = append(list, string(m.Octets))
	}
	return list
}

func (w *world) onDisk(name mailbox.Name) []string {
	list := []string{}
	for _, f := range w.reader.Files(name) {
		list = append(list, string(f.Octets))
	}
	slices.Sort(list)
	return list
}

func backingUp(o *syncer.Options) { o.Policy = plan.Backup() }

func guarding(o *syncer.Options) { o.Policy.AllowDeletes = 0 }

func TestArchiveTakesFromServerWhatIsOnDisk(t *testing.T) {
	w := calmWorld(t, synctest.FullModel())
	w.server.Create("A")
	all := append(w.put("INBOX", 3), w.put("A", 2)...)
	kept := w.server.Append("INBOX", mailbox.NewFlags(mailbox.FlagFlagged), someDate, []byte("flagged"))
	var foretold []plan.Loss
	summary := w.bend(both(archiving(plan.Retention{KeepFlagged: true}), func(o *syncer.Options) {
		o.Foretell = func(losses []plan.Loss) error { foretold = losses; return nil }
	}))
	if summary.Downloaded != 6 || summary.ExpungedRemote != 5 || summary.Failed+summary.Stale+summary.Guarded != 0 {
		t.Fatalf("%+v", summary)
	}
	if left := w.server.Messages("INBOX"); len(left) != 1 || left[0].UID != kept || len(w.server.Messages("A")) != 0 {
		t.Errorf("on the server: %v", left)
	}
	if got := append(w.onDisk("INBOX"), w.onDisk("A")...); len(got) != 6 || !isSubset(all, got) {
		t.Errorf("on disk: %q", got)
	}
	want := "A goes {2 56} remains {0 0}, INBOX goes {3 84} remains {1 7}"
	if got := text(foretold); got != want {
		t.Errorf("foretold %s", got)
	}
}

func text(losses []plan.Loss) string {
	var parts []string
	for _, l := range losses {
		parts = append(parts, fmt.Sprint(l.Mailbox, " goes ", l.Goes, " remains ", l.Remains))
	}
	return strings.Join(parts, ", ")
}

// TestArchivedMessagesAreTheArchives: later runs of every kind neither upload
// them nor take their absence for a deletion, whatever is done with their
// files, and even when the state is lost.
func TestArchivedMessagesAreTheArchives(t *testing.T) {
	first := func(w *world) synctest.File { return w.reader.Files("INBOX")[0] }
	cases := map[string]func(w *world){
		"left alone": func(*world) {},
		"refiled":    func(w *world) { w.reader.Move("INBOX", first(w).Key, "A", false) },
		"refiled under another name": func(w *world) {
			w.reader.Move("INBOX", first(w).Key, "A", true)
		},
		"renamed by a mail reader": func(w *world) { w.reader.Move("INBOX", first(w).Key, "INBOX", true) },
		"flags changed": func(w *world) {
			w.reader.SetFlags("INBOX", first(w).Key, mailbox.NewFlags(mailbox.FlagFlagged))
		},
		"deleted": func(w *world) { w.reader.Unlink("INBOX", first(w).Key) },
		"deleted and put back": func(w *world) {
			f := first(w)
			w.reader.Unlink("INBOX", f.Key)
			w.bend(nil)
			w.reader.Deliver("INBOX", f.Flags, f.Date, f.Octets)
		},
		"copied": func(w *world) { w.reader.Deliver("A", first(w).Flags, first(w).Date, first(w).Octets) },
		"into a new folder": func(w *world) {
			w.reader.Create("New")
			w.reader.Move("INBOX", first(w).Key, "New", false)
		},
		"refiled while the state is lost": func(w *world) {
			w.reader.Move("INBOX", first(w).Key, "A", true)
			w.state.Lose()
		},
		"the state is lost": func(w *world) { w.state.Lose() },
		"mailbox renamed on the server": func(w *world) {
			w.server.Create("B")
			w.put("B", 12)
			w.bend(archiving(plan.Retention{}))
			w.server.Rename("B", "C")
		},
		"renumbered": func(w *world) { w.server.Renumber("INBOX") },
	}
	for name, meddle := range cases {
		for _, later := range []string{"sync", "backup", "archive"} {
			t.Run(name+", then "+later, func(t *testing.T) {
				w := calmWorld(t, synctest.FullModel())
				w.server.Create("A")
				w.put("INBOX", 15)
				w.bend(archiving(plan.Retention{}))
				meddle(w)
				bend := map[string]func(*syncer.Options){"sync": guarding, "backup": backingUp, "archive": archiving(plan.Retention{})}[later]
				files := len(w.onDisk("INBOX")) + len(w.onDisk("A"))
				for range 2 {
					summary := w.bend(bend)
					if summary.Uploaded+summary.Guarded+summary.RemovedLocal+summary.Failed+summary.Downloaded != 0 {
						t.Fatalf("%+v", summary)
					}
				}
				w.settle()
				if n := len(w.onServer("INBOX")) + len(w.onServer("A")); n != 0 {
					t.Errorf("%d messages on the server again", n)
				}
				if now := len(w.onDisk("INBOX")) + len(w.onDisk("A")); now != files {
					t.Errorf("%d files, not %d", now, files)
				}
			})
		}
	}
}

func TestArchivedMessageThatComesToTheServerAgainIsLinkedAndArchivedAgain(t *testing.T) {
	w := calmWorld(t, synctest.FullModel())
	octets := w.put("INBOX", 1)[0]
	w.bend(archiving(plan.Retention{}))
	w.server.Append("INBOX", mailbox.Flags{}, someDate, []byte(octets))
	summary := w.bend(archiving(plan.Retention{}))
	if summary.Downloaded != 0 || summary.ExpungedRemote != 1 || len(w.onDisk("INBOX")) != 1 {
		t.Errorf("%+v, on disk %q", summary, w.onDisk("INBOX"))
	}
}

func TestArchiveTakesWhatEarlierRunsBrought(t *testing.T) {
	for _, earlier := range []string{"sync", "backup"} {
		w := calmWorld(t, synctest.FullModel())
		w.put("INBOX", 3)
		bend := map[string]func(*syncer.Options){"sync": nil, "backup": backingUp}[earlier]
		for range 3 {
			w.bend(both(bendOr(bend), w.onRestedDisk))
		}
		// Nothing changed on either side since: the mailbox is archived all the same.
		summary := w.bend(both(archiving(plan.Retention{}), w.onRestedDisk))
		if summary.Downloaded != 0 || summary.ExpungedRemote != 3 || len(w.onDisk("INBOX")) != 3 {
			t.Errorf("after %s: %+v", earlier, summary)
		}
	}
}

func bendOr(bend func(*syncer.Options)) func(*syncer.Options) {
	if bend == nil {
		return func(*syncer.Options) {}
	}
	return bend
}

func TestMoreThanOneGroupIsArchived(t *testing.T) {
	w := calmWorld(t, synctest.FullModel())
	w.put("INBOX", 1203)
	summary := w.bend(archiving(plan.Retention{KeepLatest: 2}))
	if summary.ExpungedRemote != 1201 || len(w.onServer("INBOX")) != 2 || len(w.onDisk("INBOX")) != 1203 {
		t.Errorf("%+v", summary)
	}
}

func TestBroughtBackMessageStaysOnServer(t *testing.T) {
	w := calmWorld(t, synctest.FullModel())
	w.put("INBOX", 3)
	w.bend(archiving(plan.Retention{}))
	chosen := w.reader.Files("INBOX")[1]
	summary := w.bend(func(o *syncer.Options) {
		o.Policy = plan.Backup()
		o.Policy.BringBack = map[mailbox.Key]bool{chosen.Key: true}
	})
	if summary.Uploaded != 1 || !slices.Equal(w.onServer("INBOX"), []string{string(chosen.Octets)}) {
		t.Fatalf("%+v, on the server %q", summary, w.onServer("INBOX"))
	}
	if summary := w.bend(archiving(plan.Retention{})); summary.ExpungedRemote != 0 {
		t.Errorf("archived again at once: %+v", summary)
	}
	// It is an ordinary message now: its deletion is one.
	w.server.Expunge("INBOX", w.server.Messages("INBOX")[0].UID)
	if summary := w.bend(nil); summary.RemovedLocal != 1 {
		t.Errorf("%+v", summary)
	}
}

// TestArchiveSurvivesEveryKillAndPowerCut kills an archive at every effect, cuts
// the power, and asks after each that what the server lost by us is on disk to
// the octet; then that the next runs end where an undisturbed one would have.
func TestArchiveSurvivesEveryKillAndPowerCut(t *testing.T) {
	for _, later := range []string{"archive", "sync"} {
		for at := 1; ; at++ {
			w := newWorld(t, 1)
			w.model = synctest.NewModel(synctest.ModelOptions{CondStore: true, UIDPlus: true, ListStatus: true, Fuse: w.fuse})
			w.disk = synctest.NewDisk(synctest.DiskOptions{Fuse: w.fuse})
			w.marks, w.server, w.reader = false, w.model.Other(t), w.disk.Reader(t)
			all := w.put("INBOX", 4)
			w.fuse.Arm(at)
			o := w.options()
			o.Policy, o.Connections = plan.Archive(plan.Retention{}), 1
			_, err := syncer.Run(context.Background(), o)
			blown := w.fuse.Blown()
			w.fuse.Arm(0)
			w.disk.PowerCut(rand.New(rand.NewPCG(uint64(at), 7)))
			w.mustHaveAll(fmt.Sprintf("killed at %d", at), all)
			bend := map[string]func(*syncer.Options){"sync": guarding, "archive": archiving(plan.Retention{})}[later]
			for range 3 {
				w.bend(bend)
			}
			w.mustHaveAll(fmt.Sprintf("killed at %d, then %s", at, later), all)
			if got := w.onDisk("INBOX"); len(got) != len(all) {
				t.Fatalf("killed at %d, then %s: %d files on disk, not %d", at, later, len(got), len(all))
			}
			if later == "archive" && len(w.onServer("INBOX")) != 0 {
				t.Fatalf("killed at %d: %d stay on the server", at, len(w.onServer("INBOX")))
			}
			if !blown {
				if err != nil || at < 20 {
					t.Fatalf("undisturbed at %d: %v", at, err)
				}
				break
			}
		}
	}
}

// mustHaveAll asks that each message is on the server or on disk, and that none
// is marked \Deleted on disk: a mail reader would remove it.
func (w *world) mustHaveAll(when string, all []string) {
	w.t.Helper()
	server := w.onServer("INBOX")
	var disk []string
	for _, name := range w.reader.Names() {
		disk = append(disk, w.onDisk(name)...)
		for _, f := range w.reader.Files(name) {
			if f.Flags.Has(mailbox.FlagDeleted) {
				w.t.Fatalf("%s: %s is marked deleted on disk", when, f.Key)
			}
		}
	}
	for _, octets := range all {
		if !slices.Contains(server, octets) && !slices.Contains(disk, octets) {
			w.t.Fatalf("%s: lost %q", when, octets)
		}
	}
}

func TestArchiveOnServerThatCannotExpungeSaysSo(t *testing.T) {
	w := calmWorld(t, synctest.ModelOptions{CondStore: true, ListStatus: true})
	all := w.put("INBOX", 3)
	for range 2 {
		summary := w.bend(archiving(plan.Retention{}))
		if summary.ExpungedRemote != 0 || summary.Failed != 1 {
			t.Fatalf("%+v", summary)
		}
		w.mustHaveAll("marked", all)
	}
	for _, m := range w.server.Messages("INBOX") {
		if !m.Flags.Has(mailbox.FlagDeleted) {
			t.Errorf("uid %d is not marked", m.UID)
		}
	}
	// Whatever runs meanwhile, and then the user purges the mailbox with
	// another program: what was proved and marked is the archive's.
	w.bend(guarding)
	w.bend(backingUp)
	for _, m := range w.server.Messages("INBOX") {
		w.server.Expunge("INBOX", m.UID)
	}
	for range 2 {
		if summary := w.bend(guarding); summary.RemovedLocal+summary.Uploaded+summary.Guarded != 0 {
			t.Errorf("%+v", summary)
		}
	}
	w.mustHaveAll("purged", all)
}

// TestArchivesOwnMarkDoesNotReachTheDisk: a connection that is lost between UID
// STORE and UID EXPUNGE leaves messages marked \Deleted on the server. On disk
// the mark would tell a mail reader to remove the only copy.
func TestArchivesOwnMarkDoesNotReachTheDisk(t *testing.T) {
	w := calmWorld(t, synctest.FullModel())
	octets := w.put("INBOX", 3)
	w.model.Inject(synctest.Fault{Op: "Expunge", Kind: synctest.Lost, After: -1})
	for range 3 {
		w.bend(archiving(plan.Retention{}))
	}
	if left := w.server.Messages("INBOX"); len(left) != 0 {
		t.Errorf("on the server: %v", left)
	}
	files := w.reader.Files("INBOX")
	if len(files) != len(octets) {
		t.Errorf("%d files, want %d", len(files), len(octets))
	}
	for _, f := range files {
		if f.Flags.Has(mailbox.FlagDeleted) {
			t.Errorf("%s is marked deleted on disk", f.Key)
		}
	}
}

func TestArchiveDoesNotStartWithoutMarks(t *testing.T) {
	w := calmWorld(t, synctest.FullModel())
	w.put("INBOX", 2)
	w.state.Inject(synctest.Fault{Op: "Mark", Kind: synctest.Refused, Err: errors.New("disk full")})
	w.bend(archiving(plan.Retention{}))
	if n := len(w.onServer("INBOX")); n != 2 {
		t.Errorf("%d messages on the server", n)
	}
}

func TestMessageDeletedByAnotherClientMeanwhileIsStale(t *testing.T) {
	w := calmWorld(t, synctest.FullModel())
	w.put("INBOX", 3)
	looks := 0
	w.model.Interrupt(func(op string) {
		if op == "Observe" {
			if looks++; looks == 2 {
				w.server.Expunge("INBOX", w.server.Messages("INBOX")[0].UID)
			}
		}
	})
	summary := w.bend(archiving(plan.Retention{}))
	if summary.ExpungedRemote != 2 || summary.Stale != 1 || summary.Failed != 0 || len(w.onDisk("INBOX")) != 3 {
		t.Errorf("%+v", summary)
	}
}

func TestNothingIsArchivedByAgeUnderAWrongClock(t *testing.T) {
	at := func(unix int64) mailbox.Date { return mailbox.Date{Unix: unix, Known: true} }
	for name, limits := range map[string]plan.Retention{
		"behind the last run":     {Before: at(1e9 + 10), Now: at(1e9 + 20), LastRun: at(1e9 + 21)},
		"behind the last arrival": {Before: at(1e9 + 10), Now: at(1e9 - 90000)},
	} {
		w := calmWorld(t, synctest.FullModel())
		w.put("INBOX", 3)
		summary := w.bend(archiving(limits))
		if summary.Downloaded != 3 || summary.ExpungedRemote != 0 || summary.Failed != 1 {
			t.Errorf("%s: %+v", name, summary)
		}
		limits.Now, limits.LastRun = at(1e9+30), at(1e9+21)
		if summary := w.bend(archiving(limits)); summary.ExpungedRemote != 3 || summary.Failed != 0 {
			t.Errorf("%s, then right: %+v", name, summary)
		}
	}
}

// TestCheckpointMovesWhereMessagesStay: what a limit keeps is no work left undone.
func TestCheckpointMovesWhereMessagesStay(t *testing.T) {
	w := calmWorld(t, synctest.FullModel())
	w.put("INBOX", 4)
	limited := archiving(plan.Retention{HasFree: true, Free: 30})
	if summary := w.bend(both(limited, w.onRestedDisk)); summary.ExpungedRemote != 2 {
		t.Fatalf("%+v", summary)
	}
	w.bend(both(backingUp, w.onRestedDisk))
	before := w.model.Traffic().Selected
	w.bend(both(backingUp, w.onRestedDisk))
	if n := w.model.Traffic().Selected - before; n != 0 {
		t.Errorf("%d mailboxes were looked at though nothing changed", n)
	}
}

func TestProgramThatEmptiesInboxIsNamed(t *testing.T) {
	for messages, refused := range map[int]int{4: 0, 20: 20} {
		w := calmWorld(t, synctest.FullModel())
		w.server.Create("A")
		w.put("A", 30)
		w.put("INBOX", messages)
		w.bend(nil)
		for _, m := range w.server.Messages("INBOX") {
			w.server.Expunge("INBOX", m.UID)
		}
		summary := w.bend(guarding)
		if summary.TakenAway != messages || summary.Guarded != refused {
			t.Errorf("%d messages: %+v", messages, summary)
		}
	}
	// A few of many, or another mailbox: somebody's own deletions.
	w := calmWorld(t, synctest.FullModel())
	w.server.Create("A")
	w.put("A", 4)
	w.put("INBOX", 20)
	w.bend(nil)
	for _, m := range w.server.Messages("A") {
		w.server.Expunge("A", m.UID)
	}
	w.server.Expunge("INBOX", w.server.Messages("INBOX")[0].UID)
	if summary := w.bend(guarding); summary.TakenAway != 0 {
		t.Errorf("%+v", summary)
	}
}
