package vault

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/zalando/go-keyring"
)

func TestFolderIsForItsUserAloneWhateverTheUmask(t *testing.T) {
	for _, umask := range []int{0, 0o022, 0o077, 0o277} {
		root := t.TempDir()
		folder := Folder{filepath.Join(root, "state", "mailferry", "tokens")}
		before := setUmask(umask)
		err := folder.Set("home", "secret")
		unlock, lockErr := folder.Lock(t.Context(), "home")
		setUmask(before)
		if err != nil || lockErr != nil {
			t.Fatal(err, lockErr)
		}
		unlock()
		err = filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || path == root {
				return err
			}
			info, err := entry.Info()
			if err != nil {
				return err
			}
			want := fs.FileMode(0o600)
			if entry.IsDir() {
				want = 0o700
			}
			if info.Mode().Perm()&^want != 0 || !strings.Contains(path, "lock-") && info.Mode().Perm() != want {
				t.Errorf("umask %o: %s has %o", umask, path, info.Mode().Perm())
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}
}

func TestFolderKeepsEachSecretByItself(t *testing.T) {
	folder := Folder{t.TempDir()}
	names := []string{"home", "..", "../home", "a/b", "home.lock", strings.Repeat("x", 300), strings.Repeat("x", 301), "ü\x00"}
	for _, name := range names {
		if err := folder.Set(name, "of "+name); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
	for _, name := range names {
		if text, err := folder.Get(name); err != nil || text != "of "+name {
			t.Errorf("%q: %q, %v", name, text, err)
		}
	}
	if entries, err := os.ReadDir(folder.Dir); err != nil || len(entries) != len(names) {
		t.Errorf("%d files, %v", len(entries), err)
	}
	if err := folder.Delete("home"); err != nil {
		t.Error(err)
	}
	if _, err := folder.Get("home"); !errors.Is(err, ErrNotFound) {
		t.Error(err)
	}
	if err := folder.Delete("home"); !errors.Is(err, ErrNotFound) {
		t.Error(err)
	}
}

func TestFileThatOthersCanReadIsRefused(t *testing.T) {
	folder := Folder{t.TempDir()}
	if err := folder.Set("home", "secret"); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(folder.Dir, "for-home"), 0o640); err != nil {
		t.Fatal(err)
	}
	var exposed *ExposedError
	if text, err := folder.Get("home"); !errors.As(err, &exposed) || text != "" {
		t.Errorf("%q, %v", text, err)
	}
}

func TestKeyringErrorsAreToldApart(t *testing.T) {
	keyring.MockInit()
	k := &Keyring{}
	if _, err := k.Get(t.Context(), "home"); !errors.Is(err, ErrNotFound) {
		t.Error(err)
	}
	if err := k.Set(t.Context(), "home", "x"); err != nil {
		t.Error(err)
	}
	if text, err := k.Get(t.Context(), "home"); err != nil || text != "x" {
		t.Error(text, err)
	}
	keyring.MockInitWithError(errors.New("locked"))
	if _, err := k.Get(t.Context(), "home"); !errors.Is(err, ErrNoKeyring) {
		t.Error(err)
	}
	var none *Keyring
	if _, err := none.Get(t.Context(), "home"); !errors.Is(err, ErrNoKeyring) {
		t.Error(err)
	}
	if Desktop(func(string) string { return "" }) != nil && os.Getenv("GOOS") == "linux" {
		t.Error("no session bus, no keyring")
	}
}
