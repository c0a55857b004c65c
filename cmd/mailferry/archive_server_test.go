package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"mailferry/syncer/mailbox"
	"mailferry/syncer/synctest"
)

// transcript is what the program said to the server, line by line.
type transcript struct {
	mu    sync.Mutex
	lines []string
}

func (r *transcript) note(line string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lines = append(r.lines, strings.TrimRight(line, "\r\n"))
	return line
}

// commands are the lines that a pattern matches, without their tags.
func (r *transcript) commands(pattern string) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var found []string
	for _, line := range r.lines {
		_, command, _ := strings.Cut(line, " ")
		if regexp.MustCompile(`(?i)^` + pattern).MatchString(command) {
			found = append(found, command)
		}
	}
	return found
}

// stock fills INBOX with n old letters, of which each tenth is starred, and
// with two young ones, the last of which another client marked \Deleted.
func (w *world) stock(n int) (old []string, decided mailbox.UIDSet) {
	w.t.Helper()
	for i := range n {
		label := fmt.Sprint("old", i)
		flags := mailbox.Flags{}
		if i%10 == 9 {
			flags = mailbox.NewFlags(mailbox.FlagFlagged)
		}
		uid := w.user.Append(inbox, flags, someDate, letter(label))
		if i%10 != 9 {
			old = append(old, label)
			decided = decided.Append(uid)
		}
	}
	now := mailbox.DateOf(time.Now().Add(-time.Hour))
	w.user.Append(inbox, mailbox.Flags{}, now, letter("young"))
	w.user.Append(inbox, mailbox.NewFlags(mailbox.FlagDeleted), now, letter("marked"))
	return old, decided
}

func (w *world) archive(flags ...string) outcome {
	w.t.Helper()
	return w.transfer("archive", append([]string{"--older-than=30d"}, flags...)...)
}

// lettersOnDisk counts the files of each letter, to the octet.
func (w *world) lettersOnDisk() map[string]int {
	w.t.Helper()
	counts := map[string]int{}
	tree := synctest.OpenMaildir(w.t, w.disk.Dir)
	for _, name := range tree.Names() {
		for _, f := range tree.Files(name) {
			counts[string(f.Octets)]++
		}
	}
	return counts
}

func (w *world) lettersOnServer() map[string]int {
	w.t.Helper()
	counts := map[string]int{}
	for _, name := range w.user.Mailboxes() {
		for _, m := range w.user.Messages(name) {
			counts[string(m.Octets)]++
		}
	}
	return counts
}

// mustHave checks that each letter is on the server or, to the octet, on disk.
func (w *world) mustHave(labels []string) {
	w.t.Helper()
	server := w.lettersOnServer()
	disk := map[string]int{}
	if _, err := os.Stat(w.disk.Dir); err == nil {
		disk = w.lettersOnDisk()
	}
	for _, label := range labels {
		octets := letter(label)
		onServer, onDisk := server[string(octets)], disk[string(octets)]
		if onServer == 0 && onDisk == 0 {
			w.t.Fatalf("%s is lost", label)
		}
		if onDisk > 1 {
			w.t.Fatalf("%s is on disk %d times", label, onDisk)
		}
	}
}

func archiveServers(t *testing.T) map[string]*synctest.Server {
	return map[string]*synctest.Server{
		"dovecot": synctest.Dovecot(t, synctest.DovecotConfig{}), "cyrus": synctest.Cyrus(t),
	}
}

// TestArchiveExpungesWhatItDecidedAndNothingElse reads along what goes to real
// servers: UID EXPUNGE alone, only of UIDs that were decided on, one STORE and
// one EXPUNGE a group.
func TestArchiveExpungesWhatItDecidedAndNothingElse(t *testing.T) {
	t.Parallel()
	for name, server := range archiveServers(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, server, layoutFS)
			old, decided := w.stock(560)
			record, p := &transcript{}, newProxy(t, server.Addr)
			p.setCommand(record.note)
			w.addr = p.addr
			o := w.archive().exits(exitDone)
			if o.summary.Downloaded != 562 || o.summary.ExpungedRemote != len(old) {
				t.Errorf("%+v", o.summary)
			}
			for _, bare := range append(record.commands(`EXPUNGE`), record.commands(`CLOSE`)...) {
				t.Errorf("the program said %q", bare)
			}
			stores, expunges := record.commands(`UID STORE`), record.commands(`UID EXPUNGE`)
			if groups := (len(old) + 499) / 500; len(stores) != groups || len(expunges) != groups {
				t.Errorf("%d STORE and %d EXPUNGE for %d messages", len(stores), len(expunges), len(old))
			}
			var expunged mailbox.UIDSet
			for i, command := range expunges {
				set, err := mailbox.ParseUIDSet(strings.Fields(command)[2])
				if err != nil {
					t.Fatal(err)
				}
				expunged = expunged.Union(set)
				if !strings.HasPrefix(stores[i], "UID STORE "+set.String()+" ") || !strings.HasSuffix(stores[i], `+FLAGS.SILENT (\Deleted)`) {
					t.Errorf("%.80q comes before %.80q", stores[i], command)
				}
			}
			if expunged.String() != decided.String() {
				t.Errorf("expunged %s, decided %s", expunged, decided)
			}
			disk, left := w.lettersOnDisk(), w.lettersOnServer()
			if len(left) != 58 || left[string(letter("marked"))] != 1 || left[string(letter("young"))] != 1 {
				t.Errorf("%d letters on the server", len(left))
			}
			for _, label := range old {
				if disk[string(letter(label))] != 1 {
					t.Errorf("%s is on disk %d times", label, disk[string(letter(label))])
				}
			}
			for _, command := range []string{"archive", "backup", "sync"} {
				if o := w.transfer(command, map[string][]string{"archive": {"--older-than=30d"}}[command]...).exits(exitDone); o.summary.Uploaded+o.summary.ExpungedRemote+o.summary.RemovedLocal+o.summary.Downloaded != 0 {
					t.Errorf("then %s: %+v", command, o.summary)
				}
			}
		})
	}
}

// TestKilledArchiveLosesNothing kills the program at random moments.
func TestKilledArchiveLosesNothing(t *testing.T) {
	t.Parallel()
	server := synctest.Dovecot(t, synctest.DovecotConfig{})
	w := newWorld(t, server, layoutFS)
	random := rand.New(rand.NewPCG(5, 5))
	labels, kills := 0, 0
	var all []string
	deadline := time.Now().Add(4 * time.Second)
	for round := 0; round < 60 && time.Now().Before(deadline); round++ {
		for range 12 {
			labels++
			all = append(all, fmt.Sprint("m", labels))
			w.user.Append(inbox, mailbox.Flags{}, someDate, letter(all[len(all)-1]))
		}
		if w.killed(random, "archive", "--older-than=30d") {
			kills++
		}
		w.mustHave(all)
	}
	w.archive().exits(exitDone)
	w.mustHave(all)
	if n := len(w.user.Messages(inbox)); n != 0 {
		t.Errorf("%d letters are left on the server", n)
	}
	if disk := w.lettersOnDisk(); len(disk) != len(all) {
		t.Errorf("%d letters on disk, not %d", len(disk), len(all))
	}
	if o := w.sync().exits(exitDone); o.summary.Uploaded+o.summary.RemovedLocal != 0 {
		t.Errorf("then sync: %+v", o.summary)
	}
	t.Logf("%d kills", kills)
	if kills < 5 {
		t.Errorf("only %d kills", kills)
	}
}

// TestArchiveWithTroubleOnTheLineDeletesNothingUnproved edits what a real server
// and the program say to each other.
func TestArchiveWithTroubleOnTheLineDeletesNothingUnproved(t *testing.T) {
	t.Parallel()
	server := synctest.Dovecot(t, synctest.DovecotConfig{})
	literal := regexp.MustCompile(`BODY\[\] \{(\d+)\}`)
	size := regexp.MustCompile(`RFC822\.SIZE (\d+)`)
	expunge := regexp.MustCompile(`^(\S+) UID EXPUNGE .*`)
	bodies, selects := 0, 0
	cases := map[string]struct {
		line    func(string) (string, bool)
		command func(string) string
		code    int
		left    int // on the server, of the 5 that may go and the marked one
		says    []string
	}{
		"cut within a literal": {line: func(line string) (string, bool) {
			if literal.MatchString(line) {
				bodies++
			}
			return line, bodies > 2 && strings.HasPrefix(line, "Message-ID")
		}, code: exitPartly, left: 4},
		"cut between the literals and the tagged OK": {line: func(line string) (string, bool) {
			return line, strings.HasSuffix(line, ")\r\n") && strings.HasPrefix(line, ")")
		}, code: -1, left: -1},
		"sizes that lie": {line: func(line string) (string, bool) {
			return size.ReplaceAllStringFunc(line, func(text string) string {
				n, _ := strconv.Atoi(strings.Fields(text)[1])
				return fmt.Sprint("RFC822.SIZE ", n+3)
			}), false
		}, code: exitPartly, left: 6, says: []string{"kept on the server", "RFC822.SIZE"}},
		"UIDVALIDITY that changes": {line: func(line string) (string, bool) {
			if strings.Contains(line, "[UIDVALIDITY ") {
				if selects++; selects > 1 {
					line = regexp.MustCompile(`\[UIDVALIDITY \d+`).ReplaceAllString(line, "[UIDVALIDITY 77")
				}
			}
			return line, false
		}, code: exitPartly, left: 6, says: []string{"UIDs changed their meaning"}},
		"OK, and nothing deleted": {command: func(line string) string {
			return expunge.ReplaceAllString(line, "$1 NOOP")
		}, code: exitPartly, left: 6, says: []string{"still has it"}},
		"more deleted than asked": {command: func(line string) string {
			return expunge.ReplaceAllString(line, "$1 EXPUNGE")
		}, code: exitFailed, left: 0, says: []string{"INBOX", "uid 6 went away unasked", "1 of 1 are on disk", "look at the mailbox"}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, server, layoutFS)
			var all []string
			for i := range 5 {
				all = append(all, fmt.Sprint("m", i))
				w.user.Append(inbox, mailbox.Flags{}, someDate, letter(all[i]))
			}
			w.user.Append(inbox, mailbox.NewFlags(mailbox.FlagDeleted), mailbox.DateOf(time.Now()), letter("marked"))
			all = append(all, "marked")
			p := newProxy(t, server.Addr)
			if c.line != nil {
				p.setLine(c.line)
			}
			if c.command != nil {
				p.setCommand(c.command)
			}
			w.addr = p.addr
			o := w.archive("--connections=1")
			if c.code >= 0 {
				o.exits(c.code)
			} else if o.code == exitDone && c.left > 0 {
				t.Errorf("exit code 0: %s", o.stdout)
			}
			o.says(c.says...)
			if n := len(w.user.Messages(inbox)); c.left >= 0 && n != c.left {
				t.Errorf("%d letters on the server, not %d\n%s\n%s", n, c.left, o.stdout, o.stderr)
			}
			w.mustHave(all)
			// On a line without trouble everything comes to where it should be.
			p.setLine(nil)
			p.setCommand(nil)
			w.archive()
			w.archive().exits(exitDone)
			w.mustHave(all)
			disk := w.lettersOnDisk()
			for _, label := range all {
				if disk[string(letter(label))] != 1 {
					t.Errorf("%s is on disk %d times", label, disk[string(letter(label))])
				}
			}
			if o := w.sync(); o.summary.RemovedLocal+o.summary.Uploaded != 0 {
				t.Errorf("then sync: %+v", o.summary)
			}
		})
	}
}

// TestArchiveFreesUntilQuota uses Dovecot's own quota.
func TestArchiveFreesUntilQuota(t *testing.T) {
	t.Parallel()
	server := synctest.Dovecot(t, synctest.DovecotConfig{Extra: "mail_plugins = $mail_plugins quota\n" +
		"protocol imap {\n  mail_plugins = $mail_plugins quota imap_quota\n}\n" +
		"plugin {\n  quota = count:User quota\n  quota_vsizes = yes\n  quota_rule = *:storage=200K\n}\n"})
	w := newWorld(t, server, layoutFS)
	var all []string
	for i := range 12 {
		all = append(all, fmt.Sprint("long", i))
		date := mailbox.DateOf(someDate.Time().Add(time.Duration(i) * time.Hour))
		w.user.Append(inbox, mailbox.Flags{}, date, letter(all[i]))
	}
	octets := len(letter("long0"))
	o := w.transfer("archive", "--until-quota=50%").exits(exitDone)
	left := w.user.Messages(inbox)
	if len(left)*octets > 100<<10 || (len(left)+1)*octets <= 100<<10-octets {
		t.Errorf("%d letters of %d octets are left: %+v", len(left), octets, o.summary)
	}
	for i, m := range left {
		if want := letter(all[len(all)-len(left)+i]); string(m.Octets) != string(want) {
			t.Errorf("the oldest did not go first")
		}
	}
	w.mustHave(all)
	w.transfer("archive", "--until-quota=50%").isQuiet()

	none := newWorld(t, synctest.Dovecot(t, synctest.DovecotConfig{}), layoutFS)
	none.transfer("archive", "--until-quota=50%").exits(exitFailed).says("a quota is not supported by the server", "--older-than")
}

// TestArchiveOnServersThatDeleteInTheirOwnWay hides what they lack.
func TestArchiveOnServersThatDeleteInTheirOwnWay(t *testing.T) {
	t.Parallel()
	t.Run("no UIDPLUS", func(t *testing.T) {
		server := synctest.Dovecot(t, synctest.DovecotConfig{Capability: "IMAP4rev1 LITERAL+ CONDSTORE ENABLE ESEARCH LIST-EXTENDED LIST-STATUS"})
		w := newWorld(t, server, layoutFS)
		w.user.Append(inbox, mailbox.Flags{}, someDate, letter("a"))
		w.archive().exits(exitPartly).says("marked \\Deleted", "expunge the mailbox with your mail program")
		w.archive().exits(exitPartly)
		if m := w.user.Messages(inbox); len(m) != 1 || !m[0].Flags.Has(mailbox.FlagDeleted) {
			t.Errorf("%v", m)
		}
		for _, f := range synctest.OpenMaildir(t, w.disk.Dir).Files(inbox) {
			if f.Flags.Has(mailbox.FlagDeleted) {
				t.Error("the mark reached the disk")
			}
		}
		w.user.Expunge(inbox, w.user.Messages(inbox)[0].UID)
		if o := w.sync().exits(exitDone); o.summary.RemovedLocal+o.summary.Uploaded != 0 {
			t.Errorf("%+v", o.summary)
		}
		w.mustHave([]string{"a"})
	})
	t.Run("labels", func(t *testing.T) {
		server := synctest.Dovecot(t, synctest.DovecotConfig{Capability: "+X-GM-EXT-1"})
		w := newWorld(t, server, layoutFS)
		w.user.Append(inbox, mailbox.Flags{}, someDate, letter("a"))
		w.archive().exits(exitUsage).says("labels", `on_local_delete = "trash"`)
		w.env = append(w.env, "MAILFERRY_ON_LOCAL_DELETE=trash")
		w.archive().exits(exitPartly).says("Trash")
		w.user.Create("Trash")
		o := w.archive().exits(exitDone)
		if o.summary.Moved != 1 || len(w.user.Messages(inbox)) != 0 || len(w.user.Messages("Trash")) != 1 {
			t.Errorf("%s", o.stdout)
		}
		w.archive().exits(exitDone)
		if n := len(w.user.Messages("Trash")); n != 1 {
			t.Errorf("%d in the trash: it was archived, too", n)
		}
	})
}

// TestArchivesOfTwoMachines waits for both.
func TestArchivesOfTwoMachines(t *testing.T) {
	t.Parallel()
	server := synctest.Dovecot(t, synctest.DovecotConfig{})
	home := newWorld(t, server, layoutFS)
	home.user.Append(inbox, mailbox.Flags{}, someDate, letter("a"))
	work := newWorld(t, server, layoutFS)
	work.user = home.user
	config := func(w *world, machine string) {
		text := fmt.Sprintf("[accounts.me]\nurl = %q\nstore = %q\nmachine = %q\nmode = \"archive\"\n"+
			"[accounts.me.archive]\nolder_than = \"30d\"\nleave_for = [\"home\", \"work\"]\n", w.url(), w.disk.Dir, machine)
		path := w.home + "/config.toml"
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		w.env = append(w.env, "MAILFERRY_CONFIG="+path)
	}
	config(home, "home")
	config(work, "work")
	if o := home.run("run", "--json").exits(exitDone); o.summary.ExpungedRemote != 0 || o.summary.FlagsRemote != 1 {
		t.Errorf("%s", o.stdout)
	}
	if m := home.user.Messages(inbox); len(m) != 1 || !m[0].Flags.Has("$FerryHas_home") {
		t.Errorf("%v", m)
	}
	home.run("run", "--json").isQuiet()
	home.run("sync", "me", "--json").isQuiet()
	if o := work.run("run", "--json").exits(exitDone); o.summary.ExpungedRemote != 1 {
		t.Errorf("%s", o.stdout)
	}
	if n := len(home.user.Messages(inbox)); n != 0 {
		t.Errorf("%d on the server", n)
	}
	if o := home.run("sync", "me", "--json").exits(exitDone); o.summary.RemovedLocal+o.summary.Uploaded != 0 {
		t.Errorf("%s", o.stdout)
	}
	for _, w := range []*world{home, work} {
		for _, f := range synctest.OpenMaildir(t, w.disk.Dir).Files(inbox) {
			if string(f.Octets) != string(letter("a")) || !f.Flags.IsEmpty() {
				t.Errorf("%v", f.Flags)
			}
		}
	}
}
