package merge

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"slices"
	"strings"

	"mailferry/syncer/mailbox"
)

// Explanation says why copies were or were not taken for one message.
type Explanation struct {
	// Asked is what was asked for.
	Asked string
	// Copies in the order of sources.
	Copies []ExplainedCopy
	// Verdicts compare each copy with the first one of those before it that
	// it is the same message as, or else with the first of all.
	Verdicts []Verdict
}

// ExplainedCopy is one copy with what it is known by.
type ExplainedCopy struct {
	Example
	// Message numbers the messages from 1: copies with one number are one.
	Message int
	// Same, Core and Body are hashes: of the content without what clients
	// add; of Message-ID, Date, From and body; of the body.
	Same, Core, Body mailbox.Hash
	// Used says that it is the copy that is kept.
	Used   bool
	Undone bool
}

// Reason says why two copies are one message, or two.
type Reason string

// The reasons.
const (
	SameContent   Reason = "same-content"
	SameCore      Reason = "same-core"
	ThroughOthers Reason = "through-others" // each is the same as a third copy
	BodyDiffers   Reason = "body-differs"
	DateDiffers   Reason = "date-differs"
	FromDiffers   Reason = "from-differs"
	NoMessageID   Reason = "no-message-id"
	OtherID       Reason = "other-message-id"
	HeaderOnly    Reason = "header-only"
)

// Verdict compares two copies, by their index.
type Verdict struct {
	A, B   int
	One    bool
	Reason Reason
	// Fields are the header fields that differ.
	Fields []string
}

// Explain finds all copies of a message by its Message-ID, with or without
// angle brackets, or by a file's path, or part of its subject, and compares
// them.
func (u *Union) Explain(ctx context.Context, asked string) (Explanation, error) {
	e := Explanation{Asked: asked}
	copies, err := u.findCopies(asked)
	if err != nil {
		return e, err
	}
	records := make([]Record, len(copies))
	units := make([]Unit, len(copies))
	numbers := map[int32]int{}
	for i, at := range copies {
		c := &u.copies[at]
		if units[i], records[i], err = u.record(c); err != nil {
			return e, err
		}
		if numbers[c.group] == 0 {
			numbers[c.group] = len(numbers) + 1
		}
		r := records[i]
		e.Copies = append(e.Copies, ExplainedCopy{
			Example: u.example(c, units[i], r), Message: numbers[c.group], Same: r.Same, Core: r.Core, Body: r.Body,
			Used: u.best(u.groupOf(at)) == c, Undone: r.Undone,
		})
	}
	for i := 1; i < len(copies); i++ {
		with := slices.IndexFunc(copies[:i], func(at int32) bool { return u.copies[at].group == u.copies[copies[i]].group })
		v := compareRecords(records[max(with, 0)], records[i], with >= 0)
		v.A, v.B = max(with, 0), i
		v.Fields = u.differingFields(ctx, copies[v.A], copies[v.B], units[v.A], units[v.B], records[v.A], records[v.B])
		e.Verdicts = append(e.Verdicts, v)
	}
	return e, nil
}

func (u *Union) groupOf(at int32) []int32 {
	for i := range u.Len() {
		if group := u.group(i); u.copies[group[0]].group == u.copies[at].group {
			return group
		}
	}
	return []int32{at}
}

// findCopies finds the copies that are asked for and all others of the same
// Message-IDs and messages.
func (u *Union) findCopies(asked string) ([]int32, error) {
	ids := map[uint64]bool{}
	groups := map[int32]bool{}
	id := strings.Trim(strings.TrimSpace(asked), "<>")
	for i := range u.copies {
		c := &u.copies[i]
		unit, r, err := u.record(c)
		if err != nil {
			return nil, err
		}
		at := placeOf(unit, r)
		switch {
		case r.MessageID != "" && strings.Trim(r.MessageID, "<>") == id,
			at == asked, unit.Key != "" && strings.HasSuffix(asked, "/"+unit.Key), unit.Format != FormatMbox && unit.File != "" && strings.HasSuffix(asked, unit.File),
			len(asked) >= 4 && strings.Contains(strings.ToLower(r.Subject), strings.ToLower(asked)):
			groups[c.group] = true
			if c.id != 0 {
				ids[c.id] = true
			}
		}
	}
	var found []int32
	for i := range u.copies {
		if c := &u.copies[i]; groups[c.group] || c.id != 0 && ids[c.id] {
			found = append(found, int32(i))
		}
	}
	return found, nil
}

// compareRecords says why two records are one message, as one says, or not.
func compareRecords(a, b Record, one bool) Verdict {
	v := Verdict{One: one}
	switch {
	case a.Partial || b.Partial:
		v.Reason = HeaderOnly
	case a.Same == b.Same:
		v.Reason = SameContent
	case !a.Core.IsZero() && a.Core == b.Core:
		v.Reason = SameCore
	case one:
		v.Reason = ThroughOthers
	case a.MessageID == "" || b.MessageID == "":
		v.Reason = NoMessageID
	case a.MessageID != b.MessageID:
		v.Reason = OtherID
	case a.Body != b.Body:
		v.Reason = BodyDiffers
	case a.From != b.From:
		v.Reason = FromDiffers
	default:
		v.Reason = DateDiffers
	}
	return v
}

// differingFields names the header fields of which two copies do not have the
// same. Copies that cannot be read any more differ in none.
func (u *Union) differingFields(ctx context.Context, a, b int32, ua, ub Unit, ra, rb Record) []string {
	x, err := u.fields(ctx, a, ua, ra)
	if err != nil {
		return nil
	}
	y, err := u.fields(ctx, b, ub, rb)
	if err != nil {
		return nil
	}
	var names []string
	for name, values := range x {
		if !slices.Equal(values, y[name]) {
			names = append(names, name)
		}
	}
	for name := range y {
		if _, both := x[name]; !both {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// fields reads a copy's header.
func (u *Union) fields(ctx context.Context, at int32, unit Unit, r Record) (map[string][]string, error) {
	body, err := u.sources[u.copies[at].source].Source.Open(ctx, unit, r)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	var head []byte
	in := bufio.NewReader(io.LimitReader(body, maxHeader))
	for {
		line, err := in.ReadBytes('\n')
		if len(trimEnd(line)) == 0 {
			break
		}
		head = append(head, line...)
		if err != nil {
			break
		}
	}
	fields := map[string][]string{}
	for len(head) > 0 {
		field := cutField(head)
		head = head[len(field):]
		name, value, _ := bytes.Cut(field, []byte{':'})
		key := strings.ToLower(strings.TrimSpace(string(name)))
		fields[key] = append(fields[key], unfolded(value, 10000))
	}
	return fields, nil
}
