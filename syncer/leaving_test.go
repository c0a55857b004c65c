package syncer_test

import (
	"context"
	"testing"

	"mailferry/syncer"
	"mailferry/syncer/mailbox"
	"mailferry/syncer/synctest"
)

// TestMailboxThatComesBackWhileItIsRemovedIsWhole: a run that leaves out a
// mailbox's new name takes the old one for deleted, and is killed while it
// removes its messages. What it had removed by then nobody deleted.
func TestMailboxThatComesBackWhileItIsRemovedIsWhole(t *testing.T) {
	cases := map[string]struct{ rename, back func(*world) }{
		"renamed on the server": {
			func(w *world) { w.server.Rename("A", "B") }, func(*world) {},
		},
		"renamed on the server and back": {
			func(w *world) { w.server.Rename("A", "B") }, func(w *world) { w.server.Rename("B", "A") },
		},
		"renamed on disk": {
			func(w *world) { w.renameFolder("A", "B") }, func(*world) {},
		},
		"renamed on disk and back": {
			func(w *world) { w.renameFolder("A", "B") }, func(w *world) { w.renameFolder("B", "A") },
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			for at := 1; ; at++ {
				if isOver := killedWhileLeaving(t, at, c.rename, c.back); isOver {
					break
				}
			}
		})
	}
}

// killedWhileLeaving kills the run at its effect number at, and reports
// whether it had fewer.
func killedWhileLeaving(t *testing.T, at int, rename, back func(*world)) bool {
	w := calmWorld(t, synctest.FullModel())
	opts := synctest.FullModel()
	opts.Fuse = w.fuse
	w.model, w.disk = synctest.NewModel(opts), synctest.NewDisk(synctest.DiskOptions{Fuse: w.fuse})
	w.server, w.reader = w.model.Other(t), w.disk.Reader(t)
	w.server.Create("A")
	w.put("A", 3)
	w.run()
	rename(w)
	w.fuse.Arm(at)
	w.bend(func(o *syncer.Options) {
		o.Selects = func(name mailbox.Name) bool { return name != "B" }
	})
	isOver := !w.fuse.Blown()
	w.fuse.Arm(0)
	w.disk.Restart()
	back(w)
	w.settle()
	w.check()
	for content := range w.fate {
		found := w.everything()[content]
		if found == nil || len(found.server) != 1 || len(found.disk) != 1 {
			t.Fatalf("killed at %d: %q is at %+v", at, content, found)
		}
	}
	return isOver
}

// renameFolder is what a file manager does.
func (w *world) renameFolder(from, to mailbox.Name) {
	if err := w.disk.Rename(context.Background(), from, to); err != nil {
		w.t.Fatal(err)
	}
}
