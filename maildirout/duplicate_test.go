package maildirout

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mailferry/syncer/mailbox"
)

// theFile returns the path of a message's only file.
func theFile(t *testing.T, dir string, key mailbox.Key) string {
	t.Helper()
	for _, path := range filesBelow(t, dir) {
		if strings.HasPrefix(filepath.Base(path), string(key)) {
			if !filepath.IsAbs(path) {
				path = filepath.Join(dir, path)
			}
			return path
		}
	}
	t.Fatalf("no file of %s", key)
	return ""
}

func duplicate(t *testing.T, s *Store, key mailbox.Key, date mailbox.Date) mailbox.Key {
	t.Helper()
	draft, err := s.Duplicate(t.Context(), "A", key, "B", date)
	if err != nil {
		t.Fatal(err)
	}
	draft.Date = date
	publish(t, s, draft)
	return draft.Key
}

func isOneFile(t *testing.T, a, b string) bool {
	t.Helper()
	first, err := os.Stat(a)
	if err != nil {
		t.Fatal(err)
	}
	second, err := os.Stat(b)
	if err != nil {
		t.Fatal(err)
	}
	return os.SameFile(first, second)
}

func TestDuplicateSharesTheFileIfItsDateIsTheSame(t *testing.T) {
	date := mailbox.Date{Unix: 1_000_000_000, Known: true}
	for name, test := range map[string]struct {
		mtime  time.Time
		date   mailbox.Date
		shared bool
	}{
		"the same":    {date.Time(), date, true},
		"another":     {date.Time(), mailbox.Date{Unix: 1_000_000_001, Known: true}, false},
		"finer":       {date.Time().Add(5), date, false},
		"not known":   {date.Time(), mailbox.Date{}, false},
		"before 1970": {time.Unix(-1000, 0), mailbox.Date{Unix: -1000, Known: true}, true},
	} {
		t.Run(name, func(t *testing.T) {
			s, dir, _ := openStore(t, FS)
			create(t, s, "A", "B")
			key := deliver(t, s, "A", "one\r\ntwo\r\n", mailbox.FlagSeen)
			first := theFile(t, dir, key)
			if err := os.Chtimes(first, test.mtime, test.mtime); err != nil {
				t.Fatal(err)
			}
			second := theFile(t, dir, duplicate(t, s, key, test.date))
			if got := isOneFile(t, first, second); got != test.shared {
				t.Errorf("shared %v", got)
			}
			info, err := os.Stat(first)
			if err != nil || !info.ModTime().Equal(test.mtime) {
				t.Errorf("the first file's date is %v, was %v (%v)", info.ModTime(), test.mtime, err)
			}
			if _, err := s.ChangeFlags(t.Context(), "B", mailbox.Key(filepath.Base(second)), mailbox.FlagChange{Add: mailbox.NewFlags(mailbox.FlagFlagged)}); err != nil {
				t.Fatal(err)
			}
			if got := listed(t, s, "A")[key]; got != `\Seen` {
				t.Errorf("the first has the flags %q", got)
			}
		})
	}
}

func TestDuplicateDoesNotFollowASymlink(t *testing.T) {
	s, dir, _ := openStore(t, FS)
	create(t, s, "A", "B")
	key := deliver(t, s, "A", "one\r\n", mailbox.FlagSeen)
	listed(t, s, "A")
	path, secret := theFile(t, dir, key), filepath.Join(t.TempDir(), "secret")
	put(t, secret, "secret")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(secret, path); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Duplicate(t.Context(), "A", key, "B", mailbox.Date{Unix: 1_000_000_000, Known: true}); err == nil {
		t.Error("no error")
	}
	for _, path := range filesBelow(t, filepath.Join(dir, "B")) {
		t.Errorf("left behind: %s", path)
	}
}
