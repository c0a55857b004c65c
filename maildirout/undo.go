package maildirout

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"mailferry/syncer/mailbox"
)

// Restored is a message that Undo put back, or would.
type Restored struct {
	Name mailbox.Name
	// Key is the message's key now: another one than it had when that was
	// taken meanwhile.
	Key mailbox.Key
	// Removed is when it was removed, in whole seconds.
	Removed time.Time
}

// Undo puts back everything that was removed at or after since, into the
// folders it was removed from, which are made where they are gone, with its
// flags. Nothing is overwritten: a message whose key is taken gets a new one.
// What was restored before an error is returned with it.
func (s *Store) Undo(ctx context.Context, since time.Time, dryRun bool) ([]Restored, error) {
	stamps, err := s.stamps()
	if err != nil {
		return nil, fmt.Errorf("undo: %w", err)
	}
	var all []Restored
	for _, stamp := range stamps {
		removed, _ := stampTime(stamp)
		if removed.Before(since.Truncate(time.Second)) {
			continue
		}
		u := undo{store: s, removed: removed, dryRun: dryRun, base: s.trashPath().join(stamp)}
		err := u.run(ctx)
		all = append(all, u.restored...)
		if err == nil && !dryRun {
			err = s.Flush(ctx)
		}
		if err != nil {
			return all, fmt.Errorf("undo: %w", err)
		}
	}
	return all, nil
}

// undo puts back what was removed in one second.
type undo struct {
	store    *Store
	base     path
	removed  time.Time
	dryRun   bool
	restored []Restored
}

func (u *undo) run(ctx context.Context) error {
	tree, err := openPath(u.store.root, u.base)
	if err != nil {
		return err
	}
	defer tree.Close()
	folders, err := u.store.walk(ctx, tree, false)
	if err != nil {
		return err
	}
	for _, one := range folders {
		bin, err := u.store.openFolderAt(one.name, u.base.join(one.path.levels()...))
		if err != nil {
			return err
		}
		err = u.folder(ctx, bin)
		bin.close()
		if err != nil {
			return fmt.Errorf("folder %s: %w", one.name, err)
		}
	}
	if u.dryRun {
		return nil
	}
	return u.tidy(ctx)
}

// tidy removes the stamp's folder when no message is left in it.
func (u *undo) tidy(ctx context.Context) error {
	tree, err := openPath(u.store.root, u.base)
	if err != nil {
		return err
	}
	defer tree.Close()
	left := false
	err = fs.WalkDir(tree.FS(), ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		part := path(name).parent().last()
		left = left || !entry.IsDir() && (part == "cur" || part == "new")
		return ctx.Err()
	})
	if err != nil || left {
		return err
	}
	return u.store.root.RemoveAll(string(u.base))
}

// folder puts back the messages of one folder.
func (u *undo) folder(ctx context.Context, bin *folder) error {
	files, err := u.store.filesOf(ctx, bin)
	if err != nil || len(files) == 0 {
		return err
	}
	meaning, _, err := bin.table()
	if err != nil {
		return err
	}
	taken, err := u.store.keysOf(ctx, bin.name)
	if err != nil {
		return err
	}
	var target *folder
	if !u.dryRun {
		if target, err = u.target(ctx, bin); err != nil {
			return err
		}
		defer target.close()
	}
	for _, one := range files {
		if err := ctx.Err(); err != nil {
			return err
		}
		key := mailbox.Key(one.keyText())
		if taken[key] {
			if key, err = u.store.keys.next(); err != nil {
				return err
			}
			if isMarked(mailbox.Key(one.keyText())) {
				key += verbatimMark
			}
		}
		taken[key] = true
		if !u.dryRun {
			if err := u.putBack(ctx, bin, target, one, key, meaning); err != nil {
				return err
			}
		}
		u.restored = append(u.restored, Restored{Name: bin.name, Key: key, Removed: u.removed})
	}
	return nil
}

// target opens the folder that a bin's messages came from, or makes it, with
// the keywords it had.
func (u *undo) target(ctx context.Context, bin *folder) (*folder, error) {
	if err := u.store.Create(ctx, bin.name); err != nil && !errors.Is(err, mailbox.ErrExists) {
		return nil, err
	}
	target, err := u.store.openFolder(bin.name)
	if err != nil {
		return nil, err
	}
	content, err := readSmall(bin.root, keywordsFile)
	if err == nil {
		if _, missing := target.root.Lstat(keywordsFile); errors.Is(missing, fs.ErrNotExist) {
			err = u.store.replace(target, keywordsFile, content)
		}
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		target.close()
		return nil, err
	}
	return target, nil
}

// putBack moves one file, writing its keywords with the letters they have now.
func (u *undo) putBack(ctx context.Context, bin, target *folder, one file, key mailbox.Key, meaning *keywordTable) error {
	old, tail := one.info()
	table, err := u.store.makeRoom(ctx, target, meaning.flags(old))
	if err != nil {
		return err
	}
	letters, _ := table.letters(meaning.unknown(old), meaning.flags(old))
	to := place{folder: target, sub: "new", name: string(key)}
	if int(one.key) < len(one.name) {
		to.sub, to.name = "cur", messageName(string(key), letters, tail)
	}
	if err := u.store.moveFile(place{bin, one.sub(), one.name}, to); err != nil {
		return err
	}
	u.store.noteFile(target.name, newFile(to.name, to.sub == "new"))
	u.store.touch(target.path.join(to.sub), bin.path.join(one.sub()))
	return nil
}

// filesOf lists a folder without remembering it; doubles and all.
func (s *Store) filesOf(ctx context.Context, f *folder) ([]file, error) {
	var files []file
	for _, sub := range []string{"new", "cur"} {
		names, err := s.snapshot(ctx, f, sub)
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			files = append(files, newFile(name, sub == "new"))
		}
	}
	sortFiles(files)
	return files, nil
}

// keysOf returns the keys that a folder has, none if there is no folder.
func (s *Store) keysOf(ctx context.Context, name mailbox.Name) (map[mailbox.Key]bool, error) {
	messages, _, err := s.List(ctx, name)
	if err != nil && !errors.Is(err, mailbox.ErrNotFound) {
		return nil, err
	}
	keys := make(map[mailbox.Key]bool, len(messages))
	for _, message := range messages {
		keys[message.Key] = true
	}
	return keys, nil
}
