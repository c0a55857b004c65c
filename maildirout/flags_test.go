package maildirout

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"mailferry/syncer/mailbox"
)

func TestChangeFlagsRenamesAndKeepsWhatItDoesNotKnow(t *testing.T) {
	tests := []struct{ file, add, remove, want string }{
		{"new/k", `\Seen`, "", "cur/k:2,S"},
		{"new/k", "", `\Seen`, "new/k"},
		{"cur/k", `\Flagged`, "", "cur/k:2,F"},
		{"cur/k:2,S", "", `\Seen`, "cur/k:2,"},
		{"cur/k:2,SXq", `\Answered`, `\Seen`, "cur/k:2,RXq"},
		{"cur/k:2,S,tail", `\Draft`, "", "cur/k:2,DS,tail"},
		{"cur/k:1,exp", `\Draft`, "", "cur/k:2,D"},
		{"cur/k:2,Pa", "", "$forwarded work", "cur/k:2,"},
		{"cur/k:2,S", "$Forwarded WORK", "", "cur/k:2,PSa"},
		{"cur/k:2,S", "Second", "", "cur/k:2,Sb"},
		{"cur/k:2,S", `\Seen`, `\Draft`, "cur/k:2,S"},
	}
	for _, test := range tests {
		s, dir, _ := openStore(t, FS)
		create(t, s, "INBOX")
		put(t, dir+"/INBOX/dovecot-keywords", "0 Work\n")
		put(t, dir+"/INBOX/"+test.file, "x")
		change := mailbox.FlagChange{Add: mailbox.NewFlags(strings.Fields(test.add)...), Remove: mailbox.NewFlags(strings.Fields(test.remove)...)}
		held, err := s.ChangeFlags(context.Background(), "INBOX", "k", change)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(dir + "/INBOX/" + test.want); err != nil {
			t.Errorf("%s +%s -%s: %v", test.file, test.add, test.remove, filesBelow(t, dir+"/INBOX"))
		}
		if got := listed(t, s, "INBOX")["k"]; got != held.String() {
			t.Errorf("%s: returned %q, listed %q", test.file, held, got)
		}
		if err := s.Flush(context.Background()); err != nil {
			t.Error(err)
		}
	}
}

func TestChangeFlagsNeverOverwrites(t *testing.T) {
	s, dir, _ := openStore(t, FS)
	create(t, s, "INBOX")
	put(t, dir+"/INBOX/cur/k:2,", "one")
	put(t, dir+"/INBOX/cur/k:2,S", "two")
	s.ChangeFlags(context.Background(), "INBOX", "k", mailbox.FlagChange{Add: mailbox.NewFlags(mailbox.FlagSeen)})
	if files := filesBelow(t, dir+"/INBOX/cur"); len(files) != 2 {
		t.Error(files)
	}
}

func TestGoneMessagesAreNotFound(t *testing.T) {
	s, _, _ := openStore(t, FS)
	create(t, s, "INBOX")
	ctx := context.Background()
	for _, key := range []mailbox.Key{"none", "", "../x", "a/b", "k:2,S"} {
		if _, err := s.ChangeFlags(ctx, "INBOX", key, mailbox.FlagChange{Add: mailbox.NewFlags(mailbox.FlagSeen)}); !errors.Is(err, mailbox.ErrNotFound) {
			t.Errorf("%q: %v", key, err)
		}
		if _, err := s.Open(ctx, "INBOX", key); !errors.Is(err, mailbox.ErrNotFound) {
			t.Errorf("%q: %v", key, err)
		}
		if err := s.Remove(ctx, "INBOX", []mailbox.Key{key}); err != nil {
			t.Errorf("%q: %v", key, err)
		}
	}
	if _, err := s.Receive(ctx, "None", 0, strings.NewReader("")); !errors.Is(err, mailbox.ErrNotFound) {
		t.Error(err)
	}
	if err := s.Publish(ctx, []mailbox.Draft{{Name: "INBOX", Key: "../../x"}}); !errors.Is(err, ErrKey) {
		t.Error(err)
	}
}

func TestTwentySeventhKeywordIsNotHeld(t *testing.T) {
	s, dir, _ := openStore(t, FS)
	create(t, s, "INBOX")
	ctx := context.Background()
	names := []string{mailbox.FlagSeen, mailbox.FlagForwarded}
	for i := range 30 {
		names = append(names, fmt.Sprintf("keyword%02d", i))
	}
	all := mailbox.NewFlags(names...)
	kept, err := s.Keep(ctx, "INBOX", all)
	if err != nil || len(kept.Names()) != 28 {
		t.Fatal(kept, err)
	}
	key := deliver(t, s, "INBOX", "x", names...)
	if got := listed(t, s, "INBOX")[key]; got != kept.String() {
		t.Errorf("%s, not %s", got, kept)
	}
	held, err := s.ChangeFlags(ctx, "INBOX", key, mailbox.FlagChange{Add: mailbox.NewFlags("another", mailbox.FlagDraft)})
	if err != nil || held.Has("another") || !held.Has(mailbox.FlagDraft) {
		t.Error(held, err)
	}
	again, err := Open(Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if kept2, err := again.Keep(ctx, "INBOX", all); err != nil || !kept2.Equal(kept) {
		t.Error(kept2, err)
	}
}

func TestLetterInUseIsNotGivenToANewKeyword(t *testing.T) {
	s, dir, _ := openStore(t, FS)
	create(t, s, "INBOX")
	put(t, dir+"/INBOX/cur/k:2,Sa", "x") // its keywords file was lost
	key := deliver(t, s, "INBOX", "x", "New")
	got := listed(t, s, "INBOX")
	if got["k"] != `\Seen` || got[key] != "New" {
		t.Error(got)
	}
}
