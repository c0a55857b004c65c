package plan

import (
	"math/rand/v2"
	"testing"

	"mailferry/syncer/mailbox"
)

// quietWorld is a world with one agreed message, a server that tells the truth,
// and no choices but the same ones.
func quietWorld(flags ...string) (*world, mailbox.UID, mailbox.Key) {
	w := newWorld(diceSource{rand.New(rand.NewPCG(0, 0))}, Sync())
	w.server, w.disk, w.links = map[mailbox.UID]copyOn{}, map[mailbox.Key]copyOn{}, map[mailbox.LinkID]mailbox.Link{}
	w.tellsUID, w.liesUID, w.liesSize = true, false, false
	w.agree("message 1")
	link := w.links[w.lastLink]
	set := mailbox.NewFlags(flags...)
	link.Agreed, link.Remote, link.Local = set, set, set
	w.links[link.ID] = link
	m := w.server[link.UID]
	m.flags = set
	w.touch(link.UID, m)
	w.store(link.Key, copyOn{name: m.name, date: m.date, flags: set})
	w.known.Remote, w.known.Local = w.current(), mailbox.Stamp{}
	return w, link.UID, link.Key
}

// TestKeywordsThatASideCannotHoldNeitherGetLostNorOscillate: over three rounds
// after each change only the first does anything.
func TestKeywordsThatASideCannotHoldNeitherGetLostNorOscillate(t *testing.T) {
	set := func(names ...string) mailbox.Flags { return mailbox.NewFlags(names...) }
	for _, test := range []struct {
		name                     string
		before                   []string
		serverNow, diskNow       mailbox.Flags
		serverHolds              mailbox.Holds
		diskHolds                mailbox.Flags
		wantServer, wantDisk     mailbox.Flags
		wantAgreed               mailbox.Flags
		serverActions, diskActs  int
		thenDiskDrops, wantAfter mailbox.Flags
	}{
		{
			name: "server cannot hold", serverNow: set(), diskNow: set("$Work"), serverHolds: holdsOf("$Home"), diskHolds: set("$Work", "$Home"),
			wantServer: set(), wantDisk: set("$Work"), wantAgreed: set("$Work"),
			thenDiskDrops: set("$Work"), wantAfter: set(),
		},
		{
			name: "server holds one of two", serverNow: set(), diskNow: set("$Work", "$Home"), serverHolds: holdsOf("$Home"), diskHolds: set("$Work", "$Home"),
			wantServer: set("$Home"), wantDisk: set("$Work", "$Home"), wantAgreed: set("$Work", "$Home"), serverActions: 1,
			thenDiskDrops: set("$Home"), wantAfter: set("$Work"),
		},
		{
			name: "disk cannot hold", serverNow: set("$Work", `\Seen`), diskNow: set(), serverHolds: holdsOf(`\*`), diskHolds: set(`\Seen`, "$Home"),
			wantServer: set("$Work", `\Seen`), wantDisk: set(`\Seen`), wantAgreed: set("$Work", `\Seen`), diskActs: 1,
			thenDiskDrops: set(`\Seen`), wantAfter: set("$Work"),
		},
		{
			name: "neither loses what the other has", before: []string{`\Seen`}, serverNow: set(`\Seen`, "$Far"), diskNow: set(`\Seen`, "$Near"),
			serverHolds: holdsOf("$Far"), diskHolds: set(`\Seen`, "$Near"),
			wantServer: set(`\Seen`, "$Far"), wantDisk: set(`\Seen`, "$Near"), wantAgreed: set(`\Seen`, "$Far", "$Near"), diskActs: 1,
			thenDiskDrops: set("$Near"), wantAfter: set(`\Seen`, "$Far"),
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			defer func() {
				if f, ok := recover().(failure); ok {
					t.Fatal(f)
				}
			}()
			w, uid, key := quietWorld(test.before...)
			w.serverHolds, w.diskHolds = test.serverHolds, test.diskHolds
			there, here := w.server[uid], w.disk[key]
			there.flags, here.flags = test.serverNow, test.diskNow
			w.touch(uid, there)
			w.store(key, here)
			remote, local := 0, 0
			for round := range 3 {
				for _, action := range w.round(well, well, false).Actions {
					switch {
					case round > 0:
						t.Errorf("round %d still does %s", round+1, textOfAction(action))
					case action.Kind == FlagRemote:
						remote++
					case action.Kind == FlagLocal:
						local++
					}
				}
			}
			if got := w.server[uid].flags; !got.Equal(test.wantServer) {
				t.Errorf("server has %s, want %s", got, test.wantServer)
			}
			if got := w.disk[key].flags; !got.Equal(test.wantDisk) {
				t.Errorf("disk has %s, want %s", got, test.wantDisk)
			}
			if got := w.links[w.lastLink].Agreed; !got.Equal(test.wantAgreed) {
				t.Errorf("agreed are %s, want %s", got, test.wantAgreed)
			}
			if remote != test.serverActions || local != test.diskActs {
				t.Errorf("%d changes on the server, %d on disk; want %d and %d", remote, local, test.serverActions, test.diskActs)
			}
			here = w.disk[key]
			here.flags = here.flags.Minus(test.thenDiskDrops)
			w.store(key, here)
			for range 3 {
				w.round(well, well, false)
			}
			if got := w.links[w.lastLink].Agreed; !got.Equal(test.wantAfter) {
				t.Errorf("agreed are %s in the end, want %s", got, test.wantAfter)
			}
			if got, want := w.server[uid].flags, w.serverHolds.Keep(test.wantAfter); !got.Equal(want) {
				t.Errorf("server has %s in the end, want %s", got, want)
			}
		})
	}
}
