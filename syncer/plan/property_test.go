package plan

import (
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"mailferry/syncer/mailbox"
)

type rapidSource struct{ t *rapid.T }

func (s rapidSource) intn(n int) int { return rapid.IntRange(0, n-1).Draw(s.t, "choice") }

// tally counts what happened to the messages of one content.
type tally struct {
	agreed, serverGone, serverNew, diskGone, diskNew, changed int
}

// upheaval is everything that the users did, and what it must come to.
type upheaval struct {
	tallies            map[string]*tally
	renumbered, forgot bool
	diskBadly, killed  bool
}

func (u *upheaval) of(name string) *tally {
	if u.tallies[name] == nil {
		u.tallies[name] = &tally{}
	}
	return u.tallies[name]
}

// perturb changes both sides at random.
func (w *world) perturb() *upheaval {
	u := &upheaval{tallies: map[string]*tally{}}
	for _, m := range w.server {
		u.of(m.name).agreed++
	}
	for range w.intn(8) {
		w.perturbOnce(u)
	}
	if w.intn(8) == 0 {
		w.renumber()
		u.renumbered = true
	}
	if w.intn(8) == 0 {
		w.links = map[mailbox.LinkID]mailbox.Link{}
		w.known.Remote, w.known.Local = mailbox.Status{}, mailbox.Stamp{}
		w.known.HasRemote, w.known.HasLocal = false, false
		u.forgot = true
	}
	return u
}

func (w *world) perturbOnce(u *upheaval) {
	uids, keys := slices.Sorted(maps.Keys(w.server)), slices.Sorted(maps.Keys(w.disk))
	op := w.intn(7)
	if op >= 2 && op <= 3 && len(uids) == 0 || op >= 4 && len(keys) == 0 {
		op %= 2
	}
	switch op {
	case 0:
		m := copyOn{name: w.newName(), flags: w.someFlags(append(systemNames, "$both", "$server")), date: w.someDate().Unix}
		u.of(m.name).serverNew++
		w.arrive(m)
	case 1:
		m := copyOn{name: w.newName(), flags: w.someFlags(append(systemNames, "$both", "$disk")), date: w.someDate().Unix}
		u.of(m.name).diskNew++
		w.deliver(m)
	case 2:
		uid := pick(w, uids)
		w.dropped(u, w.server[uid], true)
		delete(w.server, uid)
		w.status.HighestModSeq++
	case 3:
		uid := pick(w, uids)
		m := w.server[uid]
		m.flags = toggled(m.flags, pick(w, append(systemNames, "$both", "$server")))
		u.of(m.name).changed++
		w.touch(uid, m)
	case 4:
		key := pick(w, keys)
		w.dropped(u, w.disk[key], false)
		w.remove(key)
	case 5:
		key := pick(w, keys)
		m := w.disk[key]
		m.flags = toggled(m.flags, pick(w, append(systemNames, "$both", "$disk")))
		u.of(m.name).changed++
		w.store(key, m)
	case 6: // a mail reader renames a file
		key := pick(w, keys)
		m := w.disk[key]
		w.remove(key)
		w.deliver(m)
		if m.born != 0 {
			u.of(m.name).diskGone++
			u.of(m.name).diskNew++
		}
	}
}

// dropped counts a deletion: of a new message it undoes the addition.
func (w *world) dropped(u *upheaval, m copyOn, onServer bool) {
	t := u.of(m.name)
	switch {
	case m.born != 0 && onServer:
		t.serverGone++
	case m.born != 0:
		t.diskGone++
	case onServer:
		t.serverNew--
	default:
		t.diskNew--
	}
}

func toggled(flags mailbox.Flags, name string) mailbox.Flags {
	flag := mailbox.NewFlags(name)
	if flags.Has(name) {
		return flags.Minus(flag)
	}
	return flags.Union(flag)
}

func (w *world) renumber() {
	old := w.server
	w.server = map[mailbox.UID]copyOn{}
	w.status = mailbox.Status{UIDNext: mailbox.UID(1 + w.intn(2)), UIDValidity: w.status.UIDValidity + 1, HighestModSeq: 1}
	for _, uid := range slices.Sorted(maps.Keys(old)) {
		w.arrive(old[uid])
	}
}

// bounds is how many messages of one content there may be in the end, the
// deletions of the users followed and nothing else lost or doubled.
func (u *upheaval) bounds(name string, onServer, onDisk int) (low, high int) {
	t := u.of(name)
	renamed := min(t.diskGone, t.diskNew)
	diskGone, diskNew := t.diskGone-renamed, t.diskNew-renamed
	paired := min(t.serverNew, diskNew)
	high = t.agreed - max(t.serverGone, diskGone) + t.serverNew + diskNew - paired + t.changed
	low = t.agreed - min(t.agreed, t.serverGone+diskGone) + t.serverNew + diskNew - paired
	if t.serverGone > 0 {
		high += renamed // a copy that came back with other flags is a changed one
		high += paired  // the server's new copy may be one that was moved away and back
	}
	// What left the server and came back is the known message under a new UID:
	// then the copy that is new on disk has no partner there.
	high += min(t.serverGone, paired)
	if u.killed {
		// A new message on the server is either what was moved away and back,
		// or the upload of another one whose answer was lost. In doubt both stay.
		high += min(t.serverGone, diskNew)
	}
	both := max(onServer, onDisk)
	switch {
	case u.forgot:
		low, high = both, both
	case u.renumbered:
		low, high = min(low, both), max(high, both)
	}
	if u.diskBadly { // the listing that would have shown the pair did not
		high = max(high, onServer+onDisk)
	}
	return low, high
}

func count[K comparable](side map[K]copyOn) map[string]int {
	counts := map[string]int{}
	for _, m := range side {
		counts[m.name]++
	}
	return counts
}

// live runs one history: an agreed tree, an upheaval, runs that are killed or
// see badly, then clean runs that must agree on everything.
func live(src source) (err error) {
	defer caught(&err)
	w := newWorld(src, Sync())
	u := w.perturb()
	onServer, onDisk := count(w.server), count(w.disk)
	expected, staying := w.expectFlags(u), w.mustStay()
	w.note("server %v disk %v links %d renumbered %v forgot %v", w.server, w.disk, len(w.links), u.renumbered, u.forgot)
	for range w.intn(3) {
		server, disk := look(w.intn(2)), look(w.intn(2))
		u.diskBadly = u.diskBadly || disk == badly
		crash := w.maybe()
		u.killed = u.killed || crash
		w.round(server, disk, crash)
	}
	w.converge()
	for name := range u.tallies {
		low, high := u.bounds(name, onServer[name], onDisk[name])
		s, d := count(w.server)[name], count(w.disk)[name]
		if s != d {
			w.fail("%d messages %q on the server, %d on disk", s, name, d)
		}
		if s < low || s > high {
			w.fail("%d messages %q, not %d to %d: %+v", s, name, low, high, *u.of(name))
		}
	}
	for _, name := range staying {
		if count(w.server)[name] == 0 {
			w.fail("%q was changed on one side, deleted on the other, and is lost", name)
		}
	}
	w.checkFlags(expected)
	return nil
}

// converge runs at most three clean rounds; then there must be nothing to do.
func (w *world) converge() {
	for range 3 {
		w.round(well, well, false)
	}
	p := w.round(well, well, false)
	if len(p.Actions) > 0 || len(p.Put) > 0 || len(p.Forget) > 0 || !p.Settled {
		w.fail("not at rest after three rounds")
	}
}

// TestHistoriesConvergeAndLoseNothing holds against any history: both sides
// end with the same messages and flags, none lost, none doubled, whatever the
// order of the actions and wherever runs were killed; and then nothing is left
// to do.
func TestHistoriesConvergeAndLoseNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		if err := live(rapidSource{t}); err != nil {
			t.Fatal(err)
		}
	})
}
