package maildirout

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"mailferry/syncer/mailbox"
)

func TestListUnderstandsEveryFileName(t *testing.T) {
	s, dir, _ := openStore(t, FS)
	put(t, dir+"/INBOX/dovecot-keywords", "0 $Label1\n1 Work\nnonsense\n99 far\nx y\n2 bad keyword\n25 last")
	files := map[string]string{
		"cur/plain": "", "cur/seen:2,S": `\Seen`, "cur/all:2,DFPRST": `\Answered \Deleted \Draft \Flagged \Seen $Forwarded`,
		"cur/kw:2,Sabz": `\Seen $Label1 last Work`, "cur/unknown:2,FXYq9": `\Flagged`, "cur/experimental:1,S": "",
		"cur/odd:S": "", "cur/short:2": "", "cur/comma:2,S,D": `\Seen`, "cur/dovecot,S=12,W=13:2,R": `\Answered`,
		"new/fresh": "", "new/withinfo:2,S": `\Seen`, "cur/\xff\xfe:2,": "", "cur/mail with spaces:2,F": `\Flagged`, "cur/:2,S": `\Seen`,
	}
	want := map[mailbox.Key]string{}
	for name, flags := range files {
		put(t, dir+"/INBOX/"+name, "x")
		want[mailbox.Key(newFile(name[4:], false).keyText())] = flags
	}
	put(t, dir+"/INBOX/cur/.hidden", "x")
	put(t, dir+"/INBOX/cur/folder/x", "x")
	got := listed(t, s, "INBOX")
	for key, flags := range want {
		if have, there := got[key]; !there || have != flags {
			t.Errorf("%q has %q, want %q", key, have, flags)
		}
	}
	if len(got) != len(want) {
		t.Errorf("got %q", got)
	}
}

func TestListIsSortedAndOneEachKey(t *testing.T) {
	s, dir, _ := openStore(t, FS)
	for _, name := range []string{"cur/b:2,S", "new/b", "new/a", "cur/c:2,", "cur/c:2,F", "cur/ab:2,", "cur/a.b:2,"} {
		put(t, dir+"/INBOX/"+name, "x")
	}
	messages, _, err := s.List(context.Background(), "INBOX")
	var keys []string
	for _, m := range messages {
		keys = append(keys, string(m.Key))
	}
	if got := strings.Join(keys, " "); err != nil || got != "a a.b ab b c" {
		t.Fatal(got, err)
	}
	if messages[3].Flags.String() != `\Seen` {
		t.Error("new's file was taken for cur's")
	}
}

func TestStampChangesWithEveryPart(t *testing.T) {
	s, dir, _ := openStore(t, FS)
	create(t, s, "INBOX")
	ctx := context.Background()
	last, err := s.Stamp(ctx, "INBOX")
	if err != nil || last.Cur == 0 || last.New == 0 || last.Keywords != 0 || last.Taken == 0 {
		t.Fatal(last, err)
	}
	for _, name := range []string{"cur/a:2,", "new/b", "dovecot-keywords"} {
		time.Sleep(20 * time.Millisecond)
		put(t, dir+"/INBOX/"+name, "0 a\n")
		stamp, err := s.Stamp(ctx, "INBOX")
		if err != nil || stamp == last {
			t.Errorf("%s did not change the stamp (%v)", name, err)
		}
		last = stamp
	}
	if _, listedStamp, err := s.List(ctx, "INBOX"); err != nil || listedStamp != last {
		t.Error(listedStamp, last, err)
	}
	if _, err := s.Stamp(ctx, "None"); !errors.Is(err, mailbox.ErrNotFound) {
		t.Error(err)
	}
}

// hammer renames messages as mail readers do: from new to cur, and between
// flags, until it is stopped. Between bursts it rests for pause.
func hammer(t *testing.T, dir string, count int, burst int, pause time.Duration) (stop func()) {
	t.Helper()
	names := make([]string, count)
	for i := range names {
		names[i] = fmt.Sprintf("new/%010d.M%dP1.host", 1_700_000_000+i, i)
		put(t, dir+"/"+names[i], "x")
	}
	done := make(chan struct{})
	var group sync.WaitGroup
	group.Go(func() {
		for round := 0; ; round++ {
			for i := range names {
				select {
				case <-done:
					return
				default:
				}
				key := newFile(names[i][4:], false).keyText()
				to := "cur/" + key + ":2," + []string{"", "S", "FS", "RS", "DFRST"}[(round+i)%5]
				if err := os.Rename(dir+"/"+names[i], dir+"/"+to); err == nil {
					names[i] = to
				}
				if pause > 0 && i%burst == 0 {
					time.Sleep(pause)
				}
			}
		}
	})
	return func() { close(done); group.Wait() }
}

func TestListIsCompleteWhileReaderRenames(t *testing.T) {
	tests := []struct {
		name       string
		read       nameReader
		pause      time.Duration
		incomplete bool
	}{
		{"without rest", readNames, 0, true},
		{"plain readdir, without rest", readNamesPlain, 0, true},
		{"plain readdir, with rests", readNamesPlain, 200 * time.Millisecond, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s, dir, _ := openStore(t, FS)
			s.read = test.read
			create(t, s, "INBOX")
			const count = 1000
			defer hammer(t, dir+"/INBOX", count, 200, test.pause)()
			complete := 0
			for deadline := time.Now().Add(3 * time.Second); time.Now().Before(deadline); {
				messages, _, err := s.List(context.Background(), "INBOX")
				if test.incomplete && errors.Is(err, mailbox.ErrIncomplete) {
					continue
				}
				if err != nil || len(messages) != count {
					t.Fatalf("%d of %d keys: %v", len(messages), count, err)
				}
				complete++
			}
			t.Logf("%d complete listings", complete)
			if complete == 0 && !test.incomplete {
				t.Error("no listing was complete")
			}
		})
	}
}

func TestNothingIsLostWhileFlagsChangeOnBothSides(t *testing.T) {
	s, dir, _ := openStore(t, FS)
	create(t, s, "INBOX")
	const count = 60
	stop := hammer(t, dir+"/INBOX", count, 1, time.Millisecond)
	keys := listed(t, s, "INBOX")
	change := mailbox.FlagChange{Add: mailbox.NewFlags("Mine")}
	for key := range keys {
		held, err := s.ChangeFlags(context.Background(), "INBOX", key, change)
		if err != nil || !held.Has("Mine") {
			t.Errorf("%s: %v %v", key, held, err)
		}
	}
	stop()
	if got := listed(t, s, "INBOX"); len(got) != count || len(filesBelow(t, dir+"/INBOX/cur"))+len(filesBelow(t, dir+"/INBOX/new")) != count {
		t.Errorf("%d of %d messages", len(got), count)
	}
}

func TestRemoveFindsWhatAReaderRenames(t *testing.T) {
	s, dir, _ := openStore(t, FS)
	create(t, s, "INBOX")
	const count = 60
	defer hammer(t, dir+"/INBOX", count, 1, time.Millisecond)()
	var keys []mailbox.Key
	for key := range listed(t, s, "INBOX") {
		keys = append(keys, key)
	}
	if err := s.Remove(context.Background(), "INBOX", keys); err != nil {
		t.Fatal(err)
	}
	if left := listed(t, s, "INBOX"); len(left) != 0 || len(filesBelow(t, dir+"/.mailferry/trash")) != count {
		t.Errorf("%d left, %d in the trash", len(left), len(filesBelow(t, dir+"/.mailferry/trash")))
	}
}

func FuzzFileNames(f *testing.F) {
	for _, seed := range []string{"k:2,S", "k", ":2,", "k:1,x", "k:2,ab,c", "k:2,S:2,F"} {
		f.Add(seed, "0 a\n1 b\n")
	}
	f.Fuzz(func(t *testing.T, name, keywords string) {
		one, table := newFile(name, false), parseKeywords([]byte(keywords))
		letters, tail := one.info()
		flags := table.flags(letters)
		same, held := table.letters(letters, flags)
		if !held.Equal(flags) {
			t.Fatalf("%q: %v became %v", name, flags, held)
		}
		again := newFile(messageName(one.keyText(), same, tail), false)
		got, rest := again.info()
		if again.keyText() != one.keyText() || got != same || rest != tail {
			t.Fatalf("%q became %q", name, again.name)
		}
	})
}
