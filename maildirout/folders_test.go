package maildirout

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"mailferry/syncer/mailbox"
)

func folderNames(t testing.TB, s *Store) string {
	t.Helper()
	names, err := s.Folders(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(names)
}

func TestFoldersAreDirectoriesWithCur(t *testing.T) {
	s, dir, _ := openStore(t, FS)
	for _, sub := range []string{"INBOX/cur", "A/B/cur", "plain/sub", "new/x/cur", "INBOX/Sub/cur", ".mailferry/cur", ".mailferry/trash/x/cur", ".dot/cur", "INBOX/cur/deep/cur"} {
		if err := os.MkdirAll(dir+"/"+sub, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if got := folderNames(t, s); got != "[.dot A/B INBOX INBOX/Sub]" {
		t.Error(got)
	}
	deliver(t, s, "A/B", "x") // tmp and new are made
	pp, ppDir, _ := openStore(t, MaildirPP)
	for _, sub := range []string{"cur", ".Sub.Folder/cur", ".a%2Eb/cur", "Sub/cur", "mailferry/trash/x/cur", ".x/.y/cur"} {
		if err := os.MkdirAll(ppDir+"/"+sub, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if got := folderNames(t, pp); got != "[INBOX Sub/Folder a.b]" {
		t.Error(got)
	}
}

func TestCreateRenameDelete(t *testing.T) {
	for _, layout := range []Layout{FS, MaildirPP} {
		s, dir, _ := openStore(t, layout)
		ctx := context.Background()
		create(t, s, "INBOX", "P", "P/Q", "P/Q/R")
		if err := s.Create(ctx, "P"); !errors.Is(err, mailbox.ErrExists) {
			t.Error(err)
		}
		key := deliver(t, s, "P/Q", "q", mailbox.FlagSeen, "Work")
		below := deliver(t, s, "P/Q/R", "r")
		if err := s.Rename(ctx, "P/Q", "P"); !errors.Is(err, mailbox.ErrExists) {
			t.Error(err)
		}
		if err := s.Rename(ctx, "None", "X"); !errors.Is(err, mailbox.ErrNotFound) {
			t.Error(err)
		}
		long := mailbox.Name("New/" + strings.Repeat("long", 80))
		if err := s.Rename(ctx, "P/Q", long); err != nil {
			t.Fatal(err)
		}
		if got := folderNames(t, s); got != fmt.Sprintf("[INBOX %s P P/Q/R]", long) {
			t.Errorf("%s: %s", layout, got)
		}
		if got := listed(t, s, long); got[key] != `\Seen Work` || wireOf(t, s, "P/Q/R", below) != "r" {
			t.Error(got)
		}
		if err := s.Rename(ctx, long, "P/Q"); err != nil {
			t.Fatal(err)
		}
		if err := s.Rename(ctx, "INBOX", "Old"); err != nil || !strings.Contains(folderNames(t, s), "INBOX Old") {
			t.Error(folderNames(t, s), err)
		}
		if err := s.Delete(ctx, "P/Q"); err != nil {
			t.Fatal(err)
		}
		if err := s.Delete(ctx, "P/Q"); !errors.Is(err, mailbox.ErrNotFound) {
			t.Error(err)
		}
		if err := s.Delete(ctx, "inbox"); !errors.Is(err, ErrInbox) {
			t.Error(err)
		}
		if got := folderNames(t, s); got != "[INBOX Old P P/Q/R]" {
			t.Errorf("%s: %s", layout, got)
		}
		for _, name := range []mailbox.Name{"P/Q/R", "P", "Old"} {
			if err := s.Delete(ctx, name); err != nil {
				t.Fatal(err)
			}
		}
		if got := folderNames(t, s); got != "[INBOX]" {
			t.Errorf("%s: %s", layout, got)
		}
		if layout == FS {
			if _, err := os.Stat(dir + "/P/Q"); err != nil {
				t.Log("P/Q is gone with its last folder")
			}
		}
		restored, err := s.Undo(ctx, time.Unix(0, 0), false)
		if err != nil || len(restored) != 2 {
			t.Fatal(restored, err)
		}
		if got := listed(t, s, "P/Q"); got[key] != `\Seen Work` || wireOf(t, s, "P/Q", key) != "q" || wireOf(t, s, "P/Q/R", below) != "r" {
			t.Errorf("%s: %v", layout, got)
		}
		if left := filesBelow(t, dir+"/"+s.Control()); len(left) != 0 {
			t.Error(left)
		}
	}
}

func TestKilledRenameAndDeleteCanBeRepeated(t *testing.T) {
	s, dir, _ := openStore(t, FS)
	ctx := context.Background()
	create(t, s, "A")
	for i := range 3 {
		deliver(t, s, "A", fmt.Sprint(i))
	}
	deliver(t, s, "A", "3", mailbox.FlagSeen)
	// A rename that was killed had moved new already, and then mail came.
	if err := os.Mkdir(dir+"/B", 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(dir+"/A/new", dir+"/B/new"); err != nil {
		t.Fatal(err)
	}
	deliver(t, s, "A", "4")
	if err := s.Rename(ctx, "A", "B"); err != nil {
		t.Fatal(err)
	}
	if got := listed(t, s, "B"); len(got) != 5 || folderNames(t, s) != "[B]" {
		t.Error(got)
	}
	// A deletion that was killed had moved new already.
	bin := dir + "/.mailferry/trash/20270115T080000Z/B"
	if err := os.MkdirAll(bin+"/cur", 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(dir+"/B/new", bin+"/new"); err != nil {
		t.Fatal(err)
	}
	if err := s.Delete(ctx, "B"); err != nil {
		t.Fatal(err)
	}
	if restored, err := s.Undo(ctx, time.Unix(0, 0), false); err != nil || len(restored) != 5 || len(listed(t, s, "B")) != 5 {
		t.Error(restored, err)
	}
}

func TestRemovedMessagesComeBackWithUndo(t *testing.T) {
	for _, layout := range []Layout{FS, MaildirPP} {
		s, dir, c := openStore(t, layout)
		ctx := context.Background()
		long := mailbox.Name("Deep/" + strings.Repeat("ü", 200))
		create(t, s, "INBOX", "Foo", "foo", long)
		keys := map[mailbox.Name]mailbox.Key{}
		for _, name := range []mailbox.Name{"INBOX", "Foo", "foo", long} {
			keys[name] = deliver(t, s, name, "wire \r\n of "+string(name), mailbox.FlagFlagged, "Work")
			unseen := deliver(t, s, name, "unseen")
			if err := s.Remove(ctx, name, []mailbox.Key{keys[name], "none", unseen}); err != nil {
				t.Fatal(err)
			}
			if got := listed(t, s, name); len(got) != 0 {
				t.Error(got)
			}
		}
		c.seconds.Add(100)
		since := c.now()
		late := deliver(t, s, "INBOX", "late")
		if err := s.Remove(ctx, "INBOX", []mailbox.Key{late}); err != nil {
			t.Fatal(err)
		}
		if err := s.Flush(ctx); err != nil {
			t.Fatal(err)
		}
		before := filesBelow(t, dir)
		dry, err := s.Undo(ctx, since, true)
		if err != nil || len(dry) != 1 || dry[0] != (Restored{"INBOX", late, since.UTC()}) || !slices.Equal(before, filesBelow(t, dir)) {
			t.Fatal(dry, err)
		}
		if real, err := s.Undo(ctx, since, false); err != nil || !slices.Equal(real, dry) {
			t.Fatal(real, err)
		}
		if all, err := s.Undo(ctx, time.Unix(0, 0), false); err != nil || len(all) != 8 {
			t.Fatal(len(all), err)
		}
		for name, key := range keys {
			if got := listed(t, s, name); got[key] != `\Flagged Work` || wireOf(t, s, name, key) != "wire \r\n of "+string(name) {
				t.Errorf("%s: %v", name, got)
			}
		}
		if left, err := s.Undo(ctx, time.Unix(0, 0), false); err != nil || len(left) != 0 || len(filesBelow(t, dir+"/"+s.Control())) != 0 {
			t.Error(left, err)
		}
	}
}

func TestUndoAndTrashNeverOverwrite(t *testing.T) {
	s, dir, _ := openStore(t, FS)
	ctx := context.Background()
	create(t, s, "INBOX")
	for i := range 3 {
		put(t, dir+"/INBOX/cur/k,mfV:2,S", fmt.Sprint(i))
		if err := s.Remove(ctx, "INBOX", []mailbox.Key{"k,mfV"}); err != nil {
			t.Fatal(err)
		}
	}
	put(t, dir+"/INBOX/cur/k,mfV:2,F", "3")
	restored, err := s.Undo(ctx, time.Unix(0, 0), false)
	if err != nil || len(restored) != 3 {
		t.Fatal(restored, err)
	}
	bodies := map[string]bool{}
	for key, flags := range listed(t, s, "INBOX") {
		bodies[wireOf(t, s, "INBOX", key)+flags] = true
		if !isMarked(key) {
			t.Errorf("%s lost its mark", key)
		}
	}
	if len(bodies) != 4 || !bodies[`3\Flagged`] || !bodies[`0\Seen`] {
		t.Error(bodies)
	}
}

func TestUndoKeepsKeywordsWhoseLettersChanged(t *testing.T) {
	s, dir, _ := openStore(t, FS)
	ctx := context.Background()
	create(t, s, "A")
	key := deliver(t, s, "A", "x", "Work")
	if err := s.Delete(ctx, "A"); err != nil {
		t.Fatal(err)
	}
	create(t, s, "A")
	deliver(t, s, "A", "y", "Other")
	if _, err := s.Undo(ctx, time.Unix(0, 0), false); err != nil {
		t.Fatal(err)
	}
	if got := listed(t, s, "A"); got[key] != "Work" {
		t.Error(got, filesBelow(t, dir))
	}
}

func TestSweepRemovesOnlyOurLeftoversAndOldTrash(t *testing.T) {
	s, dir, c := openStore(t, FS)
	ctx := context.Background()
	create(t, s, "INBOX")
	put(t, dir+"/INBOX/tmp/mailferry-1.dead", "x")
	put(t, dir+"/INBOX/tmp/1.others", "x")
	put(t, dir+"/INBOX/new/mailferry-mail", "x")
	old := deliver(t, s, "INBOX", "old")
	if err := s.Remove(ctx, "INBOX", []mailbox.Key{old}); err != nil {
		t.Fatal(err)
	}
	c.seconds.Add(20 * 24 * 3600)
	young := deliver(t, s, "INBOX", "young")
	if err := s.Remove(ctx, "INBOX", []mailbox.Key{young}); err != nil {
		t.Fatal(err)
	}
	draft, err := s.Receive(ctx, "INBOX", 1, strings.NewReader("d"))
	if err != nil {
		t.Fatal(err)
	}
	c.seconds.Add(11 * 24 * 3600)
	if err := s.Sweep(ctx); err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprint(filesBelow(t, dir))
	for _, want := range []string{"tmp/1.others", "new/mailferry-mail", string(young), draftName(draft.Key)} {
		if !strings.Contains(got, want) {
			t.Errorf("%s was swept", want)
		}
	}
	if strings.Contains(got, string(old)) || strings.Contains(got, "dead") {
		t.Error(got)
	}
	if err := s.Discard(ctx, []mailbox.Draft{draft}); err != nil || strings.Contains(fmt.Sprint(filesBelow(t, dir)), draftName(draft.Key)) {
		t.Error(err)
	}
}

func TestUndoLeavesWhatItDoesNotUnderstandInTheTrash(t *testing.T) {
	s, dir, _ := openStore(t, FS)
	ctx := context.Background()
	create(t, s, "A")
	if err := s.Remove(ctx, "A", []mailbox.Key{deliver(t, s, "A", "x")}); err != nil {
		t.Fatal(err)
	}
	stamps, err := s.stamps()
	if err != nil || len(stamps) != 1 {
		t.Fatal(stamps, err)
	}
	// A deletion that was killed between two of its steps: no cur.
	put(t, dir+"/.mailferry/trash/"+stamps[0]+"/B/new/k", "x")
	if restored, err := s.Undo(ctx, time.Unix(0, 0), false); err != nil || len(restored) != 1 {
		t.Error(restored, err)
	}
	if left := filesBelow(t, dir+"/.mailferry/trash"); len(left) != 1 {
		t.Error(left)
	}
}

func TestPlacesAreFoldersWithoutWriting(t *testing.T) {
	s, dir, _ := openStore(t, FS)
	for _, name := range []mailbox.Name{mailbox.Inbox, "A/B", "cur", mailbox.Name(strings.Repeat("long", 80))} {
		if err := s.Create(context.Background(), name); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.RemoveAll(dir + "/INBOX/new"); err != nil {
		t.Fatal(err)
	}
	places, err := Places(context.Background(), dir, FS)
	if err != nil || len(places) != 4 {
		t.Fatalf("%v, %v", places, err)
	}
	for _, p := range places {
		if info, err := os.Stat(dir + "/" + p.Path + "/cur"); err != nil || !info.IsDir() {
			t.Errorf("%s is not at %s", p.Name, p.Path)
		}
	}
	if _, err := os.Stat(dir + "/INBOX/new"); err == nil {
		t.Error("a folder was made")
	}
}
