package ui

import (
	"io"
	"time"

	"mailferry/syncer/mailbox"
	"mailferry/syncer/merge"
)

type mergeObject struct {
	Type          string                `json:"type"`
	SchemaVersion int                   `json:"schema_version"`
	Into          string                `json:"into"`
	Messages      int                   `json:"messages"`
	Copies        int                   `json:"copies"`
	Upload        int                   `json:"upload"`
	Octets        int64                 `json:"octets"`
	Sources       []mergeSourceObject   `json:"sources"`
	Overlaps      []mergeOverlapObject  `json:"overlaps"`
	Mailboxes     []mergeMailboxObject  `json:"mailboxes"`
	Dates         map[string]int        `json:"dates"`
	Variants      int                   `json:"variants"`
	FlagsDiffer   int                   `json:"flags_differ"`
	Oddities      []mergeOddityObject   `json:"oddities"`
	NamesakeCount int                   `json:"same_message_id_count"`
	Namesakes     []mergeNamesakeObject `json:"same_message_id"`
}

type mergeSourceObject struct {
	Name       string              `json:"name"`
	Kind       merge.Kind          `json:"kind"`
	IsTarget   bool                `json:"is_target"`
	Copies     int                 `json:"copies"`
	Messages   int                 `json:"messages"`
	Unique     int                 `json:"unique"`
	Shared     int                 `json:"shared"`
	Missing    int                 `json:"missing_in_target"`
	Unreadable int                 `json:"unreadable"`
	Damaged    int                 `json:"damaged"`
	Expunged   int                 `json:"expunged"`
	Read       int                 `json:"units_read"`
	Kept       int                 `json:"units_unchanged"`
	Damages    []mergeDamageObject `json:"damages"`
	Notes      []string            `json:"notes"`
	Mailboxes  []mergeBoxObject    `json:"mailboxes"`
}

type mergeDamageObject struct {
	File       string `json:"file"`
	Offset     int64  `json:"offset"`
	Length     int64  `json:"length,omitempty"`
	What       string `json:"what"`
	Unreadable bool   `json:"unreadable"`
}

type mergeBoxObject struct {
	From   mailbox.Name `json:"from"`
	To     mailbox.Name `json:"to"`
	Copies int          `json:"copies"`
}

type mergeOverlapObject struct {
	Sources  []int `json:"sources"`
	Messages int   `json:"messages"`
}

type mergeMailboxObject struct {
	Mailbox mailbox.Name `json:"mailbox"`
	Upload  int          `json:"upload"`
	Octets  int64        `json:"octets"`
}

type mergeOddityObject struct {
	Kind     merge.OddKind        `json:"kind"`
	Messages int                  `json:"messages"`
	Examples []mergeExampleObject `json:"examples"`
}

type mergeNamesakeObject struct {
	MessageID string               `json:"message_id"`
	Messages  []mergeExampleObject `json:"messages"`
}

type mergeExampleObject struct {
	Source    string       `json:"source"`
	Place     string       `json:"place"`
	Mailbox   mailbox.Name `json:"mailbox"`
	MessageID string       `json:"message_id,omitempty"`
	From      string       `json:"from,omitempty"`
	Subject   string       `json:"subject,omitempty"`
	Date      string       `json:"date,omitempty"`
	Size      int64        `json:"size"`
}

// MergeJSON writes a merge's report as one object of type "merge".
func MergeJSON(w io.Writer, r *merge.Report, into string) {
	o := mergeObject{
		Type: "merge", SchemaVersion: SchemaVersion, Into: into, Messages: r.Messages, Copies: r.Copies, Upload: r.Upload, Octets: r.Octets,
		Sources: []mergeSourceObject{}, Overlaps: []mergeOverlapObject{}, Mailboxes: []mergeMailboxObject{}, Dates: map[string]int{},
		Variants: r.Variants, FlagsDiffer: r.FlagsDiffer, Oddities: []mergeOddityObject{}, NamesakeCount: r.NamesakeCount,
		Namesakes: []mergeNamesakeObject{},
	}
	for i, s := range r.Sources {
		o.Sources = append(o.Sources, sourceObject(s, i == r.Target))
	}
	for _, v := range r.Overlaps {
		o.Overlaps = append(o.Overlaps, mergeOverlapObject(v))
	}
	for _, m := range r.Mailboxes {
		o.Mailboxes = append(o.Mailboxes, mergeMailboxObject{m.Name, m.Upload, m.Octets})
	}
	for _, d := range r.Dates {
		o.Dates[d.From.String()] = d.Messages
	}
	for _, odd := range r.Oddities {
		o.Oddities = append(o.Oddities, mergeOddityObject{odd.Kind, odd.Messages, exampleObjects(odd.Examples)})
	}
	for _, n := range r.Namesakes {
		o.Namesakes = append(o.Namesakes, mergeNamesakeObject{n.MessageID, exampleObjects(n.Messages)})
	}
	WriteJSON(w, o)
}

func sourceObject(s merge.SourceReport, isTarget bool) mergeSourceObject {
	o := mergeSourceObject{
		Name: s.Name, Kind: s.Kind, IsTarget: isTarget, Copies: s.Copies, Messages: s.Messages, Unique: s.Unique, Shared: s.Shared,
		Missing: s.Missing, Unreadable: s.Unreadable, Damaged: s.Damaged, Expunged: s.Expunged, Read: s.UnitsRead, Kept: s.UnitsKept,
		Damages: []mergeDamageObject{}, Notes: []string{}, Mailboxes: []mergeBoxObject{},
	}
	for _, d := range s.Damages {
		o.Damages = append(o.Damages, mergeDamageObject{d.Unit, d.Offset, d.Length, d.What, d.Lost})
	}
	for _, n := range s.Notes {
		o.Notes = append(o.Notes, n.Text)
	}
	for _, m := range s.Mailboxes {
		o.Mailboxes = append(o.Mailboxes, mergeBoxObject(m))
	}
	return o
}

func exampleObjects(list []merge.Example) []mergeExampleObject {
	objects := []mergeExampleObject{}
	for _, e := range list {
		o := mergeExampleObject{
			Source: e.Source, Place: e.Place, Mailbox: e.Mailbox, MessageID: e.MessageID, From: e.From, Subject: e.Subject, Size: e.Size,
		}
		if e.Date.Known {
			o.Date = e.Date.Time().Format(time.RFC3339)
		}
		objects = append(objects, o)
	}
	return objects
}

type explainedObject struct {
	Type          string                `json:"type"`
	SchemaVersion int                   `json:"schema_version"`
	Asked         string                `json:"asked"`
	Copies        []explainedCopyObject `json:"copies"`
	Verdicts      []verdictObject       `json:"verdicts"`
}

type explainedCopyObject struct {
	mergeExampleObject
	Message int    `json:"message"`
	Used    bool   `json:"used"`
	Content string `json:"content"`
	Core    string `json:"core"`
	Body    string `json:"body"`
}

type verdictObject struct {
	A      int          `json:"a"`
	B      int          `json:"b"`
	One    bool         `json:"one"`
	Reason merge.Reason `json:"reason"`
	Fields []string     `json:"fields"`
}

// MergeExplanationJSON writes an explanation as one object of type
// "explanation".
func MergeExplanationJSON(w io.Writer, e merge.Explanation) {
	o := explainedObject{Type: "explanation", SchemaVersion: SchemaVersion, Asked: e.Asked, Copies: []explainedCopyObject{}, Verdicts: []verdictObject{}}
	for _, c := range e.Copies {
		o.Copies = append(o.Copies, explainedCopyObject{
			mergeExampleObject: exampleObjects([]merge.Example{c.Example})[0], Message: c.Message, Used: c.Used,
			Content: c.Same.String(), Core: c.Core.String(), Body: c.Body.String(),
		})
	}
	for _, v := range e.Verdicts {
		o.Verdicts = append(o.Verdicts, verdictObject{v.A, v.B, v.One, v.Reason, append([]string{}, v.Fields...)})
	}
	WriteJSON(w, o)
}
