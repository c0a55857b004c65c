package maildirout

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"mailferry/syncer/mailbox"
)

// path is where a folder is: names of folders, joined with "/". The root is "".
type path string

func (p path) levels() []string {
	if p == "" {
		return nil
	}
	return strings.Split(string(p), "/")
}

func (p path) join(names ...string) path {
	for _, name := range names {
		if p != "" {
			p += "/"
		}
		p += path(name)
	}
	return p
}

func (p path) parent() path {
	i := strings.LastIndexByte(string(p), '/')
	return p[:max(i, 0)]
}

func (p path) last() string { return string(p[strings.LastIndexByte(string(p), '/')+1:]) }

// orDot returns the path as os.Root wants it: the root is ".".
func (p path) orDot() string {
	if p == "" {
		return "."
	}
	return string(p)
}

// under returns the path of a file, for os.Root.
func (p path) under(names ...string) string { return string(p.join(names...)) }

// openPath opens a folder level by level, so that no level is a symbolic link
// and no path is too long for the system.
func openPath(root *os.Root, p path) (*os.Root, error) {
	at, err := root.OpenRoot(".")
	if err != nil {
		return nil, err
	}
	for _, level := range p.levels() {
		next, err := openDir(at, level)
		at.Close()
		if err != nil {
			return nil, err
		}
		at = next
	}
	return at, nil
}

// found is a folder with cur that a walk came by.
type found struct {
	name mailbox.Name
	path path
}

// Folders lists all folders, sorted by name. What cannot be read is an error:
// a folder is never left out for that.
func (s *Store) Folders(ctx context.Context) ([]mailbox.Name, error) {
	all, err := s.walk(ctx, s.root, true)
	if err != nil {
		return nil, fmt.Errorf("list folders: %w", err)
	}
	names := make([]mailbox.Name, len(all))
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.paths)
	for i, one := range all {
		names[i] = one.name
		s.paths[one.name] = one.path
	}
	return names, nil
}

// Place is a folder of a tree: its mailbox and its path below the root, with
// "/"; "" is the root.
type Place struct {
	Name mailbox.Name
	Path string
}

// Places lists the folders of a tree that is only read, sorted by name. It
// changes nothing, and the tree may be on a disk that cannot be written.
func Places(ctx context.Context, dir string, layout Layout) ([]Place, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("list folders: %w", err)
	}
	defer root.Close()
	all, err := newStore(Options{Dir: dir, Layout: layout}, root).walk(ctx, root, false)
	if err != nil {
		return nil, fmt.Errorf("list folders: %w", err)
	}
	places := make([]Place, len(all))
	for i, one := range all {
		places[i] = Place{Name: one.name, Path: string(one.path)}
	}
	return places, nil
}

// errMoved says that the tree changed under a walk.
var errMoved = errors.New("folders are being moved")

// walk finds all folders below root, sorted by name. When a folder vanishes
// meanwhile it looks again, as that may have been renamed to where the walk
// had already been. Another store among them is ErrInnerStore where isStore.
func (s *Store) walk(ctx context.Context, root *os.Root, isStore bool) ([]found, error) {
	for range 5 {
		w := walker{naming: s.naming, isStore: isStore}
		err := w.visit(ctx, root, "", nil)
		if errors.Is(err, errMoved) {
			continue
		}
		if err != nil {
			return nil, err
		}
		return s.distinct(w.all), nil
	}
	return nil, errMoved
}

// distinct keeps one folder a name: two that another program made may mean the
// same, and then the one that we would have made is it.
func (s *Store) distinct(all []found) []found {
	slices.SortStableFunc(all, func(a, b found) int {
		if c := strings.Compare(string(a.name), string(b.name)); c != 0 {
			return c
		}
		if c := len(a.path) - len(b.path); c != 0 {
			return c
		}
		return strings.Compare(string(a.path), string(b.path))
	})
	kept := all[:0]
	for _, one := range all {
		if n := len(kept); n > 0 && kept[n-1].name == one.name {
			if one.path == s.plainPath(one.name) {
				kept[n-1], one = one, kept[n-1]
			}
			s.log.Warn("two folders mean the same mailbox; one is not looked at", "mailbox", string(one.name), "folder", string(one.path))
			continue
		}
		kept = append(kept, one)
	}
	return kept
}

// plainPath is where a folder is unless it collided with another one.
func (s *Store) plainPath(name mailbox.Name) path {
	var p path
	for i, step := range s.naming.steps(name) {
		disk, _ := s.naming.encode(step, i == 0, plain)
		p = p.join(disk)
	}
	return p
}

type walker struct {
	naming naming
	// isStore: the tree is a store, and there is no other one in it.
	isStore bool
	all     []found
}

// maxDepth bounds a walk: deeper trees are an error, not a stack overflow.
const maxDepth = 2000

func (w *walker) visit(ctx context.Context, at *os.Root, p path, steps []string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if len(steps) > maxDepth {
		return fmt.Errorf("folders nest deeper than %d levels", maxDepth)
	}
	entries, err := readDir(at)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		name := entry.Name()
		if !entry.IsDir() || w.naming.layout == FS && p == "" && strings.EqualFold(name, w.naming.control()) {
			continue
		}
		if w.isStore && p != "" && isControl(at, name) {
			return fmt.Errorf("%s: %w", p, ErrInnerStore)
		}
		if name == "cur" {
			w.add(p, steps)
		}
		if strings.Contains(isMaildir, " "+name+" ") {
			continue
		}
		if w.naming.layout == MaildirPP && (p != "" || !strings.HasPrefix(name, ".")) {
			continue
		}
		if err := w.descend(ctx, at, p, steps, name); err != nil {
			return err
		}
	}
	return nil
}

// isControl reports whether a folder is the control folder of a store.
func isControl(at *os.Root, name string) bool {
	if name != (naming{layout: FS}).control() && name != (naming{layout: MaildirPP}).control() {
		return false
	}
	info, err := at.Lstat(filepath.Join(name, "store.json"))
	return err == nil && info.Mode().IsRegular()
}

func (w *walker) descend(ctx context.Context, at *os.Root, p path, steps []string, name string) error {
	sub, err := openDir(at, name)
	if errors.Is(err, fs.ErrNotExist) {
		return errMoved
	}
	if errors.Is(err, ErrSymlink) || errors.Is(err, ErrNotFolder) {
		return nil
	}
	if err != nil {
		return err
	}
	defer sub.Close()
	return w.visit(ctx, sub, p.join(name), append(steps, w.naming.decodeIn(sub, name)))
}

func (w *walker) add(p path, steps []string) {
	if len(steps) == 0 {
		if w.naming.layout == MaildirPP {
			w.all = append(w.all, found{mailbox.Inbox, p})
		}
		return
	}
	name := canonical(mailbox.Name(strings.Join(steps, "/")))
	if w.naming.layout == MaildirPP && name == mailbox.Inbox {
		return // ".INBOX": the inbox is the root
	}
	w.all = append(w.all, found{name, p})
}

// decodeIn returns the step that a folder's name on disk stands for.
func (n naming) decodeIn(dir *os.Root, disk string) string {
	digits := shortOf(disk)
	if digits == "" {
		return n.decode(disk)
	}
	content, err := readSmall(dir, nameFile)
	if err != nil || !matchesShort(string(content), digits) {
		return n.decode(disk)
	}
	return string(content)
}

// readSmall reads a small file of ours.
func readSmall(root *os.Root, name string) ([]byte, error) {
	file, err := openFile(root, name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	const limit = 1 << 20
	content, err := io.ReadAll(io.LimitReader(file, limit+1))
	if err == nil && len(content) > limit {
		err = fmt.Errorf("%s: longer than %d octets", name, limit)
	}
	return content, err
}

func readDir(root *os.Root) ([]fs.DirEntry, error) {
	dir, err := root.Open(".")
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	entries, err := dir.ReadDir(-1)
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return entries, err
}

// locate finds where a mailbox's folder is, looking at the disk level by level.
func (s *Store) locate(name mailbox.Name) (path, error) {
	at, err := s.root.OpenRoot(".")
	if err != nil {
		return "", err
	}
	defer func() { at.Close() }()
	var p path
	for i, step := range s.naming.steps(name) {
		disk, err := s.lookUp(at, step, i == 0)
		if err != nil {
			return "", err
		}
		next, err := openDir(at, disk)
		if err != nil {
			return "", err
		}
		at.Close()
		at, p = next, p.join(disk)
	}
	return p, nil
}

// lookUp finds the folder inside parent that stands for a step.
// fs.ErrNotExist if there is none.
func (s *Store) lookUp(parent *os.Root, step string, top bool) (string, error) {
	entries, err := readDir(parent)
	if err != nil {
		return "", err
	}
	best := ""
	favourite, _ := s.naming.encode(step, top, plain)
	for _, entry := range entries {
		disk := entry.Name()
		if !entry.IsDir() || !s.naming.means(parent, disk, step, top) {
			continue
		}
		if disk == favourite {
			return disk, nil
		}
		if best == "" || len(disk) < len(best) {
			best = disk
		}
	}
	if best == "" {
		return "", fs.ErrNotExist
	}
	return best, nil
}

// means reports whether the folder disk inside parent stands for step.
func (n naming) means(parent *os.Root, disk, step string, top bool) bool {
	if n.layout == FS && (strings.Contains(isMaildir, " "+disk+" ") || top && strings.EqualFold(disk, n.control())) {
		return false
	}
	if n.layout == MaildirPP && !strings.HasPrefix(disk, ".") {
		return false
	}
	decoded := ""
	if shortOf(disk) != "" {
		dir, err := openDir(parent, disk)
		if err != nil {
			return false
		}
		defer dir.Close()
		decoded = n.decodeIn(dir, disk)
	} else {
		decoded = n.decode(disk)
	}
	if decoded == step {
		return true
	}
	if top {
		return string(canonical(mailbox.Name(decoded))) == step
	}
	below := canonical(mailbox.Name("-/" + decoded))
	return string(below) == "-/"+step
}
