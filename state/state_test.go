package state

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"mailferry/syncer/mailbox"
)

// world is a place for a store and for the machine's notes.
type world struct {
	dir, notes string
	now        time.Time
}

func newWorld(t testing.TB) *world {
	root := t.TempDir()
	return &world{filepath.Join(root, "mail", "home"), filepath.Join(root, "notes"), time.Unix(1_700_000_000, 0)}
}

var home = Identity{Account: "home", URL: "imaps://me@imap.example.com", Layout: "fs"}

func (w *world) options() Options {
	return Options{
		Dir: w.dir, Control: ".mailferry", Notes: w.notes, Identity: home,
		Now: func() time.Time { w.now = w.now.Add(time.Second); return w.now },
	}
}

func (w *world) path(name string) string { return filepath.Join(w.dir, ".mailferry", name) }

func open(t testing.TB, o Options) *Store {
	t.Helper()
	s, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func (w *world) open(t testing.TB) *Store { t.Helper(); return open(t, w.options()) }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func add(t testing.TB, s *Store, name mailbox.Name) mailbox.ID {
	t.Helper()
	id, err := s.Add(t.Context(), name)
	must(t, err)
	return id
}

// makeLinks makes n links as a mailbox of the real world has them.
func makeLinks(n int) []*mailbox.Link {
	r := rand.New(rand.NewPCG(1, 2))
	sets := []mailbox.Flags{
		{}, mailbox.NewFlags(mailbox.FlagSeen), mailbox.NewFlags(mailbox.FlagSeen, mailbox.FlagAnswered),
		mailbox.NewFlags(mailbox.FlagFlagged, "$Junk", "work"),
	}
	links := make([]*mailbox.Link, n)
	for i := range links {
		l := &mailbox.Link{
			UID: mailbox.UID(i + 1), Agreed: sets[r.IntN(len(sets))],
			Key:     mailbox.Key(fmt.Sprintf("%d.M%dP4711Q%d.host.example.com", 1_600_000_000+i*77, r.IntN(1_000_000), i)),
			Content: mailbox.Content{Size: r.Int64N(200_000)},
			Date:    mailbox.Date{Unix: 1_600_000_000 + int64(i)*77, Offset: 7200, Known: true},
		}
		l.Remote, l.Local = l.Agreed, l.Agreed
		for j := range l.Content.Hash {
			l.Content.Hash[j], l.Content.Header[j] = byte(r.Uint32()), byte(r.Uint32())
		}
		links[i] = l
	}
	return links
}

func commitAll(t testing.TB, s *Store, id mailbox.ID, links []*mailbox.Link) {
	t.Helper()
	for len(links) > 0 {
		n := min(2000, len(links))
		must(t, s.Commit(context.Background(), mailbox.Commit{Mailbox: id, Put: links[:n]}))
		links = links[n:]
	}
}

func TestEveryFieldSurvivesReopening(t *testing.T) {
	w := newWorld(t)
	s := w.open(t)
	id := add(t, s, "INBOX")
	odd := add(t, s, "odd \x00 \xff \r\n \u202e '\"%?#")
	hash, err := mailbox.ParseHash(strings.Repeat("0f", 32))
	must(t, err)
	links := []*mailbox.Link{
		{Kind: mailbox.Linked, UID: mailbox.MaxUID, Key: "b:\xff'", Agreed: mailbox.NewFlags(`\Seen`, "$Junk", "Work"),
			Remote: mailbox.NewFlags(`\Seen`), Local: mailbox.NewFlags("$junk", "Work"),
			Content: mailbox.Content{Size: 1 << 40, Hash: hash, Header: mailbox.Hash{1}, Verbatim: true},
			Date:    mailbox.Date{Unix: -1 << 40, Offset: -43200, Known: true}, Since: mailbox.MaxUID},
		{Kind: mailbox.KeptLocal, Key: "a", Agreed: mailbox.NewFlags("work"), Remote: mailbox.NewFlags("WORK")},
		{Kind: mailbox.PendingUpload, Key: "a2", Since: 7, Date: mailbox.Date{Known: true}},
		{Kind: mailbox.Skipped, UID: 3, Content: mailbox.Content{Size: 9}},
		{Kind: mailbox.KeptRemote, UID: 2},
	}
	checkpoint := mailbox.Checkpoint{
		Remote: mailbox.Status{Messages: 1<<32 - 1, UIDNext: mailbox.MaxUID, UIDValidity: 1<<32 - 2, HighestModSeq: 1<<64 - 1},
		Local:  mailbox.Stamp{Cur: 1, New: -2, Keywords: 3, Taken: 1<<63 - 1}, HasRemote: true, HasLocal: true,
	}
	must(t, s.Commit(t.Context(), mailbox.Commit{Mailbox: id, Put: links, Checkpoint: &checkpoint}))
	must(t, s.Close())

	s = w.open(t)
	if got := s.Rebuilt(); got != "" {
		t.Fatal(got)
	}
	mailboxes, err := s.Mailboxes(t.Context())
	must(t, err)
	var tally mailbox.Tally
	for _, l := range links[:3] {
		tally.Add(l.Key, l.Local)
	}
	want := []mailbox.Known{
		{ID: id, Name: "INBOX", Remote: checkpoint.Remote, Local: checkpoint.Local, HasRemote: true, HasLocal: true, Links: 5, Tally: tally},
		{ID: odd, Name: "odd \x00 \xff \r\n \u202e '\"%?#"},
	}
	if !reflect.DeepEqual(mailboxes, want) {
		t.Errorf("mailboxes\n%+v\nnot\n%+v", mailboxes, want)
	}
	got, err := s.Links(t.Context(), id)
	must(t, err)
	order := []int{1, 2, 4, 3, 0}
	for i, j := range order {
		if links[j].ID == 0 || !reflect.DeepEqual(got[i], *links[j]) {
			t.Errorf("link %d is\n%+v\nnot\n%+v", i, got[i], *links[j])
		}
	}
}

func TestCommitChangesForgetsAndExchangesUIDs(t *testing.T) {
	s := newWorld(t).open(t)
	id := add(t, s, "INBOX")
	links := makeLinks(5)
	commitAll(t, s, id, links)
	links[0].UID, links[1].UID = links[1].UID, links[0].UID
	links[2].Agreed = mailbox.NewFlags(`\Deleted`)
	must(t, s.Commit(t.Context(), mailbox.Commit{Mailbox: id, Put: links[:3], Forget: []mailbox.LinkID{links[3].ID}}))
	got, err := s.Links(t.Context(), id)
	must(t, err)
	want := []mailbox.Link{*links[1], *links[0], *links[2], *links[4]}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%+v\nnot\n%+v", got, want)
	}
}

func TestCommitThatFailsChangesNothing(t *testing.T) {
	s := newWorld(t).open(t)
	id := add(t, s, "INBOX")
	links := makeLinks(4)
	commitAll(t, s, id, links[:2])
	before, err := s.Links(t.Context(), id)
	must(t, err)
	links[3].UID = links[0].UID
	for name, c := range map[string]struct {
		commit mailbox.Commit
		want   error
	}{
		"two links for one UID": {mailbox.Commit{Mailbox: id, Forget: []mailbox.LinkID{links[1].ID}, Put: links[2:]}, ErrDuplicate},
		"unknown link":          {mailbox.Commit{Mailbox: id, Put: links[2:3], Forget: []mailbox.LinkID{99}}, mailbox.ErrNotFound},
		"unknown mailbox":       {mailbox.Commit{Mailbox: 99, Put: links[2:3]}, mailbox.ErrNotFound},
	} {
		if err := s.Commit(t.Context(), c.commit); !errors.Is(err, c.want) || errors.Is(err, ErrDamaged) {
			t.Errorf("%s: %v", name, err)
		}
		if links[2].ID != 0 {
			t.Errorf("%s: an ID was set", name)
		}
		if after, err := s.Links(t.Context(), id); err != nil || !reflect.DeepEqual(after, before) {
			t.Errorf("%s: links changed: %v", name, err)
		}
	}
}

func TestCommitThatChangesNothingWritesNothing(t *testing.T) {
	s := newWorld(t).open(t)
	id := add(t, s, "INBOX")
	before := s.root.generation
	must(t, s.Commit(t.Context(), mailbox.Commit{Mailbox: id, Checkpoint: &mailbox.Checkpoint{}}))
	if s.root.generation != before {
		t.Error("an empty commit raised the generation")
	}
}

func TestMailboxesAreRenamedAndForgotten(t *testing.T) {
	w := newWorld(t)
	s := w.open(t)
	a, b := add(t, s, "a"), add(t, s, "b")
	commitAll(t, s, a, makeLinks(3))
	if _, err := s.Add(t.Context(), "a"); !errors.Is(err, mailbox.ErrExists) {
		t.Errorf("Add: %v", err)
	}
	if err := s.Rename(t.Context(), a, "b"); !errors.Is(err, mailbox.ErrExists) {
		t.Errorf("Rename: %v", err)
	}
	if err := s.Rename(t.Context(), 99, "z"); !errors.Is(err, mailbox.ErrNotFound) {
		t.Errorf("Rename: %v", err)
	}
	must(t, s.Rename(t.Context(), a, "z"))
	must(t, s.Forget(t.Context(), b))
	must(t, s.Forget(t.Context(), b))
	if c := add(t, s, "b"); c == b {
		t.Error("an ID was used again")
	}
	must(t, s.Close())
	list, err := w.open(t).Mailboxes(t.Context())
	must(t, err)
	if len(list) != 2 || list[1].ID != a || list[1].Name != "z" || list[1].Links != 3 {
		t.Errorf("%+v", list)
	}
}

func TestRunsAreRecordedAndOneThatWasKilledIsNotClean(t *testing.T) {
	w := newWorld(t)
	s := w.open(t)
	if !s.Clean() {
		t.Error("a new store is not clean")
	}
	id, err := s.BeginRun(t.Context(), "sync")
	must(t, err)
	must(t, s.EndRun(t.Context(), id, false, "no route", `{"failed":1}`))
	_, err = s.BeginRun(t.Context(), "backup")
	must(t, err)
	must(t, s.Close())
	s = w.open(t)
	if s.Clean() {
		t.Error("clean after a run without an end")
	}
	runs, err := s.Runs(t.Context(), 9)
	must(t, err)
	if len(runs) != 2 || runs[0].Command != "backup" || !runs[0].Ended.IsZero() ||
		runs[1].OK || runs[1].Error != "no route" || runs[1].Summary != `{"failed":1}` || !runs[1].Ended.After(runs[1].Started) {
		t.Errorf("%+v", runs)
	}
	for range runsKept + 5 {
		id, err := s.BeginRun(t.Context(), "sync")
		must(t, err)
		must(t, s.EndRun(t.Context(), id, true, "", ""))
	}
	runs, err = s.Runs(t.Context(), 9999)
	must(t, err)
	if len(runs) != runsKept || !s.Clean() {
		t.Errorf("%d runs, clean %v", len(runs), s.Clean())
	}
}

func TestALongStreakOfFailuresKeepsTheLastSuccess(t *testing.T) {
	clock := time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)
	s := open(t, Options{Dir: t.TempDir(), Identity: home, Now: func() time.Time { return clock }})
	run := func(ok bool) {
		clock = clock.Add(time.Minute)
		id, err := s.BeginRun(t.Context(), "sync")
		if err != nil {
			t.Fatal(err)
		}
		if err := s.EndRun(t.Context(), id, ok, "", ""); err != nil {
			t.Fatal(err)
		}
	}
	run(false)
	run(true)
	run(true)
	good := clock
	for range runsKept + 20 {
		run(false)
	}
	runs, err := s.Runs(t.Context(), 0)
	if err != nil || len(runs) != runsKept+2 {
		t.Fatalf("%d runs, %v", len(runs), err)
	}
	last, first := runs[len(runs)-1], runs[len(runs)-2]
	if !last.OK || !last.Started.Equal(good) || first.OK || first.ID != last.ID+1 || runs[0].ID != last.ID+runsKept+20 {
		t.Errorf("%+v\n%+v\n%+v", last, first, runs[0])
	}
}

func TestOverviewCountsByKind(t *testing.T) {
	s := newWorld(t).open(t)
	id := add(t, s, "INBOX")
	links := makeLinks(4)
	links[3].Kind = mailbox.KeptLocal
	commitAll(t, s, id, links)
	o, err := s.Overview(t.Context())
	must(t, err)
	if len(o.Mailboxes) != 1 || o.Mailboxes[0].Kinds[mailbox.Linked] != 3 || o.Mailboxes[0].Kinds[mailbox.KeptLocal] != 1 ||
		o.Version != len(migrations) || o.Size == 0 || o.Marker.UUID == "" {
		t.Errorf("%+v", o)
	}
}

func TestFilesAreForTheUserAlone(t *testing.T) {
	w := newWorld(t)
	s := w.open(t)
	add(t, s, "INBOX")
	err := filepath.WalkDir(w.dir, func(path string, entry fs.DirEntry, err error) error {
		must(t, err)
		info, err := entry.Info()
		must(t, err)
		if info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
		return nil
	})
	must(t, err)
	must(t, s.Close())
	if _, err := os.Stat(w.path("state.db-wal")); !errors.Is(err, fs.ErrNotExist) {
		t.Error("a log stays behind")
	}
}

func TestErrorsOfAFullDiskAreRecognised(t *testing.T) {
	s := newWorld(t).open(t)
	id := add(t, s, "INBOX")
	// SQLite answers SQLITE_FULL, as it does on ENOSPC.
	_, err := s.conn.ExecContext(t.Context(), "PRAGMA max_page_count = 20")
	must(t, err)
	err = s.Commit(t.Context(), mailbox.Commit{Mailbox: id, Put: makeLinks(2000)})
	if !errors.Is(err, ErrFull) {
		t.Fatal(err)
	}
	if links, err := s.Links(t.Context(), id); err != nil || len(links) != 0 {
		t.Errorf("%d links, %v", len(links), err)
	}
}
