package state

import (
	"context"
	"errors"
	"testing"

	"mailferry/syncer/mailbox"
)

func TestMovingStoreIsOpenedByTheMoveAlone(t *testing.T) {
	ctx, dir := context.Background(), t.TempDir()
	const old, next = "imaps://me@old.example", "imaps://me@new.example"
	s := openForMove(t, Options{Dir: dir, Identity: Identity{URL: old}})
	if err := s.BeginMove(next, "me"); err != nil {
		t.Fatal(err)
	}
	closeStore(t, s)
	for _, url := range []string{"", old, next} {
		if _, err := Open(ctx, Options{Dir: dir, Identity: Identity{URL: url}}); !errors.Is(err, ErrMoving) {
			t.Errorf("as %q: %v", url, err)
		}
	}
	s = openForMove(t, Options{Dir: dir, Moving: true})
	if marker := s.Marker(); !marker.Moving || marker.URL != next || marker.Account != "me" || marker.MovedFrom != old {
		t.Errorf("%+v", marker)
	}
	if err := errors.Join(s.BeginMove(next, "me"), s.EndMove()); err != nil {
		t.Fatal(err)
	}
	closeStore(t, s)
	if _, err := Open(ctx, Options{Dir: dir, Identity: Identity{URL: old}}); !errors.Is(err, ErrOtherAccount) {
		t.Errorf("as the old account's: %v", err)
	}
	s = openForMove(t, Options{Dir: dir, Identity: Identity{URL: next}})
	if marker := s.Marker(); marker.Moving || marker.MovedFrom != old {
		t.Errorf("%+v", marker)
	}
	closeStore(t, s)
}

func TestAdoptTakesAnotherStateForItsOwn(t *testing.T) {
	ctx := context.Background()
	one, two := openForMove(t, Options{Dir: t.TempDir()}), openForMove(t, Options{Dir: t.TempDir()})
	defer closeStore(t, one)
	defer closeStore(t, two)
	fill(t, one, "INBOX", 10)
	fill(t, two, "INBOX", 3)
	fill(t, two, "Out", 2)
	flagged := mailbox.NewFlags(mailbox.FlagFlagged)
	for range 2 { // a part that a kill left behind does not matter
		err := one.Adopt(ctx, two, true, func(name mailbox.Name, link *mailbox.Link) error {
			if name == "Out" {
				link.Local = flagged
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	known, err := one.Mailboxes(ctx)
	if err != nil || len(known) != 2 || known[0].Links != 3 || known[1].Name != "Out" {
		t.Fatalf("%+v, %v", known, err)
	}
	if want := (mailbox.Status{UIDValidity: 7}); known[0].Remote != want || known[0].Local.Taken != 5 || !known[0].HasRemote {
		t.Errorf("checkpoint %+v", known[0])
	}
	links, err := one.Links(ctx, known[1].ID)
	if err != nil || len(links) != 2 || !links[0].Local.Equal(flagged) || links[0].UID != 1 {
		t.Errorf("%+v, %v", links, err)
	}
}

func openForMove(t *testing.T, options Options) *Store {
	t.Helper()
	s, err := Open(context.Background(), options)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func closeStore(t *testing.T, s *Store) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// fill makes a mailbox with n links and a checkpoint.
func fill(t *testing.T, s *Store, name mailbox.Name, n int) {
	t.Helper()
	id, err := s.Add(context.Background(), name)
	if err != nil {
		t.Fatal(err)
	}
	commit := mailbox.Commit{Mailbox: id, Checkpoint: &mailbox.Checkpoint{
		Remote: mailbox.Status{Messages: uint32(n), UIDNext: mailbox.UID(n + 1), UIDValidity: 7, HighestModSeq: 9},
		Local:  mailbox.Stamp{Taken: 5}, HasRemote: true, HasLocal: true,
	}}
	for i := range n {
		commit.Put = append(commit.Put, &mailbox.Link{UID: mailbox.UID(i + 1), Key: mailbox.Key(string(rune('a' + i)))})
	}
	if err := s.Commit(context.Background(), commit); err != nil {
		t.Fatal(err)
	}
}
