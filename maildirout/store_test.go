package maildirout

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"mailferry/syncer/mailbox"
)

// clock is a time that a test moves.
type clock struct{ seconds atomic.Int64 }

func (c *clock) now() time.Time { return time.Unix(1_800_000_000+c.seconds.Load(), 0) }

func openStore(t testing.TB, layout Layout) (*Store, string, *clock) {
	t.Helper()
	dir := t.TempDir()
	c := &clock{}
	s, err := Open(Options{Dir: dir, Layout: layout, Now: c.now, Host: "host"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s, dir, c
}

func create(t testing.TB, s *Store, names ...mailbox.Name) {
	t.Helper()
	for _, name := range names {
		if err := s.Create(context.Background(), name); err != nil {
			t.Fatal(err)
		}
	}
}

func deliver(t testing.TB, s *Store, name mailbox.Name, body string, flags ...string) mailbox.Key {
	t.Helper()
	draft, err := s.Receive(context.Background(), name, int64(len(body)), strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	draft.Flags = mailbox.NewFlags(flags...)
	draft.Date = mailbox.Date{Unix: 1_000_000_000, Known: true}
	publish(t, s, draft)
	return draft.Key
}

func publish(t testing.TB, s *Store, drafts ...mailbox.Draft) {
	t.Helper()
	if err := s.Seal(context.Background(), drafts); err != nil {
		t.Fatal(err)
	}
	if err := s.Publish(context.Background(), drafts); err != nil {
		t.Fatal(err)
	}
}

func listed(t testing.TB, s *Store, name mailbox.Name) map[mailbox.Key]string {
	t.Helper()
	messages, _, err := s.List(context.Background(), name)
	if err != nil {
		t.Fatal(err)
	}
	all := map[mailbox.Key]string{}
	for _, m := range messages {
		all[m.Key] = m.Flags.String()
	}
	if len(all) != len(messages) {
		t.Fatalf("%d messages have %d keys", len(messages), len(all))
	}
	return all
}

func wireOf(t testing.TB, s *Store, name mailbox.Name, key mailbox.Key) string {
	t.Helper()
	r, err := s.Open(context.Background(), name, key)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	body, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

func put(t testing.TB, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// filesBelow lists regular files below dir.
func filesBelow(t testing.TB, dir string) []string {
	t.Helper()
	var files []string
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.Type().IsRegular() {
			files = append(files, strings.TrimPrefix(path, dir+"/"))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestOpenSaysWhatIsWrong(t *testing.T) {
	dir := t.TempDir()
	put(t, dir+"/file", "")
	if _, err := Open(Options{Dir: dir + "/none"}); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	if _, err := Open(Options{Dir: dir + "/file"}); !errors.Is(err, ErrNotFolder) {
		t.Error(err)
	}
	if _, err := Open(Options{Dir: dir, Layout: "mbox"}); err == nil {
		t.Error("opened with an unknown layout")
	}
}

func TestSymlinksAreNotFollowed(t *testing.T) {
	s, dir, _ := openStore(t, FS)
	ctx := context.Background()
	create(t, s, "INBOX", "Real")
	key := deliver(t, s, "Real", "a: b\r\n\r\n", mailbox.FlagSeen)
	outside := t.TempDir()
	put(t, outside+"/cur/k:2,", "secret")
	for _, link := range []struct{ to, at string }{
		{outside, dir + "/Link"}, {dir + "/Real", dir + "/Inner"}, {outside + "/cur/k:2,", dir + "/INBOX/cur/link:2,"},
		{dir + "/Real/cur/" + string(key) + ":2,S", dir + "/INBOX/cur/inner:2,"},
	} {
		if err := os.Symlink(link.to, link.at); err != nil {
			t.Fatal(err)
		}
	}
	names, err := s.Folders(ctx)
	if err != nil || len(names) != 2 {
		t.Fatal(names, err)
	}
	if got := listed(t, s, "INBOX"); len(got) != 0 {
		t.Error(got)
	}
	if _, err := s.Open(ctx, "INBOX", "inner"); !errors.Is(err, mailbox.ErrNotFound) {
		t.Error(err)
	}
	for _, name := range []mailbox.Name{"Link", "Inner", "Link/Sub", "Inner/Sub"} {
		if err := s.Create(ctx, name); !errors.Is(err, ErrSymlink) {
			t.Errorf("create %s: %v", name, err)
		}
		if _, _, err := s.List(ctx, name); !errors.Is(err, mailbox.ErrNotFound) {
			t.Errorf("list %s: %v", name, err)
		}
	}
	// A folder that becomes a link after it was known.
	create(t, s, "Known")
	if err := os.Rename(dir+"/Known", outside+"/Known"); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("Real", dir+"/Known"); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.List(ctx, "Known"); !errors.Is(err, ErrSymlink) {
		t.Error(err)
	}
	// A part of a folder that becomes a link after the folder was known.
	if err := os.Rename(dir+"/Real/cur", dir+"/Real/old"); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside+"/cur", dir+"/Real/cur"); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.List(ctx, "Real"); !errors.Is(err, ErrSymlink) {
		t.Error(err)
	}
}

func TestModesDoNotDependOnUmask(t *testing.T) {
	s, dir, _ := openStore(t, FS)
	defer setUmask(setUmask(0o277))
	create(t, s, "A/B")
	deliver(t, s, "A/B", "x", "kw")
	err := filepath.WalkDir(dir+"/A", func(path string, entry fs.DirEntry, err error) error {
		info, statErr := os.Lstat(path)
		if statErr != nil {
			return statErr
		}
		want := fileMode
		if info.IsDir() {
			want = folderMode
		}
		if info.Mode().Perm() != want {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
