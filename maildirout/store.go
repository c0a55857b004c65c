package maildirout

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"mailferry/syncer/mailbox"
)

// Layout says how mailboxes become folders.
type Layout string

// The layouts.
const (
	// FS nests folders as mailboxes nest; INBOX is a folder like the others.
	FS Layout = "fs"
	// MaildirPP has INBOX in the root and all others beside its cur as
	// ".Sub.Folder". (Maildir++)
	MaildirPP Layout = "maildir++"
)

const (
	folderMode fs.FileMode = 0o700
	fileMode   fs.FileMode = 0o600
)

// ErrSymlink is returned where a symbolic link stands in place of a folder or
// message: it is not followed.
var ErrSymlink = errors.New("is a symbolic link, which is not followed")

// ErrInnerStore is returned where a folder of the tree is a store of its own: its
// mail is another account's, and must not become this one's.
var ErrInnerStore = errors.New("is a store of its own, and lies inside this one")

// ErrNotFolder is returned where something else stands in place of a folder.
var ErrNotFolder = errors.New("is not a folder")

// Options is what Open needs. Only Dir has to be given.
type Options struct {
	// Dir is the root of the tree; it must exist.
	Dir string
	// Layout; "" is FS.
	Layout Layout
	// Now is the clock; nil is time.Now.
	Now func() time.Time
	// Host is part of new keys; "" is the name of this machine.
	Host string
	// Random is part of new keys; nil is crypto/rand.Reader. It is read by
	// one goroutine at a time.
	Random io.Reader
	// ReadOnly: nothing is written, so the disk need not be writable.
	ReadOnly bool
	// Log; nil discards.
	Log *slog.Logger
}

// Store is a Maildir tree. Its methods may be called from several goroutines.
type Store struct {
	dir    string
	root   *os.Root
	disk   *os.File // the root's folder, for syncfs; nil where there is none
	naming naming
	now    func() time.Time
	log    *slog.Logger
	keys   *keyMaker
	read   nameReader

	buffers sync.Pool // of *buffers

	mu       sync.Mutex
	paths    map[mailbox.Name]path // where folders were last found
	listings map[mailbox.Name]*listing
	recent   []mailbox.Name      // those of listings, the latest last
	drafts   map[string]struct{} // names in tmp that are at work
	dirty    map[path]struct{}   // folders that Flush has to make durable
	desks    map[mailbox.Name]*desk

	folders  sync.Mutex // one change of the tree of folders at a time
	keywords sync.Mutex // one change of a keywords file at a time
	barrier  sync.Mutex // one syncfs at a time: an error is told only once
	broken   atomic.Pointer[error]
	// keepsModes says that the umask takes nothing from the modes of files.
	keepsModes atomic.Bool
}

// Open opens the tree at Options.Dir. Errors wrap fs.ErrNotExist, ErrNotFolder,
// fs.ErrPermission or what the system says of a disk that is read-only.
func Open(opts Options) (*Store, error) {
	info, err := os.Stat(opts.Dir)
	if err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	if !info.IsDir() {
		return nil, fmt.Errorf("open store %s: %w", opts.Dir, ErrNotFolder)
	}
	if opts.Layout == "" {
		opts.Layout = FS
	}
	if opts.Layout != FS && opts.Layout != MaildirPP {
		return nil, fmt.Errorf("open store %s: unknown layout %q", opts.Dir, opts.Layout)
	}
	if !opts.ReadOnly {
		if err := checkWritable(opts.Dir); err != nil {
			return nil, fmt.Errorf("open store %s: not writable: %w", opts.Dir, err)
		}
	}
	root, err := os.OpenRoot(opts.Dir)
	if err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	s := newStore(opts, root)
	if s.disk, err = root.Open("."); err != nil {
		root.Close()
		return nil, fmt.Errorf("open store: %w", err)
	}
	return s, nil
}

func newStore(opts Options, root *os.Root) *Store {
	s := &Store{
		dir:      opts.Dir,
		root:     root,
		naming:   naming{layout: opts.Layout, windows: runtime.GOOS == "windows"},
		now:      opts.Now,
		log:      opts.Log,
		read:     readNames,
		paths:    map[mailbox.Name]path{},
		listings: map[mailbox.Name]*listing{},
		drafts:   map[string]struct{}{},
		dirty:    map[path]struct{}{},
		desks:    map[mailbox.Name]*desk{},
	}
	if s.now == nil {
		s.now = time.Now
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if opts.Random == nil {
		opts.Random = rand.Reader
	}
	s.keys = newKeyMaker(opts.Host, s.now, opts.Random)
	s.buffers.New = func() any { return new(buffers) }
	return s
}

// Control is the name of the folder inside the store that belongs to
// mailferry itself: in the fs layout a hidden one, in Maildir++, where a
// leading dot is a mailbox, not.
func (s *Store) Control() string { return s.naming.control() }

// Close releases what the store holds open.
func (s *Store) Close() error {
	s.clearDesks()
	return errors.Join(s.disk.Close(), s.root.Close())
}

// openDir opens a folder inside parent without following a symbolic link. The
// second look notices a link that was put there between the two steps.
func openDir(parent *os.Root, name string) (*os.Root, error) {
	before, err := parent.Lstat(name)
	if err != nil {
		return nil, err
	}
	if err := mustBeDir(before, name); err != nil {
		return nil, err
	}
	root, err := parent.OpenRoot(name)
	if err != nil {
		return nil, err
	}
	after, err := root.Stat(".")
	if err == nil && !os.SameFile(before, after) {
		err = fmt.Errorf("%s: %w", name, ErrSymlink)
	}
	if err != nil {
		root.Close()
		return nil, err
	}
	return root, nil
}

func mustBeDir(info fs.FileInfo, name string) error {
	switch {
	case info.Mode()&fs.ModeSymlink != 0:
		return fmt.Errorf("%s: %w", name, ErrSymlink)
	case !info.IsDir():
		return fmt.Errorf("%s: %w", name, ErrNotFolder)
	}
	return nil
}

// openFile opens what Lstat sees under name, never what a link points to.
func openFile(root *os.Root, name string) (*os.File, error) {
	before, err := root.Lstat(name)
	if err != nil {
		return nil, err
	}
	if before.Mode()&fs.ModeSymlink != 0 {
		return nil, fmt.Errorf("%s: %w", name, ErrSymlink)
	}
	if !before.Mode().IsRegular() && !before.IsDir() {
		return nil, fmt.Errorf("%s: neither a file nor a folder", name)
	}
	file, err := root.Open(name)
	if err != nil {
		return nil, err
	}
	after, err := file.Stat()
	if err == nil && !os.SameFile(before, after) {
		err = fmt.Errorf("%s: %w", name, fs.ErrNotExist)
	}
	if err != nil {
		file.Close()
		return nil, err
	}
	return file, nil
}

// makeDir makes a folder with folderMode whatever the umask; one that is there
// already is fine.
func makeDir(root *os.Root, name string) error {
	err := root.Mkdir(name, folderMode)
	if errors.Is(err, fs.ErrExist) {
		info, err := root.Lstat(name)
		if err != nil {
			return err
		}
		return mustBeDir(info, name)
	}
	if err != nil {
		return err
	}
	return root.Chmod(name, folderMode)
}
