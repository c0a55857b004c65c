package maildirout

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"

	"mailferry/syncer/mailbox"
)

func TestDeliveryIsInvisibleUntilPublished(t *testing.T) {
	for _, count := range []int{1, 3 * manyFiles} {
		s, dir, _ := openStore(t, FS)
		ctx := context.Background()
		create(t, s, "INBOX", "Other")
		var drafts []mailbox.Draft
		for i := range count {
			body := fmt.Sprintf("n: %d\r\n\r\n", i)
			draft, err := s.Receive(ctx, []mailbox.Name{"INBOX", "Other"}[i%2], int64(len(body)), strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			draft.Date = mailbox.Date{Unix: -int64(i) * 1000, Offset: 3600, Known: true}
			if i%3 == 0 {
				draft.Flags = mailbox.NewFlags(mailbox.FlagSeen, "Work")
			}
			drafts = append(drafts, draft)
		}
		if err := s.Seal(ctx, drafts); err != nil {
			t.Fatal(err)
		}
		if n := len(listed(t, s, "INBOX")) + len(listed(t, s, "Other")); n != 0 {
			t.Errorf("%d messages can be seen", n)
		}
		if err := s.Publish(ctx, drafts); err != nil {
			t.Fatal(err)
		}
		for _, draft := range drafts {
			if got := listed(t, s, draft.Name)[draft.Key]; got != draft.Flags.String() {
				t.Errorf("%s: %s", draft.Key, got)
			}
			content, date, err := s.Inspect(ctx, draft.Name, draft.Key)
			if err != nil || content != draft.Content || !date.SameInstant(draft.Date) {
				t.Error(content, date, err)
			}
			sub := "new/" + string(draft.Key)
			if !draft.Flags.IsEmpty() {
				sub = "cur/" + string(draft.Key) + ":2,Sa"
			}
			if _, err := os.Stat(dir + "/" + string(draft.Name) + "/" + sub); err != nil {
				t.Error(err)
			}
		}
	}
}

func TestPublishNeverOverwrites(t *testing.T) {
	s, dir, _ := openStore(t, FS)
	ctx := context.Background()
	create(t, s, "INBOX")
	draft, err := s.Receive(ctx, "INBOX", 4, strings.NewReader("mine"))
	if err != nil {
		t.Fatal(err)
	}
	put(t, dir+"/INBOX/new/"+string(draft.Key), "theirs")
	if err := s.Publish(ctx, []mailbox.Draft{draft}); !errors.Is(err, os.ErrExist) {
		t.Error(err)
	}
	if got := wireOf(t, s, "INBOX", draft.Key); got != "theirs" {
		t.Error(got)
	}
}

func TestKeysAreUniqueAcrossStores(t *testing.T) {
	seen := map[mailbox.Key]bool{}
	for range 3 {
		s, _, _ := openStore(t, FS)
		for range 1000 {
			key, err := s.keys.next()
			if err != nil || seen[key] || checkKey(key) != nil || strings.Contains(string(key), ",") {
				t.Fatal(key, err)
			}
			seen[key] = true
		}
	}
	if got := keyHost("a/b:c,d é" + strings.Repeat("x", 500)); strings.ContainsAny(got, "/:, ") || len(got) > 64 {
		t.Error(got)
	}
}

func TestLostWritesAreNotForgotten(t *testing.T) {
	s, _, _ := openStore(t, FS)
	create(t, s, "INBOX")
	lost := errors.New("input/output error")
	s.fail(lost)
	draft, err := s.Receive(context.Background(), "INBOX", 1, strings.NewReader("x"))
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := s.Seal(context.Background(), []mailbox.Draft{draft}); !errors.Is(err, lost) {
			t.Error(err)
		}
		if err := s.Flush(context.Background()); !errors.Is(err, lost) {
			t.Error(err)
		}
	}
}

func TestManyDeliverAtOnce(t *testing.T) {
	s, _, _ := openStore(t, FS)
	create(t, s, "INBOX", "Other")
	var group sync.WaitGroup
	for worker := range 4 {
		group.Go(func() {
			for i := range 20 {
				name := []mailbox.Name{"INBOX", "Other"}[i%2]
				key := deliver(t, s, name, fmt.Sprint(worker, i), fmt.Sprintf("kw%d", worker))
				change := mailbox.FlagChange{Add: mailbox.NewFlags(mailbox.FlagSeen)}
				if _, err := s.ChangeFlags(context.Background(), name, key, change); err != nil {
					t.Error(err)
				}
				listed(t, s, name)
				if got := wireOf(t, s, name, key); got != fmt.Sprint(worker, i) {
					t.Error(got)
				}
			}
		})
	}
	group.Wait()
	if n := len(listed(t, s, "INBOX")) + len(listed(t, s, "Other")); n != 80 {
		t.Error(n)
	}
}

func BenchmarkList(b *testing.B) {
	s, dir, _ := openStore(b, FS)
	create(b, s, "INBOX")
	for i := range 100_000 {
		put(b, fmt.Sprintf("%s/INBOX/cur/%d.M%dP4711Q%dR%08x.host.example:2,S", dir, 1_700_000_000+i/10, i*7919%1_000_000, i, i*2654435761), "")
	}
	for b.Loop() {
		if messages, _, err := s.List(context.Background(), "INBOX"); err != nil || len(messages) != 100_000 {
			b.Fatal(len(messages), err)
		}
	}
}

func BenchmarkDeliver(b *testing.B) {
	s, _, _ := openStore(b, FS)
	create(b, s, "INBOX")
	body := strings.Repeat("Subject: a line of a message of no importance at all\r\n", 6*1024/54)
	for b.Loop() {
		drafts := make([]mailbox.Draft, 2000)
		for i := range drafts {
			var err error
			if drafts[i], err = s.Receive(context.Background(), "INBOX", int64(len(body)), strings.NewReader(body)); err != nil {
				b.Fatal(err)
			}
		}
		publish(b, s, drafts...)
	}
	b.ReportMetric(2000*float64(b.N)/b.Elapsed().Seconds(), "messages/s")
}
