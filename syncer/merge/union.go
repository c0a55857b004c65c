package merge

import (
	"cmp"
	"encoding/binary"
	"os"
	"slices"
	"time"

	"mailferry/syncer/mailbox"
)

// copyOf is a message as one source has it: a few dozen octets, the rest is in
// the source's index.
type copyOf struct {
	same, core    mailbox.Hash
	id            uint64 // of the Message-ID, 0 without one
	ident, head   uint64
	content       uint64 // of size and header
	at            int64
	size          int64
	date          mailbox.Date
	flags         int32 // of Union.flagSets
	box           int32
	group         int32
	headerOctets  int32
	source        uint8
	from          DateFrom
	exactness     uint8
	partial, expd bool
}

// MaxSources is how many sources, the target included, can be merged at once.
const MaxSources = 63

// Union is all copies of all sources, and which of them are one message.
type Union struct {
	sources []*Scanned
	files   []*os.File
	// target is the index of the target among the sources, -1 if it is new.
	target int
	copies []copyOf
	boxes  []mailbox.Name
	boxAt  map[mailbox.Name]int32
	// flagSets are the different sets of flags; most messages share a few.
	flagSets []mailbox.Flags
	flagsAt  map[string]int32
	// order holds the copies group by group; groups where each begins.
	order  []int32
	groups []int32
	now    time.Time
	// IncludeDeleted counts expunged messages like others.
	IncludeDeleted bool
	// Selects says which of the sources' mailboxes take part; nil: all.
	Selects func(mailbox.Name) bool
}

// NewUnion makes an empty one. The clock is asked once, to recognise dates in
// the future.
func NewUnion(now time.Time) *Union {
	return &Union{target: -1, now: now, boxAt: map[mailbox.Name]int32{}, flagsAt: map[string]int32{}}
}

// Add takes a source's messages in. The target, if it has messages already, is
// added like a source, once.
func (u *Union) Add(s *Scanned, isTarget bool) error {
	file, err := os.Open(s.Path)
	if err != nil {
		return err
	}
	if isTarget {
		u.target = len(u.sources)
	}
	source := uint8(len(u.sources))
	u.sources = append(u.sources, s)
	u.files = append(u.files, file)
	return s.eachEntry(func(at int64, unit Unit, r Record) error {
		if r.Expunged && !u.IncludeDeleted || !isTarget && u.Selects != nil && !u.Selects(unit.Mailbox) {
			return nil
		}
		u.copies = append(u.copies, u.copyOf(source, at, unit, r))
		return nil
	})
}

// Expect makes room for the messages of sources that are about to be added.
func (u *Union) Expect(sources ...*Scanned) {
	n := 0
	for _, s := range sources {
		n += s.Messages
	}
	u.copies = append(make([]copyOf, 0, len(u.copies)+n), u.copies...)
}

// Close releases the indexes.
func (u *Union) Close() error {
	var first error
	for _, file := range u.files {
		if err := file.Close(); first == nil {
			first = err
		}
	}
	return first
}

func (u *Union) copyOf(source uint8, at int64, unit Unit, r Record) copyOf {
	date, from := u.arrival(unit, r)
	c := copyOf{
		same: r.Same, core: r.Core, ident: short(r.Ident), head: short(r.Head), content: contentKey(r.Content.Size, r.Content.Header),
		at: at, size: r.Content.Size, date: date, from: from, flags: u.intern(unit.Flags.Union(r.Flags)), box: u.box(unit.Mailbox),
		headerOctets: int32(min(r.HeaderOctets, 1<<30)), source: source, exactness: exactness(unit.Format, r.Undone),
		partial: r.Partial, expd: r.Expunged,
	}
	if r.MessageID != "" {
		c.id = short(hashOf(r.MessageID)) | 1
	}
	if r.Partial {
		// Only its header is known: it is nobody's copy.
		c.same, c.core = hashOf("partial", string([]byte{source}), string(binary.AppendVarint(nil, at))), mailbox.Hash{}
	}
	return c
}

// arrival is a copy's date for its place on the target.
func (u *Union) arrival(unit Unit, r Record) (mailbox.Date, DateFrom) {
	filed := unit.Date
	if unit.Format == FormatMbox {
		filed = r.Filed
	}
	kept := unit.Format == FormatRemote || unit.Format == FormatStore
	return arrival(&r.Identity, filed, kept, unit.Format == FormatMaildir, u.now)
}

// exactness orders copies that are the same otherwise: the lower, the surer
// that the octets are those that were delivered.
func exactness(format Format, undone bool) uint8 {
	rank := map[Format]uint8{FormatRemote: 0, FormatStore: 0, FormatMaildir: 1, FormatEML: 2, FormatEMLX: 2, FormatMbox: 3}[format]
	if undone {
		rank += 4
	}
	return rank
}

func short(h mailbox.Hash) uint64 {
	if h.IsZero() {
		return 0
	}
	return binary.LittleEndian.Uint64(h[:]) | 1
}

func contentKey(size int64, header mailbox.Hash) uint64 {
	return binary.LittleEndian.Uint64(header[:]) ^ uint64(size)*0x9e3779b97f4a7c15
}

func (u *Union) box(name mailbox.Name) int32 {
	at, known := u.boxAt[name]
	if !known {
		at = int32(len(u.boxes))
		u.boxes = append(u.boxes, name)
		u.boxAt[name] = at
	}
	return at
}

// intern keeps one value of equal sets of flags.
func (u *Union) intern(flags mailbox.Flags) int32 {
	text := flags.String()
	at, known := u.flagsAt[text]
	if !known {
		at = int32(len(u.flagSets))
		u.flagSets = append(u.flagSets, flags)
		u.flagsAt[text] = at
	}
	return at
}

// flagsOf returns what one copy says.
func (u *Union) flagsOf(c *copyOf) mailbox.Flags { return u.flagSets[c.flags] }

// Join finds out which copies are one message. It is called once, after all
// sources were added.
func (u *Union) Join() {
	parent := make([]int32, len(u.copies))
	for i := range parent {
		parent[i] = int32(i)
	}
	find := func(i int32) int32 {
		for parent[i] != i {
			parent[i] = parent[parent[i]]
			i = parent[i]
		}
		return i
	}
	u.order = make([]int32, len(u.copies))
	for i := range u.order {
		u.order[i] = int32(i)
	}
	u.unite(parent, find, func(c *copyOf) *mailbox.Hash { return &c.same })
	u.unite(parent, find, func(c *copyOf) *mailbox.Hash { return &c.core })
	for i := range u.copies {
		u.copies[i].group = find(int32(i))
	}
	slices.SortFunc(u.order, func(a, b int32) int {
		if c := cmp.Compare(u.copies[a].group, u.copies[b].group); c != 0 {
			return c
		}
		return cmp.Compare(a, b)
	})
	for i, at := range u.order {
		if i == 0 || u.copies[at].group != u.copies[u.order[i-1]].group {
			u.groups = append(u.groups, int32(i))
		}
	}
}

// unite makes one set of copies with equal hashes; the first copy leads it.
func (u *Union) unite(parent []int32, find func(int32) int32, of func(*copyOf) *mailbox.Hash) {
	slices.SortFunc(u.order, func(a, b int32) int {
		x, y := of(&u.copies[a]), of(&u.copies[b])
		if c := slices.Compare(x[:], y[:]); c != 0 {
			return c
		}
		return cmp.Compare(a, b)
	})
	for i := 1; i < len(u.order); i++ {
		a, b := u.order[i-1], u.order[i]
		if h := of(&u.copies[a]); h.IsZero() || *h != *of(&u.copies[b]) {
			continue
		}
		x, y := find(a), find(b)
		parent[max(x, y)] = min(x, y)
	}
}

// Len counts the messages: sets of copies.
func (u *Union) Len() int { return len(u.groups) }

// group returns the copies of a message.
func (u *Union) group(i int) []int32 {
	end := len(u.order)
	if i+1 < len(u.groups) {
		end = int(u.groups[i+1])
	}
	return u.order[u.groups[i]:end]
}

// best chooses the copy that stands for all: the most complete, then the
// surest, then that of the source named first.
func (u *Union) best(group []int32) *copyOf {
	return &u.copies[slices.MinFunc(group, func(a, b int32) int {
		x, y := &u.copies[a], &u.copies[b]
		if c := cmp.Compare(y.headerOctets, x.headerOctets); c != 0 {
			return c
		}
		if c := cmp.Compare(x.exactness, y.exactness); c != 0 {
			return c
		}
		return cmp.Compare(a, b)
	})]
}

// flags unites what is said of a message: seen on one PC is seen. It is
// deleted only where all say so.
func (u *Union) flags(group []int32) mailbox.Flags {
	var all mailbox.Flags
	deleted := mailbox.NewFlags(mailbox.FlagDeleted)
	everywhere := deleted
	for _, at := range group {
		flags := u.flagsOf(&u.copies[at])
		all = all.Union(flags)
		everywhere = everywhere.Intersect(flags)
	}
	return all.Minus(deleted).Union(everywhere)
}

// date is the best that any copy knows, the earliest of equally good ones.
func (u *Union) date(group []int32) (mailbox.Date, DateFrom) {
	best := &u.copies[group[0]]
	for _, at := range group[1:] {
		c := &u.copies[at]
		if c.from < best.from || c.from == best.from && c.date.Unix < best.date.Unix {
			best = c
		}
	}
	return best.date, best.from
}

// places returns where a message belongs on the target, and what of that is
// missing there. What a source has both as sent and as received, a message to
// oneself, is both.
func (u *Union) places(group []int32, mapping *Mapping) (all, missing []mailbox.Name) {
	var best *copyOf
	sent, received := map[uint8]mailbox.Name{}, map[uint8]*copyOf{}
	var there []mailbox.Name
	for _, at := range group {
		c := &u.copies[at]
		name := u.boxes[c.box]
		if int(c.source) == u.target {
			there = append(there, name)
			continue
		}
		use := useOf(name)
		if best == nil || weight(use) < weight(useOf(u.boxes[best.box])) {
			best = c
		}
		if use == UseSent {
			sent[c.source] = name
		} else if weight(use) <= weight(UseInbox) && (received[c.source] == nil || weight(use) < weight(useOf(u.boxes[received[c.source].box]))) {
			received[c.source] = c
		}
	}
	if best == nil {
		return there, nil
	}
	all = []mailbox.Name{mapping.To(u.boxes[best.box])}
	for source := range uint8(len(u.sources)) {
		if sent[source] == "" || received[source] == nil {
			continue
		}
		both := []mailbox.Name{mapping.To(sent[source]), mapping.To(u.boxes[received[source].box])}
		if both[0] == both[1] {
			continue
		}
		switch {
		case len(there) == 0:
			return both, both
		case len(there) == 1 && there[0] == both[0]:
			return both, both[1:]
		case len(there) == 1 && there[0] == both[1]:
			return both, both[:1]
		}
		return both, nil
	}
	if len(there) > 0 {
		return there, nil
	}
	return all, all
}

// record reads what the index knows of a copy.
func (u *Union) record(c *copyOf) (Unit, Record, error) { return lookUp(u.files[c.source], c.at) }
