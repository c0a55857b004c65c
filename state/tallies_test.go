package state

import (
	"bytes"
	"os"
	"slices"
	"testing"

	"mailferry/syncer/mailbox"
)

// tallyOf adds up what the links say.
func tallyOf(t testing.TB, s *Store, id mailbox.ID) mailbox.Tally {
	t.Helper()
	links, err := s.Links(t.Context(), id)
	must(t, err)
	var tally mailbox.Tally
	for _, l := range links {
		if l.Key != "" {
			tally.Add(l.Key, l.Local)
		}
	}
	return tally
}

func tallyIsRight(t testing.TB, s *Store, when string) {
	t.Helper()
	list, err := s.Mailboxes(t.Context())
	must(t, err)
	for _, k := range list {
		if want := tallyOf(t, s, k.ID); k.Tally != want {
			t.Errorf("%s: %s has %+v, its links %+v", when, k.Name, k.Tally, want)
		}
	}
}

func TestTheTallyFollowsTheLinks(t *testing.T) {
	s := newWorld(t).open(t)
	id := add(t, s, "INBOX")
	add(t, s, "Empty")
	links := makeLinks(300)
	links[0].Key, links[0].Kind = "", mailbox.KeptRemote
	links[1].Local = mailbox.NewFlags(mailbox.FlagSeen, "own")
	commitAll(t, s, id, links)
	tallyIsRight(t, s, "new")
	for _, l := range links[1:100] {
		l.Local = l.Local.Union(mailbox.NewFlags(mailbox.FlagFlagged))
	}
	links[100].Key = ""
	links[0].Key = "back"
	var forget []mailbox.LinkID
	for _, l := range links[200:250] {
		forget = append(forget, l.ID)
	}
	must(t, s.Commit(t.Context(), mailbox.Commit{Mailbox: id, Put: links[:150], Forget: forget}))
	tallyIsRight(t, s, "changed")
	must(t, s.Commit(t.Context(), mailbox.Commit{Mailbox: id, Put: links[:2], Checkpoint: &mailbox.Checkpoint{HasLocal: true}}))
	tallyIsRight(t, s, "put again")
}

// The file was made by version 1 of the schema, with 40 links.
func TestAStateOfVersion1IsMigrated(t *testing.T) {
	w := newWorld(t)
	o := w.options()
	o.Notes = ""
	must(t, open(t, o).Close())
	old, err := os.ReadFile("../testdata/state/version1.db")
	must(t, err)
	must(t, os.WriteFile(w.path(stateFile), old, 0o600))
	must(t, os.Remove(w.path(generationFile)))
	s := &Store{}
	must(t, s.dial(t.Context(), w.path(stateFile), "mode=rw"))
	r, err := s.readRoot(t.Context(), 1)
	must(t, err)
	must(t, s.hangUp())
	marker, err := os.ReadFile(w.path(markerFile))
	must(t, err)
	now, err := ReadMarker(w.dir)
	must(t, err)
	must(t, os.WriteFile(w.path(markerFile), bytes.Replace(marker, []byte(now.UUID), []byte(r.uuid), 1), 0o600))
	for range 2 {
		migrated := open(t, o)
		if migrated.Rebuilt() != "" || migrated.root.version != len(migrations) {
			t.Fatalf("%q, version %d", migrated.Rebuilt(), migrated.root.version)
		}
		tallyIsRight(t, migrated, "migrated")
		if n := numbering(t, migrated); n.UIDValidity != 0 || n.Next != 1 {
			t.Errorf("numbering %+v", n)
		}
		list, err := migrated.Mailboxes(t.Context())
		must(t, err)
		if len(list) != 2 || list[1].Links != 40 || list[1].Tally.Files != 39 || list[1].Remote.HighestModSeq != 9 {
			t.Errorf("%+v", list)
		}
		must(t, migrated.Close())
	}
}

func TestScanHandsOverWhatIsAskedForOnce(t *testing.T) {
	s := newWorld(t).open(t)
	id := add(t, s, "INBOX")
	other := add(t, s, "Other")
	links := makeLinks(50)
	links[10].Kind = mailbox.PendingUpload
	links[20].Kind, links[20].UID = mailbox.KeptLocal, 0
	links[30].UID = 0
	links[40].Kind, links[40].Key = mailbox.KeptRemote, ""
	commitAll(t, s, id, links)
	commitAll(t, s, other, makeLinks(50))
	all, err := s.Links(t.Context(), id)
	must(t, err)
	for _, some := range []mailbox.Some{
		{}, {Odd: true}, {From: 41}, {From: 1}, {From: 99}, {UIDs: mailbox.UIDs(1, 2, 3, 7, 11, 50, 60)},
		{Odd: true, From: 40, UIDs: mailbox.Range(5, 45)}, {UIDs: mailbox.Range(1, mailbox.MaxUID)},
	} {
		var want, got []mailbox.LinkID
		for i := range all {
			if some.Fits(&all[i]) {
				want = append(want, all[i].ID)
			}
		}
		must(t, s.Scan(t.Context(), id, some, func(l *mailbox.Link) error {
			got = append(got, l.ID)
			return nil
		}))
		slices.Sort(want)
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("%+v: %v, want %v", some, got, want)
		}
	}
	uids, err := s.UIDs(t.Context(), id)
	must(t, err)
	if want := "1:10,12:20,22:30,32:50"; uids.String() != want {
		t.Errorf("UIDs %s, want %s", uids, want)
	}
}
