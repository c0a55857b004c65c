package plan

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"

	"mailferry/syncer/mailbox"
)

// letter is a message in a pooled mailbox: few headers, sizes and dates, so
// that many have one in common.
type letter struct {
	header, body, size, date int
	hasMessageID             bool
	// verbatim: its line ends are not all CRLF, and a server may mend them.
	verbatim bool
}

func someLetter(random *rand.Rand) letter {
	header := random.IntN(6)
	return letter{header, random.IntN(2), random.IntN(3), random.IntN(3), header > 1, random.IntN(8) == 0}
}

func (l letter) content() mailbox.Content {
	return mailbox.Content{
		Size: int64(100 + l.size), Header: mailbox.Hash{byte(l.header % 3), 9: byte(l.header + 1)},
		Hash:     mailbox.Hash{byte(l.header + 1), byte(l.body + 1), byte(l.size)},
		Verbatim: l.verbatim,
	}
}

// alike is the hash of what servers do not change: of header and body, but for
// the line ends, two are the same.
func (l letter) alike() mailbox.Hash { return mailbox.Hash{byte(l.header/2 + 1), byte(l.body + 1)} }

func (l letter) when() mailbox.Date {
	return mailbox.Date{Unix: int64(1000 + l.date), Known: l.date > 0}
}

// pooledWorld is a mailbox in which nothing on the two sides is linked: it was
// numbered anew, or the state was lost.
type pooledWorld struct {
	known  mailbox.Known
	links  []mailbox.Link
	files  []mailbox.LocalMessage
	rows   []mailbox.RemoteMessage
	truth  map[mailbox.UID]letter
	onDisk map[mailbox.Key]letter
	policy Policy
}

func newPooledWorld(random *rand.Rand, linked bool) *pooledWorld {
	w := &pooledWorld{
		known: mailbox.Known{ID: 1, Name: "INBOX"},
		truth: map[mailbox.UID]letter{}, onDisk: map[mailbox.Key]letter{}, policy: []Policy{Sync(), Backup(), Mirror()}[random.IntN(3)],
	}
	flags := []mailbox.Flags{{}, mailbox.NewFlags(mailbox.FlagSeen), mailbox.NewFlags("a", mailbox.FlagFlagged)}
	for i := range random.IntN(20) {
		l, key := someLetter(random), mailbox.Key(fmt.Sprintf("key%02d", i))
		w.onDisk[key] = l
		if linked {
			kind := []mailbox.LinkKind{mailbox.Linked, mailbox.Linked, mailbox.KeptLocal, mailbox.KeptRemote, mailbox.Skipped}[random.IntN(5)]
			link := mailbox.Link{ID: mailbox.LinkID(i + 1), Kind: kind, Key: key, Content: l.content(), Date: l.when()}
			link.Agreed = flags[random.IntN(3)]
			link.Remote, link.Local = link.Agreed, link.Agreed
			if kind == mailbox.KeptRemote || kind == mailbox.Skipped {
				link.Key = ""
			}
			w.links = append(w.links, link)
		} else {
			w.files = append(w.files, mailbox.LocalMessage{Key: key, Flags: flags[random.IntN(3)], Content: l.content(), Date: l.when()})
		}
	}
	if w.known.Links = len(w.links); linked {
		w.known.HasRemote, w.known.HasLocal, w.known.Remote = true, true, mailbox.Status{UIDValidity: 2}
	}
	for i := range random.IntN(20) {
		l, uid := someLetter(random), mailbox.UID(i+1)
		w.truth[uid] = l
		row := mailbox.RemoteMessage{UID: uid, HasFlags: true, Flags: flags[random.IntN(3)], HasSize: random.IntN(5) > 0, Date: l.when()}
		if row.HasSize {
			row.Size = l.content().Size
		}
		w.rows = append(w.rows, row)
	}
	return w
}

// decide is what the engine does with a part of the mailbox, or with all.
func (w *pooledWorld) decide(links []mailbox.Link, files []mailbox.LocalMessage, rows []mailbox.RemoteMessage) Plan {
	base := BaseOf(w.known, slices.Clone(links))
	remote := Remote{Messages: rows, Observation: mailbox.Observation{
		Status: mailbox.Status{UIDValidity: 2, UIDNext: 100}, Complete: true, HasPresent: true, Holds: mailbox.Holds{AnyKeyword: true},
	}}
	for uid := range w.truth {
		remote.Present = remote.Present.Union(mailbox.UIDs(uid))
	}
	local := Local{Unchanged: len(w.links) > 0, Messages: files}
	for range 3 {
		q := Ask(base, local, remote, w.policy)
		for i := range rows {
			row := &rows[i]
			if q.Headers.Contains(row.UID) {
				row.Header, row.HasMessageID = w.truth[row.UID].content().Header, w.truth[row.UID].hasMessageID
			}
			if q.Bodies.Contains(row.UID) {
				row.Body = w.truth[row.UID].content().Hash
			}
		}
	}
	uids, keys := AskAlike(base, local, remote, w.policy, true)
	local.Alike = map[mailbox.Key]mailbox.Hash{}
	for _, key := range keys {
		local.Alike[key] = w.onDisk[key].alike()
	}
	for i := range rows {
		if row := &rows[i]; uids.Contains(row.UID) {
			row.Alike = w.truth[row.UID].alike()
		}
	}
	return Make(base, local, remote, w.policy)
}

// outcome is all that plans do, in an order that does not depend on parts.
func outcome(plans ...Plan) []string {
	var all []string
	for _, p := range plans {
		for _, a := range p.Actions {
			all = append(all, fmt.Sprintf("%s %s uid %d key %s flags %q date %v link %d", a.Kind, a.Rule, a.UID, a.Key, a.Flags, a.Date, a.Link.ID))
		}
		for _, link := range p.Put {
			all = append(all, fmt.Sprintf("put %+v", *link))
		}
		for _, id := range p.Forget {
			all = append(all, fmt.Sprintf("forget %d", id))
		}
		for _, file := range p.Strange {
			all = append(all, fmt.Sprintf("strange %s", file.Key))
		}
		if !p.Settled {
			all = append(all, "not settled")
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// inParts decides the mailbox as the engine does one that is too large.
func (w *pooledWorld) inParts(limit int) []Plan {
	pool := NewPool(len(w.links) + len(w.files))
	for i := range w.links {
		pool.Add(uint32(i), w.links[i].Content, w.links[i].Date)
	}
	for i := range w.files {
		pool.Add(uint32(i), w.files[i].Content, w.files[i].Date)
	}
	pool.Sort()
	for _, row := range w.rows {
		if pool.IsPlausible(&row) {
			row.Header, row.HasMessageID = w.truth[row.UID].content().Header, w.truth[row.UID].hasMessageID
			pool.AddRow(&row)
		}
	}
	inPool := pool.UIDs()
	var plans []Plan
	for range 100 {
		part := pool.Next(limit)
		if part.Len() == 0 {
			break
		}
		var links []mailbox.Link
		var files []mailbox.LocalMessage
		for _, place := range part.Places {
			if len(w.links) > 0 {
				links = append(links, w.links[place])
			} else {
				files = append(files, w.files[place])
			}
		}
		rows := w.rowsOf(part.UIDs)
		for i := range rows {
			pool.Tell(&rows[i])
		}
		plans = append(plans, w.decide(links, files, rows))
	}
	var rest mailbox.UIDSet
	for _, row := range w.rows {
		if !inPool.Contains(row.UID) {
			rest = rest.Append(row.UID)
		}
	}
	return append(plans, w.decide(nil, nil, w.rowsOf(rest)))
}

func (w *pooledWorld) rowsOf(uids mailbox.UIDSet) []mailbox.RemoteMessage {
	var rows []mailbox.RemoteMessage
	for _, row := range w.rows {
		if uids.Contains(row.UID) {
			rows = append(rows, row)
		}
	}
	return rows
}

func TestPartsOfAPoolAreDecidedAsTheWhole(t *testing.T) {
	for seed := range 3000 {
		random := rand.New(rand.NewPCG(uint64(seed), 7))
		w := newPooledWorld(random, seed%2 == 0)
		limit := 1 + random.IntN(6)
		parts := outcome(w.inParts(limit)...)
		whole := outcome(w.decide(w.links, w.files, slices.Clone(w.rows)))
		if !slices.Equal(parts, whole) {
			t.Fatalf("seed %d, %d at a time:\n%s\nin one piece:\n%s", seed, limit, join(parts), join(whole))
		}
	}
}

func join(lines []string) (text string) {
	for _, line := range lines {
		text += "  " + line + "\n"
	}
	return text
}

func TestPartsOfAPoolHaveEverythingOnce(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	const n = 2000
	pool := NewPool(n)
	headerOf := func(i int) mailbox.Hash { return mailbox.Hash{byte(i % 700), byte(i % 700 >> 8), 1} }
	for _, i := range random.Perm(n) {
		pool.Add(uint32(i), mailbox.Content{Size: 1, Header: headerOf(i)}, mailbox.Date{})
	}
	pool.Sort()
	for i := range n {
		pool.AddRow(&mailbox.RemoteMessage{UID: mailbox.UID(i + 1), Header: headerOf(i)})
	}
	var places []uint32
	var uids mailbox.UIDSet
	parts := 0
	for !pool.IsDone() {
		part := pool.Next(100)
		parts++
		if part.Len() == 0 || part.Len() > 103 || parts > 100 {
			t.Fatalf("a part of %d", part.Len())
		}
		groups := map[mailbox.Hash]int{}
		for _, place := range part.Places {
			groups[headerOf(int(place))]++
		}
		for uid := range part.UIDs.All() {
			groups[headerOf(int(uid-1))]--
		}
		for header, excess := range groups {
			if excess != 0 {
				t.Fatalf("%v is torn apart: %d", header, excess)
			}
		}
		places = append(places, part.Places...)
		if uids.Len()+part.UIDs.Len() != uids.Union(part.UIDs).Len() {
			t.Fatal("a row is in two parts")
		}
		uids = uids.Union(part.UIDs)
	}
	slices.Sort(places)
	if len(slices.Compact(places)) != n || uids.Len() != n {
		t.Errorf("%d candidates and %d rows", len(places), uids.Len())
	}
}

// The memory of a mailbox of 1,000,000 is to stay below 128 MB.
func TestPoolKeepsFewOctetsAMessage(t *testing.T) {
	const n = 200_000
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	pool := NewPool(n)
	hash := func(i int) mailbox.Hash {
		return mailbox.Hash{byte(i), byte(i >> 8), byte(i >> 16), byte(i * 7)}
	}
	for i := range n {
		pool.Add(uint32(i), mailbox.Content{Size: int64(i), Header: hash(i)}, mailbox.Date{Unix: int64(i), Known: true})
	}
	pool.Sort()
	for i := range n {
		pool.AddRow(&mailbox.RemoteMessage{UID: mailbox.UID(i + 1), Header: hash(i)})
	}
	pool.Next(1)
	each := float64(heap()-before) / n
	t.Logf("%.1f octets a message", each)
	if each > 60 {
		t.Errorf("%.1f octets a message", each)
	}
	runtime.KeepAlive(pool)
}
