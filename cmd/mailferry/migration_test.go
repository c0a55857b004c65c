//go:build linux

package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"mailferry/syncer/mailbox"
	"mailferry/syncer/synctest"
)

// localised makes Dovecot's mailboxes for special uses those of a country.
const localised = `
namespace inbox {
  mailbox Sent {
    special_use =
  }
  mailbox Trash {
    special_use =
  }
  mailbox Gesendet {
    auto = subscribe
    special_use = \Sent
  }
  mailbox Papierkorb {
    auto = subscribe
    special_use = \Trash
  }
}
`

// restoreTo restores a world's store to another one's account.
func (w *world) restoreTo(to *world, flags ...string) outcome {
	w.t.Helper()
	w.env = append(w.env, "MAILFERRY_PASSWORD_TO="+to.user.Password)
	return w.run(append([]string{"restore", "--json", w.disk.Dir, "--to", to.url()}, flags...)...)
}

// moverMessages is how many there are: the time is the servers'.
func moverMessages() int {
	if os.Getenv("MAILFERRY_LONG") != "" {
		return 10_000
	}
	return 300
}

// TestMigrationKeepsEverything moves a user from Dovecot to Cyrus and on to
// another Dovecot, with other separators and names.
func TestMigrationKeepsEverything(t *testing.T) {
	old := newWorld(t, synctest.Dovecot(t, synctest.DovecotConfig{MailLocation: "sdbox:%[1]s/mail/%%u"}), layoutFS)
	middle := newWorld(t, synctest.CyrusWith(t, fmt.Sprintf("maxmessagesize: %d\n", largeLimit)), layoutFS)
	last := newWorld(t, synctest.Dovecot(t, synctest.DovecotConfig{Separator: '.', Prefix: "INBOX.", Extra: localised}), layoutFS)
	n := moverMessages()
	fillMover(old.user, n)
	old.user.Do("SUBSCRIBE \"Old Mail\"")
	old.backup().exits(exitDone)

	// What Cyrus does not take is listed, each by itself; all else is there.
	ancient := ancientMessages(old.user)
	o := old.restoreTo(middle).exits(exitPartly)
	if want := []string{"too large: ", `CREATE: server says NO`, "CREATE: server says NO"}; !eachHasOne(o.failures, want) {
		t.Errorf("failures: %q", o.failures)
	}
	if len(o.troubles) != ancient || !strings.Contains(strings.Join(o.troubles, " "), "does not take its date") {
		t.Errorf("%d messages have dates before 1970, and %d troubles: %q", ancient, len(o.troubles), o.troubles)
	}
	if o.summary.Uploaded != n+1 {
		t.Errorf("uploaded %d of %d", o.summary.Uploaded, n+1)
	}
	called := map[mailbox.Name]mailbox.Name{forbidden: "wow_", percent: "100_ sure"}
	sameMail(t, old.user.Snapshot(), middle.user.Snapshot(), called, func(m synctest.Hashed) bool { return len(m.Octets) > largeLimit }, isAncient)

	// Once more nothing is uploaded, at the price of a run without changes and
	// of a second look at the mailbox that has the large message.
	again := old.restoreTo(middle).exits(exitPartly)
	if again.summary.Uploaded != 0 || again.summary.Failed != 1 || again.summary.Selected > 2 {
		t.Errorf("%+v %q", again.summary, again.failures)
	}

	middle.backup().exits(exitDone)
	o = middle.restoreTo(last).exits(exitDone)
	called = map[mailbox.Name]mailbox.Name{"Sent": "Gesendet", "Trash": "Papierkorb", dotted: "Projekte/v1_2"}
	nothing := func(synctest.Hashed) bool { return false }
	sameMail(t, middle.user.Snapshot(), last.user.Snapshot(), called, nothing, nothing)
	again = middle.restoreTo(last).exits(exitDone)
	idle := middle.backup().exits(exitDone)
	if again.summary.Uploaded != 0 || again.summary.Selected > 0 || again.summary.RoundTrips > idle.summary.RoundTrips+1 {
		t.Errorf("a second restore: %+v\na backup without changes: %+v", again.summary, idle.summary)
	}
}

// isAncient reports whether a message has a date before 1970, which Dovecot
// tells as one 136 years later once it has it in its cache.
func isAncient(m synctest.Hashed) bool { return m.Date.Unix < 0 || m.Date.Unix > 1<<31 }

// ancientMessages counts those with a date before 1970.
func ancientMessages(u *synctest.User) int {
	n := 0
	for _, messages := range u.Snapshot() {
		for _, m := range messages {
			if isAncient(m) {
				n++
			}
		}
	}
	return n
}

// eachHasOne reports whether each of the parts is in a text of its own.
func eachHasOne(texts, parts []string) bool {
	texts = slices.Clone(texts)
	for _, part := range parts {
		i := slices.IndexFunc(texts, func(text string) bool { return strings.Contains(text, part) })
		if i < 0 {
			return false
		}
		texts = slices.Delete(texts, i, i+1)
	}
	return len(texts) == 0
}

// sameMail compares two accounts: mailboxes, and in each the messages with
// their octets, flags and instants. Mailboxes are called otherwise in the
// second, some messages are left out, and some have another date.
func sameMail(t *testing.T, one, two synctest.Snapshot, called map[mailbox.Name]mailbox.Name, isLeftOut, isRedated func(synctest.Hashed) bool) {
	t.Helper()
	describe := func(messages []synctest.Hashed) []string {
		texts := []string{}
		for _, m := range messages {
			if isLeftOut(m) {
				continue
			}
			date := m.Date.Unix
			if isRedated(m) || date == 24*3600 {
				date = 0
			}
			texts = append(texts, fmt.Sprintf("%s %s %d", m.Hash, m.Flags, date))
		}
		slices.Sort(texts)
		return texts
	}
	for name, messages := range one {
		to, ok := called[name]
		if !ok {
			to = name
		}
		if got, ok := two[to]; !ok {
			t.Errorf("%s is not there as %s", name, to)
		} else if got, want := describe(got), describe(messages); !slices.Equal(got, want) {
			t.Errorf("%s: %d messages instead of %d, or others", name, len(got), len(want))
		}
	}
}

// TestRestoreKilledAgainAndAgainUploadsEachMessageOnce kills restores at
// random moments and lets the last one finish.
func TestRestoreKilledAgainAndAgainUploadsEachMessageOnce(t *testing.T) {
	server := synctest.Dovecot(t, synctest.DovecotConfig{})
	rounds, kills := 1, 5
	if os.Getenv("MAILFERRY_LONG") != "" {
		rounds, kills = 4, 20
	}
	for round := range rounds {
		random := rand.New(rand.NewPCG(20, uint64(round)))
		from, to := newWorld(t, server, layoutFS), newWorld(t, server, layoutFS)
		populate(onServer{from})
		for i := range 400 {
			onServer{from}.add([]mailbox.Name{inbox, work, sub, empty}[i%4], fmt.Sprintf("long m%d", i), seen)
		}
		from.backup().exits(exitDone)
		killed := 0
		for tries := 0; killed < kills && tries < 4*kills; tries++ {
			if from.killedAt(random, "restore", from.disk.Dir, "--to", to.url()) {
				killed++
			}
		}
		if killed < kills {
			t.Errorf("only %d runs were killed before they ended", killed)
		}
		from.restoreTo(to).exits(exitDone)
		nothing := func(synctest.Hashed) bool { return false }
		sameMail(t, from.user.Snapshot(), to.user.Snapshot(), nil, nothing, nothing)
		if again := from.restoreTo(to).exits(exitDone); again.summary.Uploaded != 0 {
			t.Errorf("uploaded once more: %+v", again.summary)
		}
	}
}

// TestRestoreIsFastOnALongLine compares with one APPEND at a time, as other
// tools migrate, over a line with a round trip of 20 ms.
func TestRestoreIsFastOnALongLine(t *testing.T) {
	server := synctest.Dovecot(t, synctest.DovecotConfig{})
	from, to := newWorld(t, server, layoutFS), newWorld(t, server, layoutFS)
	const n = 100
	for i := range n {
		from.user.Append(inbox, mailbox.NewFlags(seen), someDate, letter(fmt.Sprint("m", i)))
	}
	from.backup().exits(exitDone)
	line := newBenchLink(t, server.Addr, 20*time.Millisecond, 0)
	to.addr = line.addr
	started := time.Now()
	from.restoreTo(to).exits(exitDone)
	ours := time.Since(started)

	server.Addr = line.addr
	user := server.User(t)
	started = time.Now()
	for i := range n {
		user.Append(inbox, mailbox.NewFlags(seen), someDate, letter(fmt.Sprint("m", i)))
	}
	theirs := time.Since(started)
	t.Logf("%d messages: restore %v, one at a time %v: %.1f times", n, ours, theirs, theirs.Seconds()/ours.Seconds())
	if theirs < 5*ours {
		t.Errorf("restore took %v, one APPEND at a time %v", ours, theirs)
	}
}

// TestRestoreRecognisesWhatAnotherToolBrought: with headers added on the way
// and at the same second a message is there; with another text, or with the
// same Message-ID alone, it is not.
func TestRestoreRecognisesWhatAnotherToolBrought(t *testing.T) {
	server := synctest.Dovecot(t, synctest.DovecotConfig{})
	from, to := newWorld(t, server, layoutFS), newWorld(t, server, layoutFS)
	message := func(i int, text string) string {
		return fmt.Sprintf("Message-ID: <%d@example.com>\r\nFrom: a@example.com\r\nDate: Mon, 1 Jan 2024 00:00:00 +0000\r\nSubject: %d\r\n\r\n%s\r\n", i, i, text)
	}
	day := func(i int) mailbox.Date { return mailbox.DateOf(time.Date(2024, 1, 1+i, 0, 0, 0, 0, time.UTC)) }
	const same = 8
	for i := range same + 2 {
		from.user.Append(inbox, mailbox.NewFlags(flagged), day(i), []byte(message(i, "text")))
		added := "Received: from a by b\r\nX-TUID: 123456789\r\n"
		switch i {
		case same: // somebody else's reply with a Message-ID that is not unique
			to.user.Append(inbox, mailbox.Flags{}, day(i), []byte(added+message(i, "another text")))
		case same + 1: // the same, but nobody can know without reading everything
			to.user.Append(inbox, mailbox.Flags{}, day(i+1), []byte(added+message(i, "text")))
		default:
			to.user.Append(inbox, mailbox.Flags{}, day(i), []byte(added+message(i, "text")))
		}
	}
	from.backup().exits(exitDone)
	o := from.restoreTo(to).exits(exitDone)
	if o.summary.Uploaded != 2 || o.summary.FlagsRemote != same || o.summary.ExpungedRemote != 0 {
		t.Errorf("%+v", o.summary)
	}
	if o := from.restoreTo(to).exits(exitDone); o.summary.Uploaded != 0 || o.summary.Selected > 0 {
		t.Errorf("once more: %+v", o.summary)
	}
	// What comes later does not make it look again at what it knows.
	from.user.Append(inbox, mailbox.Flags{}, day(40), []byte(message(40, "text")))
	from.backup().exits(exitDone)
	if o := from.restoreTo(to).exits(exitDone); o.summary.Uploaded != 1 || len(to.user.Messages(inbox)) != same+2+2+1 {
		t.Errorf("later: %+v", o.summary)
	}
}
