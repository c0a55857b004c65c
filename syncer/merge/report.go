package merge

import (
	"cmp"
	"fmt"
	"math/bits"
	"slices"

	"mailferry/syncer/mailbox"
)

// Report says who has what, and what would be done. It is complete before
// anything is done.
type Report struct {
	Sources []SourceReport
	// Target is an index into Sources, -1 for a target without messages.
	Target int
	// Messages counts distinct messages, Copies all of them.
	Messages, Copies int
	// Upload counts what the target lacks, Octets their size.
	Upload int
	Octets int64
	// Mailboxes are the target's that get something, sorted by name.
	Mailboxes []MailboxReport
	// Overlaps are the sets of sources that share messages, the largest first.
	Overlaps []Overlap
	// Dates counts, of what would be uploaded, where INTERNALDATE comes from.
	Dates []DateCount
	// Variants counts messages of which copies differ in transport headers.
	Variants int
	// FlagsDiffer counts messages whose copies had different flags.
	FlagsDiffer int
	Oddities    []Oddity
	// Namesakes are Message-IDs that more than one message has.
	Namesakes     []Namesake
	NamesakeCount int
}

// SourceReport is about one source.
type SourceReport struct {
	Kind Kind
	Name string
	// Copies counts its messages, Messages the distinct ones. Of these Unique
	// are nowhere else, Shared are elsewhere, too, and Missing are not on the
	// target.
	Copies, Messages, Unique, Shared, Missing int
	// Unreadable counts places that had to be left out, Damaged all places
	// that are not as they should be, of which Damages are the first.
	Unreadable, Damaged int
	Damages             []Place
	// Expunged messages were left out unless they were asked for.
	Expunged int
	// UnitsRead were read in this run, UnitsKept known from an earlier one.
	UnitsRead, UnitsKept int
	Notes                []Note
	Mailboxes            []SourceMailbox
}

// SourceMailbox says where a source's mailbox goes.
type SourceMailbox struct {
	From, To mailbox.Name
	Copies   int
}

// MailboxReport is about one mailbox of the target.
type MailboxReport struct {
	Name   mailbox.Name
	Upload int
	Octets int64
}

// Overlap counts messages that exactly these sources have.
type Overlap struct {
	Sources  []int
	Messages int
}

// DateCount says how many messages take their date from where.
type DateCount struct {
	From     DateFrom
	Messages int
}

// OddKind says what is odd about a message.
type OddKind string

// What can be odd.
const (
	Undated     OddKind = "undated"      // no Date that can be read
	Senderless  OddKind = "no-sender"    // no From
	FutureDated OddKind = "future"       // dated after today
	Nameless    OddKind = "no-messageid" // compared whole
)

// Oddity counts odd messages and names the first of them.
type Oddity struct {
	Kind     OddKind
	Messages int
	Examples []Example
}

// Example is a message for people.
type Example struct {
	Source, Place string
	Mailbox       mailbox.Name
	Subject, From string
	MessageID     string
	Date          mailbox.Date
	Size          int64
}

// Namesake is one Message-ID that different messages have.
type Namesake struct {
	MessageID string
	Messages  []Example
}

// maxExamples is how many odd messages are named, of each kind.
const maxExamples = 20

// Report looks at the union. Join was called.
func (u *Union) Report(mapping *Mapping) (Report, error) {
	b := &reportBuilder{union: u, mapping: mapping, byName: map[mailbox.Name]*MailboxReport{}, byMask: map[uint64]int{}}
	b.report = Report{Target: u.target, Copies: len(u.copies), Messages: u.Len()}
	b.sources()
	for i := range u.Len() {
		if err := b.message(i); err != nil {
			return Report{}, err
		}
	}
	b.summarise()
	err := b.namesakes()
	return b.report, err
}

type reportBuilder struct {
	union   *Union
	mapping *Mapping
	report  Report
	byName  map[mailbox.Name]*MailboxReport
	byMask  map[uint64]int
	dates   [FromNowhere + 1]int
	odd     map[OddKind]*Oddity
}

func (b *reportBuilder) sources() {
	for _, s := range b.union.sources {
		b.report.Sources = append(b.report.Sources, SourceReport{
			Kind: s.Source.Kind(), Name: s.Source.Name(), Unreadable: s.Lost, Damaged: s.Damaged, Damages: s.Damages,
			Expunged: s.Expunged, UnitsRead: s.Read, UnitsKept: s.Kept, Notes: s.Notes,
		})
	}
	type key struct {
		source uint8
		box    int32
	}
	counts := map[key]int{}
	for i := range b.union.copies {
		c := &b.union.copies[i]
		b.report.Sources[c.source].Copies++
		counts[key{c.source, c.box}]++
	}
	for k, n := range counts {
		from := b.union.boxes[k.box]
		to := from
		if int(k.source) != b.union.target {
			to = b.mapping.To(from)
		}
		s := &b.report.Sources[k.source]
		s.Mailboxes = append(s.Mailboxes, SourceMailbox{from, to, n})
	}
	for i := range b.report.Sources {
		slices.SortFunc(b.report.Sources[i].Mailboxes, func(a, b SourceMailbox) int { return cmp.Compare(a.From, b.From) })
	}
}

// message takes one message in.
func (b *reportBuilder) message(i int) error {
	u := b.union
	group := u.group(i)
	mask := uint64(0)
	variants, flagsDiffer := false, false
	first := &u.copies[group[0]]
	for _, at := range group {
		c := &u.copies[at]
		mask |= 1 << c.source
		variants = variants || c.same != first.same
		flagsDiffer = flagsDiffer || c.flags != first.flags
	}
	b.byMask[mask]++
	b.report.Variants += count(variants)
	b.report.FlagsDiffer += count(flagsDiffer)
	onTarget := u.target >= 0 && mask&(1<<u.target) != 0
	for source := range b.report.Sources {
		if mask&(1<<source) == 0 {
			continue
		}
		s := &b.report.Sources[source]
		s.Messages++
		if bits.OnesCount64(mask) == 1 {
			s.Unique++
		} else {
			s.Shared++
		}
		s.Missing += count(!onTarget)
	}
	_, missing := u.places(group, b.mapping)
	if len(missing) > 0 {
		size := u.best(group).size
		_, from := u.date(group)
		for _, name := range missing {
			row := b.byName[name]
			if row == nil {
				row = &MailboxReport{Name: name}
				b.byName[name] = row
			}
			row.Upload++
			row.Octets += size
			b.report.Upload++
			b.report.Octets += size
			b.dates[from]++
		}
	}
	if u.target >= 0 && mask == 1<<u.target {
		return nil // what only the target has is nobody's trouble
	}
	return b.oddities(group)
}

func count(b bool) int {
	if b {
		return 1
	}
	return 0
}

// oddities looks at the message itself, which the index has.
func (b *reportBuilder) oddities(group []int32) error {
	if b.odd == nil {
		b.odd = map[OddKind]*Oddity{}
	}
	best := b.union.best(group)
	unit, r, err := b.union.record(best)
	if err != nil {
		return err
	}
	for kind, is := range map[OddKind]bool{
		Undated:     !r.Date.Known,
		Senderless:  r.From == "",
		FutureDated: r.Date.Known && r.Date.Unix > b.union.now.Unix()+24*3600,
		Nameless:    r.MessageID == "",
	} {
		if !is {
			continue
		}
		o := b.odd[kind]
		if o == nil {
			o = &Oddity{Kind: kind}
			b.odd[kind] = o
		}
		o.Messages++
		if len(o.Examples) < maxExamples {
			o.Examples = append(o.Examples, b.union.example(best, unit, r))
		}
	}
	return nil
}

func (u *Union) example(c *copyOf, unit Unit, r Record) Example {
	return Example{
		Source: u.sources[c.source].Source.Name(), Place: placeOf(unit, r), Mailbox: unit.Mailbox, Subject: r.Subject,
		From: r.From, MessageID: r.MessageID, Date: r.Date, Size: r.Content.Size,
	}
}

// placeOf says where in its source a message is.
func placeOf(unit Unit, r Record) string {
	switch unit.Format {
	case FormatRemote:
		return fmt.Sprintf("%s uid %d", unit.Mailbox, uidOf(unit))
	case FormatMbox:
		return fmt.Sprintf("%s at offset %d", unit.Key, r.Offset)
	}
	return unit.Key
}

func (b *reportBuilder) summarise() {
	r := &b.report
	for mask, n := range b.byMask {
		o := Overlap{Messages: n}
		for source := range r.Sources {
			if mask&(1<<source) != 0 {
				o.Sources = append(o.Sources, source)
			}
		}
		r.Overlaps = append(r.Overlaps, o)
	}
	slices.SortFunc(r.Overlaps, func(a, b Overlap) int {
		if c := cmp.Compare(b.Messages, a.Messages); c != 0 {
			return c
		}
		return slices.Compare(a.Sources, b.Sources)
	})
	for _, row := range b.byName {
		r.Mailboxes = append(r.Mailboxes, *row)
	}
	slices.SortFunc(r.Mailboxes, func(a, b MailboxReport) int { return cmp.Compare(a.Name, b.Name) })
	for from, n := range b.dates {
		if n > 0 {
			r.Dates = append(r.Dates, DateCount{DateFrom(from), n})
		}
	}
	for _, kind := range []OddKind{Undated, Senderless, FutureDated, Nameless} {
		if o := b.odd[kind]; o != nil {
			r.Oddities = append(r.Oddities, *o)
		}
	}
}

// namesakes finds Message-IDs that several messages have: all are kept.
func (b *reportBuilder) namesakes() error {
	u := b.union
	type named struct {
		id    uint64
		group int32
	}
	var all []named
	for i := range u.Len() {
		if c := u.best(u.group(i)); c.id != 0 && !c.partial {
			all = append(all, named{c.id, int32(i)})
		}
	}
	slices.SortFunc(all, func(a, b named) int {
		if c := cmp.Compare(a.id, b.id); c != 0 {
			return c
		}
		return cmp.Compare(a.group, b.group)
	})
	for i := 0; i < len(all); {
		end := i + 1
		for end < len(all) && all[end].id == all[i].id {
			end++
		}
		if end-i > 1 {
			b.report.NamesakeCount++
			if len(b.report.Namesakes) < maxDamages {
				var n Namesake
				for _, one := range all[i:min(end, i+maxExamples)] {
					best := u.best(u.group(int(one.group)))
					unit, r, err := u.record(best)
					if err != nil {
						return err
					}
					n.MessageID = r.MessageID
					n.Messages = append(n.Messages, u.example(best, unit, r))
				}
				b.report.Namesakes = append(b.report.Namesakes, n)
			}
		}
		i = end
	}
	return nil
}

// Unsure reports whether mail may have been missed: something could not be
// read, or changed meanwhile.
func (r *Report) Unsure() bool {
	return slices.ContainsFunc(r.Sources, func(s SourceReport) bool {
		return s.Unreadable > 0 || slices.ContainsFunc(s.Notes, func(n Note) bool { return n.Unsure })
	})
}
