package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"mailferry/syncer/mailbox"
	"mailferry/syncer/synctest"
)

// TestTwoDevicesAndAClientAgree is a history from outside: two devices with a
// store each and a mail program on the server write what they like, the
// devices sync one by one, at once, or are killed, and now and then everybody
// stops writing until the devices find nothing to do. Then all three must have
// the same, and everything that is there or is not must be somebody's doing.
func TestTwoDevicesAndAClientAgree(t *testing.T) {
	server := synctest.Dovecot(t, synctest.DovecotConfig{})
	count, first := 2, 1
	if os.Getenv("MAILFERRY_LONG") != "" {
		count = 100
	}
	for variable, value := range map[string]*int{"MAILFERRY_HISTORIES": &count, "MAILFERRY_SEED": &first} {
		if text := os.Getenv(variable); text != "" {
			n, err := strconv.Atoi(text)
			if err != nil {
				t.Fatal(variable, err)
			}
			*value = n
		}
	}
	isWell := t.Run("histories", func(t *testing.T) {
		for seed := first; seed < first+count; seed++ {
			t.Run(fmt.Sprint(seed), func(t *testing.T) {
				t.Parallel()
				d := newDevices(t, server, uint64(seed))
				for range 3 {
					for range 4 + d.random.IntN(5) {
						d.step()
					}
					d.stabilize()
					d.explain()
				}
			})
		}
	})
	synctest.Report(t, "%d histories tried, all as they should be: %v", count, isWell)
}

// devices are two stores of one account.
type devices struct {
	t       *testing.T
	random  *rand.Rand
	worlds  [2]*world
	stories map[string]*story
	made    int
	trail   []string
}

// story is what somebody did to a message since everybody agreed last.
type story struct {
	// places are the mailboxes that it was put into.
	places []mailbox.Name
	// deleted, moved and changed count what was done to one of its copies.
	deleted, moved, changed int
	// set are flags that somebody set, unset those that somebody removed.
	set, unset mailbox.Flags
	// agreed are its flags when everybody agreed last.
	agreed mailbox.Flags
}

func newDevices(t *testing.T, server *synctest.Server, seed uint64) *devices {
	one := newWorld(t, server, layoutFS)
	two := *one
	two.home, two.tmp = t.TempDir(), t.TempDir()
	two.env = []string{"MAILFERRY_LAYOUT=" + layoutMaildirPP}
	two.disk = synctest.NewMaildir(t, filepath.Join(two.home, "mail"), true)
	d := &devices{t: t, random: rand.New(rand.NewPCG(seed, 7)), worlds: [2]*world{one, &two}, stories: map[string]*story{}}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("MAILFERRY_SEED=%d MAILFERRY_HISTORIES=1", seed)
			for _, line := range d.trail {
				t.Log(line)
			}
		}
	})
	one.user.Create(work)
	for _, w := range d.worlds {
		w.sync().exits(exitDone)
	}
	return d
}

func (d *devices) note(format string, args ...any) {
	d.trail = append(d.trail, fmt.Sprintf(format, args...))
}

func (d *devices) place() mailbox.Name { return []mailbox.Name{inbox, work}[d.random.IntN(2)] }

// step is WRITE, or a device's run.
func (d *devices) step() {
	switch d.random.IntN(8) {
	case 0, 1, 2:
		d.writeOnServer()
	case 3, 4, 5:
		d.writeOnDisk(d.random.IntN(2))
	case 6:
		d.runOne(d.random.IntN(2))
	case 7:
		d.runBoth()
	}
}

func (d *devices) runOne(i int) {
	w := d.worlds[i]
	if d.random.IntN(3) == 0 {
		d.note("device %d syncs, killed: %v", i, w.killed(d.random, "sync", "--allow-deletes=1000"))
		return
	}
	o := w.sync("--allow-deletes=1000")
	d.note("device %d syncs: exit code %d, %+v", i, o.code, o.summary.changes())
}

// runBoth runs the devices at once while the mail program writes.
func (d *devices) runBoth() {
	var wait sync.WaitGroup
	var outcomes [2]outcome
	for i, w := range d.worlds {
		wait.Go(func() { outcomes[i] = w.sync("--allow-deletes=1000") })
	}
	d.writeOnServer()
	wait.Wait()
	d.note("both sync: exit codes %d and %d", outcomes[0].code, outcomes[1].code)
}

// fresh is a new message's label.
func (d *devices) fresh(place mailbox.Name, flags mailbox.Flags) string {
	d.made++
	label := fmt.Sprintf("message %d", d.made)
	d.stories[label] = &story{places: []mailbox.Name{place}, agreed: flags, set: flags}
	return label
}

func (d *devices) flags() mailbox.Flags {
	return []mailbox.Flags{{}, mailbox.NewFlags(seen), mailbox.NewFlags(seen, flagged), mailbox.NewFlags(answered)}[d.random.IntN(4)]
}

func (d *devices) writeOnServer() {
	user, place := d.worlds[0].user, d.place()
	messages := user.Messages(place)
	if len(messages) == 0 || d.random.IntN(3) == 0 {
		flags := d.flags()
		label := d.fresh(place, flags)
		d.note("server: %s arrives in %s with %v", label, place, flags)
		user.Append(place, flags, someDate, letter(label))
		return
	}
	m := messages[d.random.IntN(len(messages))]
	label := labelOf(m.Octets)
	s := d.stories[label]
	switch d.random.IntN(3) {
	case 0:
		flags := d.flags()
		s.change(m.Flags, flags)
		d.note("server: %s in %s: %v becomes %v", label, place, m.Flags, flags)
		user.Store(place, m.UID, "FLAGS", flags)
	case 1:
		s.deleted++
		d.note("server: %s in %s is expunged", label, place)
		user.Expunge(place, m.UID)
	case 2:
		s.moved++
		to := d.place()
		s.places = append(s.places, to)
		d.note("server: %s moves from %s to %s", label, place, to)
		user.Append(to, m.Flags, m.Date, m.Octets)
		user.Expunge(place, m.UID)
	}
}

func (s *story) change(from, to mailbox.Flags) {
	s.changed++
	s.set, s.unset = s.set.Union(to.Minus(from)), s.unset.Union(from.Minus(to))
}

func (d *devices) writeOnDisk(i int) {
	disk, place := d.worlds[i].disk, d.place()
	files := disk.Files(place)
	if len(files) == 0 || d.random.IntN(3) == 0 {
		flags := d.flags()
		label := d.fresh(place, flags)
		d.note("disk %d: %s is saved in %s with %v", i, label, place, flags)
		disk.Deliver(place, flags, someDate, letter(label))
		return
	}
	f := files[d.random.IntN(len(files))]
	label := labelOf(f.Octets)
	s := d.stories[label]
	switch d.random.IntN(3) {
	case 0:
		flags := d.flags()
		s.change(f.Flags, flags)
		d.note("disk %d: %s in %s: %v becomes %v", i, label, place, f.Flags, flags)
		disk.SetFlags(place, f.Key, flags)
	case 1:
		s.deleted++
		d.note("disk %d: %s in %s is removed", i, label, place)
		disk.Unlink(place, f.Key)
	case 2:
		s.moved++
		to := d.place()
		s.places = append(s.places, to)
		d.note("disk %d: %s moves from %s to %s", i, label, place, to)
		disk.Deliver(to, f.Flags, someDate, letter(label))
		disk.Unlink(place, f.Key)
	}
}

// stabilize runs the devices in turn until neither finds anything to do.
func (d *devices) stabilize() {
	d.t.Helper()
	const rounds = 6
	for range rounds {
		isQuiet := true
		for i, w := range d.worlds {
			o := w.sync("--allow-deletes=1000")
			d.note("device %d comes to rest: exit code %d, %+v", i, o.code, o.summary.changes())
			isQuiet = isQuiet && o.code == exitDone && o.summary.changes() == (summary{})
		}
		if isQuiet {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	d.t.Fatalf("after %d rounds the devices still find something to do", rounds)
}

// explain is READ: it takes what all have in the end and asks of each message
// whether what was done to it explains how often it is there, where, and with
// which flags.
func (d *devices) explain() {
	d.t.Helper()
	snapshot := d.worlds[0].user.Snapshot()
	for i, w := range d.worlds {
		for _, difference := range synctest.Differences(d.t, snapshot, w.disk.Dir) {
			d.t.Errorf("device %d: %s", i, difference)
		}
	}
	found := map[string][]mailbox.Name{}
	for place, messages := range snapshot {
		for _, m := range messages {
			label := labelOf(m.Octets)
			s := d.stories[label]
			if s == nil {
				d.t.Errorf("nobody wrote %s in %s", label, place)
				continue
			}
			found[label] = append(found[label], place)
			if !slices.Contains(s.places, place) {
				d.t.Errorf("nobody put %s into %s", label, place)
			}
			d.explainFlags(label, s, m.Flags)
		}
	}
	for label, s := range d.stories {
		d.explainCount(label, s, found[label])
	}
	if d.t.Failed() {
		d.t.FailNow()
	}
	// What was agreed now is where the next part of the history begins.
	for label, s := range d.stories {
		if len(found[label]) == 0 {
			delete(d.stories, label)
			continue
		}
		*s = story{places: found[label], agreed: s.agreed}
	}
	for _, messages := range snapshot {
		for _, m := range messages {
			d.stories[labelOf(m.Octets)].agreed = m.Flags
		}
	}
}

func (d *devices) explainFlags(label string, s *story, flags mailbox.Flags) {
	d.t.Helper()
	if from := s.agreed.Union(s.set); !flags.Minus(from).IsEmpty() {
		d.t.Errorf("%s has %v, and nobody set %v", label, flags, flags.Minus(from))
	}
	// A copy that was moved away carries the flags of that moment.
	if kept := s.agreed.Union(s.set).Minus(s.unset); s.moved == 0 && !kept.Minus(flags).IsEmpty() {
		d.t.Errorf("%s has %v, and nobody removed %v", label, flags, kept.Minus(flags))
	}
}

// explainCount allows for each deletion one copy less, and for each message
// that was moved while others moved or changed it one more: a change beats a
// deletion.
func (d *devices) explainCount(label string, s *story, found []mailbox.Name) {
	d.t.Helper()
	before := max(1, len(s.places)-s.moved)
	least, most := before, before
	if s.deleted > 0 {
		least = 0
	}
	if s.moved > 0 {
		// Moved and changed elsewhere: the old place keeps it, too. Moved and
		// deleted elsewhere may be either.
		most += s.moved
	}
	if s.deleted > 0 && s.changed == 0 && s.moved == 0 {
		most = before - min(s.deleted, 1)
	}
	if n := len(found); n < least || n > most {
		d.t.Errorf("%s is there %d times (%v), want %d to %d: deleted %d, moved %d, changed %d times",
			label, n, found, least, most, s.deleted, s.moved, s.changed)
	}
}
