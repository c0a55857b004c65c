package ui

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/dustin/go-humanize"

	"mailferry/syncer/mailbox"
	"mailferry/syncer/merge"
)

// maxMergeRows is how many rows of each kind a report on a terminal has.
const maxMergeRows = 20

// MergeText writes a merge's report for people. Into names the target, "" for
// none.
func MergeText(w io.Writer, r *merge.Report, into string) {
	t := mergeText{w: w, r: r, into: into}
	t.sources()
	t.overlaps()
	t.mailboxes()
	t.dates()
	t.oddities()
}

type mergeText struct {
	w    io.Writer
	r    *merge.Report
	into string
}

func (t *mergeText) line(format string, args ...any) {
	fmt.Fprintln(t.w, Escape(fmt.Sprintf(format, args...)))
}

func (t *mergeText) head(text string) {
	fmt.Fprintln(t.w)
	fmt.Fprintln(t.w, text)
}

func (t *mergeText) sources() {
	fmt.Fprintf(t.w, "%s in %d places\n", Plural(t.r.Messages, "message", "messages"), len(t.r.Sources))
	for i, s := range t.r.Sources {
		kind := string(s.Kind)
		if i == t.r.Target {
			kind = "target"
		}
		t.line("  %s  %-12s %s", mark(i), kind, s.Name)
		text := fmt.Sprintf("     %s, %s only here, %s elsewhere, too", Plural(s.Messages, "message", "messages"),
			humanize.Comma(int64(s.Unique)), humanize.Comma(int64(s.Shared)))
		if again := s.Copies - s.Messages; again > 0 {
			text += fmt.Sprintf(", %s twice", humanize.Comma(int64(again)))
		}
		if s.Expunged > 0 {
			text += fmt.Sprintf(", %s deleted and not compacted", humanize.Comma(int64(s.Expunged)))
		}
		if s.Damaged > 0 {
			text += fmt.Sprintf(", %s (%d unreadable)", Plural(s.Damaged, "damaged place", "damaged places"), s.Unreadable)
		}
		t.line("%s", text)
		for _, n := range s.Notes {
			t.line("     note: %s", n.Text)
		}
		for j, d := range s.Damages {
			if j == maxMergeRows {
				t.line("     and %d more damaged places (--json and --html name all)", s.Damaged-j)
				break
			}
			t.line("     %s offset %d: %s", d.Unit, d.Offset, d.What)
		}
	}
}

// mark is the letter that stands for a source.
func mark(i int) string {
	if i < 26 {
		return string(rune('A' + i))
	}
	return fmt.Sprint(i + 1)
}

func marks(all int, in []int) string {
	var b strings.Builder
	for i := range all {
		m := mark(i)
		if !slices.Contains(in, i) {
			m = strings.Repeat("·", len(m))
		}
		b.WriteString(m + " ")
	}
	return strings.TrimRight(b.String(), " ")
}

func (t *mergeText) overlaps() {
	if len(t.r.Sources) < 2 || len(t.r.Overlaps) == 0 {
		return
	}
	t.head("Who has what")
	const width = 30
	for i, o := range t.r.Overlaps {
		if i == maxMergeRows {
			fmt.Fprintf(t.w, "  and %d more combinations\n", len(t.r.Overlaps)-i)
			break
		}
		bar := strings.Repeat("█", max(1, o.Messages*width/max(t.r.Overlaps[0].Messages, 1)))
		fmt.Fprintf(t.w, "  %s  %10s  %s\n", marks(len(t.r.Sources), o.Sources), humanize.Comma(int64(o.Messages)), bar)
	}
}

func (t *mergeText) mailboxes() {
	var moved []merge.SourceMailbox
	for i, s := range t.r.Sources {
		for _, m := range s.Mailboxes {
			if i != t.r.Target && m.From != m.To && !slices.ContainsFunc(moved, func(o merge.SourceMailbox) bool { return o.From == m.From }) {
				moved = append(moved, m)
			}
		}
	}
	if len(moved) > 0 {
		t.head("Mailboxes under another name (--map FROM=TO changes it)")
		for _, m := range moved {
			t.line("  %s -> %s", m.From, m.To)
		}
	}
	if t.r.Upload == 0 {
		t.head("Nothing is missing" + at(t.into))
		return
	}
	t.head(fmt.Sprintf("Missing%s: %s, %s", Escape(at(t.into)), Plural(t.r.Upload, "message", "messages"), humanize.IBytes(uint64(t.r.Octets))))
	for _, m := range t.r.Mailboxes {
		t.line("  %-30s %10s  %s", m.Name, humanize.Comma(int64(m.Upload)), humanize.IBytes(uint64(m.Octets)))
	}
}

func at(into string) string {
	if into == "" {
		return ""
	}
	return " in " + into
}

// MergeDateText says where dates come from.
func MergeDateText(from merge.DateFrom) string {
	switch from {
	case merge.FromInternal:
		return "when it arrived, as a server or store remembers"
	case merge.FromFile:
		return "the file's time, which agrees with the header"
	case merge.FromReceived:
		return "the topmost Received field"
	case merge.FromHeader:
		return "the Date field"
	case merge.FromEnvelope:
		return "the From line or the file, for want of a better one"
	}
	return "none: the time of the upload"
}

func (t *mergeText) dates() {
	if len(t.r.Dates) == 0 {
		return
	}
	t.head("Date of arrival")
	for _, d := range t.r.Dates {
		t.line("  %10s  %s", humanize.Comma(int64(d.Messages)), MergeDateText(d.From))
	}
}

// MergeOddText says what is odd.
func MergeOddText(kind merge.OddKind) string {
	switch kind {
	case merge.Undated:
		return "without a date that can be read"
	case merge.Senderless:
		return "without a sender"
	case merge.FutureDated:
		return "dated in the future"
	case merge.Nameless:
		return "without a Message-ID: compared whole"
	}
	return string(kind)
}

func (t *mergeText) oddities() {
	if t.r.Variants+t.r.FlagsDiffer+t.r.NamesakeCount+len(t.r.Oddities) == 0 {
		return
	}
	t.head("Worth knowing")
	if t.r.Variants > 0 {
		t.line("  %s in copies that differ in transport fields: the most complete is taken", Plural(t.r.Variants, "message", "messages"))
	}
	if t.r.FlagsDiffer > 0 {
		t.line("  %s with other marks in one place than in another: read in one is read", Plural(t.r.FlagsDiffer, "message", "messages"))
	}
	for _, o := range t.r.Oddities {
		t.line("  %s %s", Plural(o.Messages, "message", "messages"), MergeOddText(o.Kind))
		for i, e := range o.Examples {
			if i == 3 {
				break
			}
			t.line("      %s", exampleLine(e))
		}
	}
	if t.r.NamesakeCount > 0 {
		t.line("  %s different messages: all are kept", Plural(t.r.NamesakeCount, "Message-ID that belongs to", "Message-IDs that belong to"))
		for i, n := range t.r.Namesakes {
			if i == maxMergeRows {
				break
			}
			t.line("      %s", n.MessageID)
			for _, e := range n.Messages {
				t.line("          %s", exampleLine(e))
			}
		}
	}
}

func exampleLine(e merge.Example) string {
	subject := truncated(e.Subject, 50)
	if subject == "" {
		subject = "(no subject)"
	}
	return fmt.Sprintf("%s, %s: %s", e.Source, e.Place, subject)
}

// MergeReasonText says why two copies are one message or two.
func MergeReasonText(v merge.Verdict) string {
	switch v.Reason {
	case merge.SameContent:
		return "one message: the same content, once what clients add is left out"
	case merge.SameCore:
		return "one message: Message-ID, Date, From and body are the same"
	case merge.ThroughOthers:
		return "one message: each is the same as a third copy"
	case merge.BodyDiffers:
		return "two messages: one Message-ID, but the bodies differ"
	case merge.DateDiffers:
		return "two messages: one Message-ID and body, but the dates differ"
	case merge.FromDiffers:
		return "two messages: one Message-ID and body, but the senders differ"
	case merge.NoMessageID:
		return "two messages: without a Message-ID the whole content has to be the same, and it is not"
	case merge.OtherID:
		return "two messages: the Message-IDs differ"
	}
	return "not known to be one: only the header was looked at"
}

// MergeExplanation writes why copies were or were not taken for one.
func MergeExplanation(w io.Writer, e merge.Explanation) {
	for i, c := range e.Copies {
		used := ""
		if c.Used {
			used = "  <- this copy is taken"
		}
		fmt.Fprintf(w, "%2d  message %d%s\n", i+1, c.Message, used)
		for _, row := range [][2]string{
			{"where", c.Source + ", " + c.Place}, {"mailbox", string(c.Mailbox)}, {"Message-ID", c.MessageID}, {"From", c.From},
			{"Date", dateText(c.Date)}, {"Subject", c.Subject}, {"size", humanize.Comma(c.Size) + " octets"},
			{"content", c.Same.String()}, {"core", c.Core.String()}, {"body", c.Body.String()},
		} {
			if row[1] != "" {
				fmt.Fprintf(w, "    %-11s %s\n", row[0], Escape(row[1]))
			}
		}
		if c.Undone {
			fmt.Fprintln(w, "                (what its client added is left out)")
		}
	}
	for _, v := range e.Verdicts {
		fmt.Fprintf(w, "%d and %d: %s\n", v.A+1, v.B+1, MergeReasonText(v))
		if len(v.Fields) > 0 {
			fmt.Fprintf(w, "    fields that differ: %s\n", Escape(strings.Join(v.Fields, ", ")))
		}
	}
}

func dateText(d mailbox.Date) string {
	if !d.Known {
		return ""
	}
	return d.Time().Format("2006-01-02 15:04:05 -0700")
}
