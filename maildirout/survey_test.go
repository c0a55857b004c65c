package maildirout

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// plant makes files, and folders for names that end in a slash.
func plant(t *testing.T, dir string, names ...string) {
	t.Helper()
	for _, name := range names {
		path := filepath.Join(dir, filepath.FromSlash(name))
		err := os.MkdirAll(filepath.Dir(path), 0o700)
		if strings.HasSuffix(name, "/") {
			err = errors.Join(err, os.MkdirAll(path, 0o700))
		} else {
			err = errors.Join(err, os.WriteFile(path, []byte("x"), 0o600))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestLookFindsWhatIsOddInATree(t *testing.T) {
	dir, now := t.TempDir(), time.Now()
	plant(t, dir, "INBOX/cur/1:2,S", "INBOX/new/2", "INBOX/tmp/young", "INBOX/tmp/old", "INBOX/cur/.hidden", "INBOX/maildirfolder",
		"Work/cur/", "Work/new/", "Work/Deep/cur/3", "Work/Deep/new/", "Work/Deep/tmp/", "cur/4", "new/", "tmp/",
		".mailferry/trash/cur/5", ".mailferry/state.db")
	if err := os.Chtimes(filepath.Join(dir, "INBOX/tmp/old"), now, now.Add(-37*time.Hour)); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("INBOX", filepath.Join(dir, "Alias")); err != nil {
		t.Fatal(err)
	}
	got, err := Look(t.Context(), dir, FS, now)
	if err != nil {
		t.Fatal(err)
	}
	if got.Folders != 4 || got.Messages != 4 || got.IsCut {
		t.Errorf("%+v", got)
	}
	for name, c := range map[string]struct {
		got  Examples
		want string
	}{
		"leftovers":  {got.Leftovers, "INBOX/tmp/old"},
		"links":      {got.Links, "Alias"},
		"incomplete": {got.Incomplete, "Work"},
		"foreign":    {got.Foreign, "."},
		"unreadable": {got.Unreadable, ""},
	} {
		if strings.Join(c.got.Paths, " ") != c.want || c.got.Count != len(c.got.Paths) {
			t.Errorf("%s: %+v, want %s", name, c.got, c.want)
		}
	}
}

func TestLookKnowsMaildirPlusPlus(t *testing.T) {
	dir := t.TempDir()
	plant(t, dir, "cur/1:2,", "new/", "tmp/", ".Sub.Deep/cur/2:2,", ".Sub.Deep/new/", ".Sub.Deep/tmp/", "Nested/cur/3", "Nested/new/", "Nested/tmp/")
	got, err := Look(t.Context(), dir, MaildirPP, time.Now())
	if err != nil || got.Folders != 3 || got.Messages != 3 || got.Foreign.Count != 1 || got.Foreign.Paths[0] != "Nested" {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestLookNamesAFewAndCountsAll(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"a", "b", "c", "d", "e"} {
		if err := os.Symlink("nowhere", filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	got, err := Look(t.Context(), dir, FS, time.Now())
	if err != nil || got.Links.Count != 5 || len(got.Links.Paths) != surveyExamples {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestLookEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Look(ctx, t.TempDir(), FS, time.Now()); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if _, err := Look(t.Context(), filepath.Join(t.TempDir(), "none"), FS, time.Now()); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}

func TestExamineChangesNothing(t *testing.T) {
	dir := t.TempDir()
	plant(t, dir, "INBOX/cur/1:2,S")
	before, err := os.Stat(dir)
	if err != nil {
		t.Fatal(err)
	}
	traits, err := Examine(dir)
	if err != nil || !traits.KnowsFree || traits.Free == 0 || traits.IsReadOnly || traits.LacksColons {
		t.Errorf("%+v, %v", traits, err)
	}
	after, err := os.Stat(dir)
	if err != nil || !after.ModTime().Equal(before.ModTime()) {
		t.Errorf("%v, was %v; %v", after.ModTime(), before.ModTime(), err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("%v, %v", entries, err)
	}
	if _, err := Examine(filepath.Join(dir, "none")); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}
