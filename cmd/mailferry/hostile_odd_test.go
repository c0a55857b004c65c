package main

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"mailferry/syncer/mailbox"
	"mailferry/syncer/synctest"
)

func TestOddMessagesComeDownToTheOctet(t *testing.T) {
	server := synctest.Dovecot(t, synctest.DovecotConfig{})
	for _, layout := range []string{layoutFS, layoutMaildirPP} {
		for _, command := range []string{"sync", "backup"} {
			t.Run(layout+" "+command, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, server, layout)
				for i, m := range synctest.OddMessages() {
					if len(m.Octets) > 0 && !m.NUL {
						w.user.Append(inbox, mailbox.NewFlags(seen), someDate, m.Octets)
					}
					// The server serves a file as it lies there, also one
					// that it would not take from a client.
					w.user.Plant(inbox, fmt.Sprintf("1784000%03d.odd.host:2,F", i), m.Octets)
				}
				o := w.transfer(command).exits(exitDone)
				if o.summary.Failed > 0 {
					t.Error(o.failures)
				}
				w.same()
				w.quiet()
				w.same()
			})
		}
	}
}

// withoutLineEnds is what a server leaves of a message whatever it does to
// line ends and NULs on the way in.
func withoutLineEnds(octets []byte) string {
	return strings.NewReplacer("\r", "", "\n", "", "\x00", "", "\x80", "").Replace(string(octets))
}

func TestOddMessagesGoUpOnceAndStay(t *testing.T) {
	for _, other := range []struct {
		name  string
		start func(testing.TB) *synctest.Server
		plain bool
	}{
		{"dovecot", func(tb testing.TB) *synctest.Server { return synctest.Dovecot(tb, synctest.DovecotConfig{}) }, false},
		{"memory", synctest.Memory, true},
	} {
		t.Run(other.name, func(t *testing.T) {
			w := newWorld(t, other.start(t), layoutFS)
			w.plain = other.plain
			w.sync().exits(exitDone)
			var want []string
			for i, m := range synctest.OddMessages() {
				if len(m.Octets) == 0 || m.NUL {
					continue // not every server takes these: see below
				}
				onDisk{w}.write(inbox, "cur", fmt.Sprintf("1784000%03d.odd.host:2,S", i), m.Octets)
				want = append(want, withoutLineEnds(m.Octets))
			}
			before := w.disk.Files(inbox)
			o := w.sync().exits(exitDone)
			if o.summary.Uploaded != len(want) {
				t.Errorf("%d of %d uploaded: %v", o.summary.Uploaded, len(want), o.failures)
			}
			w.sync().exits(exitDone)
			w.quiet()
			var got []string
			for _, m := range w.user.Messages(inbox) {
				got = append(got, withoutLineEnds(m.Octets))
			}
			slices.Sort(got)
			if slices.Sort(want); !slices.Equal(got, want) {
				t.Errorf("the server has %d messages, want %d", len(got), len(want))
			}
			after := w.disk.Files(inbox)
			for i := range before {
				if i >= len(after) || !bytes.Equal(before[i].Octets, after[i].Octets) {
					t.Fatalf("file %s was changed", before[i].Key)
				}
			}
			if len(after) != len(before) {
				t.Errorf("%d files, there were %d", len(after), len(before))
			}
		})
	}
}

func TestMessageThatTheServerRefusesCostsItselfOnly(t *testing.T) {
	server := synctest.Dovecot(t, synctest.DovecotConfig{})
	w := newWorld(t, server, layoutFS)
	populate(onServer{w})
	w.sync().exits(exitDone)
	want := expectationOf(t, w.same())
	onDisk{w}.write(inbox, "cur", "1784000001.empty.host:2,S", nil) // Dovecot saves no empty message
	onDisk{w}.add(inbox, "x")
	onDisk{w}.add(work, "y")
	for range 2 {
		o := w.sync().exits(exitPartly).deletesNothing()
		if o.summary.Failed != 1 {
			t.Errorf("%d failures: %v", o.summary.Failed, o.failures)
		}
		o.says("INBOX")
	}
	want.add(inbox, "x")
	want.add(work, "y")
	w.untouched(want)
	if n := len(w.disk.Files(inbox)); n != 7 {
		t.Errorf("%d files are left in INBOX", n)
	}
}

func TestDatesSurviveInBothDirections(t *testing.T) {
	server := synctest.Dovecot(t, synctest.DovecotConfig{})
	w := newWorld(t, server, layoutFS)
	w.sync().exits(exitDone)
	dates := map[string]time.Time{}
	for i, text := range []string{
		"1969-12-31T23:59:59Z", "1965-05-05T05:05:05-09:30", "1901-12-14T00:00:00Z", "1970-01-01T00:00:00Z", "1999-12-31T23:59:60Z",
		"2000-02-29T12:00:00+13:45", "2026-03-29T02:30:00+05:45", "2038-01-19T03:14:08Z", "2100-01-01T00:00:00+14:00",
	} {
		text = strings.Replace(text, ":60", ":59", 1)
		date, err := time.Parse(time.RFC3339, text)
		if err != nil {
			t.Fatal(err)
		}
		down, up := fmt.Sprintf("down %d", i), fmt.Sprintf("up %d", i)
		dates[down], dates[up] = date, date
		w.user.Append(inbox, mailbox.Flags{}, mailbox.DateOf(date), letter(down))
		w.disk.Deliver(inbox, mailbox.Flags{}, mailbox.DateOf(date), letter(up))
	}
	w.sync().exits(exitDone)
	asServerKeeps := map[string]int64{}
	for _, m := range w.user.Messages(inbox) {
		asServerKeeps[strings.TrimPrefix(labelOf(m.Octets), "down ")] = m.Date.Unix
	}
	for _, m := range w.user.Messages(inbox) {
		label := labelOf(m.Octets)
		// Dovecot itself changes dates that it cannot keep: what it makes of
		// a date from its own client is what it may make of ours.
		_, number, _ := strings.Cut(label, " ")
		if m.Date.Unix != asServerKeeps[number] {
			t.Errorf("%s: %d on the server, want %d (%s)", label, m.Date.Unix, asServerKeeps[number], dates[label])
		}
	}
	for _, f := range w.disk.Files(inbox) {
		label := labelOf(f.Octets)
		_, number, _ := strings.Cut(label, " ")
		if strings.HasPrefix(label, "up") && f.Date.Unix != dates[label].Unix() {
			t.Errorf("%s: the file's mtime was changed to %d", label, f.Date.Unix)
		}
		if strings.HasPrefix(label, "down") && f.Date.Unix != asServerKeeps[number] {
			t.Errorf("%s: mtime %d, the server says %d", label, f.Date.Unix, asServerKeeps[number])
		}
	}
	w.quiet()
}

func TestMoreKeywordsThanAFolderHoldsAreNeitherLostNorTurned(t *testing.T) {
	server := synctest.Dovecot(t, synctest.DovecotConfig{})
	w := newWorld(t, server, layoutFS)
	for i := range 30 {
		onServer{w}.add(inbox, fmt.Sprintf("m%d", i), fmt.Sprintf("keyword%d", i), seen)
	}
	want := expectationOf(t, w.user.Snapshot())
	w.sync().exits(exitDone)
	w.quiet()
	onDisk{w}.flag(inbox, "m3", "keyword3", seen, flagged)
	want.flagged(inbox, "m3", "keyword3", seen, flagged)
	onDisk{w}.flag(inbox, "m29", seen, answered)
	want.flagged(inbox, "m29", "keyword29", seen, answered)
	w.sync().exits(exitDone)
	w.untouched(want)
	held := 0
	for _, f := range w.disk.Files(inbox) {
		held += len(f.Flags.Keywords())
	}
	if held < 25 {
		t.Errorf("the folder holds %d keywords", held)
	}
	w.quiet()
	w.untouched(want)
}

func TestBigMessageTravelsBothWaysInLittleMemory(t *testing.T) {
	server := synctest.Dovecot(t, synctest.DovecotConfig{})
	w := newWorld(t, server, layoutFS)
	w.binary = builtProgram(t)
	w.user.Create(work)
	w.sync().exits(exitDone)
	big := synctest.BigMessage().Octets
	w.user.Append(inbox, mailbox.NewFlags(seen), someDate, big)
	onDisk{w}.write(work, "cur", "1784000001.big.host:2,F", lf(big))
	o := w.sync().exits(exitDone)
	if o.maxRSS > memoryLimit {
		t.Errorf("%d MB of memory", o.maxRSS>>20)
	}
	for name, messages := range w.same() {
		if len(messages) != 1 || messages[0].Hash != sha256.Sum256(big) {
			t.Errorf("%s: %d messages", name, len(messages))
		}
	}
	w.quiet()
	if stat, err := os.Stat(onDisk{w}.path(inbox, labelOf(big))); err != nil || stat.Size() < 29<<20 {
		t.Errorf("%v %v", stat, err)
	}
}
