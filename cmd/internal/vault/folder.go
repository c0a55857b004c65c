package vault

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/gofrs/flock"
)

// maxSecret bounds what is read of a file.
const maxSecret = 64 << 10

// Folder keeps each secret in a file of mode 0600, in a folder of mode 0700,
// whatever the umask.
type Folder struct{ Dir string }

// ExposedError says that others could read a secret.
type ExposedError struct {
	Path string
	Mode fs.FileMode
}

func (e *ExposedError) Error() string {
	return fmt.Sprintf("%s can be read by others (mode %04o)", e.Path, e.Mode)
}

// Get reads a secret. Errors are an ExposedError or wrap ErrNotFound.
func (f Folder) Get(name string) (string, error) {
	path := f.path("for-", name)
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", ErrNotFound
	}
	if err != nil {
		return "", err
	}
	if mode := info.Mode().Perm(); runtime.GOOS != "windows" && mode&0o077 != 0 {
		return "", &ExposedError{path, mode}
	}
	if info.Size() > maxSecret {
		return "", fmt.Errorf("%s: too large", path)
	}
	data, err := os.ReadFile(path)
	return string(data), err
}

// Set writes a secret so that after a crash it is the old one or the new one.
func (f Folder) Set(name, secret string) error {
	if err := f.make(); err != nil {
		return err
	}
	path := f.path("for-", name)
	file, err := os.CreateTemp(f.Dir, ".new-*")
	if err != nil {
		return err
	}
	err = errors.Join(file.Chmod(0o600), write(file, secret), file.Close())
	if err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(file.Name()))
	}
	return f.sync()
}

func write(file *os.File, text string) error {
	if _, err := file.WriteString(text); err != nil {
		return err
	}
	return file.Sync()
}

// sync makes a new name durable; Windows has no such thing.
func (f Folder) sync() error {
	if runtime.GOOS == "windows" {
		return nil
	}
	dir, err := os.Open(f.Dir)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// Delete removes a secret. Errors wrap ErrNotFound.
func (f Folder) Delete(name string) error {
	err := os.Remove(f.path("for-", name))
	if errors.Is(err, fs.ErrNotExist) {
		return ErrNotFound
	}
	return err
}

// Lock keeps other processes away from a secret until unlock is called.
func (f Folder) Lock(ctx context.Context, name string) (unlock func(), err error) {
	if err := f.make(); err != nil {
		return nil, err
	}
	lock := flock.New(f.path("lock-", name), flock.SetPermissions(0o600))
	if _, err := lock.TryLockContext(ctx, 20*time.Millisecond); err != nil {
		return nil, err
	}
	return func() { _ = lock.Unlock() }, nil
}

// make makes the folder and what is missing above it, each for the user alone.
func (f Folder) make() error {
	if err := makePrivate(f.Dir); err != nil {
		return err
	}
	return os.Chmod(f.Dir, 0o700)
}

func makePrivate(dir string) error {
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := makePrivate(filepath.Dir(dir)); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		if errors.Is(err, fs.ErrExist) {
			return nil
		}
		return err
	}
	return os.Chmod(dir, 0o700)
}

// path gives every name a file of its own.
func (f Folder) path(kind, name string) string {
	file := url.QueryEscape(name)
	if len(file) > 200 {
		sum := sha256.Sum256([]byte(name))
		file = hex.EncodeToString(sum[:])
	}
	return filepath.Join(f.Dir, kind+file)
}
