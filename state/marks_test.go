package state

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"mailferry/syncer/mailbox"
)

func hashOf(n byte) mailbox.Hash { return mailbox.Hash{n, 1} }

func openMarks(t *testing.T, dir string) *Store {
	t.Helper()
	s, err := Open(t.Context(), Options{Dir: dir, Identity: Identity{Account: "home", URL: "imaps://me@example.com"}})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func marksOf(t *testing.T, s *Store) mailbox.Marks {
	t.Helper()
	marks, err := s.Marks(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return marks
}

func TestMarksOutliveTheState(t *testing.T) {
	dir := t.TempDir()
	s := openMarks(t, dir)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(s.Mark(t.Context(), mailbox.Archived, []mailbox.Hash{hashOf(1), hashOf(2)}))
	must(s.Mark(t.Context(), mailbox.Returned, []mailbox.Hash{hashOf(2)}))
	must(s.Mark(t.Context(), mailbox.Archived, []mailbox.Hash{hashOf(1), hashOf(3)}))
	must(s.Rebuild(t.Context(), "for the test"))
	must(s.Close())
	s = openMarks(t, dir)
	defer s.Close()
	marks := marksOf(t, s)
	if len(marks) != 3 || marks[hashOf(1)] != mailbox.Archived || marks[hashOf(2)] != mailbox.Returned || marks[hashOf(3)] != mailbox.Archived {
		t.Errorf("%v", marks)
	}
	text, err := os.ReadFile(filepath.Join(s.Control(), marksFile))
	if err != nil || len(text) != 4*66 {
		t.Errorf("%d octets, %v", len(text), err)
	}
}

func TestTornLineOfMarksSpoilsNoOther(t *testing.T) {
	dir := t.TempDir()
	s := openMarks(t, dir)
	if err := s.Mark(t.Context(), mailbox.Archived, []mailbox.Hash{hashOf(1), hashOf(2)}); err != nil {
		t.Fatal(err)
	}
	s.Close()
	path := filepath.Join(dir, ".mailferry", marksFile)
	if err := os.Truncate(path, 100); err != nil {
		t.Fatal(err)
	}
	s = openMarks(t, dir)
	if err := s.Mark(t.Context(), mailbox.Archived, []mailbox.Hash{hashOf(3)}); err != nil {
		t.Fatal(err)
	}
	s.Close()
	s = openMarks(t, dir)
	defer s.Close()
	if marks := marksOf(t, s); len(marks) != 2 || marks[hashOf(1)] != mailbox.Archived || marks[hashOf(3)] != mailbox.Archived {
		t.Errorf("%v", marks)
	}
}

func TestMarksFileIsNoSymlink(t *testing.T) {
	dir := t.TempDir()
	openMarks(t, dir).Close()
	other := filepath.Join(t.TempDir(), "other")
	if err := os.Symlink(other, filepath.Join(dir, ".mailferry", marksFile)); err != nil {
		t.Fatal(err)
	}
	s := openMarks(t, dir)
	defer s.Close()
	if err := s.Mark(context.Background(), mailbox.Archived, []mailbox.Hash{hashOf(1)}); err == nil {
		t.Error("a symlink was followed")
	}
	if _, err := os.Stat(other); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v", err)
	}
}

func TestStoreThatIsReadCannotBeMarked(t *testing.T) {
	dir := t.TempDir()
	openMarks(t, dir).Close()
	s, err := Open(t.Context(), Options{Dir: dir, ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Mark(t.Context(), mailbox.Archived, []mailbox.Hash{hashOf(1)}); !errors.Is(err, ErrReadOnly) {
		t.Errorf("%v", err)
	}
}

// TestMarksAreOneAccounts: whoever gives the store to another account archived
// nothing of that one.
func TestMarksAreOneAccounts(t *testing.T) {
	dir := t.TempDir()
	s := openMarks(t, dir)
	if err := s.Mark(t.Context(), mailbox.Archived, []mailbox.Hash{hashOf(1)}); err != nil {
		t.Fatal(err)
	}
	s.Close()
	s, err := Open(t.Context(), Options{Dir: dir, Identity: Identity{Account: "work", URL: "imaps://me@example.org"}, NewStore: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if marks := marksOf(t, s); len(marks) != 0 {
		t.Errorf("%v", marks)
	}
}
