package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"mailferry/syncer/mailbox"
	"mailferry/syncer/synctest"
)

// gmailWorld is an account on a server like Gmail, whose store is to be made.
func gmailWorld(t testing.TB, gmail *synctest.Gmail) *world {
	home := t.TempDir()
	w := &world{
		t: t, user: &synctest.User{Name: "me", Password: "secret"}, binary: builtProgram(t), home: home, tmp: t.TempDir(), addr: gmail.Addr,
	}
	w.disk = synctest.NewMaildir(t, filepath.Join(home, "mail"), false)
	return w
}

// inodes counts the files below a folder, and how many of them share octets.
func inodes(t testing.TB, dir string) (files, contents int) {
	t.Helper()
	var seen []os.FileInfo
	err := filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		if sub := filepath.Base(filepath.Dir(path)); err != nil || entry.IsDir() || sub != "cur" && sub != "new" {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		files++
		if !slices.ContainsFunc(seen, func(other os.FileInfo) bool { return os.SameFile(info, other) }) {
			seen = append(seen, info)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files, len(seen)
}

// Gmail's All Mail repeats what the labels have: each message is read once, and
// is a message of each mailbox nevertheless.
func TestGmailsMessagesAreReadOnce(t *testing.T) {
	const messages = 200
	gmail := synctest.StartGmail(t, messages, 2000, synctest.Labels(10)...)
	w := gmailWorld(t, gmail)
	o := w.backup().exits(0)
	if o.summary.Downloaded != 2*messages {
		t.Errorf("%+v", o.summary)
	}
	bodies, headers := gmail.Bodies()
	for id, n := range bodies {
		if n != 1 {
			t.Errorf("%d was read %d times", id, n)
		}
	}
	if len(bodies) != messages || headers != 0 || o.summary.OctetsDown > gmail.Octets()*3/2 {
		t.Errorf("%d messages and %d headers read, %d octets of %d", len(bodies), headers, o.summary.OctetsDown, gmail.Octets())
	}
	if files, contents := inodes(t, w.disk.Dir); files != 2*messages || contents != messages {
		t.Errorf("%d files of %d contents", files, contents)
	}
	if o := w.backup().exits(0); o.summary.Downloaded != 0 {
		t.Errorf("again: %+v", o.summary)
	}
}

func TestCopiesOnEitherSideDoNotTravel(t *testing.T) {
	for name, server := range map[string]*synctest.Server{
		"Dovecot": synctest.Dovecot(t, synctest.DovecotConfig{}), "Cyrus": synctest.Cyrus(t),
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, server, layoutFS)
			date := mailbox.Date{Unix: 1_000_000_000, Known: true}
			octets := []byte("Message-ID: <large@example.com>\r\nSubject: large\r\n\r\n" + strings.Repeat("a line of a large message\r\n", 4000))
			w.user.Create("A")
			w.user.Create("B")
			w.user.Append("INBOX", mailbox.NewFlags(mailbox.FlagSeen), date, octets)
			w.sync().exits(0)

			w.user.Append("A", mailbox.Flags{}, date, octets)
			o := w.sync().exits(0)
			if o.summary.Downloaded != 1 || o.summary.OctetsDown > 5000 {
				t.Errorf("copied on the server: %+v", o.summary)
			}
			first, second := w.disk.Files("INBOX"), w.disk.Files("A")
			if len(first) != 1 || len(second) != 1 || !first[0].Flags.Has(mailbox.FlagSeen) || second[0].Flags.Has(mailbox.FlagSeen) {
				t.Errorf("INBOX has %d, A %d", len(first), len(second))
			}

			flagged := mailbox.NewFlags(mailbox.FlagFlagged)
			w.disk.Deliver("B", flagged, mailbox.Date{Unix: 1_700_000_000, Known: true}, octets)
			o = w.sync().exits(0)
			if o.summary.Uploaded != 1 || o.summary.OctetsUp > 5000 {
				t.Errorf("copied on disk: %+v", o.summary)
			}
			got := w.user.Messages("B")
			if len(got) != 1 || !got[0].Flags.Equal(flagged) || got[0].Date.Unix != date.Unix || string(got[0].Octets) != string(octets) {
				t.Errorf("B has %d messages", len(got))
			}
			if o := w.sync().exits(0); o.summary.changes() != (summary{}) {
				t.Errorf("again: %+v", o.summary)
			}
		})
	}
}

// BenchmarkGmailFirstBackup backs up 5,000 messages that are in All Mail and,
// spread over 10 labels, once more.
func BenchmarkGmailFirstBackup(b *testing.B) {
	gmail := synctest.StartGmail(b, 5000, 6000, synctest.Labels(10)...)
	for b.Loop() {
		o := gmailWorld(b, gmail).backup().exits(0)
		if o.summary.Downloaded != 10_000 {
			b.Fatalf("%+v", o.summary)
		}
		b.ReportMetric(float64(o.summary.OctetsDown)/float64(gmail.Octets()), "octets-down/mail")
		b.ReportMetric(float64(o.summary.RoundTrips), "round-trips")
	}
}
