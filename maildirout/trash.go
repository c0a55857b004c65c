package maildirout

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"mailferry/syncer/mailbox"
)

// The trash holds, for each second in which something was removed, a tree of
// the same layout as the store. Its root's name is the time in UTC; "-2" and
// so on follow where a name was taken.
const (
	trashFolder = "trash"
	stampFormat = "20060102T150405Z"
	trashAge    = 30 * 24 * time.Hour
)

func (s *Store) trashPath() path { return path(s.Control()).join(trashFolder) }

// Remove moves messages to the store's trash. Those not there are left out
// without an error. Flush makes it durable.
func (s *Store) Remove(ctx context.Context, name mailbox.Name, keys []mailbox.Key) error {
	f, err := s.openFolder(name)
	if err != nil {
		return err
	}
	defer f.close()
	bins := bins{store: s, from: f, stamp: s.now().UTC().Format(stampFormat)}
	defer bins.close()
	for _, key := range keys {
		if err := ctx.Err(); err != nil {
			return err
		}
		err := s.onFile(ctx, f, key, func(one file) error { return bins.take(ctx, one) })
		if err != nil && !errors.Is(err, mailbox.ErrNotFound) {
			return fmt.Errorf("remove message %s of %s: %w", key, name, err)
		}
	}
	return nil
}

// bins are the folders in the trash for one folder's messages.
type bins struct {
	store *Store
	from  *folder
	stamp string
	open  []*folder
}

func (b *bins) close() {
	for _, bin := range b.open {
		bin.close()
	}
}

// take moves a file to the first bin in which its name is free.
func (b *bins) take(ctx context.Context, one file) error {
	for i := 0; ; i++ {
		if i == len(b.open) {
			bin, err := b.store.makeBin(b.from, b.stamp, i)
			if err != nil {
				return fmt.Errorf("make room in the trash: %v", err)
			}
			b.open = append(b.open, bin)
		}
		err := b.store.moveFile(place{b.from, one.sub(), one.name}, place{b.open[i], "cur", one.name})
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err == nil {
			b.store.touch(b.from.path.join(one.sub()), b.open[i].path.join("cur"))
		}
		return err
	}
}

// makeBin makes the i-th folder of a stamp for a folder's files, with a copy of
// its keywords file, as letters mean nothing without.
func (s *Store) makeBin(from *folder, stamp string, i int) (*folder, error) {
	if i > 0 {
		stamp = fmt.Sprintf("%s-%d", stamp, i+1)
	}
	bin, err := s.makeFolderAt(from.name, s.trashPath().join(stamp), from.path)
	if err != nil {
		return nil, err
	}
	for _, name := range []string{keywordsFile, nameFile} {
		content, err := readSmall(from.root, name)
		if err == nil {
			if _, missing := bin.root.Lstat(name); missing != nil {
				err = s.replace(bin, name, content)
			}
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			bin.close()
			return nil, err
		}
	}
	return bin, nil
}

// makeFolderAt makes base and below it p with cur, new and tmp, and opens that.
// Levels with a nameFile in the store get it here, too.
func (s *Store) makeFolderAt(name mailbox.Name, base, p path) (*folder, error) {
	var at path
	for _, level := range append(base.levels(), p.levels()...) {
		if err := s.makeLevel(at, level); err != nil {
			return nil, err
		}
		at = at.join(level)
	}
	var origin path
	for _, level := range p.levels() {
		origin = origin.join(level)
		if shortOf(level) == "" {
			continue
		}
		if err := s.copyNameFile(origin, base.join(string(origin))); err != nil {
			return nil, err
		}
	}
	dir, err := openPath(s.root, at)
	if err != nil {
		return nil, err
	}
	err = makeDir(dir, "cur")
	dir.Close()
	if err != nil {
		return nil, err
	}
	s.touch(at)
	return s.openFolderAt(name, at)
}

// makeLevel makes one folder and notes its parent for Flush.
func (s *Store) makeLevel(parent path, level string) error {
	dir, err := openPath(s.root, parent)
	if err != nil {
		return err
	}
	defer dir.Close()
	if err := makeDir(dir, level); err != nil {
		return err
	}
	s.touch(parent)
	return nil
}

func (s *Store) copyNameFile(from, to path) error {
	source, err := openPath(s.root, from)
	if err != nil {
		return err
	}
	defer source.Close()
	content, err := readSmall(source, nameFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return s.writeNameFile(to, string(content))
}

// stampTime returns when what is in a stamp's folder was removed.
func stampTime(stamp string) (time.Time, bool) {
	text, _, _ := strings.Cut(stamp, "-")
	t, err := time.Parse(stampFormat, text)
	return t, err == nil
}

// stamps lists the trash: its folders' names, the oldest first.
func (s *Store) stamps() ([]string, error) {
	trash, err := openPath(s.root, s.trashPath())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer trash.Close()
	entries, err := readDir(trash)
	var stamps []string
	for _, entry := range entries {
		if _, ok := stampTime(entry.Name()); ok && entry.IsDir() {
			stamps = append(stamps, entry.Name())
		}
	}
	return stamps, err
}

// Sweep removes drafts that a killed run left behind in any folder's tmp, only
// ours and none that is at work, and what has been in the trash for more than
// 30 days.
func (s *Store) Sweep(ctx context.Context) error {
	names, err := s.Folders(ctx)
	if err != nil {
		return fmt.Errorf("sweep: %w", err)
	}
	for _, name := range names {
		if err := s.sweepDrafts(ctx, name); err != nil && !errors.Is(err, mailbox.ErrNotFound) {
			return fmt.Errorf("sweep: %w", err)
		}
	}
	stamps, err := s.stamps()
	if err != nil {
		return fmt.Errorf("sweep: %w", err)
	}
	for _, stamp := range stamps {
		if at, ok := stampTime(stamp); !ok || s.now().Sub(at) <= trashAge {
			continue
		}
		if err := s.root.RemoveAll(s.trashPath().under(stamp)); err != nil {
			return fmt.Errorf("sweep: %w", err)
		}
	}
	return nil
}

func (s *Store) sweepDrafts(ctx context.Context, name mailbox.Name) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	f, err := s.openFolder(name)
	if err != nil {
		return err
	}
	defer f.close()
	tmp, err := f.sub("tmp")
	if err != nil {
		return err
	}
	entries, err := tmp.ReadDir(-1)
	if err != nil {
		return fmt.Errorf("folder %s: %w", name, err)
	}
	for _, entry := range entries {
		if !strings.HasPrefix(entry.Name(), draftPrefix) || !entry.Type().IsRegular() || s.isAtWork(entry.Name()) {
			continue
		}
		if err := f.root.Remove("tmp/" + entry.Name()); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("folder %s: %w", name, err)
		}
	}
	return nil
}

func (s *Store) isAtWork(name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, held := s.drafts[strings.TrimSuffix(name, ".v")]
	return held
}
