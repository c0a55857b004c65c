package former

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mailferry/syncer/mailbox"
)

// sample opens a file as one of the other programs writes it.
func sample(t testing.TB, name string) *os.File {
	t.Helper()
	file, err := os.Open(filepath.Join("..", "..", "testdata", "former", name))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { file.Close() })
	return file
}

// textOf writes records down, one a line.
func textOf(records []Record) string {
	var b strings.Builder
	for _, r := range records {
		fmt.Fprintf(&b, "%d %d %s", r.UID, r.Number, r.Flags)
		if r.Stub != Nowhere {
			fmt.Fprintf(&b, " stub%d", r.Stub)
		}
		if r.Expired {
			b.WriteString(" expired")
		}
		if r.Skipped {
			b.WriteString(" skipped")
		}
		b.WriteString("\n")
	}
	return b.String()
}

func TestMbsyncStatesOfAllVersionsAreRead(t *testing.T) {
	for _, c := range []struct {
		file      string
		far, near uint32
		expired   mailbox.UID
		records   string
	}{
		{"mbsync-1.5.state", 1795624819, 1795624820, 3, `4 4 \Seen expired
5 5 \Flagged \Seen $Forwarded
6 6  stub2
7 0 ` + `
0 7 \Deleted \Seen
8 8 \Seen stub1
9 9 \Draft
`},
		{"mbsync-1.4.state", 1795624819, 1795624819, 0, "1 1 \n2 2 \\Seen\n3 3 \n4 4 \\Seen\n5 5 \n6 6 \\Seen\n"},
		{"mbsync-1.3.state", 11, 12, 1, "2 0  skipped\n3 3 \\Answered \\Seen\n4 0  expired\n"},
		{"mbsync-1.1.state", 11, 12, 4, "1 0  expired\n3 2 \n4 0  skipped\n5 5 \\Seen\n"},
		{"mbsync-1.0.state", 11, 12, 0, "1 1 \\Seen\n3 3 \n"},
	} {
		state, err := ParseMbsyncState(sample(t, c.file))
		if err != nil {
			t.Errorf("%s: %v", c.file, err)
			continue
		}
		if state.FarUIDValidity != c.far || state.NearUIDValidity != c.near || state.ExpiredTo != c.expired {
			t.Errorf("%s: %d %d %d", c.file, state.FarUIDValidity, state.NearUIDValidity, state.ExpiredTo)
		}
		if got := textOf(state.Records); got != c.records {
			t.Errorf("%s:\n%swant\n%s", c.file, got, c.records)
		}
	}
}

func TestLocalStatusOfBothVersionsIsRead(t *testing.T) {
	for file, want := range map[string]string{
		"offlineimap-v1.status": "1 1 \n2 2 \\Flagged \\Seen\n",
		"offlineimap-v2.status": "1 1 \n2 2 \\Flagged \\Seen\n",
	} {
		records, err := ParseLocalStatus(sample(t, file))
		if err != nil || textOf(records) != want {
			t.Errorf("%s: %v\n%s", file, err, textOf(records))
		}
	}
}

func TestStatesThatAreCutOrStrangeAreRefused(t *testing.T) {
	const head = "FarUidValidity 1\nNearUidValidity 2\n\n"
	for _, text := range []string{
		"", "FarUidValidity 1\n", head + "1 1 S", head + "1\n", head + "1 1 S x\n", head + "1 x\n", head + "1 1 Q\n",
		head + "-1 1\n", head + "99999999999 1\n", "FarUidValidity 1\nUnheard 2\n\n", "FarUidValidity x\n\n", "1:2\n", "5\n",
	} {
		if state, err := ParseMbsyncState(strings.NewReader(text)); !errors.Is(err, ErrFormat) {
			t.Errorf("%q: %+v, %v", text, state, err)
		}
	}
	const magic = "OFFLINEIMAP LocalStatus CACHE DATA - DO NOT MODIFY - FORMAT 2\n"
	for _, text := range []string{"", "x\n", magic + "1", magic + "x||0|\n", magic + "1\n", "OFFLINEIMAP LocalStatus CACHE DATA - DO NOT MODIFY - FORMAT 3\n"} {
		if records, err := ParseLocalStatus(strings.NewReader(text)); !errors.Is(err, ErrFormat) {
			t.Errorf("%q: %+v, %v", text, records, err)
		}
	}
}

func TestNumbersInFileNames(t *testing.T) {
	ours := offlineimapNumber("INBOX")
	const fmd5 = ",FMD5=7e33429f656f1e6e9d79b29c3f82c57e"
	for _, c := range []struct {
		key  mailbox.Key
		read Numbering
		want uint32
	}{
		{"1795624819.11432_1.vm,U=17", MbsyncNumber, 17},
		{"1795624819.11432_1.vm,U=17,S=5", MbsyncNumber, 17},
		{"1795624819.11432_1.vm", MbsyncNumber, 0},
		{"1795624819.11432_1.vm,U=99999999999", MbsyncNumber, 0},
		{"1795624819.11432_1.vm,U=x", MbsyncNumber, 0},
		{"1795624820_3.11469.vm,U=2" + fmd5, ours, 2},
		{"1795624820_3.11469.vm,U=2,FMD5=0f9263536b9fc61ada745644735bfd8f", ours, 0},
		{"1795624820_3.11469.vm,U=2", ours, 0},
	} {
		if got := c.read(c.key); got != c.want {
			t.Errorf("%s: %d, not %d", c.key, got, c.want)
		}
	}
}

func FuzzParseMbsyncState(f *testing.F) {
	for _, name := range []string{"mbsync-1.0.state", "mbsync-1.1.state", "mbsync-1.3.state", "mbsync-1.4.state", "mbsync-1.5.state"} {
		f.Add(content(f, name))
	}
	f.Fuzz(func(t *testing.T, text string) {
		state, err := ParseMbsyncState(strings.NewReader(text))
		if err != nil {
			return
		}
		for _, r := range state.Records {
			if r.Flags.Minus(flagsOf("DFPRST")) != (mailbox.Flags{}) {
				t.Errorf("flags that mbsync does not have: %s", r.Flags)
			}
		}
		if !strings.HasSuffix(text, "\n") {
			t.Errorf("a file without an end is read: %q", text)
		}
	})
}

func FuzzParseLocalStatus(f *testing.F) {
	f.Add(content(f, "offlineimap-v1.status"))
	f.Add(content(f, "offlineimap-v2.status"))
	f.Fuzz(func(t *testing.T, text string) {
		records, err := ParseLocalStatus(strings.NewReader(text))
		for _, r := range records {
			if err == nil && (r.UID == 0 || uint32(r.UID) != r.Number) {
				t.Errorf("%+v", r)
			}
		}
	})
}

func content(t testing.TB, name string) string {
	t.Helper()
	text, err := os.ReadFile(sample(t, name).Name())
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
