package merge_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"mailferry/syncer/mailbox"
	"mailferry/syncer/merge"
)

const letter = "Message-ID: <1@x>\nFrom: a@x\nDate: Mon, 1 Jan 2018 09:59:00 +0100\nSubject: hello\n\nbody\n"

func TestWhatIsOneMessageAndWhatIsTwo(t *testing.T) {
	for _, c := range []struct {
		name, a, b string
		messages   int
		reason     merge.Reason
	}{
		{"the same", letter, letter, 1, merge.SameContent},
		{"what clients add", letter, "X-UIDL: 1\nX-Mozilla-Status: 0001\nStatus: RO\n" + letter, 1, merge.SameContent},
		{"line ends", letter, strings.ReplaceAll(letter, "\n", "\r\n"), 1, merge.SameContent},
		{"transport", letter, "Received: from a by b; Mon, 1 Jan 2018 09:59:30 +0100\nDelivered-To: b@x\nX-Spam: no\n" + letter, 1, merge.SameCore},
		{"another body", letter, strings.Replace(letter, "body", "Body", 1), 2, merge.BodyDiffers},
		{"another date", letter, strings.Replace(letter, "09:59", "10:59", 1), 2, merge.DateDiffers},
		{"one instant in two zones", letter, strings.Replace(letter, "09:59:00 +0100", "08:59:00 +0000", 1), 1, merge.SameCore},
		{"another sender", letter, strings.Replace(letter, "From: a", "From: b", 1), 2, merge.FromDiffers},
		{"an ID and the rest the same", letter, strings.Replace(letter, "<1@x>", "<2@x>", 1), 2, merge.OtherID},
		{"no ID, one more field", "From: a\n\nbody\n", "From: a\nReceived: x\n\nbody\n", 2, merge.NoMessageID},
		{"no ID, the same", "From: a\n\nbody\n", "From: a\n\nbody\n", 1, merge.SameContent},
		{"a cited From line", letter + "From me\n", letter + ">From me\n", 1, merge.SameContent},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			put(t, filepath.Join(dir, "a", "1.eml"), c.a)
			put(t, filepath.Join(dir, "b", "1.eml"), c.b)
			u := unionOf(t, filepath.Join(dir, "index"), open(t, filepath.Join(dir, "a")), open(t, filepath.Join(dir, "b")))
			defer u.Close()
			if u.Len() != c.messages {
				t.Errorf("%d messages, want %d", u.Len(), c.messages)
			}
			asked := "1@x"
			if c.reason == merge.NoMessageID || !strings.Contains(c.a, "Message-ID") || c.reason == merge.OtherID {
				return
			}
			e, err := u.Explain(t.Context(), asked)
			if err != nil || len(e.Verdicts) != 1 || e.Verdicts[0].Reason != c.reason || e.Verdicts[0].One != (c.messages == 1) {
				t.Errorf("%+v, %v", e.Verdicts, err)
			}
		})
	}
}

func TestDifferentMessagesWithOneMessageIDAreKeptAndListed(t *testing.T) {
	dir := t.TempDir()
	other := strings.Replace(letter, "body", "another body", 1)
	writeMbox(t, filepath.Join(dir, "a.mbox"), []copied{{text: letter}, {text: other}}, mboxrd)
	writeMaildir(t, filepath.Join(dir, "b"), []copied{{text: letter}})
	u := unionOf(t, filepath.Join(dir, "index"), open(t, filepath.Join(dir, "a.mbox")), open(t, filepath.Join(dir, "b")))
	defer u.Close()
	r := reportOf(t, u)
	if r.Messages != 2 || r.NamesakeCount != 1 || len(r.Namesakes[0].Messages) != 2 || r.Namesakes[0].MessageID != "<1@x>" {
		t.Errorf("%+v", r)
	}
	if got := deliver(t, u); len(got) != 2 {
		t.Errorf("%d delivered", len(got))
	}
}

func TestTheMostCompleteCopyWins(t *testing.T) {
	dir := t.TempDir()
	full := "Return-Path: <a@x>\nReceived: from a by b; Mon, 1 Jan 2018 09:59:30 +0100\n" + letter
	put(t, filepath.Join(dir, "a", "1.eml"), letter)
	writeThunderbird(t, filepath.Join(dir, "b"), []copied{{text: full, seen: true}})
	u := unionOf(t, filepath.Join(dir, "index"), open(t, filepath.Join(dir, "a")), open(t, filepath.Join(dir, "b")))
	defer u.Close()
	got := deliver(t, u)
	if len(got) != 1 || got[0].text != strings.ReplaceAll(full, "\n", "\r\n") || !got[0].Flags.Has(mailbox.FlagSeen) {
		t.Errorf("%+v", got)
	}
	if got[0].Date.Time().UTC().Format("15:04:05") != "08:59:30" {
		t.Errorf("date %v, want the topmost Received", got[0].Date.Time())
	}
}

func TestAMessageToOneselfStaysSentAndReceived(t *testing.T) {
	dir := t.TempDir()
	put(t, filepath.Join(dir, "m", "Inbox.mbox"), "From - Thu Jan  1 00:00:00 2015\n"+letter+"\n")
	put(t, filepath.Join(dir, "m", "Gesendet.mbox"), "From - Thu Jan  1 00:00:00 2015\n"+letter+"\n")
	put(t, filepath.Join(dir, "n", "Projekt.mbox"), "From - Thu Jan  1 00:00:00 2015\n"+letter+"\n")
	u := unionOf(t, filepath.Join(dir, "index"), open(t, filepath.Join(dir, "m")), open(t, filepath.Join(dir, "n")))
	defer u.Close()
	var names []string
	for _, m := range deliver(t, u) {
		names = append(names, string(m.Name))
	}
	slices.Sort(names)
	if !slices.Equal(names, []string{"INBOX", "Sent"}) {
		t.Errorf("%q", names)
	}
}

// Python's mailbox module is another hand that writes mbox and Maildir.
func TestMailboxesThatPythonWrites(t *testing.T) {
	dir := t.TempDir()
	script := `
import mailbox, sys, os
d = sys.argv[1]
for kind in (mailbox.mbox, mailbox.MMDF, mailbox.Maildir):
    if kind is mailbox.MMDF: continue
    box = kind(os.path.join(d, kind.__name__.lower()), create=True)
    for i in range(20):
        text = 'From: a%d@x\nMessage-ID: <%d@py>\nSubject: n %d\n\nFrom here on\nline\n\n%s' % (i, i, i, 'x' * i)
        m = (mailbox.MaildirMessage if kind is mailbox.Maildir else mailbox.mboxMessage)(text)
        if i % 2: m.add_flag('RF' if kind is mailbox.mbox else 'SF')
        box.add(m)
    box.flush(); box.close()
`
	if output, err := exec.Command("python3", "-c", script, dir).CombinedOutput(); err != nil {
		t.Fatalf("python3: %v\n%s", err, output)
	}
	u := unionOf(t, filepath.Join(t.TempDir(), "index"), open(t, filepath.Join(dir, "mbox")), open(t, filepath.Join(dir, "maildir")))
	defer u.Close()
	r := reportOf(t, u)
	if r.Messages != 20 || r.Sources[0].Shared != 20 || r.Sources[1].Shared != 20 || r.Sources[0].Damaged != 0 {
		t.Errorf("%+v", r)
	}
	for _, m := range deliver(t, u) {
		want := strings.Contains(m.Flags.String(), `\Flagged`)
		if odd := strings.Contains(m.text, "Subject: n 1\r") || strings.Contains(m.text, "Subject: n 13\r"); odd && !want {
			t.Errorf("%s: %s", m.Flags, m.text)
		}
	}
}

func TestSourcesAreNeverWritten(t *testing.T) {
	dir := t.TempDir()
	for kind, write := range writers {
		write(t, filepath.Join(dir, kind), []copied{{text: letter, seen: true}})
	}
	before := treeOf(t, dir)
	var sources []merge.Source
	for kind := range writers {
		sources = append(sources, open(t, filepath.Join(dir, kind)))
	}
	u := unionOf(t, t.TempDir(), sources...)
	defer u.Close()
	deliver(t, u)
	if after := treeOf(t, dir); !slices.Equal(before, after) {
		t.Errorf("before %q\nafter  %q", before, after)
	}
}

func treeOf(t *testing.T, dir string) (lines []string) {
	t.Helper()
	err := filepath.Walk(dir, func(at string, info os.FileInfo, err error) error {
		if err == nil {
			lines = append(lines, at+" "+info.Mode().String()+" "+info.ModTime().String())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return lines
}
