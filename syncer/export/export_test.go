package export_test

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"mailferry/syncer/export"
	"mailferry/syncer/mailbox"
)

func message(name mailbox.Name, key mailbox.Key, text string, flags ...string) export.Message {
	return export.Message{
		Mailbox: name, Key: key, Flags: mailbox.NewFlags(flags...), Date: mailbox.Date{Unix: 1e9, Known: true},
		Open: func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(text)), nil },
	}
}

func openRoot(t testing.TB, dir string) *os.Root {
	t.Helper()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	return root
}

func TestMboxQuotesFromLinesAndKeepsFlags(t *testing.T) {
	dir := t.TempDir()
	w := export.NewMbox(openRoot(t, dir), true)
	for _, m := range []export.Message{
		message("Work/Sub", "a", "From: <me@example.com>\r\nSubject: x\r\n\r\nFrom here\r\n>From there\r\nnot From\r\nno end", mailbox.FlagSeen, mailbox.FlagFlagged, "todo"),
		message("Work/Sub", "b", "From nowhere\r\n"),
	} {
		if _, err := w.Add(m); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(filepath.Join(dir, "Work", "Sub.mbox"))
	want := "From me@example.com Sun Sep  9 01:46:40 2001\nStatus: RO\nX-Status: F\nX-Keywords: todo\nFrom: <me@example.com>\nSubject: x\n\n" +
		">From here\n>>From there\nnot From\nno end\n\n" +
		"From MAILER-DAEMON Sun Sep  9 01:46:40 2001\nStatus: O\n>From nowhere\n\n"
	if err != nil || string(got) != want {
		t.Errorf("wrote %q, want %q (%v)", got, want, err)
	}
}

var (
	separator = regexp.MustCompile(`(?m)^From .*\n`)
	quoted    = regexp.MustCompile(`(?m)^>(>*From )`)
)

// TestMboxCanBeUndone: splitting at From lines and taking one > away gives the
// messages again, whatever they contain.
func TestMboxCanBeUndone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		line := rapid.OneOf(rapid.SampledFrom([]string{"From ", ">From x", "", ">", "From", "\r", strings.Repeat("x", 65535), strings.Repeat("y", 65534) + "\rz"}), rapid.StringMatching(`[>Fromabc \r]{0,20}`))
		texts := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) string {
			return "A: b\r\n\r\n" + strings.Join(rapid.SliceOfN(line, 1, 6).Draw(t, "lines"), "\r\n") + "\r\n"
		}), 1, 4).Draw(t, "messages")
		dir, err := os.MkdirTemp("", "mailferry-mbox-")
		if err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(dir)
		root, err := os.OpenRoot(dir)
		if err != nil {
			t.Fatal(err)
		}
		defer root.Close()
		w := export.NewMbox(root, false)
		for _, text := range texts {
			if _, err := w.Add(message("INBOX", "k", text)); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		got, err := root.ReadFile("INBOX.mbox")
		if err != nil {
			t.Fatal(err)
		}
		parts := separator.Split(string(got), -1)[1:]
		if len(parts) != len(texts) {
			t.Fatalf("%d messages come back of %d: %.300q", len(parts), len(texts), got)
		}
		for i, part := range parts {
			want := strings.ReplaceAll(texts[i], "\r\n", "\n")
			if back := quoted.ReplaceAllString(strings.TrimSuffix(part, "\n"), "$1"); back != want {
				t.Fatalf("message %d comes back as %.300q, was %.300q", i, back, want)
			}
		}
	})
}

func TestEMLIsTheMessageToTheOctet(t *testing.T) {
	dir := t.TempDir()
	w := export.NewEML(openRoot(t, dir))
	text := "Subject: x\r\n\r\nbare\nLF, NUL \x00, no end"
	entry, err := w.Add(message("INBOX", "1.a:b", text, mailbox.FlagSeen))
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(filepath.Join(dir, entry.Path))
	if err != nil || string(got) != text {
		t.Errorf("wrote %q (%v)", got, err)
	}
	sum := sha256.Sum256([]byte(text))
	if entry.SHA256 != hex.EncodeToString(sum[:]) || entry.Size != int64(len(text)) || entry.Path != "INBOX/20010909-014640 1.a_b.eml" {
		t.Errorf("entry %+v", entry)
	}
	if info, err := os.Stat(filepath.Join(dir, entry.Path)); err != nil || !info.ModTime().Equal(time.Unix(1e9, 0)) {
		t.Errorf("time %v, %v", info, err)
	}
	if _, err := w.Add(message("INBOX", "1.a:b", text)); !errors.Is(err, export.ErrExists) {
		t.Errorf("a file was written over: %v", err)
	}
}

func TestABrokenMessageLeavesNoFile(t *testing.T) {
	dir := t.TempDir()
	w := export.NewEML(openRoot(t, dir))
	m := message("INBOX", "k", "")
	broken := errors.New("broken")
	m.Open = func() (io.ReadCloser, error) {
		return io.NopCloser(io.MultiReader(strings.NewReader("half"), errReader{broken})), nil
	}
	if _, err := w.Add(m); !errors.Is(err, broken) {
		t.Errorf("error %v", err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "INBOX", "*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

type errReader struct{ err error }

func (r errReader) Read([]byte) (int, error) { return 0, r.err }

func TestMailboxNamesStayBelowTheFolderAndApart(t *testing.T) {
	dir := t.TempDir()
	w := export.NewEML(openRoot(t, dir))
	names := []mailbox.Name{
		"../../etc", "a/../b", "..", ".", "CON", "nul.txt", "A", "a", "x\x1b[2J", "c:\\d", "trailing. ", mailbox.JoinText("a/b"),
		mailbox.JoinText(strings.Repeat("ü", 300)), mailbox.Join(mailbox.Level{Text: "\xff\xfe", Raw: true}), ".hidden",
	}
	seen := map[string]mailbox.Name{}
	for _, name := range names {
		entry, err := w.Add(message(name, "k", "x"))
		if err != nil {
			t.Errorf("%q: %v", name, err)
			continue
		}
		if !filepath.IsLocal(entry.Path) || strings.ContainsAny(entry.Path, "\x1b\\:") || strings.Contains(entry.Path, "..") {
			t.Errorf("%q became %q", name, entry.Path)
		}
		key := strings.ToLower(entry.Path)
		if other, twice := seen[key]; twice {
			t.Errorf("%q and %q share %q", name, other, entry.Path)
		}
		seen[key] = name
	}
}

func TestZipHoldsTheTree(t *testing.T) {
	var b bytes.Buffer
	w := export.NewZip(&b)
	text := "Subject: x\r\n\r\n" + strings.Repeat("body\r\n", 1000)
	entry, err := w.Add(message("Work", "k", text))
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	r, err := zip.NewReader(bytes.NewReader(b.Bytes()), int64(b.Len()))
	if err != nil {
		t.Fatal(err)
	}
	file, err := r.Open(entry.Path)
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(file)
	if err != nil || string(got) != text {
		t.Errorf("the zip has %d octets, %v", len(got), err)
	}
}
