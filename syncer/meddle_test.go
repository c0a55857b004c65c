package syncer_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"mailferry/syncer"
	"mailferry/syncer/mailbox"
	"mailferry/syncer/plan"
	"mailferry/syncer/synctest"
)

// TestMeddledHistoriesLoseNothing is the history test for what a person does
// to a store over the years: sync, backup, mirror and archive take turns, some mailboxes
// are left out, limits change, and both clients change mail in the middle of
// runs that are killed and cut off. No run may lose what nobody deleted, a dry
// run and a guard change nothing, and a backup deletes nothing.
func TestMeddledHistoriesLoseNothing(t *testing.T) {
	tryHistories(t, 300, func(t *testing.T, seed uint64) {
		w := newMeddledWorld(t, seed)
		for range 2 + w.random.IntN(6) {
			for range w.random.IntN(8) {
				w.perturb()
			}
			w.meddledRun()
			w.checkNothingLost()
		}
		w.comeToRest()
		w.checkMeddled()
	})
}

func newMeddledWorld(t *testing.T, seed uint64) *world {
	w := newWorld(t, seed)
	opts := synctest.FullModel()
	opts.Fuse = w.fuse
	opts.CondStore = w.random.IntN(3) > 0
	opts.UIDPlus = w.random.IntN(4) > 0
	opts.ListStatus = w.random.IntN(4) > 0
	opts.Move = w.random.IntN(2) > 0
	opts.NoUIDValidity = w.random.IntN(10) == 0
	w.isUnnumbered = opts.NoUIDValidity
	w.model, w.marks = synctest.NewModel(opts), !opts.UIDPlus
	w.server = w.model.Other(t)
	if w.random.IntN(2) == 0 {
		w.server.Create("Trash")
	}
	return w
}

// meddling is a run with a policy, a filter and a limit of its own.
func (w *world) meddling() syncer.Options {
	o := w.options()
	o.Connections = 1
	o.Local = rested{w.disk}
	allow := o.Policy.AllowDeletes
	switch w.random.IntN(10) {
	case 5, 6:
		o.Policy = plan.Archive(w.someLimits())
		if w.random.IntN(4) == 0 {
			o.Policy.OnLocalDelete, o.Remote = plan.Trash, withTrash{w.model}
		}
	case 7:
		o.Policy = plan.Backup()
		o.Policy.BringBack = w.someFiles()
	case 0:
		o.Policy = plan.Backup()
	case 1:
		o.Policy = plan.Mirror()
	case 2:
		o.Policy.OnRemoteDelete = plan.Keep
	case 3:
		o.Policy.OnLocalDelete = plan.Keep
	case 4:
		o.Policy.OnLocalDelete, o.Remote = plan.Trash, withTrash{w.model}
	}
	o.Policy.AllowDeletes = allow
	if w.random.IntN(4) == 0 {
		o.Policy.MaxMessageSize = 25
	}
	if w.random.IntN(4) == 0 {
		hidden, _ := pick(w, someNames)
		o.Selects = func(name mailbox.Name) bool { return name != hidden && !name.IsBelow(hidden) }
	}
	if !o.Policy.Push.New && !o.Policy.LooksAtAll() {
		o.RemoteMessages, o.RemoteMailboxes = nil, nil
	}
	return o
}

func (w *world) someLimits() plan.Retention {
	limits := plan.Retention{KeepFlagged: w.random.IntN(2) == 0, KeepLatest: w.random.IntN(3), SeenOnly: w.random.IntN(4) == 0}
	if w.random.IntN(3) == 0 {
		limits.Before, limits.Now = mailbox.Date{Unix: 1e9 + 1, Known: true}, mailbox.Date{Unix: 1e9 + 5, Known: true}
	}
	if w.random.IntN(4) == 0 {
		limits.Free, limits.HasFree = int64(w.random.IntN(100)), true
	}
	if w.random.IntN(4) == 0 {
		limits.LeaveFor, limits.Machine = []string{"here", "there"}[:1+w.random.IntN(2)], "here"
	}
	return limits
}

// someFiles are the keys of every other file.
func (w *world) someFiles() map[mailbox.Key]bool {
	keys := map[mailbox.Key]bool{}
	for _, name := range w.reader.Names() {
		for _, f := range w.reader.Files(name) {
			if w.random.IntN(2) == 0 {
				keys[f.Key] = true
			}
		}
	}
	return keys
}

func (w *world) meddledRun() {
	o := w.meddling()
	w.note("run with %+v, limited %v", o.Policy, o.Selects != nil)
	dry := o
	dry.DryRun = true
	w.fuse.Arm(0)
	before := w.server.String()
	if summary, err := syncer.Run(context.Background(), dry); err != nil || w.fuse.Count() > 0 || w.server.String() != before {
		w.t.Errorf("a dry run has %d effects: %+v, %v", w.fuse.Count(), summary, err)
	}
	if w.random.IntN(3) == 0 {
		at := 1 + w.random.IntN(60)
		w.note("  killed at %d", at)
		w.fuse.Arm(at)
	}
	if w.random.IntN(2) == 0 {
		ops := []string{"Observe", "Fetch", "Append", "Copy", "StoreFlags", "Expunge", "List", "Create", "Move", "Rename", "Delete", "Exists"}
		for range 1 + w.random.IntN(3) {
			fault := synctest.Fault{Op: ops[w.random.IntN(len(ops))], Skip: w.random.IntN(3), After: w.random.IntN(4), Kind: synctest.FaultKind(w.random.IntN(3))}
			w.note("  with %+v", fault)
			w.model.Inject(fault)
		}
	}
	if w.random.IntN(3) == 0 {
		var busy sync.Mutex // the engine's calls, not our own, and one of them at a time
		w.model.Interrupt(func(op string) {
			if !busy.TryLock() {
				return
			}
			defer busy.Unlock()
			if w.fuse.Blown() || w.random.IntN(6) > 0 {
				return
			}
			w.note("    meanwhile, at %s:", op)
			w.isMidRun = true
			w.perturb()
			w.isMidRun = false
		})
	}
	summary, err := syncer.Run(context.Background(), o)
	w.note("  %+v, %v", summary, err)
	if o.Policy.Heal && !o.Policy.LooksAtAll() && (summary.Uploaded+summary.FlagsRemote+summary.ExpungedRemote > 0 || summary.RemovedLocal > 0 && !o.Policy.Pull.Deletions) {
		w.t.Errorf("a backup that changes: %+v", summary)
	}
	w.model.Interrupt(nil)
	w.fuse.Arm(0)
	w.model.Heal()
	if w.random.IntN(3) == 0 {
		w.disk.PowerCut(w.random)
	} else {
		w.disk.Restart()
	}
}

// checkNothingLost holds after every run, whatever happened to it.
func (w *world) checkNothingLost() {
	found := w.everything()
	for content, fate := range w.fate {
		if found[content] == nil && !fate.deleted {
			w.t.Errorf("lost: %.20q", content)
		}
	}
	if w.t.Failed() {
		w.t.FailNow()
	}
}

func (w *world) everything() map[string]*copies {
	found := map[string]*copies{}
	at := func(content string) *copies {
		if found[content] == nil {
			found[content] = &copies{}
		}
		return found[content]
	}
	for _, name := range w.server.Mailboxes() {
		for _, m := range w.server.Messages(name) {
			c := at(string(m.Octets))
			c.server = append(c.server, string(name))
		}
	}
	for _, name := range w.reader.Names() {
		for _, f := range w.reader.Files(name) {
			c := at(string(f.Octets))
			c.disk = append(c.disk, string(name))
		}
	}
	return found
}

// comeToRest syncs without limits until there is nothing left to do.
func (w *world) comeToRest() {
	for i := range 8 {
		o := w.options()
		o.Local = rested{w.disk}
		summary, err := syncer.Run(context.Background(), o)
		w.note("resting run %d: %+v, %v", i, summary, err)
		if err != nil || summary.Failed > 0 {
			w.t.Fatalf("an undisturbed run fails: %+v, %v", summary, err)
		}
		summary.Traffic, summary.Mailboxes = mailbox.Traffic{}, 0
		if (summary == syncer.Summary{}) {
			return
		}
	}
	w.t.Fatal("eight runs, and still something to do")
}

// checkMeddled asks that what nobody touched is on both sides once, and once
// more for each copy that was made. What was
// deleted or moved under changing policies may be on one side only.
func (w *world) checkMeddled() {
	found := w.everything()
	marks, err := w.state.Marks(context.Background())
	if err != nil {
		w.t.Fatal(err)
	}
	for content, fate := range w.fate {
		c := found[content]
		if c == nil {
			c = &copies{}
		}
		if marks[sha256.Sum256([]byte(content))] != mailbox.Unmarked {
			// An archive's: at most once on the server, and not uploaded again.
			switch {
			case !fate.deleted && len(c.disk) == 0:
				w.t.Errorf("archived and not on disk: %.20q: server %v", content, c.server)
			case slices.Contains(c.disk, "Trash"), slices.Contains(c.server, "Trash"):
				// Moved there, and \Trash is a mailbox like any other.
			case !fate.moved && !fate.deleted && max(len(c.server), len(c.disk)) > fate.most():
				w.t.Errorf("archived, and more than there were: %.20q: server %v, disk %v", content, c.server, c.disk)
			}
			continue
		}
		label := fmt.Sprintf("%.20q: server %v, disk %v", content, c.server, c.disk)
		switch {
		case fate.deleted:
		case fate.moved:
			if len(c.server) == 0 || len(c.disk) == 0 {
				w.t.Errorf("not on both sides: %s", label)
			}
		case min(len(c.server), len(c.disk)) < fate.least() || max(len(c.server), len(c.disk)) > fate.most():
			w.t.Errorf("not %d to %d on both sides: %s", fate.least(), fate.most(), label)
		}
	}
	for content := range found {
		if w.fate[content] == nil && !strings.Contains(content, "\x00") {
			w.t.Errorf("nobody made %.40q", content)
		}
	}
	if slices.Contains(w.server.Mailboxes(), "Trash") != slices.Contains(w.reader.Names(), "Trash") {
		w.t.Error("Trash is on one side only")
	}
}
