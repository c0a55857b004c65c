package plan

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"mailferry/syncer/mailbox"
)

// someLimits are limits in which every kind takes part now and then.
func (w *world) someLimits() Retention {
	limits := Retention{KeepFlagged: w.maybe(), SeenOnly: w.intn(3) == 0, KeepLatest: w.intn(3)}
	if w.maybe() {
		limits.Before, limits.Now = w.someDate(), mailbox.Date{Unix: 3, Known: true}
	}
	return limits
}

// letGo plans an archive of a mailbox with a past and holds what it lets go
// against the world itself, not against what the planner was told.
func letGo(src source) (err error) {
	defer caught(&err)
	w := newWorld(src, Sync())
	w.liesSize = false
	for range w.intn(3) {
		w.perturb()
		w.round(well, well, w.intn(4) == 0)
	}
	w.perturb()
	limits := w.someLimits()
	w.policy = Archive(limits)
	how := look(w.intn(2))
	base := w.base()
	local := w.observeDisk(base, well)
	p := w.decide(base, local, w.observeServer(base, how))
	w.note("limits %+v, server %v, disk %v: %s", limits, w.server, w.disk, textOf(p))
	downloads := map[mailbox.UID]bool{}
	for _, a := range p.Actions {
		downloads[a.UID] = downloads[a.UID] || a.Kind == Download
	}
	newest := slices.SortedFunc(maps.Keys(w.server), func(a, b mailbox.UID) int {
		if x, y := w.server[a], w.server[b]; x.date != y.date {
			return int(y.date - x.date)
		}
		return int(b) - int(a)
	})
	goes := 0
	for _, a := range p.Actions {
		if a.Rule != archived {
			continue
		}
		goes++
		m, isThere := w.server[a.UID]
		file, onDisk := w.disk[a.Key]
		flags := m.flags.Union(file.flags)
		switch {
		case how == badly || p.Renumbered:
			w.fail("uid %d goes though the listing proves nothing", a.UID)
		case !isThere:
			w.fail("uid %d goes and is not there", a.UID)
		case !onDisk && !downloads[a.UID]:
			w.fail("uid %d goes and is not on disk", a.UID)
		case onDisk && file.name != m.name:
			w.fail("uid %d goes and its file is another message", a.UID)
		case limits.KeepFlagged && flags.Has(mailbox.FlagFlagged), limits.SeenOnly && !flags.Has(mailbox.FlagSeen):
			w.fail("uid %d goes with flags %s", a.UID, flags)
		case limits.Before.Known && m.date > limits.Before.Unix:
			w.fail("uid %d goes and is too young", a.UID)
		case slices.Index(newest, a.UID) < limits.KeepLatest:
			w.fail("uid %d goes and is one of the latest", a.UID)
		}
	}
	if how == well && p.Settled && p.OnServer.Messages != len(w.server) {
		w.fail("%d messages on the server, not %d", len(w.server), p.OnServer.Messages)
	}
	return nil
}

// TestArchiveLetsGoOnlyWhatTheLimitsLet holds against any past.
func TestArchiveLetsGoOnlyWhatTheLimitsLet(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		if err := letGo(rapidSource{t}); err != nil {
			t.Fatal(err)
		}
	})
}

func TestUntilFreedIsAboutAllMailboxes(t *testing.T) {
	plan := func(name mailbox.Name, dates ...int64) *Plan {
		p := &Plan{Mailbox: name}
		for i, date := range dates {
			p.Actions = append(p.Actions, Action{Kind: ExpungeRemote, Rule: archived, UID: mailbox.UID(i + 1), Size: 10, Date: mailbox.Date{Unix: date, Known: true}})
		}
		return p
	}
	plans := []*Plan{plan("A", 5, 1), plan("B", 2, 9, 3)}
	UntilFreed(plans, 21)
	got := ""
	for _, p := range plans {
		for _, a := range p.Actions {
			got += fmt.Sprint(p.Mailbox, a.UID, " ")
		}
	}
	if got != "A2 B1 B3 " {
		t.Errorf("got %s", got)
	}
}

// TestArchivalIsNoDeletion: what an archive takes away needs no word of the
// user, and does not count among what others deleted.
func TestArchivalIsNoDeletion(t *testing.T) {
	p := &Plan{Mailbox: "INBOX", Known: 100}
	for i := range 100 {
		p.Actions = append(p.Actions, Action{Kind: ExpungeRemote, Rule: archived, UID: mailbox.UID(i + 1)})
	}
	if refusals := Guard([]*Plan{p}, 0, 0); len(refusals) > 0 || len(p.Actions) != 100 {
		t.Errorf("%+v", refusals)
	}
}
