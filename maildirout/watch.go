package maildirout

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/fsnotify/fsnotify"
)

const (
	// lookEvery is how often a tree is looked at of which the system does not tell.
	lookEvery = 5 * time.Second
	// rootEvery is how often the root itself is looked at.
	rootEvery = 10 * time.Second
	// returnEvery is how often a root that is not there is looked for.
	returnEvery = 2 * time.Second
	settleFor   = 100 * time.Millisecond
)

// Watcher waits for changes in a Maildir tree: files that appear in, leave or
// are renamed in cur and new, keywords, and folders that come and go. What a
// run of ours does is told like anything else.
type Watcher struct {
	dir     string
	control string
	changed func()
	log     *slog.Logger
	// told says that the system's limit was complained about.
	told bool
	warn func(error)
}

// NewWatcher watches the tree at dir once Watch is called. changed is told that
// something may have changed, and warn, once, that the system does not tell of
// this tree, so that it is looked at every few seconds instead; both must not
// block.
func NewWatcher(dir string, layout Layout, changed func(), warn func(error), log *slog.Logger) *Watcher {
	return &Watcher{dir: dir, control: naming{layout: layout}.control(), changed: changed, warn: warn, log: log}
}

// Watch returns when ctx ends. A tree that is not there, or not any more, is
// waited for; both its end and its return are told.
func (w *Watcher) Watch(ctx context.Context) {
	for ctx.Err() == nil {
		err := w.watchOnce(ctx)
		if ctx.Err() != nil {
			return
		}
		switch {
		case err == nil: // folders came or went
		case errors.Is(err, fs.ErrNotExist):
			w.changed()
			w.awaitRoot(ctx)
		default:
			if !w.told {
				w.told = true
				w.warn(err)
			}
			w.look(ctx)
		}
		w.changed()
	}
}

// tree is what is being watched.
type tree struct {
	*Watcher
	events  *fsnotify.Watcher
	root    fs.FileInfo
	folders map[string]struct{}
}

// watchOnce watches the tree as it is, until its folders change.
func (w *Watcher) watchOnce(ctx context.Context) error {
	if !tellsCheaply() {
		return errors.ErrUnsupported
	}
	events, err := fsnotify.NewWatcher()
	if err != nil {
		return err
	}
	defer events.Close()
	t := &tree{Watcher: w, events: events, folders: map[string]struct{}{}}
	if t.root, err = os.Stat(w.dir); err != nil {
		return err
	}
	if err := t.add(w.dir); err != nil {
		return err
	}
	w.changed() // what happened before
	// Nothing tells of a disk that is mounted, or unmounted.
	mounted := time.NewTicker(rootEvery)
	defer mounted.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-mounted.C:
			if !t.isSameRoot() {
				return w.rootError()
			}
		case err := <-events.Errors:
			// Too much happened at once: what it was has to be looked up.
			w.log.Debug("watching the store", "error", err)
			return w.rootError()
		case event := <-events.Events:
			if t.isFolder(event) {
				t.settle(ctx)
				return w.rootError()
			}
			if matters(event) {
				w.changed()
			}
		}
	}
}

// rootError is nil as long as the root is there.
func (w *Watcher) rootError() error {
	_, err := os.Stat(w.dir)
	return err
}

func (t *tree) isSameRoot() bool {
	now, err := os.Stat(t.dir)
	return err == nil && os.SameFile(now, t.root)
}

// settle waits a moment: folders are made level by level.
func (t *tree) settle(ctx context.Context) {
	t.changed()
	calm := time.NewTimer(settleFor)
	defer calm.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-calm.C:
			return
		case <-t.events.Errors:
		case <-t.events.Events:
		}
	}
}

// add watches a folder and all below it. One that goes meanwhile is none.
func (t *tree) add(dir string) error {
	gone := func(err error) error {
		if errors.Is(err, fs.ErrNotExist) && dir != t.dir {
			return nil
		}
		return err
	}
	if err := t.events.Add(dir); err != nil {
		return gone(err)
	}
	t.folders[dir] = struct{}{}
	if t.holdsMessages(dir) {
		return nil
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return gone(err)
	}
	for _, entry := range entries {
		if entry.IsDir() && !t.isSilent(dir, entry.Name()) {
			if err := t.add(filepath.Join(dir, entry.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}

// isSilent reports whether what happens in a folder is no news: drafts, what
// belongs to mailferry itself, and an index that changes with every run.
func (t *tree) isSilent(dir, name string) bool {
	return name == "tmp" || dir == t.dir && (name == t.control || name == ".notmuch")
}

func (t *tree) holdsMessages(dir string) bool { return dir != t.dir && isMessages(filepath.Base(dir)) }

func isMessages(name string) bool { return name == "cur" || name == "new" }

// isFolder reports whether an event is about the folders themselves.
func (t *tree) isFolder(event fsnotify.Event) bool {
	if event.Has(fsnotify.Remove) || event.Has(fsnotify.Rename) {
		if _, was := t.folders[event.Name]; was {
			return true
		}
	}
	dir := filepath.Dir(event.Name)
	if !event.Has(fsnotify.Create) || t.holdsMessages(dir) || t.isSilent(dir, filepath.Base(event.Name)) {
		return false
	}
	info, err := os.Lstat(event.Name)
	return err == nil && info.IsDir()
}

// matters reports whether an event is about messages or keywords.
func matters(event fsnotify.Event) bool {
	dir, name := filepath.Split(event.Name)
	return event.Op != fsnotify.Chmod && (isMessages(filepath.Base(dir)) || name == keywordsFile)
}

// tellsCheaply: what the other systems have opens every single file.
func tellsCheaply() bool { return runtime.GOOS == "linux" || runtime.GOOS == "windows" }

// awaitRoot returns when the root is there.
func (w *Watcher) awaitRoot(ctx context.Context) {
	every(ctx, returnEvery, func() bool { return w.rootError() == nil })
}

// look compares the folders' times now and then, for as long as the root is
// there.
func (w *Watcher) look(ctx context.Context) {
	before := w.times()
	every(ctx, lookEvery, func() bool {
		now := w.times()
		if !maps.Equal(now, before) {
			before = now
			w.changed()
		}
		return w.rootError() != nil
	})
}

// times tells when the folders changed last. What cannot be read is left out.
func (w *Watcher) times() map[string]time.Time {
	times := map[string]time.Time{}
	t := &tree{Watcher: w}
	_ = filepath.WalkDir(w.dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.IsDir() && entry.Name() != keywordsFile {
			return nil
		}
		if path != w.dir && t.isSilent(filepath.Dir(path), entry.Name()) {
			return fs.SkipDir
		}
		if info, err := entry.Info(); err == nil {
			times[path] = info.ModTime()
		}
		if entry.IsDir() && t.holdsMessages(path) {
			return fs.SkipDir
		}
		return nil
	})
	return times
}

// every calls fn now and then until it is true or ctx ends.
func every(ctx context.Context, interval time.Duration, fn func() bool) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			if fn() {
				return
			}
		}
	}
}
