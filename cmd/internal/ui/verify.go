package ui

import (
	"fmt"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"mailferry/syncer/mailbox"
	"mailferry/syncer/verify"
)

// Verification is what is told at the end of a comparison.
type Verification struct {
	Account string
	// Compared names what was compared with what, in words.
	Compared []string
	Reports  []*verify.Report
	// Quick and Sample say how much was read: nothing, or a share.
	Quick    bool
	Sample   float64
	Traffic  mailbox.Traffic
	Duration time.Duration
	ExitCode int
	Err      string
}

// Losses counts the differences of all comparisons.
func (v Verification) Losses() int {
	n := 0
	for _, r := range v.Reports {
		n += r.Losses()
	}
	return n
}

// Verdict is one sentence.
func (v Verification) Verdict() string {
	if v.Err != "" {
		return "not finished: " + v.Err
	}
	if len(v.Reports) == 0 {
		return "nothing was compared"
	}
	how := "every message was read"
	switch {
	case v.Sample > 0:
		how = fmt.Sprintf("a sample of %s was read", humanize.FtoaWithDigits(100*v.Sample, 2)+" %")
	case v.Quick:
		how = "compared by UID, size, flags and date; no message was read"
	}
	pairs, boxes := 0, 0
	for _, r := range v.Reports {
		pairs, boxes = max(pairs, r.Pairs), max(boxes, len(r.Mailboxes))
	}
	if n := v.Losses(); n > 0 {
		return fmt.Sprintf("%s: %s (%s compared in %s; %s)", Plural(n, "difference", "differences"), v.kinds(),
			Plural(pairs, "message", "messages"), Plural(boxes, "mailbox", "mailboxes"), how)
	}
	text := fmt.Sprintf("nothing is missing: %s in %s, the same in %s; %s",
		Plural(pairs, "message", "messages"), Plural(boxes, "mailbox", "mailboxes"), strings.Join(v.Compared, ", "), how)
	if n := v.count(verify.Rewritten); n > 0 {
		text += fmt.Sprintf("; %s by the server (line ends or header fields), and complete", Plural(n, "was rewritten", "were rewritten"))
	}
	return text
}

// verifyKinds in the order in which they are told.
var verifyKinds = []struct {
	kind verify.Kind
	text string
}{
	{verify.MissingHere, "missing here"}, {verify.MissingThere, "missing there"}, {verify.Damaged, "damaged on disk"},
	{verify.Octets, "with other octets"}, {verify.Unreadable, "not readable"}, {verify.Folder, "in another mailbox"},
	{verify.Flags, "with other flags"}, {verify.Keywords, "with other keywords"}, {verify.Date, "with another date"},
	{verify.Mailbox, "empty mailboxes on one side only"},
}

func (v Verification) kinds() string {
	var parts []string
	for _, k := range verifyKinds {
		if n := v.count(k.kind); n > 0 {
			parts = append(parts, humanize.Comma(int64(n))+" "+k.text)
		}
	}
	return strings.Join(parts, ", ")
}

func (v Verification) count(kind verify.Kind) int {
	n := 0
	for _, r := range v.Reports {
		n += r.Count(kind)
	}
	return n
}

// Asides tells what is on one side on purpose.
func (v Verification) Asides() []string {
	var lines []string
	for i, r := range v.Reports {
		if r.KeptHere > 0 {
			lines = append(lines, fmt.Sprintf("%s only in the store, as was wished (archived, or kept after the server deleted them)",
				Plural(r.KeptHere, "message is", "messages are")))
		}
		if r.KeptThere > 0 {
			lines = append(lines, fmt.Sprintf("%s only on the server, as was wished: removed on disk, kept there",
				Plural(r.KeptThere, "message is", "messages are")))
		}
		if r.Unknown > 0 {
			lines = append(lines, fmt.Sprintf("%s in the store that no run has seen yet: nothing to compare with",
				Plural(r.Unknown, "message is", "messages are")))
		}
		if n := r.Count(verify.Rewritten); n > 0 {
			lines = append(lines, fmt.Sprintf("%s rewritten by the server, %s", Plural(n, "message was", "messages were"), v.Compared[i]))
		}
	}
	return lines
}

// DifferenceLine is a difference in one line for people.
func DifferenceLine(d verify.Difference) string {
	name := string(d.Mailbox)
	if d.Other != "" && d.Other != d.Mailbox {
		name += " / " + string(d.Other)
	}
	parts := []string{fmt.Sprintf("%-13s %s", d.Kind, Escape(name))}
	if d.UID != 0 {
		parts = append(parts, fmt.Sprintf("uid %d", d.UID))
	}
	if d.Key != "" {
		parts = append(parts, Escape(string(d.Key)))
	}
	if d.Date.Known {
		parts = append(parts, d.Date.Time().Format(time.DateOnly))
	}
	if d.Kind != verify.Mailbox {
		parts = append(parts, humanize.IBytes(uint64(max(0, d.Size))))
	}
	if d.Subject != "" {
		parts = append(parts, `"`+truncated(Escape(d.Subject), 60)+`"`)
	}
	return strings.Join(append(parts, Escape(d.Detail)), "  ")
}

type differenceObject struct {
	Type     string       `json:"type"`
	Account  string       `json:"account"`
	Compared string       `json:"compared"`
	Kind     verify.Kind  `json:"kind"`
	Mailbox  mailbox.Name `json:"mailbox"`
	Other    mailbox.Name `json:"other_mailbox,omitempty"`
	UID      mailbox.UID  `json:"uid,omitempty"`
	Key      mailbox.Key  `json:"key,omitempty"`
	Size     int64        `json:"size"`
	Date     string       `json:"date,omitempty"`
	SHA256   string       `json:"sha256,omitempty"`
	Subject  string       `json:"subject,omitempty"`
	Detail   string       `json:"detail"`
}

// Difference writes a difference object.
func (j *JSON) Difference(compared string, d verify.Difference) {
	object := differenceObject{
		Type: "difference", Account: j.account, Compared: compared, Kind: d.Kind, Mailbox: d.Mailbox, Other: d.Other,
		UID: d.UID, Key: d.Key, Size: d.Size, Subject: d.Subject, Detail: d.Detail,
	}
	if d.Date.Known {
		object.Date = d.Date.Time().Format(time.RFC3339)
	}
	if !d.Hash.IsZero() {
		object.SHA256 = d.Hash.String()
	}
	j.write(object)
}

type verificationObject struct {
	summaryObject
	Messages    int                 `json:"messages"`
	Read        int                 `json:"read"`
	Differences int                 `json:"differences"`
	Kinds       map[verify.Kind]int `json:"kinds"`
	Quick       bool                `json:"quick"`
	Sample      float64             `json:"sample,omitempty"`
	Verdict     string              `json:"verdict"`
}

// Verification writes the summary object.
func (j *JSON) Verification(v Verification) {
	object := verificationObject{
		summaryObject: summaryObject{
			Type: "summary", SchemaVersion: SchemaVersion, Account: v.Account, Command: "verify",
			OctetsDown: v.Traffic.OctetsDown, OctetsUp: v.Traffic.OctetsUp, RoundTrips: v.Traffic.RoundTrips,
			Selected: v.Traffic.Selected, DurationMS: v.Duration.Milliseconds(), ExitCode: v.ExitCode, Error: v.Err,
		},
		Differences: v.Losses(), Kinds: map[verify.Kind]int{}, Quick: v.Quick, Sample: v.Sample, Verdict: v.Verdict(),
	}
	for _, r := range v.Reports {
		object.Mailboxes = max(object.Mailboxes, len(r.Mailboxes))
		object.Messages, object.Read = max(object.Messages, r.Pairs), max(object.Read, r.Read)
		for _, d := range r.Differences {
			object.Kinds[d.Kind]++
		}
	}
	j.write(object)
}
