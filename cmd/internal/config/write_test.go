package config

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// table is a small account.
func table(name, store string) string {
	return NewAccount(name, []string{"a comment"}, []Table{
		{Lines: []Line{
			{Key: "url", Value: "imaps://me@example.com"}, {Key: "store", Value: store, Comment: "here"},
			{Key: "password_command", Value: []string{"say", `"quoted" \ é`}}, {Comment: "alone"}, {Key: "connections", Value: 3},
		}},
		{Name: "archive", Lines: []Line{{Key: "keep_flagged", Value: false}}},
	})
}

func extend(path, name, tables string) error {
	extended, err := Extend(path, name, tables, func(string) string { return "" })
	if err != nil {
		return err
	}
	return extended.Write()
}

func TestExtendAddsAnAccountAndLeavesTheRestToTheLetter(t *testing.T) {
	for name, before := range map[string]string{
		"nothing":           "",
		"comments":          "# mine\n\n[defaults] # spaced   oddly\nconnections=  2\n",
		"no line end":       "[accounts.old]\nurl = \"imaps://a@example.org\"\nstore = \"/old\"",
		"line ends of DOS":  "# mine\r\n[accounts.old]\r\nurl = \"imaps://a@example.org\"\r\nstore = \"/old\"\r\n",
		"an account within": "[accounts]\n[accounts.old]\nurl = \"imaps://a@example.org\"\nstore = \"/old\"\n[accounts.old.archive]\nkeep_latest = 1\n",
	} {
		path := filepath.Join(t.TempDir(), "a", "b", "config.toml")
		if before != "" {
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(before), 0o640); err != nil {
				t.Fatal(err)
			}
		}
		for _, account := range []string{"new", "me@example.com"} {
			if err := extend(path, account, table(account, "/"+account)); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
		after, err := os.ReadFile(path)
		if err != nil || !strings.HasPrefix(string(after), before) {
			t.Errorf("%s: %q, %v", name, after, err)
		}
		loaded, err := Load(path, true, func(string) string { return "" })
		if err != nil {
			t.Fatalf("%s: %v\n%s", name, err, after)
		}
		got, ok := loaded.Account("me@example.com")
		if !ok || got.Store != "/me@example.com" || got.Archive.KeepFlagged || got.Connections != 3 ||
			!slices.Equal(got.PasswordCommand, []string{"say", `"quoted" \ é`}) {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestExtendRefusesWhatIsThereAndWhatCannotBeAdded(t *testing.T) {
	for name, c := range map[string]struct {
		before string
		is     error
	}{
		"the same account":  {"[accounts.new]\nurl = \"imaps://a@example.org\"\nstore = \"/old\"\n", ErrExists},
		"a file with flaws": {"[accounts.old]\nurll = 1\n", nil},
	} {
		path := filepath.Join(t.TempDir(), "config.toml")
		if err := os.WriteFile(path, []byte(c.before), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := extend(path, "new", table("new", "/new")); err == nil || c.is != nil && !errors.Is(err, c.is) {
			t.Errorf("%s: %v", name, err)
		}
		if after, err := os.ReadFile(path); string(after) != c.before {
			t.Errorf("%s: %q, %v", name, after, err)
		}
	}
}

func TestExtendWritesBehindASymlinkAndKeepsModes(t *testing.T) {
	dir := t.TempDir()
	real, link := filepath.Join(dir, "real.toml"), filepath.Join(dir, "config.toml")
	if err := os.WriteFile(real, []byte("# mine\n"), 0o640); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(real, link); err != nil {
		t.Fatal(err)
	}
	if err := extend(link, "new", table("new", "/new")); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Lstat(link); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link is %v, %v", info.Mode(), err)
	}
	if info, err := os.Stat(real); err != nil || info.Mode().Perm() != 0o640 || info.Size() < 20 {
		t.Errorf("%v, %v", info, err)
	}
	fresh := filepath.Join(dir, "x", "config.toml")
	if err := extend(fresh, "new", table("new", "/new")); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]os.FileMode{fresh: 0o600, filepath.Dir(fresh): 0o700} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v", path, info.Mode(), err)
		}
	}
}
