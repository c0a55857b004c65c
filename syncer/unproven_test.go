package syncer_test

import (
	"bytes"
	"context"
	"testing"

	"mailferry/syncer"
	"mailferry/syncer/mailbox"
	"mailferry/syncer/plan"
	"mailferry/syncer/synctest"
)

// withID is a message whose header tells it from all others, so that it is
// matched without its body.
func withID(id, body string) []byte {
	return []byte("Message-ID: <" + id + "@example.org>\r\nSubject: letter\r\n\r\n" + body + "\r\n")
}

// spoil replaces a file's octets by others of the same size.
func (w *world) spoil(from, to string) {
	w.t.Helper()
	for _, f := range w.reader.Files("INBOX") {
		if bytes.Contains(f.Octets, []byte(from)) {
			w.reader.Unlink("INBOX", f.Key)
			w.reader.Deliver("INBOX", f.Flags, f.Date, bytes.Replace(f.Octets, []byte(from), []byte(to), 1))
			return
		}
	}
	w.t.Fatalf("no file has %q", from)
}

// TestFileThatIsTakenForTheServersMessageIsComparedBeforeItGoes: a state that was
// rebuilt knows a message by size, date and header. A file whose body decayed
// since is no reason to delete the server's copy.
func TestFileThatIsTakenForTheServersMessageIsComparedBeforeItGoes(t *testing.T) {
	w := calmWorld(t, synctest.FullModel())
	for _, id := range []string{"one", "two", "three"} {
		w.server.Append("INBOX", mailbox.Flags{}, someDate, withID(id, "body of "+id))
	}
	w.bend(backingUp)
	w.spoil("body of two", "b0dy of two")
	w.state.Lose()
	if summary := w.bend(backingUp); summary.Downloaded != 0 {
		t.Fatalf("the files were not recognised: %+v", summary)
	}
	summary := w.bend(archiving(plan.Retention{}))
	left := w.onServer("INBOX")
	if len(left) != 1 || left[0] != string(withID("two", "body of two")) || summary.ExpungedRemote != 2 || summary.Failed != 1 {
		t.Errorf("%+v, on the server %q", summary, left)
	}
}

// sameNames is a server that gives different messages one EMAILID.
type sameNames struct{ *synctest.Model }

func (m sameNames) Observe(ctx context.Context, name mailbox.Name, since mailbox.Since, each func(mailbox.RemoteMessage) error) (mailbox.Observation, error) {
	return m.Model.Observe(ctx, name, since, func(row mailbox.RemoteMessage) error {
		row.ContentID = 7
		return each(row)
	})
}

// TestCopyThatOnlyItsNameProvedIsComparedBeforeItGoes: a backup links a message
// that the server says another mailbox has; an archive does not rely on it.
func TestCopyThatOnlyItsNameProvedIsComparedBeforeItGoes(t *testing.T) {
	for _, isTrue := range []bool{true, false} {
		w := calmWorld(t, synctest.FullModel())
		w.server.Create("A")
		w.server.Append("INBOX", mailbox.Flags{}, someDate, withID("one", "the very same!"))
		copied := withID("one", "the very same!")
		if !isTrue {
			copied = withID("one", "quite an other") // of the same size
		}
		w.server.Append("A", mailbox.Flags{}, someDate, copied)
		lying := func(o *syncer.Options) { o.Remote, o.LocalCopies = sameNames{w.model}, w.disk }
		if summary := w.bend(both(backingUp, lying)); summary.Downloaded != 2 {
			t.Fatalf("%+v", summary)
		}
		if got := w.onDisk("A")[0]; got != w.onDisk("INBOX")[0] {
			t.Fatalf("no copy was made: %q", got)
		}
		summary := w.bend(both(archiving(plan.Retention{}), lying))
		left, want := len(w.onServer("INBOX"))+len(w.onServer("A")), 0
		if !isTrue {
			want = 1
		}
		if left != want || summary.Failed != want {
			t.Errorf("true %v: %d left, %+v", isTrue, left, summary)
		}
	}
}
