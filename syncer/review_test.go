package syncer_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"mailferry/syncer"
	"mailferry/syncer/mailbox"
	"mailferry/syncer/plan"
	"mailferry/syncer/synctest"
)

// bend runs once with options that are bent first. It accepts failures: the
// summary says what happened.
func (w *world) bend(bend func(*syncer.Options)) syncer.Summary {
	w.t.Helper()
	options := w.options()
	options.Connections = 1
	if bend != nil {
		bend(&options)
	}
	if options.Remote != syncer.Remote(w.model) {
		options.Glances = nil // it would look past the other one
	}
	summary, err := syncer.Run(context.Background(), options)
	w.note("  %+v, %v", summary, err)
	w.model.Heal()
	w.disk.Restart()
	return summary
}

// put makes n messages on the server.
func (w *world) put(name mailbox.Name, n int) []string {
	var all []string
	for range n {
		w.made++
		octets := fmt.Sprintf("Message-ID: <%04d>\r\n\r\nbody\r\n", w.made)
		w.fate[octets] = &fate{}
		w.server.Append(name, mailbox.Flags{}, someDate, []byte(octets))
		all = append(all, octets)
	}
	return all
}

// rested is a disk whose clock shows that nothing has happened for long, so
// that its stamps are believed.
type rested struct{ *synctest.Disk }

func (d rested) Stamp(ctx context.Context, name mailbox.Name) (mailbox.Stamp, error) {
	stamp, err := d.Disk.Stamp(ctx, name)
	stamp.Taken += int64(time.Hour)
	return stamp, err
}

func (d rested) Tally(ctx context.Context, name mailbox.Name) (mailbox.Tally, mailbox.Stamp, error) {
	tally, stamp, err := d.Disk.Tally(ctx, name)
	stamp.Taken += int64(time.Hour)
	return tally, stamp, err
}

func (d rested) List(ctx context.Context, name mailbox.Name) ([]mailbox.LocalFile, mailbox.Stamp, error) {
	messages, stamp, err := d.Disk.List(ctx, name)
	stamp.Taken += int64(time.Hour)
	return messages, stamp, err
}

func (w *world) onRestedDisk(o *syncer.Options) { o.Local = rested{w.disk} }

// A download that was killed before its file had a name, and an upload in the
// same mailbox whose answer is lost: a look at the server must not make the
// state believe that the file is there, for then it would look deleted.
func TestLostAnswerOfUploadSettlesNoDownload(t *testing.T) {
	w := calmWorld(t, synctest.FullModel())
	w.put("INBOX", 1)
	w.disk.Inject(synctest.Fault{Op: "Publish", Kind: synctest.Refused})
	w.bend(nil)
	w.fate["local\r\n"] = &fate{}
	w.reader.Deliver("INBOX", mailbox.Flags{}, someDate, []byte("local\r\n"))
	for range 2 {
		w.model.Inject(synctest.Fault{Op: "Fetch", Kind: synctest.Refused})
	}
	w.model.Inject(synctest.Fault{Op: "Append", Kind: synctest.Lost})
	w.bend(nil)
	w.settle()
	w.check()
}

func TestUploadsThatWereNotTriedAreNotReportedDone(t *testing.T) {
	w := calmWorld(t, synctest.FullModel())
	w.put("INBOX", 250)
	w.run()
	for _, m := range w.server.Messages("INBOX") {
		w.server.Expunge("INBOX", m.UID)
	}
	for _, f := range w.reader.Files("INBOX") {
		w.reader.SetFlags("INBOX", f.Key, mailbox.NewFlags(mailbox.FlagFlagged))
	}
	w.model.Inject(synctest.Fault{Op: "Append", Kind: synctest.Lost, After: 10})
	summary := w.bend(nil)
	if there := len(w.server.Messages("INBOX")); summary.Uploaded != there || summary.Failed == 0 && there != 250 {
		t.Errorf("%d on the server: %+v", there, summary)
	}
	w.settle()
	w.check()
}

func TestUploadsOfUnknownFateAreNotReportedDone(t *testing.T) {
	w := calmWorld(t, synctest.FullModel())
	w.run()
	for _, octets := range []string{"one", "two"} {
		w.fate[octets] = &fate{}
		w.reader.Deliver("INBOX", mailbox.Flags{}, someDate, []byte(octets))
	}
	w.model.Inject(synctest.Fault{Op: "Append", Kind: synctest.Lost})
	w.model.Inject(synctest.Fault{Op: "Observe", Kind: synctest.Incomplete, Skip: 1})
	summary := w.bend(nil)
	if there := len(w.server.Messages("INBOX")); summary.Uploaded > there || summary.Failed == 0 && there < 2 {
		t.Errorf("%d on the server: %+v", there, summary)
	}
	w.settle()
	w.check()
}

// withTrash is a server with a mailbox for deleted mail.
type withTrash struct{ *synctest.Model }

func (m withTrash) List(ctx context.Context) ([]mailbox.Listed, error) {
	listed, err := m.Model.List(ctx)
	for i := range listed {
		if listed[i].Name == "Trash" {
			listed[i].Attributes = []string{`\Trash`}
		}
	}
	return listed, err
}

func (w *world) toTrash(o *syncer.Options) {
	o.Policy.OnLocalDelete = plan.Trash
	o.Remote = withTrash{w.model}
}

// What the user wants to find in the server's trash is never expunged because
// the server has none.
func TestDeletedOnDiskStaysWhereServerHasNoTrash(t *testing.T) {
	w := calmWorld(t, synctest.FullModel())
	w.put("INBOX", 1)
	w.run()
	w.reader.Unlink("INBOX", w.reader.Files("INBOX")[0].Key)
	for range 2 {
		if summary := w.bend(w.toTrash); summary.Failed == 0 {
			t.Errorf("nothing is said of it: %+v", summary)
		}
	}
	if len(w.server.Messages("INBOX")) != 1 {
		t.Error("expunged")
	}
	w.server.Create("Trash")
	w.bend(w.toTrash)
	if len(w.server.Messages("INBOX")) != 0 || len(w.server.Messages("Trash")) != 1 {
		t.Error("not in the trash when there is one")
	}
}

func TestMoveToTrashOfServerWithoutUIDPlusHappensOnce(t *testing.T) {
	w := calmWorld(t, synctest.ModelOptions{CondStore: true})
	w.server.Create("Trash")
	w.put("INBOX", 1)
	w.bend(w.toTrash)
	w.reader.Unlink("INBOX", w.reader.Files("INBOX")[0].Key)
	for range 4 {
		w.bend(w.toTrash)
	}
	if n := len(w.server.Messages("Trash")); n != 1 {
		t.Errorf("%d copies in the trash", n)
	}
	if n := len(w.reader.Files("INBOX")); n != 0 {
		t.Errorf("the deleted message came back")
	}
}

// mute is a server that answers some of what it is asked with OK and nothing.
type mute struct {
	*synctest.Model
	part   mailbox.Part
	noName bool
}

func (m mute) Fetch(ctx context.Context, ref mailbox.Ref, uids mailbox.UIDSet, part mailbox.Part, sink mailbox.FetchSink) error {
	if !m.noName && part == m.part {
		return nil
	}
	return m.Model.Fetch(ctx, ref, uids, part, sink)
}

func (m mute) List(ctx context.Context) ([]mailbox.Listed, error) {
	listed, err := m.Model.List(ctx)
	if m.noName {
		listed = nil
	}
	return listed, err
}

func (m mute) Exists(ctx context.Context, name mailbox.Name) (bool, error) {
	exists, err := m.Model.Exists(ctx, name)
	return exists && !m.noName, err
}

// OK without a row is what Exchange answers for messages that it cannot render.
func TestMessagesThatServerDoesNotAnswerAreFailures(t *testing.T) {
	cases := map[string]struct {
		prepare func(*world)
		remote  mute
	}{
		"no body": {func(w *world) { w.run(); w.put("INBOX", 1) }, mute{part: mailbox.Whole}},
		"no header": {func(w *world) {
			w.run()
			text := w.put("INBOX", 1)[0]
			w.reader.Deliver("INBOX", mailbox.Flags{}, someDate, []byte(text))
		}, mute{part: mailbox.HeaderOnly}},
		"no INBOX": {func(w *world) { w.run(); w.put("INBOX", 1) }, mute{noName: true}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			w := calmWorld(t, synctest.FullModel())
			c.prepare(w)
			c.remote.Model = w.model
			for range 3 {
				if summary := w.bend(func(o *syncer.Options) { o.Remote = c.remote }); summary.Failed == 0 {
					t.Errorf("a run that did not do everything reports no failure: %+v", summary)
				}
			}
			w.settle()
			w.check()
		})
	}
}

func TestMessageExpungedWhileFetchedIsNoFailure(t *testing.T) {
	for name, opts := range map[string]synctest.ModelOptions{"full": synctest.FullModel(), "bare": {}} {
		t.Run(name, func(t *testing.T) {
			w := calmWorld(t, opts)
			w.run()
			w.put("INBOX", 3)
			var once sync.Once
			w.model.Interrupt(func(op string) {
				if op == "Fetch" {
					once.Do(func() { w.server.Expunge("INBOX", 2) })
				}
			})
			if summary := w.bend(nil); summary.Failed != 0 || summary.Downloaded != 2 {
				t.Errorf("%+v", summary)
			}
		})
	}
}

// blink is a disk that does not show some folders in its first listing.
type blink struct {
	*synctest.Disk
	hidden mailbox.Name
}

func (d blink) Folders(ctx context.Context) ([]mailbox.Name, error) {
	names, err := d.Disk.Folders(ctx)
	var rest []mailbox.Name
	for _, name := range names {
		if name != d.hidden {
			rest = append(rest, name)
		}
	}
	return rest, err
}

func TestFolderThatIsBackKeepsItsMailboxOnServer(t *testing.T) {
	for _, n := range []int{0, 3} {
		w := calmWorld(t, synctest.FullModel())
		w.server.Create("A")
		w.put("A", n)
		w.run()
		w.bend(func(o *syncer.Options) { o.Local = blink{w.disk, "A"} })
		if boxes := w.server.Mailboxes(); len(boxes) != 2 || len(w.server.Messages("A")) != n {
			t.Errorf("with %d messages: %v are left", n, boxes)
		}
		w.settle()
		w.check()
	}
}

func TestMailboxThatListingOmitsIsNotFilledAgain(t *testing.T) {
	w := calmWorld(t, synctest.FullModel())
	w.server.Create("A")
	w.put("A", 3)
	w.run()
	w.state = synctest.NewState(nil) // lost
	w.model.Hide("A")
	w.bend(nil)
	w.model.Hide()
	w.settle()
	w.check()
}

func TestMailboxMadeByOtherClientMeanwhileIsNotFilledTwice(t *testing.T) {
	w := calmWorld(t, synctest.FullModel())
	w.run()
	w.reader.Create("A")
	w.fate["same"] = &fate{}
	w.reader.Deliver("A", mailbox.Flags{}, someDate, []byte("same"))
	var once sync.Once
	w.model.Interrupt(func(op string) {
		if op == "Create" {
			once.Do(func() {
				w.server.Create("A")
				w.server.Append("A", mailbox.Flags{}, someDate, []byte("same"))
			})
		}
	})
	w.bend(nil)
	w.settle()
	w.check()
}
