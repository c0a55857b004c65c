package maildirout

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"mailferry/syncer/mailbox"
)

// ErrKey is returned for a draft whose key is none of ours.
var ErrKey = errors.New("not the key of a draft")

func checkKey(key mailbox.Key) error {
	if key == "" || key[0] == '.' || strings.ContainsAny(string(key), "/\\\x00"+string(separator)) {
		return fmt.Errorf("%w: %.80q", ErrKey, string(key))
	}
	return nil
}

// byFolder calls each for the drafts of one folder after the other, in the
// order in which the folders come first.
func (s *Store) byFolder(ctx context.Context, drafts []mailbox.Draft, each func(f *folder, drafts []mailbox.Draft) error) error {
	var names []mailbox.Name
	groups := map[mailbox.Name][]mailbox.Draft{}
	for _, draft := range drafts {
		if err := checkKey(draft.Key); err != nil {
			return err
		}
		if groups[draft.Name] == nil {
			names = append(names, draft.Name)
		}
		groups[draft.Name] = append(groups[draft.Name], draft)
	}
	for _, name := range names {
		if err := ctx.Err(); err != nil {
			return err
		}
		f, err := s.openFolder(name)
		if err != nil {
			return err
		}
		err = each(f, groups[name])
		f.close()
		if err != nil {
			return fmt.Errorf("folder %s: %w", name, s.explain(err))
		}
	}
	return nil
}

// Seal gives the drafts their dates as mtime and makes them durable. An error
// is final: none of the drafts may be published, and Seal must not be called
// again for them, because a disk tells of a lost write only once.
func (s *Store) Seal(ctx context.Context, drafts []mailbox.Draft) error {
	var files []string
	err := s.byFolder(ctx, drafts, func(f *folder, drafts []mailbox.Draft) error {
		tmp, err := openDir(f.root, "tmp")
		if err != nil {
			return err
		}
		defer tmp.Close()
		for _, draft := range drafts {
			name := draftName(draft.Key)
			if draft.Date.Known {
				date := draft.Date.Time()
				if err := tmp.Chtimes(name, date, date); err != nil {
					return err
				}
			}
			files = append(files, f.path.under("tmp", name))
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("seal: %w", err)
	}
	if err := s.syncAll(ctx, files); err != nil {
		return fmt.Errorf("seal: %w", s.explain(err))
	}
	return nil
}

// Publish gives sealed drafts their final names: in new without flags, else in
// cur. Keywords that the folder has no room for are left out. When it returns
// without an error the names are durable.
func (s *Store) Publish(ctx context.Context, drafts []mailbox.Draft) error {
	err := s.byFolder(ctx, drafts, func(f *folder, drafts []mailbox.Draft) error {
		var all mailbox.Flags
		for _, draft := range drafts {
			all = all.Union(draft.Flags)
		}
		table, err := s.makeRoom(ctx, f, all)
		if err != nil {
			return err
		}
		touched := map[string]bool{}
		for _, draft := range drafts {
			to := place{folder: f, sub: "new", name: string(draft.Key)}
			if letters, _ := table.letters("", draft.Flags); letters != "" {
				to.sub, to.name = "cur", messageName(string(draft.Key), letters, "")
			}
			if err := s.moveFile(place{folder: f, sub: "tmp", name: draftName(draft.Key)}, to); err != nil {
				return err
			}
			s.dropDraft(draft.Key)
			s.noteFile(f.name, newFile(to.name, to.sub == "new"))
			touched[to.sub] = true
		}
		for _, sub := range []string{"cur", "new"} {
			if touched[sub] {
				if err := s.syncFolder(f, sub); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("publish: %w", err)
	}
	return nil
}

// Discard removes drafts that are not wanted. Those not there are fine.
func (s *Store) Discard(ctx context.Context, drafts []mailbox.Draft) error {
	err := s.byFolder(ctx, drafts, func(f *folder, drafts []mailbox.Draft) error {
		for _, draft := range drafts {
			if err := f.root.Remove("tmp/" + draftName(draft.Key)); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
			s.dropDraft(draft.Key)
		}
		return nil
	})
	if err != nil && !errors.Is(err, mailbox.ErrNotFound) {
		return fmt.Errorf("discard: %w", err)
	}
	return nil
}
