package main

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"os"
	"regexp"
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
	server := synctest.Dovecot(t, synctest.DovecotConfig{})
	appendUID := regexp.MustCompile(`\[APPENDUID [^]]*\] `)
	for _, c := range []struct {
		name string
		line func(string) (string, bool)
	}{
		{"with APPENDUID", func(line string) (string, bool) { return line, false }},
		{"without APPENDUID", func(line string) (string, bool) { return appendUID.ReplaceAllString(line, ""), false }},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, server, layoutFS)
			p := newProxy(t, server.Addr)
			p.setLine(c.line)
			w.addr = p.addr
			w.sync().exits(exitDone)
			want, changed := []string{}, 0
			for i, m := range synctest.OddMessages() {
				if len(m.Octets) == 0 || m.NUL {
					continue // the server takes neither: see below
				}
				onDisk{w}.write(inbox, "cur", fmt.Sprintf("1784000%03d.odd.host:2,S", i), m.Octets)
				want = append(want, withoutLineEnds(m.Octets))
			}
			before := w.disk.Files(inbox)
			if o := w.sync().exits(exitDone); o.summary.Uploaded != len(want) {
				t.Errorf("%d of %d uploaded: %v", o.summary.Uploaded, len(want), o.failures)
			}
			// Dovecot makes every line end a CRLF. Where that is another
			// message then, it comes down beside the one that went up.
			changed = w.sync().exits(exitDone).deletesNothing().summary.Downloaded
			w.quiet()
			w.onceEach(want)
			after := w.disk.Files(inbox)
			if len(after) > len(before)+5 || len(after) < len(before) {
				t.Errorf("%d files, there were %d, and %d came down", len(after), len(before), changed)
			}
			for _, file := range before {
				if !slices.ContainsFunc(after, func(f synctest.File) bool { return f.Key == file.Key && bytes.Equal(f.Octets, file.Octets) }) {
					t.Errorf("file %s was changed", file.Key)
				}
			}
			if c.name == "without APPENDUID" {
				return // what came down is on disk twice, with other line ends each
			}
			if err := os.Remove(w.statePath()); err != nil {
				t.Fatal(err)
			}
			// What is on disk in both forms cannot be told from two messages.
			if o := w.sync().exits(exitDone).deletesNothing(); o.summary.Downloaded != 0 || o.summary.Uploaded > changed {
				t.Errorf("without the state %d came down and %d went up", o.summary.Downloaded, o.summary.Uploaded)
			}
		})
	}
}

// onceEach checks that the server has these messages in INBOX and no others.
func (w *world) onceEach(want []string) {
	w.t.Helper()
	var got []string
	for _, m := range w.user.Messages(inbox) {
		got = append(got, withoutLineEnds(m.Octets))
	}
	slices.Sort(got)
	slices.Sort(want)
	if len(got) != len(want) {
		w.t.Errorf("the server has %d messages, want %d", len(got), len(want))
	}
	for i := range min(len(got), len(want)) {
		if got[i] != want[i] {
			w.t.Errorf("on the server %.80q, want %.80q", got[i], want[i])
		}
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

// Dovecot takes dates in the future for now, and keeps those before 1970 now as
// one date and now as another.
func TestDatesSurviveInBothDirections(t *testing.T) {
	common := []string{
		"1970-01-01T00:00:01Z", "1999-12-31T23:59:59Z", "2000-02-29T12:00:00+13:45", "2026-03-29T02:30:00+05:45",
	}
	odd := []string{"2038-01-19T03:14:08Z", "2100-01-01T00:00:00+14:00", "1969-12-31T23:59:59Z", "1965-05-05T05:05:05-09:30", "1901-12-14T00:00:00Z"}
	t.Run("dovecot", func(t *testing.T) {
		datesSurvive(newWorld(t, synctest.Dovecot(t, synctest.DovecotConfig{}), layoutFS), common)
	})
	t.Run("memory", func(t *testing.T) {
		w := newWorld(t, synctest.Memory(t), layoutFS)
		w.plain = true
		datesSurvive(w, slices.Concat(common, odd))
	})
}

func datesSurvive(w *world, texts []string) {
	w.sync().exits(exitDone)
	dates := map[string]int64{}
	for i, text := range texts {
		date, err := time.Parse(time.RFC3339, text)
		if err != nil {
			w.t.Fatal(err)
		}
		down, up := fmt.Sprintf("down %d", i), fmt.Sprintf("up %d", i)
		dates[down], dates[up] = date.Unix(), date.Unix()
		w.user.Append(inbox, mailbox.Flags{}, mailbox.DateOf(date), letter(down))
		w.disk.Deliver(inbox, mailbox.Flags{}, mailbox.DateOf(date), letter(up))
	}
	w.sync().exits(exitDone)
	for _, m := range w.user.Messages(inbox) {
		if label := labelOf(m.Octets); m.Date.Unix != dates[label] {
			w.t.Errorf("%s: INTERNALDATE %d, want %d", label, m.Date.Unix, dates[label])
		}
	}
	for _, f := range w.disk.Files(inbox) {
		if label := labelOf(f.Octets); f.Date.Unix != dates[label] {
			w.t.Errorf("%s: mtime %d, want %d", label, f.Date.Unix, dates[label])
		}
	}
	w.same()
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
	w.measures = true
	w.user.Create(work)
	w.sync().exits(exitDone)
	big := synctest.BigMessage().Octets
	w.user.Append(inbox, mailbox.NewFlags(seen), someDate, big)
	onDisk{w}.write(work, "cur", "1784000001.big.host:2,F", lf(big))
	o := w.sync().exits(exitDone)
	if t.Logf("%d MB of memory", o.peak>>20); o.peak > memoryLimit {
		t.Errorf("%d MB of memory", o.peak>>20)
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
