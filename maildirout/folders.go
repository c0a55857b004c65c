package maildirout

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"mailferry/syncer/mailbox"
)

// folderMark is the file that tells a folder of Maildir++ from the root of
// another tree.
const folderMark = "maildirfolder"

// ErrInbox is returned where INBOX would be deleted: it always exists.
// (RFC 9051, section 6.3.5)
var ErrInbox = errors.New("INBOX cannot be deleted")

// Create makes a folder, durably. mailbox.ErrExists if it is there.
func (s *Store) Create(ctx context.Context, name mailbox.Name) error {
	return s.changeFolders(ctx, func() error {
		if err := s.create(name); err != nil {
			return fmt.Errorf("create folder %s: %w", name, s.explain(err))
		}
		return nil
	})
}

// changeFolders lets change make, rename or delete folders, while nobody else
// works with any.
func (s *Store) changeFolders(ctx context.Context, change func() error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.folders.Lock()
	defer s.folders.Unlock()
	s.clearDesks()
	defer s.clearDesks()
	return change()
}

func (s *Store) create(name mailbox.Name) error {
	p, err := s.makePath(name)
	if err != nil {
		return err
	}
	dir, err := openPath(s.root, p)
	if err != nil {
		return err
	}
	defer dir.Close()
	if info, err := dir.Lstat("cur"); err == nil {
		if err := mustBeDir(info, "cur"); err != nil {
			return err
		}
		return mailbox.ErrExists
	}
	return s.furnish(name, p, dir)
}

// furnish makes a directory a folder; cur comes last, as it is what counts.
func (s *Store) furnish(name mailbox.Name, p path, dir *os.Root) error {
	if s.naming.layout == MaildirPP && p != "" {
		if err := s.writeMark(dir); err != nil {
			return err
		}
	}
	for _, sub := range []string{"tmp", "new", "cur"} {
		if err := makeDir(dir, sub); err != nil {
			return err
		}
	}
	s.mu.Lock()
	s.paths[name] = p
	s.mu.Unlock()
	return s.syncPath(p)
}

// writeMark makes the folderMark.
func (s *Store) writeMark(dir *os.Root) error {
	mark, err := createFile(dir, folderMark)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return mark.Close()
}

// makePath makes the directories of a name as far as they are not there.
func (s *Store) makePath(name mailbox.Name) (path, error) {
	var p path
	for i, step := range s.naming.steps(name) {
		parent, err := openPath(s.root, p)
		if err != nil {
			return "", err
		}
		disk, err := s.makeStep(parent, p, step, i == 0)
		parent.Close()
		if err != nil {
			return "", err
		}
		p = p.join(disk)
	}
	return p, nil
}

func (s *Store) makeStep(parent *os.Root, p path, step string, top bool) (string, error) {
	disk, err := s.lookUp(parent, step, top)
	if err == nil || !errors.Is(err, fs.ErrNotExist) {
		return disk, err
	}
	entries, err := readDir(parent)
	if err != nil {
		return "", err
	}
	disk, short, err := s.naming.choose(entries, step, top)
	if err != nil {
		return "", err
	}
	if err := makeDir(parent, disk); err != nil {
		return "", err
	}
	if short {
		if err := s.writeNameFile(p.join(disk), step); err != nil {
			return "", err
		}
	}
	return disk, s.syncPath(p)
}

// choose picks a name on disk for a step that has no folder yet, such that no
// file system takes it for one of its siblings'.
func (n naming) choose(siblings []fs.DirEntry, step string, top bool) (disk string, short bool, err error) {
	for v := plain; v < variants; v++ {
		disk, short = n.encode(step, top, v)
		free, folded := true, fold(disk)
		for _, sibling := range siblings {
			if sibling.Name() == disk && !sibling.IsDir() {
				return "", false, inTheWay(sibling)
			}
			free = free && sibling.Name() != disk && fold(sibling.Name()) != folded
		}
		if free {
			return disk, short, nil
		}
	}
	return "", false, fmt.Errorf("%s: every way to write it is taken", disk)
}

func inTheWay(entry fs.DirEntry) error {
	if entry.Type()&fs.ModeSymlink != 0 {
		return fmt.Errorf("%s: %w", entry.Name(), ErrSymlink)
	}
	return fmt.Errorf("%s: %w", entry.Name(), ErrNotFolder)
}

// writeNameFile keeps the step that a shortened name stands for.
func (s *Store) writeNameFile(p path, step string) error {
	dir, err := openPath(s.root, p)
	if err != nil {
		return err
	}
	defer dir.Close()
	file, err := createFile(dir, nameFile)
	if errors.Is(err, fs.ErrExist) {
		content, err := readSmall(dir, nameFile)
		if err == nil && string(content) == step {
			return nil
		}
		if err := dir.Remove(nameFile); err != nil {
			return err
		}
		file, err = createFile(dir, nameFile)
		if err != nil {
			return err
		}
	} else if err != nil {
		return err
	}
	_, err = file.WriteString(step)
	if err == nil {
		err = file.Sync()
	}
	if closed := file.Close(); err == nil {
		err = closed
	}
	return err
}

// Rename renames one folder; those below it stay. mailbox.ErrNotFound,
// mailbox.ErrExists. INBOX gives its messages away and stays, empty.
func (s *Store) Rename(ctx context.Context, from, to mailbox.Name) error {
	return s.changeFolders(ctx, func() error {
		if err := s.renameFolder(from, to); err != nil {
			return fmt.Errorf("rename folder %s to %s: %w", from, to, err)
		}
		return nil
	})
}

func (s *Store) renameFolder(from, to mailbox.Name) error {
	source, err := s.openFolder(from)
	if err != nil {
		return err
	}
	defer source.close()
	p, err := s.makePath(to)
	if err != nil {
		return err
	}
	if p == source.path {
		return mailbox.ErrExists
	}
	target, err := openPath(s.root, p)
	if err != nil {
		return err
	}
	defer target.Close()
	if _, err := target.Lstat("cur"); err == nil {
		return mailbox.ErrExists
	}
	if s.naming.layout == MaildirPP && p != "" {
		if err := s.writeMark(target); err != nil {
			return err
		}
	}
	if err := s.moveParts(source, p, target); err != nil {
		return err
	}
	s.forget(to)
	if err := s.leave(source); err != nil {
		return err
	}
	return s.syncPath(p)
}

// leave ends a folder whose parts were moved away. INBOX is made anew.
func (s *Store) leave(f *folder) error {
	s.forget(f.name)
	if canonical(f.name) == mailbox.Inbox {
		return s.furnish(f.name, f.path, f.root)
	}
	entries, err := readDir(f.root)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if !isOwnMark(entry.Name()) {
			return s.syncPath(f.path) // folders below it, or what others keep there
		}
	}
	for _, entry := range entries {
		if err := f.root.Remove(entry.Name()); err != nil {
			return err
		}
	}
	if err := s.root.Remove(string(f.path)); err != nil {
		return err
	}
	return s.syncPath(f.path.parent())
}

// isOwnMark names the files that belong to a directory, not to its messages.
func isOwnMark(name string) bool { return name == nameFile || name == folderMark }

// moveParts moves all that is a folder's own into the directory at p: its
// files, and its parts, cur last: until then the folder is found and a run
// that was killed can be repeated.
func (s *Store) moveParts(f *folder, p path, target *os.Root) error {
	entries, err := readDir(f.root)
	if err != nil {
		return err
	}
	var parts []string
	for _, entry := range entries {
		name := entry.Name()
		// The root of Maildir++ has files that are not of INBOX alone.
		if entry.IsDir() || isOwnMark(name) || f.path == "" && name != keywordsFile {
			continue
		}
		parts = append(parts, name)
	}
	for _, name := range append(parts, "tmp", "new", "cur") {
		if err := s.movePart(f, p, target, name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// movePart moves one file or part. Where a killed run has moved some of it
// already, the rest follows file by file.
func (s *Store) movePart(f *folder, p path, target *os.Root, name string) error {
	info, err := target.Lstat(name)
	if err == nil && info.IsDir() && target.Remove(name) == nil {
		err = fs.ErrNotExist // it was empty
	}
	// Without cur the target is no folder yet, and its keywords are of none.
	if errors.Is(err, fs.ErrNotExist) || err == nil && name == keywordsFile && info.Mode().IsRegular() {
		return s.root.Rename(f.path.under(name), p.under(name))
	}
	if err != nil {
		return err
	}
	part, err := openDir(f.root, name)
	if errors.Is(err, ErrNotFolder) {
		return nil // a file of which the target has its own
	}
	if err != nil {
		return err
	}
	defer part.Close()
	entries, err := readDir(part)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if _, err := target.Lstat(name + "/" + entry.Name()); err == nil {
			return fmt.Errorf("%s/%s: %w", name, entry.Name(), fs.ErrExist)
		}
		if err := s.root.Rename(f.path.under(name, entry.Name()), p.under(name, entry.Name())); err != nil {
			return err
		}
	}
	return f.root.Remove(name)
}

// Delete moves a folder with all that is in it to the store's trash; those
// below it stay. ErrInbox, mailbox.ErrNotFound.
func (s *Store) Delete(ctx context.Context, name mailbox.Name) error {
	return s.changeFolders(ctx, func() error {
		if err := s.deleteFolder(name); err != nil {
			return fmt.Errorf("delete folder %s: %w", name, err)
		}
		return nil
	})
}

func (s *Store) deleteFolder(name mailbox.Name) error {
	if canonical(name) == mailbox.Inbox {
		return ErrInbox
	}
	f, err := s.openFolder(name)
	if err != nil {
		return err
	}
	defer f.close()
	stamp := s.now().UTC().Format(stampFormat)
	for i := 0; ; i++ {
		bin, err := s.emptyBin(f, stamp, i)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("make room in the trash: %w", err)
		}
		err = s.moveParts(f, bin.path, bin.root)
		bin.close()
		if err != nil {
			return err
		}
		s.touch(bin.path)
		break
	}
	if err := s.leave(f); err != nil {
		return err
	}
	return s.Flush(context.Background())
}

// emptyBin makes the folder's i-th bin of a stamp, fs.ErrExist if messages are
// in it: whole parts are to be moved there.
func (s *Store) emptyBin(f *folder, stamp string, i int) (*folder, error) {
	bin, err := s.makeBin(f, stamp, i)
	if err != nil {
		return nil, err
	}
	for _, part := range []string{"cur", "new"} {
		var names []string
		dir, err := bin.sub(part)
		if err == nil {
			names, err = dir.Readdirnames(1)
		}
		if len(names) > 0 {
			err = fs.ErrExist
		}
		if err != nil && err != io.EOF {
			bin.close()
			return nil, err
		}
	}
	return bin, nil
}
