package merge_test

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"mailferry/syncer/mailbox"
	"mailferry/syncer/merge"
)

func hashText(text string) mailbox.Hash { return sha256.Sum256([]byte(text)) }

// drawMessage makes a message in LF form. Its number makes it unlike others.
func drawMessage(t *rapid.T, i int) string {
	var b strings.Builder
	if rapid.Bool().Draw(t, "received") {
		fmt.Fprintf(&b, "Received: from a by b;\n\tMon, %d Jan 2018 10:00:00 +0000\n", i%28+1)
	}
	if rapid.IntRange(0, 3).Draw(t, "id") > 0 {
		fmt.Fprintf(&b, "Message-ID: <%d@example.org>\n", i)
	}
	fmt.Fprintf(&b, "From: Sender %d <s@example.org>\nSubject: message %d\n", i%3, i)
	if rapid.Bool().Draw(t, "dated") {
		fmt.Fprintf(&b, "Date: Mon, %d Jan 2018 09:59:00 +0100\n", i%28+1)
	}
	b.WriteString("\n")
	lines := rapid.SliceOfN(rapid.SampledFrom([]string{
		"", "text", "From the beginning", "From x@y Thu Jan  1 00:00:00 2015", ">From quoted", ">>From twice", "> cited", ".", "Status: RO",
		"X-Mozilla-Status: 0001", "gr\xfc\xdfe", strings.Repeat("long ", 40), "trailing space ",
	}), 0, 8).Draw(t, "lines")
	for _, line := range lines {
		b.WriteString(line + "\n")
	}
	fmt.Fprintf(&b, "end %d\n", i)
	return b.String()
}

// hasQuoted: what mboxo and mboxcl cannot tell from a quoted line.
func hasQuoted(text string) bool {
	for line := range strings.Lines(text) {
		if line[0] == '>' && strings.HasPrefix(strings.TrimLeft(line, ">"), "From ") {
			return true
		}
	}
	return false
}

// lesser is the same message as a sender's or another server's copy has it:
// fewer transport fields.
func lesser(text string) string {
	if rest, found := strings.CutPrefix(text, "Received: from a by b;\n\t"); found {
		_, rest, _ = strings.Cut(rest, "\n")
		return rest
	}
	return text
}

// Whatever way a set of messages is split over sources of any kinds, with what
// their clients add and with copies sprinkled over them, merging gives exactly
// that set: to the octet, once each, seen where anybody saw it.
func TestMergingAnySplitGivesTheSet(t *testing.T) {
	kinds := slices.Sorted(maps.Keys(writers))
	rapid.Check(t, func(rt *rapid.T) {
		dir, err := os.MkdirTemp(t.TempDir(), "")
		if err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(dir)
		k := rapid.IntRange(1, 5).Draw(rt, "sources")
		kind := make([]string, k)
		contents := make([][]copied, k)
		for i := range kind {
			kind[i] = rapid.SampledFrom(kinds).Draw(rt, "kind")
		}
		n := rapid.IntRange(1, 12).Draw(rt, "messages")
		want := map[string]bool{}
		for i := range n {
			text := drawMessage(rt, i)
			wire := strings.ReplaceAll(text, "\n", "\r\n")
			unsafe := func(s int) bool {
				return hasQuoted(text) && kind[s] != "maildir" && kind[s] != "eml" && kind[s] != "emlx" && kind[s] != "mboxrd"
			}
			places := rapid.SliceOfN(rapid.IntRange(0, k-1), 1, 4).Draw(rt, "places")
			places = slices.DeleteFunc(places, unsafe)
			seen := false
			for j, s := range places {
				c := copied{text: text, seen: rapid.Bool().Draw(rt, "seen")}
				if j > 0 && strings.Contains(text, "Message-ID") && rapid.Bool().Draw(rt, "lesser") {
					c.text = lesser(text)
				}
				if rapid.Bool().Draw(rt, "again") {
					contents[s] = append(contents[s], c)
				}
				contents[s] = append(contents[s], c)
				seen = seen || c.seen
			}
			if len(places) > 0 {
				want[wire] = seen
			}
		}
		var sources []merge.Source
		for i := range k {
			if len(contents[i]) > 0 {
				at := filepath.Join(dir, fmt.Sprint(i))
				writers[kind[i]](t, at, contents[i])
				sources = append(sources, open(t, at))
			}
		}
		// The second union comes from the indexes alone.
		for range 2 {
			u := unionOf(t, filepath.Join(dir, "index"), sources...)
			got := map[string]bool{}
			for _, m := range deliver(t, u) {
				if _, twice := got[m.text]; twice {
					rt.Errorf("twice: %q", m.text)
				}
				got[m.text] = m.Flags.Has(mailbox.FlagSeen)
			}
			u.Close()
			if !maps.Equal(got, want) {
				rt.Fatalf("kinds %v\ngot  %v\nwant %v", kind, got, want)
			}
		}
	})
}
