package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mailferry/syncer/mailbox"
	"mailferry/syncer/synctest"
)

// soakMemory is what a run may need for a million messages, of which everything
// is new or has changed.
const soakMemory = 192 << 20

// TestManyMessagesArePushedPulledAndChanged has one device push its mail to a
// server, and another pull it, mark all of it as seen, and sync, so that the
// first is to mark it, too. In the end both have each message once, and seen.
// There are MAILFERRY_MESSAGES of them; with MAILFERRY_LONG a million.
func TestManyMessagesArePushedPulledAndChanged(t *testing.T) {
	count := 400
	if os.Getenv("MAILFERRY_LONG") != "" {
		count = 1_000_000
	}
	count = crashNumber(t, "MAILFERRY_MESSAGES", count)
	one := newWorld(t, synctest.Dovecot(t, synctest.DovecotConfig{MailLocation: "mdbox:%[1]s/mail/%%u"}), layoutFS)
	one.measures, one.patience = true, 3*time.Hour
	two := *one
	two.home, two.tmp = t.TempDir(), t.TempDir()
	two.disk = synctest.NewMaildir(t, filepath.Join(two.home, "mail"), false)
	places := []mailbox.Name{inbox, work, sub, empty}
	onDisk{one}.create(places...)
	for i := range count {
		path := filepath.Join(one.disk.Path(places[i%len(places)]), "cur", fmt.Sprintf("1784000000.%d.host:2,", i))
		text := fmt.Sprintf("From: ann@example.org\nSubject: %d\nMessage-ID: <%d@example.org>\n\nbody %d\n", i, i, i)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var steps []string
	sync := func(w *world, what string, flags ...string) {
		t.Helper()
		begun := time.Now()
		o := w.run(append([]string{"sync", "-q", w.url(), w.disk.Dir}, flags...)...).exits(exitDone)
		steps = append(steps, fmt.Sprintf("%s in %.0f s and %d MiB", what, time.Since(begun).Seconds(), o.peak>>20))
		t.Log(steps[len(steps)-1])
		if o.peak > soakMemory {
			t.Errorf("%s: %d MiB of memory", what, o.peak>>20)
		}
	}
	sync(one, "pushed", "--new-store")
	sync(&two, "pulled")
	for _, name := range places {
		seeAll(t, filepath.Join(two.disk.Path(name), "cur"))
	}
	sync(&two, "flags pushed")
	sync(one, "flags pulled")
	one.sync().isQuiet()
	two.sync().isQuiet()
	var all verdicts
	for _, w := range []*world{one, &two} {
		w.countSeen(places, count, &all)
	}
	synctest.Report(t, "%d messages: %s; on both disks together: %v", count, strings.Join(steps, ", "), &all)
}

// seeAll marks the messages of a folder as seen, and those that are new, too.
func seeAll(t *testing.T, cur string) {
	t.Helper()
	for _, folder := range []string{filepath.Join(filepath.Dir(cur), "new"), cur} {
		entries, err := os.ReadDir(folder)
		if err != nil {
			t.Fatal(err)
		}
		for _, entry := range entries {
			base, _, _ := strings.Cut(entry.Name(), ":2,")
			if err := os.Rename(filepath.Join(folder, entry.Name()), filepath.Join(cur, base+":2,S")); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// countSeen reads all messages on disk: each has to be there once, seen.
func (w *world) countSeen(places []mailbox.Name, count int, all *verdicts) {
	w.t.Helper()
	times := make([]int, count)
	for _, name := range places {
		cur := filepath.Join(w.disk.Path(name), "cur")
		entries, err := os.ReadDir(cur)
		if err != nil {
			w.t.Fatal(err)
		}
		for _, entry := range entries {
			octets, err := os.ReadFile(filepath.Join(cur, entry.Name()))
			if err != nil {
				w.t.Fatal(err)
			}
			var i int
			if _, err := fmt.Sscan(subjectOf(octets), &i); err != nil || i < 0 || i >= count {
				w.t.Fatalf("%s: who wrote %s?", name, entry.Name())
			}
			if times[i]++; !strings.HasSuffix(entry.Name(), ":2,S") {
				all.wrong.Add(1)
				w.t.Errorf("%s: %s is not seen", name, entry.Name())
			}
		}
	}
	for i, n := range times {
		all.tried.Add(1)
		switch {
		case n == 0:
			all.lost.Add(1)
			w.t.Errorf("message %d is lost", i)
		case n > 1:
			all.duplicated.Add(int64(n - 1))
			w.t.Errorf("message %d is there %d times", i, n)
		}
	}
}

// subjectOf is what messages are told by here: others add header fields.
func subjectOf(octets []byte) string {
	_, rest, _ := bytes.Cut(octets, []byte("Subject: "))
	subject, _, _ := bytes.Cut(rest, []byte("\n"))
	return strings.TrimSpace(string(subject))
}
