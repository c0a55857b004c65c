package plan

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"mailferry/syncer/mailbox"
)

// source is where a history takes its choices from.
type source interface{ intn(n int) int }

// copyOn is one message on one side. born names the agreed message that it is
// a copy of, 0 for a new one.
type copyOn struct {
	name   string
	flags  mailbox.Flags
	date   int64
	modSeq mailbox.ModSeq
	lie    int64 // how much the size that the server tells is off
	born   mailbox.LinkID
}

// world is a mailbox with both its sides and the state, in memory.
type world struct {
	source
	policy   Policy
	server   map[mailbox.UID]copyOn
	status   mailbox.Status
	disk     map[mailbox.Key]copyOn
	version  int64 // of the disk, its stamp
	lastKey  int
	links    map[mailbox.LinkID]mailbox.Link
	lastLink mailbox.LinkID
	known    mailbox.Known
	// serverHolds and diskHolds are the keywords that a side can keep.
	serverHolds mailbox.Holds
	diskHolds   mailbox.Flags
	// What the server is like.
	tellsUID, liesUID, liesSize bool
	log                         []string
}

// failure is what a broken rule panics with.
type failure string

// caught makes a failure an error; to be deferred.
func caught(err *error) {
	switch r := recover().(type) {
	case nil:
	case failure:
		*err = errors.New(string(r))
	default:
		panic(r)
	}
}

func (w *world) fail(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	for _, line := range w.log {
		text += "\n  " + line
	}
	panic(failure(text))
}

func (w *world) note(format string, args ...any) { w.log = append(w.log, fmt.Sprintf(format, args...)) }

func (w *world) maybe() bool { return w.intn(2) == 1 }

func pick[T any](w *world, list []T) T { return list[w.intn(len(list))] }

var systemNames = []string{`\Seen`, `\Flagged`, `\Answered`, `\Deleted`}

func newWorld(src source, policy Policy) *world {
	w := &world{
		source: src, policy: policy,
		server: map[mailbox.UID]copyOn{}, disk: map[mailbox.Key]copyOn{}, links: map[mailbox.LinkID]mailbox.Link{},
		status:      mailbox.Status{UIDNext: 1, UIDValidity: 7, HighestModSeq: 1},
		serverHolds: holdsOf("$both", "$server"), diskHolds: mailbox.NewFlags(append([]string{"$both", "$disk"}, systemNames...)...),
		known: mailbox.Known{ID: 1, Name: "Work", HasRemote: true, HasLocal: true},
	}
	w.tellsUID, w.liesUID, w.liesSize = w.maybe(), w.intn(4) == 0, w.intn(4) == 0
	for range w.intn(5) {
		w.agree(w.newName())
	}
	w.known.Remote, w.known.Local = w.current(), mailbox.Stamp{Cur: w.version}
	return w
}

// newName is mostly of a new message; else one that may be there already, or
// that has a header like another's.
func (w *world) newName() string {
	switch w.intn(6) {
	case 0:
		return "twin"
	case 1:
		return fmt.Sprint("like/", w.intn(2))
	}
	w.lastKey++
	return fmt.Sprint("message ", w.lastKey)
}

// sizeOf is the same for messages of one header only.
func sizeOf(name string) int64 {
	var n int64
	if _, err := fmt.Sscanf(name, "message %d", &n); err == nil {
		return 1000 + 100*n
	}
	return int64(len(strings.Split(name, "/")[0]))
}

// agree adds a message that both sides and the state have.
func (w *world) agree(name string) {
	system := w.someFlags(systemNames)
	link := mailbox.Link{Content: contentOf(name, sizeOf(name)), Agreed: system, Remote: system, Local: system, Date: w.someDate()}
	if w.intn(4) == 0 { // a keyword that only one side holds
		word := mailbox.NewFlags(pick(w, []string{"$server", "$disk"}))
		link.Agreed = link.Agreed.Union(word)
		link.Remote = w.serverHolds.Keep(link.Agreed)
		link.Local = link.Agreed.Intersect(w.diskHolds)
	}
	w.lastLink++
	link.ID = w.lastLink
	link.UID = w.arrive(copyOn{name: name, flags: link.Remote, date: link.Date.Unix, born: link.ID})
	link.Key = w.deliver(copyOn{name: name, flags: link.Local, date: link.Date.Unix, born: link.ID})
	w.links[link.ID] = link
}

func (w *world) someFlags(names []string) mailbox.Flags {
	var chosen []string
	for _, name := range names {
		if w.intn(3) == 0 {
			chosen = append(chosen, name)
		}
	}
	return mailbox.NewFlags(chosen...)
}

func (w *world) someDate() mailbox.Date {
	return mailbox.Date{Unix: int64(w.intn(3)), Known: true}
}

func (w *world) arrive(m copyOn) mailbox.UID {
	uid := w.status.UIDNext
	w.status.UIDNext++
	w.touch(uid, m)
	return uid
}

// touch stores a message on the server as changed.
func (w *world) touch(uid mailbox.UID, m copyOn) {
	w.status.HighestModSeq++
	m.modSeq = w.status.HighestModSeq
	w.server[uid] = m
}

func (w *world) deliver(m copyOn) mailbox.Key {
	w.lastKey++
	key := mailbox.Key(fmt.Sprintf("k%03d", w.lastKey))
	w.store(key, m)
	return key
}

func (w *world) store(key mailbox.Key, m copyOn) {
	w.version++
	w.disk[key] = m
}

func (w *world) remove(key mailbox.Key) {
	w.version++
	delete(w.disk, key)
}

func (w *world) current() mailbox.Status {
	status := w.status
	status.Messages = uint32(len(w.server))
	return status
}

func (w *world) base() Base {
	base := Base{Known: w.known}
	for _, id := range slices.Sorted(maps.Keys(w.links)) {
		base.Links = append(base.Links, w.links[id])
	}
	slices.SortStableFunc(base.Links, func(a, b mailbox.Link) int {
		return cmp.Or(cmp.Compare(a.UID, b.UID), cmp.Compare(a.Key, b.Key))
	})
	base.Known.Links = len(base.Links)
	return base
}

// look says how well a side is seen.
type look int

const (
	well look = iota
	badly
)

// observeServer does what the server side does: whole, only flags of what the
// base knows, or only changes; and not to the end if seen badly.
func (w *world) observeServer(base Base, how look) Remote {
	r := Remote{Observation: mailbox.Observation{Status: w.current(), Complete: true, Holds: w.serverHolds}}
	known := base.Known.Remote
	scan := w.intn(3)
	if known.UIDValidity != w.status.UIDValidity || known.UIDNext <= 1 {
		scan = 0
	}
	below, fresh := 0, 0
	for _, link := range base.Links {
		if link.UID != 0 && link.UID < known.UIDNext && link.Kind != mailbox.PendingUpload {
			below++
		}
	}
	for _, uid := range slices.Sorted(maps.Keys(w.server)) {
		m := w.server[uid]
		row := mailbox.RemoteMessage{
			UID: uid, Flags: m.flags, HasFlags: true, ModSeq: m.modSeq,
			HasSize: true, Size: sizeOf(m.name) + m.lie, Date: mailbox.Date{Unix: m.date, Known: true},
		}
		isNew := uid >= known.UIDNext
		if scan == 1 && !isNew {
			row.HasSize, row.Size, row.Date = false, 0, mailbox.Date{}
		}
		if scan == 2 && isNew {
			fresh++
		}
		if scan == 2 && !isNew && m.modSeq <= known.HighestModSeq || how == badly && w.maybe() {
			continue
		}
		r.Messages = append(r.Messages, row)
	}
	r.Delta = scan == 2
	if how == badly {
		r.Complete = false
	} else if !r.Delta || below+fresh != len(w.server) {
		r.HasPresent, r.Present = true, mailbox.UIDs(slices.Collect(maps.Keys(w.server))...)
	}
	return r
}

func (w *world) observeDisk(base Base, how look) Local {
	l := Local{Stamp: mailbox.Stamp{Cur: w.version}}
	isPending := func(link mailbox.Link) bool { return link.Kind == mailbox.PendingDownload }
	if base.Known.Local == l.Stamp && !slices.ContainsFunc(base.Links, isPending) && w.maybe() {
		l.Unchanged = true
		return l
	}
	l.Incomplete = how == badly
	keys := keySet(base.Links)
	for _, key := range slices.Sorted(maps.Keys(w.disk)) {
		if l.Incomplete && w.maybe() {
			continue
		}
		m := w.disk[key]
		file := mailbox.LocalMessage{Key: key, Flags: m.flags}
		if !keys[key] {
			file.Content, file.Date = contentOf(m.name, sizeOf(m.name)), mailbox.Date{Unix: m.date, Known: true}
		}
		l.Messages = append(l.Messages, file)
	}
	return l
}

// decide asks and plans, twice: the same input gives the same plan.
func (w *world) decide(base Base, local Local, remote Remote) Plan {
	for range 2 {
		q := Ask(base, local, remote, w.policy)
		for i := range remote.Messages {
			row := &remote.Messages[i]
			content := contentOf(w.server[row.UID].name, sizeOf(w.server[row.UID].name))
			if q.Headers.Contains(row.UID) {
				row.Header, row.HasMessageID = content.Header, !strings.HasPrefix(w.server[row.UID].name, "like/")
			}
			if q.Bodies.Contains(row.UID) {
				row.Body = content.Hash
			}
		}
	}
	if q := Ask(base, local, remote, w.policy); !q.IsEmpty() {
		w.fail("still asks for headers %s and bodies %s", q.Headers, q.Bodies)
	}
	p := MakeMailbox(base, local, remote, w.policy)
	if again := MakeMailbox(base, local, remote, w.policy); textOf(again) != textOf(p) {
		w.fail("two plans of one input:\n%s\n%s", textOf(p), textOf(again))
	}
	if less := MakeMailbox(sifted(base, local, remote, w.policy)); textOf(less) != textOf(p) {
		w.fail("the sieve makes another plan:\n%s\n%s", textOf(p), textOf(less))
	}
	return p
}
