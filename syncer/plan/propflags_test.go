package plan

import (
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"mailferry/syncer/mailbox"
)

// expectation is what a message's flags must be in the end on each side.
type expectation struct{ server, disk mailbox.Flags }

// expectFlags computes the three-way merge of every message that is alone of
// its content and still on both sides.
func (w *world) expectFlags(u *upheaval) map[string]expectation {
	expected := map[string]expectation{}
	if u.forgot {
		return expected
	}
	onServer, onDisk := count(w.server), count(w.disk)
	known := map[mailbox.Hash]int{}
	for _, link := range w.links {
		known[link.Content.Hash]++
	}
	for _, uid := range slices.Sorted(maps.Keys(w.server)) {
		there := w.server[uid]
		link, ok := w.links[there.born]
		if !ok || onServer[there.name] != 1 || u.renumbered && known[link.Content.Hash] > 1 {
			continue // of twins without UIDs nobody knows which one is left
		}
		for _, here := range w.disk {
			if here.born != there.born || onDisk[here.name] != 1 {
				continue
			}
			byServer := mailbox.ChangeBetween(link.Remote, there.flags)
			byDisk := mailbox.ChangeBetween(link.Local, here.flags)
			expected[there.name] = expectation{
				server: w.serverHolds.Keep(byDisk.Apply(there.flags)),
				disk:   byServer.Apply(here.flags).Intersect(w.diskHolds),
			}
		}
	}
	return expected
}

// mustStay lists messages, each alone of its content, that were deleted on one
// side and changed on the other: change beats deletion.
func (w *world) mustStay() []string {
	onServer, onDisk := count(w.server), count(w.disk)
	var names []string
	for _, m := range w.server {
		link, ok := w.links[m.born]
		if mark := mailbox.NewFlags(mailbox.FlagDeleted); m.flags.Equal(link.Remote.Union(mark)) {
			continue // both sides want it gone
		}
		if ok && !m.flags.Equal(link.Remote) && onServer[m.name] == 1 && onDisk[m.name] == 0 {
			names = append(names, m.name)
		}
	}
	for _, m := range w.disk {
		link, ok := w.links[m.born]
		if ok && !m.flags.Equal(link.Local) && onServer[m.name] == 0 && onDisk[m.name] == 1 {
			names = append(names, m.name)
		}
	}
	return names
}

// checkFlags holds the sides against the expected flags and, as far as both
// can hold them, against each other.
func (w *world) checkFlags(expected map[string]expectation) {
	for _, m := range w.server {
		if want, ok := expected[m.name]; ok && !m.flags.Equal(want.server) {
			w.fail("%q has %s on the server, want %s", m.name, m.flags, want.server)
		}
	}
	for _, m := range w.disk {
		if want, ok := expected[m.name]; ok && !m.flags.Equal(want.disk) {
			w.fail("%q has %s on disk, want %s", m.name, m.flags, want.disk)
		}
	}
	common := w.diskHolds.Minus(mailbox.NewFlags("$disk"))
	server, disk := flagCounts(w.server, common), flagCounts(w.disk, common)
	if !maps.Equal(server, disk) {
		w.fail("flags differ: server %v, disk %v", server, disk)
	}
}

func flagCounts[K comparable](side map[K]copyOn, common mailbox.Flags) map[string]int {
	counts := map[string]int{}
	for _, m := range side {
		counts[m.name+" "+m.flags.Intersect(common).String()]++
	}
	return counts
}

// pull runs one history under a policy that only pulls.
func pull(src source, policy Policy) (err error) {
	defer caught(&err)
	w := newWorld(src, policy)
	u := w.perturb()
	server := maps.Clone(w.server)
	onServer, onDisk := count(w.server), count(w.disk)
	for range w.intn(3) {
		seen, disk := look(w.intn(2)), look(w.intn(2))
		u.diskBadly = u.diskBadly || disk == badly
		w.round(seen, disk, w.maybe())
	}
	w.converge()
	if !maps.Equal(server, w.server) {
		w.fail("the server changed: %v, was %v", w.server, server)
	}
	for name, t := range u.tallies {
		now := count(w.disk)[name]
		low := max(onServer[name], onDisk[name])
		if policy.Pull.Deletions {
			low = max(onServer[name], onDisk[name]-t.serverGone)
		}
		high := max(t.agreed, onServer[name], onDisk[name]) + t.serverNew + t.diskNew
		if u.diskBadly {
			high = max(high, onServer[name]+onDisk[name])
		}
		if now < low || now > high {
			w.fail("%d messages %q on disk, not %d to %d: %+v", now, name, low, high, *t)
		}
	}
	return nil
}

// TestBackupHistoriesWriteNothingAndLoseNothing: the server stays as it is,
// and everything that it or the disk had is on the disk in the end.
func TestBackupHistoriesWriteNothingAndLoseNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		if err := pull(rapidSource{t}, Backup()); err != nil {
			t.Fatal(err)
		}
	})
}

// TestMirrorHistoriesRemoveOnlyWhatTheServerDeleted is the same for a backup
// that follows deletions.
func TestMirrorHistoriesRemoveOnlyWhatTheServerDeleted(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		if err := pull(rapidSource{t}, Mirror()); err != nil {
			t.Fatal(err)
		}
	})
}
