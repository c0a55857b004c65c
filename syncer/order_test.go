package syncer_test

import (
	"slices"
	"strings"
	"sync"
	"testing"

	"mailferry/syncer"
	"mailferry/syncer/mailbox"
	"mailferry/syncer/synctest"
)

// watchCalls writes down which calls of the ports a run makes, in order.
func (w *world) watchCalls() func() []string {
	var mu sync.Mutex
	var calls []string
	note := func(side string) func(string) {
		return func(op string) {
			mu.Lock()
			defer mu.Unlock()
			calls = append(calls, side+op)
		}
	}
	w.model.Interrupt(note("server "))
	w.disk.Interrupt(note("disk "))
	w.state.Interrupt(note("state "))
	return func() []string {
		w.model.Interrupt(nil)
		w.disk.Interrupt(nil)
		w.state.Interrupt(nil)
		return calls
	}
}

// TestEffectsComeInTheOrderThatSurvivesAnEnd asks for the order of effects that
// makes a kill or a power cut at any instant harmless.
func TestEffectsComeInTheOrderThatSurvivesAnEnd(t *testing.T) {
	deliver := func(w *world) { w.reader.Deliver("INBOX", mailbox.Flags{}, someDate, []byte("from disk")) }
	cases := map[string]struct {
		change func(*world)
		order  string
	}{
		"download": {func(w *world) { w.put("INBOX", 1) }, "disk Receive, disk Seal, state Commit, disk Publish, state Commit"},
		"upload":   {deliver, "disk Persist, state Commit, server Append, state Commit, server Observe, state Commit"},
		"matched by content": {func(w *world) {
			w.server.Append("INBOX", mailbox.Flags{}, someDate, []byte("from disk"))
			deliver(w)
		}, "disk Persist, state Commit"},
		"flag on disk": {func(w *world) {
			w.reader.SetFlags("INBOX", w.reader.Files("INBOX")[0].Key, mailbox.NewFlags(mailbox.FlagSeen))
		}, "disk Persist, server StoreFlags, state Commit"},
		"flag on server": {func(w *world) {
			w.server.Store("INBOX", 1, "+FLAGS", mailbox.NewFlags(mailbox.FlagSeen))
		}, "disk ChangeFlags, disk Flush, state Commit"},
		"deleted on disk": {func(w *world) {
			w.reader.Unlink("INBOX", w.reader.Files("INBOX")[0].Key)
		}, "disk List, disk List, disk List, server Expunge, state Commit"},
		"deleted on server": {func(w *world) {
			w.server.Expunge("INBOX", 1)
		}, "server Observe, disk List, disk Remove, disk Flush, state Commit"},
		"moved on disk": {func(w *world) {
			w.reader.Move("INBOX", w.reader.Files("INBOX")[0].Key, "A", false)
		}, "disk Persist, state Commit, server Move, state Commit"},
		"moved on server": {func(w *world) {
			m := w.server.Messages("INBOX")[0]
			w.server.Append("A", m.Flags, m.Date, m.Octets)
			w.server.Expunge("INBOX", m.UID)
		}, "state Commit, disk Move, disk Flush, state Commit"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			w := calmWorld(t, synctest.FullModel())
			w.server.Create("A")
			w.put("INBOX", 2)
			w.run()
			w.run()
			c.change(w)
			calls := w.watchCalls()
			w.bend(nil)
			seen := calls()
			rest := seen
			for want := range strings.SplitSeq(c.order, ", ") {
				i := slices.Index(rest, want)
				if i < 0 {
					t.Fatalf("%q is missing or too early in\n%s", want, strings.Join(seen, "\n"))
				}
				if effect := slices.IndexFunc(rest[:i], isEffect); effect >= 0 {
					t.Fatalf("%q comes before %q in\n%s", rest[effect], want, strings.Join(seen, "\n"))
				}
				rest = rest[i+1:]
			}
		})
	}
}

// isEffect says which calls may not come at any other place.
func isEffect(call string) bool {
	switch call {
	case "server Append", "server StoreFlags", "server Expunge", "server Move", "disk Publish", "disk ChangeFlags", "disk Remove", "disk Move":
		return true
	}
	return false
}

func TestGuardRefusesAgainUntilConfirmed(t *testing.T) {
	for _, side := range []string{"server", "disk"} {
		t.Run(side, func(t *testing.T) {
			w := calmWorld(t, synctest.FullModel())
			w.server.Create("A")
			w.put("INBOX", 20)
			w.put("A", 20)
			for range 3 {
				w.bend(w.onRestedDisk)
			}
			for i, m := range w.server.Messages("INBOX")[:12] {
				if side == "server" {
					w.server.Expunge("INBOX", m.UID)
				} else {
					w.reader.Unlink("INBOX", w.reader.Files("INBOX")[11-i].Key)
				}
			}
			for _, allow := range []int{0, 0, 11, 12} {
				summary := w.bend(func(o *syncer.Options) {
					w.onRestedDisk(o)
					o.Policy.AllowDeletes = allow
				})
				gone, refused := summary.ExpungedRemote+summary.RemovedLocal, summary.Guarded
				if allow < 12 && (gone != 0 || refused != 12) || allow == 12 && (gone != 12 || refused != 0) {
					t.Errorf("%d allowed: %+v", allow, summary)
				}
			}
		})
	}
}

func TestGuardKnowsOfMailboxesThatDidNotChange(t *testing.T) {
	w := calmWorld(t, synctest.FullModel())
	for _, name := range []mailbox.Name{"A", "B", "C"} {
		w.server.Create(name)
		w.put(name, 6)
	}
	for range 3 {
		w.bend(w.onRestedDisk)
	}
	for _, name := range []mailbox.Name{"A", "B"} {
		for _, f := range w.reader.Files(name) {
			w.reader.Unlink(name, f.Key)
		}
	}
	summary := w.bend(func(o *syncer.Options) {
		w.onRestedDisk(o)
		o.Policy.AllowDeletes = 0
	})
	if summary.Guarded != 0 || summary.ExpungedRemote != 12 {
		t.Errorf("%+v", summary)
	}
}

func TestMailboxThatListingOmitsIsNotDeleted(t *testing.T) {
	w := calmWorld(t, synctest.FullModel())
	w.server.Create("A")
	w.put("A", 3)
	w.run()
	w.model.Hide("A")
	if summary := w.bend(nil); summary.RemovedLocal != 0 || len(w.reader.Files("A")) != 3 {
		t.Errorf("%+v", summary)
	}
	w.model.Inject(synctest.Fault{Op: "Exists", Kind: synctest.Refused, Err: &mailbox.ServerError{Status: "NO", Command: "STATUS"}})
	if summary := w.bend(nil); summary.RemovedLocal != 0 || len(w.reader.Files("A")) != 3 {
		t.Errorf("when it cannot be asked for: %+v", summary)
	}
}
