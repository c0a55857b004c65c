package ui

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"mailferry/syncer/mailbox"
	"mailferry/syncer/merge"
)

const hostileMail = "</td><script>document.title=\"run\"</script><img src=x onerror=\"document.title='run'\">\x1b[31m\u202eexe"

// someMerge is a report with hostile text wherever mail or file names go.
func someMerge() *merge.Report {
	example := merge.Example{Source: hostileMail, Place: hostileMail, Mailbox: hostileMail, Subject: hostileMail, From: hostileMail, MessageID: hostileMail}
	source := merge.SourceReport{
		Kind: merge.Mbox, Name: hostileMail, Copies: 7, Messages: 6, Unique: 2, Shared: 4, Damaged: 1, Unreadable: 1,
		Damages: []merge.Place{{Damage: merge.Damage{Offset: 17, What: hostileMail, Lost: true}, Unit: hostileMail}},
		Notes:   []merge.Note{{Text: hostileMail}}, Mailboxes: []merge.SourceMailbox{{From: hostileMail, To: mailbox.Inbox, Copies: 7}},
	}
	return &merge.Report{
		Sources: []merge.SourceReport{source, source, source}, Target: 2, Messages: 9, Copies: 21, Upload: 3, Octets: 1234,
		Mailboxes: []merge.MailboxReport{{Name: hostileMail, Upload: 3, Octets: 1234}},
		Overlaps:  []merge.Overlap{{Sources: []int{0, 1}, Messages: 4}, {Sources: []int{2}, Messages: 3}, {Sources: []int{0}, Messages: 2}},
		Dates:     []merge.DateCount{{From: merge.FromReceived, Messages: 3}}, Variants: 1, FlagsDiffer: 1,
		Oddities:  []merge.Oddity{{Kind: merge.Undated, Messages: 1, Examples: []merge.Example{example}}},
		Namesakes: []merge.Namesake{{MessageID: hostileMail, Messages: []merge.Example{example, example}}}, NamesakeCount: 1,
	}
}

func TestMergePageEscapesWhatMailSays(t *testing.T) {
	var page bytes.Buffer
	if err := MergePage(&page, someMerge(), hostileMail); err != nil {
		t.Fatal(err)
	}
	text := page.String()
	for _, bad := range []string{"<script", "<img", "\x1b", "\u202e"} {
		if strings.Contains(text, bad) {
			t.Errorf("the page has %q", bad)
		}
	}
	for _, good := range []string{`<svg role="img"`, "9 different messages in 3 places", "prefers-color-scheme: dark", "17</td>", ">A and B: 4</title>"} {
		if !strings.Contains(text, good) {
			t.Errorf("the page lacks %q", good)
		}
	}
	if strings.Contains(text, "http:") || strings.Contains(text, "https:") {
		t.Error("the page needs something else than itself")
	}
}

func TestMergeTextAndJSONAreHarmlessToATerminal(t *testing.T) {
	var text, lines bytes.Buffer
	MergeText(&text, someMerge(), hostileMail)
	MergeJSON(&lines, someMerge(), hostileMail)
	for _, got := range []string{text.String(), lines.String()} {
		if strings.ContainsAny(got, "\x1b\u202e") {
			t.Errorf("%q", got)
		}
	}
	var object struct {
		Type    string
		Sources []struct{ Unique, Shared, Unreadable int }
	}
	if err := json.Unmarshal(lines.Bytes(), &object); err != nil || object.Type != "merge" || len(object.Sources) != 3 || object.Sources[0].Unique != 2 {
		t.Errorf("%+v, %v", object, err)
	}
	if !strings.Contains(text.String(), "A B ·           4  ████") {
		t.Errorf("no picture of the overlaps in\n%s", text.String())
	}
}
