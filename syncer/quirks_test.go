package syncer_test

import (
	"context"
	"io"
	"strings"
	"testing"

	"mailferry/syncer"
	"mailferry/syncer/mailbox"
	"mailferry/syncer/synctest"
)

func TestRaisedLimitBringsWhatWasSkipped(t *testing.T) {
	w := calmWorld(t, synctest.FullModel())
	w.fate[strings.Repeat("x", 100)] = &fate{}
	w.server.Append("INBOX", mailbox.Flags{}, someDate, []byte(strings.Repeat("x", 100)))
	for range 3 {
		w.bend(func(o *syncer.Options) {
			w.onRestedDisk(o)
			o.Policy.MaxMessageSize = 50
		})
	}
	if summary := w.bend(w.onRestedDisk); summary.Downloaded != 1 {
		t.Errorf("%+v", summary)
	}
}

// altering is a server that stores messages other than they were sent, as
// Domino and Exchange do.
type altering struct{ *synctest.Model }

func (m altering) Append(ctx context.Context, name mailbox.Name, uploads []mailbox.Upload, done func(int, mailbox.Appended, error)) error {
	const line = "X-Seen-By: server\r\n"
	altered := make([]mailbox.Upload, len(uploads))
	for i, upload := range uploads {
		altered[i] = upload
		altered[i].Size += int64(len(line))
		altered[i].Open = func() (io.ReadCloser, error) {
			body, err := upload.Open()
			if err != nil {
				return nil, err
			}
			return struct {
				io.Reader
				io.Closer
			}{io.MultiReader(strings.NewReader(line), body), body}, nil
		}
	}
	return m.Model.Append(ctx, name, altered, done)
}

func TestServerThatAltersUploadsGetsEachOnce(t *testing.T) {
	w := calmWorld(t, synctest.FullModel())
	w.run()
	w.reader.Deliver("INBOX", mailbox.Flags{}, someDate, []byte("Message-ID: <1>\r\n\r\nbody\r\n"))
	for range 4 {
		w.bend(func(o *syncer.Options) { o.RemoteMessages = altering{w.model} })
	}
	if server, disk := len(w.server.Messages("INBOX")), len(w.reader.Files("INBOX")); server != 1 || disk > 2 {
		t.Errorf("%d on the server, %d on disk", server, disk)
	}
}

// mending is a server that gives messages line ends of its own, as Dovecot does.
type mending struct{ *synctest.Model }

func (m mending) Append(ctx context.Context, name mailbox.Name, uploads []mailbox.Upload, done func(int, mailbox.Appended, error)) error {
	mended := make([]mailbox.Upload, len(uploads))
	for i, upload := range uploads {
		body, err := upload.Open()
		if err != nil {
			return err
		}
		octets, err := io.ReadAll(body)
		body.Close()
		if err != nil {
			return err
		}
		text := strings.ReplaceAll(strings.ReplaceAll(string(octets), "\r\n", "\n"), "\n", "\r\n")
		mended[i] = upload
		mended[i].Size = int64(len(text))
		mended[i].Open = func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(text)), nil }
	}
	return m.Model.Append(ctx, name, mended, done)
}

// A file whose line ends the server changed is still the same message when
// nobody remembers that it was uploaded; one that differs in a word is not.
func TestMessageWithOtherLineEndsIsRecognisedWithoutState(t *testing.T) {
	for name, lose := range map[string]func(w *world){
		"the state is lost":     func(w *world) { w.state.Lose() },
		"the server renumbered": func(w *world) { w.server.Renumber("INBOX") },
		"renumbered and renamed": func(w *world) {
			w.server.Renumber("INBOX")
			w.reader.Move("INBOX", w.reader.Files("INBOX")[0].Key, "INBOX", true)
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := calmWorld(t, synctest.FullModel())
			w.run()
			w.reader.Deliver("INBOX", mailbox.Flags{}, someDate, []byte("Message-ID: <1>\r\nSubject: x\n\r\nbody\nand\r\nmore\n"))
			bend := func(o *syncer.Options) { o.RemoteMessages = mending{w.model} }
			for range 3 {
				w.bend(bend)
			}
			lose(w)
			for range 3 {
				if summary := w.bend(bend); summary.Downloaded+summary.Uploaded+summary.RemovedLocal+summary.ExpungedRemote+summary.Failed != 0 {
					t.Errorf("%+v", summary)
				}
			}
			w.server.Append("INBOX", mailbox.Flags{}, someDate, []byte("Message-ID: <1>\r\nSubject: x\r\n\r\nbody\r\nand\r\nless\r\n"))
			w.state.Lose()
			if summary := w.bend(bend); summary.Downloaded != 1 || summary.Uploaded != 0 {
				t.Errorf("another message: %+v", summary)
			}
			if server, disk := len(w.server.Messages("INBOX")), len(w.reader.Files("INBOX")); server != 2 || disk != 2 {
				t.Errorf("%d on the server, %d on disk", server, disk)
			}
		})
	}
}

// A file that is deleted between the two looks at a folder was seen by the
// first: the next run must not take the folder for one that it knows.
func TestFileDeletedBetweenTwoLooksIsNoticedNextTime(t *testing.T) {
	w := calmWorld(t, synctest.FullModel())
	w.put("INBOX", 2)
	for range 3 {
		w.bend(w.onRestedDisk)
	}
	files := w.reader.Files("INBOX")
	w.reader.Unlink("INBOX", files[0].Key)
	lists := 0
	w.disk.Interrupt(func(op string) {
		if op == "List" {
			if lists++; lists == 2 {
				w.reader.Unlink("INBOX", files[1].Key)
			}
		}
	})
	for range 3 {
		w.bend(w.onRestedDisk)
	}
	if n := len(w.server.Messages("INBOX")); n != 0 {
		t.Errorf("%d left on the server", n)
	}
}

// A server that is restored from a backup between a change and the look that
// confirms it: the file that it has no copy of any more is uploaded.
func TestServerRestoredBeforeChangesAreConfirmed(t *testing.T) {
	w := calmWorld(t, synctest.FullModel())
	w.put("INBOX", 2)
	for range 3 {
		w.bend(w.onRestedDisk)
	}
	w.reader.SetFlags("INBOX", w.reader.Files("INBOX")[0].Key, mailbox.NewFlags(mailbox.FlagFlagged))
	looks := 0
	w.model.Interrupt(func(op string) {
		if op == "Observe" {
			if looks++; looks == 2 {
				w.server.Expunge("INBOX", 2)
				w.server.Renumber("INBOX")
			}
		}
	})
	for range 4 {
		w.bend(w.onRestedDisk)
	}
	if n := len(w.server.Messages("INBOX")); n != 2 {
		t.Errorf("%d on the server", n)
	}
}

func TestMailboxThatVanishesCostsFewRoundTrips(t *testing.T) {
	w := calmWorld(t, synctest.FullModel())
	w.server.Create("A")
	w.put("A", 64)
	gone := &mailbox.ServerError{Status: "NO", Code: "NONEXISTENT", Command: "SELECT", Kind: mailbox.ErrNotFound}
	for range 1000 {
		w.model.Inject(synctest.Fault{Op: "Fetch", Kind: synctest.Refused, Err: gone})
	}
	inOneRound := func(o *syncer.Options) { o.Window = 100 }
	if summary := w.bend(inOneRound); summary.Traffic.RoundTrips > 20 || summary.Stale != 64 {
		t.Errorf("%+v", summary)
	}
}

// dropping is a server that answers for one message with something else.
type dropping struct {
	*synctest.Model
	left *int
}

func (m dropping) Fetch(ctx context.Context, ref mailbox.Ref, uids mailbox.UIDSet, part mailbox.Part, sink mailbox.FetchSink) error {
	if part == mailbox.Whole && *m.left > 0 {
		*m.left--
		if err := sink.Receive(5, strings.NewReader("wrong")); err != nil {
			return err
		}
		if err := sink.Drop(uids.Max(), mailbox.ErrProtocol); err != nil {
			return err
		}
		uids = uids.Minus(mailbox.UIDs(uids.Max()))
	}
	return m.Model.Fetch(ctx, ref, uids, part, sink)
}

func TestMessageThatServerAnswersWronglyIsFetchedNextTime(t *testing.T) {
	w := calmWorld(t, synctest.FullModel())
	w.put("INBOX", 3)
	left := 1
	if summary := w.bend(func(o *syncer.Options) {
		w.onRestedDisk(o)
		o.Remote = dropping{w.model, &left}
	}); summary.Failed != 1 || summary.Downloaded != 2 {
		t.Errorf("%+v", summary)
	}
	for range 3 {
		w.bend(w.onRestedDisk)
	}
	w.check()
}

func TestRaisedLimitBringsWhatCameWhileChangesWereConfirmed(t *testing.T) {
	w := calmWorld(t, synctest.FullModel())
	w.put("INBOX", 1)
	limited := func(o *syncer.Options) {
		w.onRestedDisk(o)
		o.Policy.MaxMessageSize = 50
	}
	for range 3 {
		w.bend(limited)
	}
	w.reader.SetFlags("INBOX", w.reader.Files("INBOX")[0].Key, mailbox.NewFlags(mailbox.FlagFlagged))
	looks := 0
	w.model.Interrupt(func(op string) {
		if op == "Observe" {
			if looks++; looks == 2 {
				w.server.Append("INBOX", mailbox.Flags{}, someDate, []byte(strings.Repeat("x", 100)))
			}
		}
	})
	for range 3 {
		w.bend(limited)
	}
	if summary := w.bend(w.onRestedDisk); summary.Downloaded != 1 {
		t.Errorf("%+v", summary)
	}
}
