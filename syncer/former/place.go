package former

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Store is the Maildir tree that is to be taken over, and where the user's own
// folders are.
type Store struct {
	// Dir is absolute. PlusPlus: INBOX is Dir itself, others are ".Sub.Folder".
	Dir      string
	PlusPlus bool
	// Home replaces "~" in what the other program's files say; StateHome is
	// $XDG_STATE_HOME, or "".
	Home, StateHome string
	// From picks a channel or account where there are several; "": all that are
	// about this store.
	From string
}

// folders lists the paths of all folders with cur below the store, "" for the
// store itself, in order.
func (s Store) folders() ([]string, error) {
	var list []string
	err := filepath.WalkDir(s.Dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if !entry.IsDir() {
			return nil
		}
		switch name := entry.Name(); {
		case path == s.Dir:
		case name == "cur":
			rel, err := filepath.Rel(s.Dir, filepath.Dir(path))
			if err != nil {
				return err
			}
			if rel = filepath.ToSlash(rel); rel == "." {
				rel = ""
			}
			list = append(list, rel)
			return fs.SkipDir
		case name == "new", name == "tmp", name == ".mailferry", name == "mailferry" && s.PlusPlus:
			return fs.SkipDir
		}
		return nil
	})
	return list, err
}

// has reports whether there is a folder at a path below the store.
func (s Store) has(path string) bool {
	info, err := os.Stat(filepath.Join(s.Dir, filepath.FromSlash(path), "cur"))
	return err == nil && info.IsDir()
}

// join returns the path of a file in one of the store's folders.
func (s Store) join(folder, file string) string {
	return filepath.Join(s.Dir, filepath.FromSlash(folder), file)
}

// expand replaces a leading ~.
func (s Store) expand(path string) string {
	if path == "~" || strings.HasPrefix(path, "~/") {
		return s.Home + path[1:]
	}
	return path
}

// clean makes paths comparable: absolute, symlinks resolved as far as they
// exist.
func clean(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		path = abs
	}
	if resolved, err := filepath.EvalSymlinks(path); err == nil {
		return resolved
	}
	return filepath.Clean(path)
}

// below returns path below dir with "/", "" for dir itself.
func below(path, dir string) (string, bool) {
	if path == dir {
		return "", true
	}
	rest, ok := strings.CutPrefix(path, strings.TrimSuffix(dir, string(filepath.Separator))+string(filepath.Separator))
	return filepath.ToSlash(rest), ok
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return !errors.Is(err, fs.ErrNotExist)
}
