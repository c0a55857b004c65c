package merge_test

import (
	"bytes"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"mailferry/syncer/mailbox"
	"mailferry/syncer/merge"
)

// damagedInbox is an Inbox as Thunderbird writes it, with 30 places as crashes,
// full disks and virus scanners leave them, and the offsets of these places.
// Every message but those that are damaged themselves must come out unharmed.
func damagedInbox() (file []byte, whole []string, at []int64) {
	var b bytes.Buffer
	n := 0
	message := func() string {
		n++
		text := fmt.Sprintf("From: s@example.org\nSubject: message %d\nMessage-ID: <%d@example.org>\nDate: Mon, 1 Jan 2018 09:59:00 +0100\n\nFirst line\n\nlast line of %d\n", n, n, n)
		whole = append(whole, strings.ReplaceAll(text, "\n", "\r\n"))
		return mozilla(copied{seen: n%2 == 0}) + text
	}
	good := func() { fmt.Fprintf(&b, "From - Sat Mar  4 12:00:00 2017\n%s\n", message()) }
	place := func(offset int) { at = append(at, int64(b.Len()+offset)) }
	const from = "From - Sat Mar  4 12:00:00 2017\n"

	place(0)
	b.WriteString("\x89PNG of no use to anybody\nand more of it\n\n")
	for i := range 5 {
		good()
		// A hole behind a message; the next From_ line follows on its line.
		place(0)
		b.Write(make([]byte, 4096+i))
		good()
		// No empty line between two messages.
		b.Truncate(b.Len() - 1)
		place(0)
		good()
		// A status that is no number.
		bad := strings.Replace(message(), "X-Mozilla-Status: 000", "X-Mozilla-Status: zz0", 1)
		place(len(from))
		b.WriteString(from + bad + "\n")
		good()
		// Two From_ lines in a row: a message of nothing.
		place(len(from))
		b.WriteString(from + "\n")
		good()
		// A header that was written over; the text is kept.
		place(len(from))
		smashed := fmt.Sprintf("\x01\x02\x03 no header %d\nrest of the message\n", i)
		b.WriteString(from + smashed + "\n")
		// Without a header nobody can say whose the empty line behind it is.
		whole = append(whole, strings.ReplaceAll(smashed+"\n", "\n", "\r\n"))
		good()
	}
	// A hole within a line of the last but one, then an end within a header.
	for range 3 {
		text := message()
		cut := strings.Index(text, "last line")
		place(len(from) + cut)
		b.WriteString(from + text[:cut])
		b.Write(make([]byte, 100))
		b.WriteString(text[cut:] + "\n")
	}
	good()
	place(len(from))
	b.WriteString(from + "X-Mozilla-Status: 0001\nSubject: cut sh")
	whole = append(whole, "Subject: cut sh")
	return b.Bytes(), whole, at
}

func TestDamagedMailboxGivesUpItsMessagesAndNamesThePlaces(t *testing.T) {
	file, whole, places := damagedInbox()
	if len(places) != 30 {
		t.Fatalf("%d places, want 30", len(places))
	}
	dir := t.TempDir()
	at := filepath.Join(dir, "profile", "Mail", "Local Folders", "Inbox")
	put(t, at, string(file))
	put(t, at+".msf", "")
	put(t, filepath.Join(dir, "profile", "prefs.js"), "")
	u := unionOf(t, filepath.Join(dir, "index"), open(t, filepath.Join(dir, "profile")))
	defer u.Close()
	var got []string
	for _, m := range deliver(t, u) {
		got = append(got, m.text)
	}
	slices.Sort(got)
	slices.Sort(whole)
	if !slices.Equal(got, whole) {
		for _, text := range whole {
			if !slices.Contains(got, text) {
				t.Errorf("lost %q", text)
			}
		}
		for _, text := range got {
			if !slices.Contains(whole, text) {
				t.Errorf("extra %q", text)
			}
		}
	}
	source := reportOf(t, u).Sources[0]
	var told []int64
	for _, d := range source.Damages {
		told = append(told, d.Offset)
		if d.Unit != "Mail/Local Folders/Inbox" || d.What == "" {
			t.Errorf("%+v", d)
		}
	}
	slices.Sort(told)
	if !slices.Equal(told, places) {
		t.Errorf("damage at %v\nwant      %v\n%+v", told, places, source.Damages)
	}
	if source.Damaged != 30 || source.Unreadable != 1+5+3 {
		t.Errorf("%d damaged, %d unreadable", source.Damaged, source.Unreadable)
	}
}

func TestExpungedMessagesAreLeftOutUnlessAskedFor(t *testing.T) {
	dir := t.TempDir()
	text := func(i int) string {
		return fmt.Sprintf("From: a\nSubject: %d\nMessage-ID: <%d@x>\n\nbody\n", i, i)
	}
	writeThunderbird(t, filepath.Join(dir, "p"), []copied{
		{text: text(1), seen: true, key: "$label1 NonJunk"}, {text: text(2), expunge: true}, {text: text(3)},
	})
	u := unionOf(t, filepath.Join(dir, "index"), open(t, filepath.Join(dir, "p")))
	defer u.Close()
	if r := reportOf(t, u); r.Messages != 2 || r.Sources[0].Expunged != 1 {
		t.Errorf("%d messages, %d expunged", r.Messages, r.Sources[0].Expunged)
	}
	for _, m := range deliver(t, u) {
		if strings.Contains(m.text, "Subject: 1") && !m.Flags.Equal(mailbox.NewFlags(`\Seen`, "$label1", "NonJunk")) {
			t.Errorf("flags %s", m.Flags)
		}
	}
	all := merge.NewUnion(testNow)
	all.IncludeDeleted = true
	scanned, err := merge.Scan(t.Context(), open(t, filepath.Join(dir, "p")), filepath.Join(dir, "index"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := all.Add(scanned, false); err != nil {
		t.Fatal(err)
	}
	defer all.Close()
	if all.Join(); all.Len() != 3 {
		t.Errorf("%d messages with the deleted ones", all.Len())
	}
}
