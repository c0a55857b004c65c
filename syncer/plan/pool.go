package plan

import (
	"bytes"
	"cmp"
	"slices"

	"mailferry/syncer/mailbox"
)

// Pool finds out which parts of a mailbox may be matched by content apart from
// each other, where there are too many messages to hold all of them in memory.
// Only messages with the same header can be the same message: what has one
// header, on both sides, is one group, and no part ends within one. The
// exception are files whose line ends are not all CRLF, of which a server may
// have made others: they are all in the first part, with every message of their
// dates. (See AskAlike, of which a pool knows onlyVerbatim.) Make decides a part
// as it would decide the whole.
//
// Candidates are added first, then Sort is called, then rows are added; the
// Parts come last. A pool keeps 12 octets for each candidate, and about 40 for
// each row that has a candidate's header.
type Pool struct {
	cands []pooled
	// sketch has a bit for each size and date of a candidate, and by chance
	// for others: these are asked about in vain.
	sketch bits

	uids    []mailbox.UID // ascending
	headers []mailbox.Hash
	named   []bool // the header has a Message-ID

	// verbatim are the candidates whose line ends a server may have changed,
	// by their places; dates are theirs, and dated are the rows of such a date.
	verbatim map[uint32]bool
	dates    map[int64]bool
	dated    []int

	byHeader  []uint32 // the rows, sorted by their headers' hashes
	taken     bits     // rows that were in a part
	used      bits     // candidates that were in a part
	row, cand int      // what the next part begins with
	left      int      // candidates and rows that no part had yet
}

// pooled is a candidate: how its header's hash begins, and where it is kept.
type pooled struct {
	begin [8]byte
	place uint32
}

// Part is a part of a mailbox that can be decided by itself.
type Part struct {
	// UIDs of the messages on the server.
	UIDs mailbox.UIDSet
	// Places of the candidates, in ascending order.
	Places []uint32
}

// Len is how many messages have to be held to decide the part.
func (p Part) Len() int { return max(p.UIDs.Len(), len(p.Places)) }

// NewPool makes a pool for about so many candidates.
func NewPool(candidates int) *Pool {
	const bitsEach = 16
	return &Pool{cands: make([]pooled, 0, candidates), sketch: newBits(bitsEach * max(candidates, 1)), verbatim: map[uint32]bool{}, dates: map[int64]bool{}}
}

// Add adds a candidate: a file, or a link without a UID. place is where the
// caller will find it again.
func (p *Pool) Add(place uint32, content mailbox.Content, date mailbox.Date) {
	c := pooled{place: place}
	copy(c.begin[:], content.Header[:])
	p.cands = append(p.cands, c)
	p.sketch.set(p.bitOf(content.Size))
	if date.Known {
		p.sketch.set(p.bitOf(^date.Unix))
	}
	if content.Verbatim && date.Known {
		p.verbatim[place], p.dates[date.Unix] = true, true
	}
}

func (p *Pool) bitOf(n int64) int {
	h := uint64(n) * 0x9e3779b97f4a7c15
	return int((h ^ h>>32) % uint64(64*len(p.sketch)))
}

// Sort ends the adding of candidates.
func (p *Pool) Sort() {
	slices.SortFunc(p.cands, func(a, b pooled) int {
		return cmp.Or(bytes.Compare(a.begin[:], b.begin[:]), cmp.Compare(a.place, b.place))
	})
	p.uids = make([]mailbox.UID, 0, len(p.cands))
	p.headers = make([]mailbox.Hash, 0, len(p.cands))
	p.named = make([]bool, 0, len(p.cands))
}

// IsPlausible reports whether a row may be one of the candidates, so that its
// header has to be known: they may have its size or its date in common.
func (p *Pool) IsPlausible(row *mailbox.RemoteMessage) bool {
	return !row.HasSize || p.sketch.has(p.bitOf(row.Size)) || row.Date.Known && p.sketch.has(p.bitOf(^row.Date.Unix))
}

// AddRow adds a row whose header is known. Rows come in ascending order of UID.
// Those that cannot be a candidate are none of the pool's.
func (p *Pool) AddRow(row *mailbox.RemoteMessage) {
	if row.Date.Known && p.dates[row.Date.Unix] {
		p.dated = append(p.dated, len(p.uids))
	} else if _, found := p.firstOf([8]byte(row.Header[:8])); !found {
		return
	}
	p.uids = append(p.uids, row.UID)
	p.headers = append(p.headers, row.Header)
	p.named = append(p.named, row.HasMessageID)
}

// UIDs are those of the rows that were added and kept.
func (p *Pool) UIDs() mailbox.UIDSet { return mailbox.UIDs(p.uids...) }

// Tell writes into a row what AddRow was told of its header.
func (p *Pool) Tell(row *mailbox.RemoteMessage) {
	if i, found := slices.BinarySearch(p.uids, row.UID); found {
		row.Header, row.HasMessageID = p.headers[i], p.named[i]
	}
}

// IsDone reports whether the parts that Next returned are all there are.
func (p *Pool) IsDone() bool { return p.byHeader != nil && p.left == 0 }

// Next returns the next part, of limit messages if groups are small. It is
// empty when there is none left.
func (p *Pool) Next(limit int) Part {
	if p.byHeader == nil {
		p.arrange()
	}
	var part Part
	var uids []mailbox.UID
	if p.row == 0 && p.cand == 0 {
		uids = p.takeDoubtful(&part)
	}
	hasRoom := func() bool { return len(uids) < limit && len(part.Places) < limit }
	for ; p.row < len(p.uids) && hasRoom(); p.row++ {
		if !p.taken.has(p.row) {
			uids = p.takeGroup([8]byte(p.headers[p.row][:8]), uids, &part)
		}
	}
	for ; p.row == len(p.uids) && p.cand < len(p.cands) && hasRoom(); p.cand++ {
		p.takeCandidate(p.cand, &part)
	}
	part.UIDs = mailbox.UIDs(uids...)
	slices.Sort(part.Places)
	return part
}

// takeDoubtful puts the groups into the part that headers do not keep apart.
func (p *Pool) takeDoubtful(part *Part) (uids []mailbox.UID) {
	if len(p.verbatim) == 0 {
		return nil
	}
	for i := range p.cands {
		if p.verbatim[p.cands[i].place] && !p.used.has(i) {
			uids = p.takeGroup(p.cands[i].begin, uids, part)
		}
	}
	for _, row := range p.dated {
		if !p.taken.has(row) {
			uids = p.takeGroup([8]byte(p.headers[row][:8]), uids, part)
		}
	}
	return uids
}

// arrange prepares the search for groups.
func (p *Pool) arrange() {
	p.sketch = nil
	p.byHeader = make([]uint32, len(p.uids))
	for i := range p.byHeader {
		p.byHeader[i] = uint32(i)
	}
	slices.SortFunc(p.byHeader, func(a, b uint32) int {
		return cmp.Or(bytes.Compare(p.headers[a][:], p.headers[b][:]), cmp.Compare(a, b))
	})
	p.taken, p.used = newBits(len(p.uids)), newBits(len(p.cands))
	p.left = len(p.uids) + len(p.cands)
}

// takeGroup puts all rows and candidates into the part whose headers' hashes
// begin like this.
func (p *Pool) takeGroup(begin [8]byte, uids []mailbox.UID, part *Part) []mailbox.UID {
	first, _ := p.firstOf(begin)
	for i := first; i < len(p.cands) && p.cands[i].begin == begin; i++ {
		p.takeCandidate(i, part)
	}
	at, _ := slices.BinarySearchFunc(p.byHeader, begin, func(row uint32, begin [8]byte) int {
		return bytes.Compare(p.headers[row][:len(begin)], begin[:])
	})
	for ; at < len(p.byHeader) && bytes.HasPrefix(p.headers[p.byHeader[at]][:], begin[:]); at++ {
		row := int(p.byHeader[at])
		p.taken.set(row)
		p.left--
		uids = append(uids, p.uids[row])
	}
	return uids
}

func (p *Pool) takeCandidate(i int, part *Part) {
	if p.used.has(i) {
		return
	}
	p.used.set(i)
	p.left--
	part.Places = append(part.Places, p.cands[i].place)
}

// firstOf returns where the first candidate is whose header's hash begins like
// this, if there is any.
func (p *Pool) firstOf(begin [8]byte) (int, bool) {
	return slices.BinarySearchFunc(p.cands, begin, func(c pooled, begin [8]byte) int { return bytes.Compare(c.begin[:], begin[:]) })
}
