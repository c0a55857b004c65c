package merge_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"mailferry/syncer/mailbox"
	"mailferry/syncer/merge"
)

// oddMessages are those of testdata/messages, in LF form.
func oddMessages(t *testing.T) map[string]string {
	t.Helper()
	paths, err := filepath.Glob("../../testdata/messages/*.eml")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no messages: %v", err)
	}
	texts := map[string]string{}
	for _, path := range paths {
		octets, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		texts[filepath.Base(path)] = string(octets)
	}
	return texts
}

// Odd messages come through every kind of source to the octet, and one from
// all of them is one.
func TestOddMessagesComeThroughEveryKind(t *testing.T) {
	texts := oddMessages(t)
	dir := t.TempDir()
	var all []merge.Source
	for kind, write := range writers {
		var copies []copied
		for name, text := range texts {
			if name == "from-lines.eml" && kind != "maildir" && kind != "eml" && kind != "emlx" && kind != "mboxrd" {
				continue // these dialects cannot tell its lines from quoted ones
			}
			copies = append(copies, copied{text: text})
		}
		at := filepath.Join(dir, kind)
		write(t, at, copies)
		source := open(t, at)
		all = append(all, source)
		u := unionOf(t, filepath.Join(dir, "index"), source)
		var got, want []string
		for _, m := range deliver(t, u) {
			got = append(got, m.text)
		}
		for _, c := range copies {
			want = append(want, strings.ReplaceAll(c.text, "\n", "\r\n"))
		}
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("%s:\ngot  %q\nwant %q", kind, got, want)
		}
		u.Close()
	}
	u := unionOf(t, filepath.Join(dir, "index"), all...)
	defer u.Close()
	r := reportOf(t, u)
	if r.Messages != len(texts) {
		t.Errorf("%d messages, want %d", r.Messages, len(texts))
	}
	odd := map[merge.OddKind]int{}
	for _, o := range r.Oddities {
		odd[o.Kind] = o.Messages
	}
	if odd[merge.Undated] != 1 || odd[merge.Senderless] != 1 || odd[merge.FutureDated] != 1 || odd[merge.Nameless] != 2 {
		t.Errorf("%v", odd)
	}
	for _, m := range deliver(t, u) {
		if strings.Contains(m.text, "folded@") && (m.Date.Time().UTC().Format("2006-01-02 15:04:05") != "2000-03-01 07:59:59" || m.Date.Offset != -8*3600) {
			t.Errorf("folded: %v", m.Date.Time())
		}
		if strings.Contains(m.text, "future@") && m.Date.Time().Year() == 2038 {
			t.Error("a date in the future is believed")
		}
	}
}

func TestMailboxesOfAllLanguagesGoToTheirUse(t *testing.T) {
	target := []mailbox.Listed{
		{Name: "INBOX"}, {Name: "Gesendete Objekte", Attributes: []string{`\Sent`}}, {Name: "Papierkorb"}, {Name: "Entwürfe", Attributes: []string{`\Drafts`}},
	}
	for _, c := range []struct{ under, from, to string }{
		{"", "Posteingang", "INBOX"}, {"", "Sent Items", "Gesendete Objekte"}, {"", "Elementos enviados", "Gesendete Objekte"},
		{"", "INBOX/Sent", "Gesendete Objekte"}, {"", "[Gmail]/Sent Mail", "Gesendete Objekte"}, {"", "Corbeille", "Papierkorb"},
		{"", "DRAFTS", "Entwürfe"}, {"", "Spam", "Junk"}, {"", "Archives", "Archive"}, {"", "下書き", "Entwürfe"},
		{"", "Projekte/Sent", "Projekte/Sent"}, {"", "Work", "Work"}, {"", "Old 2019", "Archive/Old"},
		{"Merged/", "Gesendet", "Merged/Sent"}, {"Merged", "Work/A", "Merged/Work/A"}, {"Merged", "Old stuff", "Merged/Archive/Old"},
	} {
		mapping, err := merge.NewMapping([]string{"old*=Archive/Old"}, c.under, target)
		if err != nil {
			t.Fatal(err)
		}
		if got := mapping.To(mailbox.Name(c.from)); string(got) != c.to {
			t.Errorf("%q under %q goes to %q, want %q", c.from, c.under, got, c.to)
		}
	}
	for _, bad := range []string{"a", "=b", "a=", "[=b"} {
		if _, err := merge.NewMapping([]string{bad}, "", nil); err == nil {
			t.Errorf("%q is taken for a rule", bad)
		}
	}
}

func TestADamagedIndexIsReadAnew(t *testing.T) {
	dir := t.TempDir()
	writeMbox(t, filepath.Join(dir, "a.mbox"), []copied{{text: letter}, {text: letter + "2\n"}}, mboxrd)
	index := filepath.Join(dir, "index")
	source := open(t, filepath.Join(dir, "a.mbox"))
	unionOf(t, index, source).Close()
	files, _ := filepath.Glob(filepath.Join(index, "*.index"))
	whole, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	for _, spoil := range [][]byte{nil, whole[:len(whole)/2], bytes.Repeat([]byte{0}, 100), append(slices.Clone(whole[:80]), append([]byte{^whole[80]}, whole[81:]...)...)} {
		if err := os.WriteFile(files[0], spoil, 0o600); err != nil {
			t.Fatal(err)
		}
		u := unionOf(t, index, source)
		if got := deliver(t, u); len(got) != 2 {
			t.Errorf("%d messages with an index of %d octets", len(got), len(spoil))
		}
		u.Close()
	}
}

func TestASourceThatChangedSendsNoOtherMessage(t *testing.T) {
	dir := t.TempDir()
	at := filepath.Join(dir, "a.mbox")
	writeMbox(t, at, []copied{{text: letter}, {text: letter + "2\n"}}, mboxrd)
	u := unionOf(t, filepath.Join(dir, "index"), open(t, at))
	defer u.Close()
	octets, err := os.ReadFile(at)
	if err != nil {
		t.Fatal(err)
	}
	put(t, at, strings.Replace(string(octets), "body", "bodY", 1))
	outbox, err := u.Outbox(plainMapping(t))
	if err != nil {
		t.Fatal(err)
	}
	// An upload must not begin with octets that are not the message's.
	refused := 0
	for _, name := range []mailbox.Name{"a"} {
		messages, _, err := outbox.List(t.Context(), name)
		if err != nil || len(messages) != 2 {
			t.Fatal(messages, err)
		}
		for _, m := range messages {
			body, err := outbox.Open(t.Context(), name, m.Key)
			if errors.Is(err, merge.ErrChanged) {
				refused++
			} else if err != nil {
				t.Error(err)
			} else {
				body.Close()
			}
		}
	}
	if refused != 1 {
		t.Errorf("%d messages are refused, want 1", refused)
	}
	to := &taken{}
	done, err := outbox.Deliver(t.Context(), to, nil, nil)
	if err != nil || done.Messages != 1 || done.Failed != 1 || !strings.Contains(done.Failures[0].Error(), merge.ErrChanged.Error()) {
		t.Errorf("%+v, %v", done, err)
	}
}

func TestOutlookFilesAreReadByReadpst(t *testing.T) {
	dir := t.TempDir()
	pst := filepath.Join(dir, "old.pst")
	put(t, pst, "!BDN and more")
	t.Setenv("PATH", filepath.Join(dir, "bin")+":/bin:/usr/bin")
	// What it makes, the boundary included, is different each time.
	put(t, filepath.Join(dir, "bin", "readpst"), `#!/bin/sh
while [ "$1" != -o ]; do shift; done
mkdir -p "$2/Outlook/Inbox"
printf 'From "a@x" Mon Jan  1 10:00:00 2018\nFrom: a@x\nMessage-ID: <p@x>\nDate: Mon, 1 Jan 2018 09:59:00 +0100\nContent-Type: multipart/mixed;\n\tboundary="--boundary-LibPST-iamunique-%s_-_-"\n\n----boundary-LibPST-iamunique-%s_-_-\n\ntext\n\n' $$ $$ >"$2/Outlook/Inbox/mbox"
`)
	if err := os.Chmod(filepath.Join(dir, "bin", "readpst"), 0o700); err != nil {
		t.Fatal(err)
	}
	var sources []merge.Source
	for _, cache := range []string{"one", "two"} {
		source, err := merge.NewOutlook(t.Context(), "old.pst", pst, filepath.Join(dir, cache))
		if err != nil {
			t.Fatal(err)
		}
		sources = append(sources, source)
	}
	u := unionOf(t, filepath.Join(dir, "index"), sources...)
	defer u.Close()
	if r := reportOf(t, u); r.Messages != 1 || r.Copies != 2 {
		t.Errorf("%d messages in %d copies", r.Messages, r.Copies)
	}
	t.Setenv("PATH", filepath.Join(dir, "nothing"))
	if _, err := merge.NewOutlook(t.Context(), "old.pst", pst, filepath.Join(dir, "three")); err != merge.ErrNoReadpst {
		t.Errorf("%v without readpst", err)
	}
}

func TestAThunderbirdAtWorkIsNoticed(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "profile")
	writeThunderbird(t, dir, []copied{{text: letter}})
	source := open(t, dir)
	if notes := source.Notes(); len(notes) != 0 {
		t.Errorf("%+v", notes)
	}
	if err := os.Symlink("127.0.1.1:+4711", filepath.Join(dir, "lock")); err != nil {
		t.Fatal(err)
	}
	if notes := source.Notes(); len(notes) != 1 || !notes[0].Unsure {
		t.Errorf("%+v", notes)
	}
	put(t, filepath.Join(dir, "prefs.js"), `user_pref("mail.server.server1.type", "imap");
user_pref("mail.server.server2.type", "pop3");
user_pref("mail.server.server2.hostname", "pop.example.org");
user_pref("mail.server.server2.userName", "me");
user_pref("mail.server.server2.leave_on_server", true);
`)
	if got := merge.PopAccounts(source); len(got) != 1 || got[0].String() != "me at pop.example.org" || !got[0].LeavesOnServer {
		t.Errorf("%+v", got)
	}
}

func TestDeletedIsOnlyWhatAllCopiesSayIsDeleted(t *testing.T) {
	dir := t.TempDir()
	other := strings.Replace(letter, "<1@x>", "<2@x>", 1)
	put(t, filepath.Join(dir, "a", "cur", "1.M1P1.h:2,ST"), letter)
	put(t, filepath.Join(dir, "a", "cur", "2.M1P1.h:2,T"), other)
	put(t, filepath.Join(dir, "b", "cur", "3.M1P1.h:2,F"), letter)
	put(t, filepath.Join(dir, "b", "cur", "4.M1P1.h:2,T"), other)
	u := unionOf(t, filepath.Join(dir, "index"), open(t, filepath.Join(dir, "a")), open(t, filepath.Join(dir, "b")))
	defer u.Close()
	for _, m := range deliver(t, u) {
		want := mailbox.NewFlags(mailbox.FlagSeen, mailbox.FlagFlagged)
		if strings.Contains(m.text, "<2@x>") {
			want = mailbox.NewFlags(mailbox.FlagDeleted)
		}
		if !m.Flags.Equal(want) {
			t.Errorf("%s, want %s", m.Flags, want)
		}
	}
}

func TestAScanThatWasCutGoesOnWhereItWas(t *testing.T) {
	dir := t.TempDir()
	var copies []copied
	for i := range 2500 {
		copies = append(copies, copied{text: letter + strings.Repeat("x", i) + "\n"})
	}
	writeMaildir(t, filepath.Join(dir, "m"), copies)
	source := open(t, filepath.Join(dir, "m"))
	ctx, cancel := context.WithCancel(t.Context())
	seen := 0
	_, err := merge.Scan(ctx, source, filepath.Join(dir, "index"), func(_ int64, messages int) {
		if seen += messages; seen > 1500 {
			cancel()
		}
	})
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("%v", err)
	}
	for _, kept := range []int{1400, 2500} {
		scanned, err := merge.Scan(t.Context(), source, filepath.Join(dir, "index"), nil)
		if err != nil || scanned.Messages != 2500 || scanned.Kept < kept || scanned.Kept+scanned.Read != 2500 {
			t.Fatalf("%d messages, %d kept, %d read, %v", scanned.Messages, scanned.Kept, scanned.Read, err)
		}
	}
}
