package maildirout

import (
	"context"
	"errors"
	"io/fs"
	"os"
	slash "path"
	"strings"
	"time"
)

// surveyLimit is how many files and folders a survey looks at.
const surveyLimit = 2_000_000

// leftoverAge is from when a file in tmp is one that nobody finishes: the
// protocol of Maildir says 36 hours.
const leftoverAge = 36 * time.Hour

// Survey is what somebody finds who looks at a tree from outside. Lists have at
// most surveyExamples paths; counts count all.
type Survey struct {
	Folders, Messages int
	// Incomplete are folders with cur that lack new or tmp.
	Incomplete Examples
	// Unreadable are files and folders that cannot be opened.
	Unreadable Examples
	// Links are symbolic links, which are not followed.
	Links Examples
	// Leftovers lie in tmp for more than a day and a half.
	Leftovers Examples
	// Foreign are mailboxes of the other layout, which do not take part.
	Foreign Examples
	// IsCut says that there was more than could be looked at.
	IsCut bool
}

const surveyExamples = 3

// Examples counts paths within the store, and has the first of them.
type Examples struct {
	Count int
	Paths []string
}

func (e *Examples) add(path string) {
	if e.Count++; len(e.Paths) < surveyExamples {
		e.Paths = append(e.Paths, path)
	}
}

// Look surveys the tree at dir, and changes nothing. Errors are the system's
// about dir itself, or ctx's.
func Look(ctx context.Context, dir string, layout Layout, now time.Time) (Survey, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return Survey{}, err
	}
	defer root.Close()
	s := &surveyor{root: root, naming: naming{layout: layout}, now: now}
	err = fs.WalkDir(root.FS(), ".", func(at string, entry fs.DirEntry, err error) error {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return s.visit(at, entry, err)
	})
	if errors.Is(err, errCut) {
		s.found.IsCut, err = true, nil
	}
	return s.found, err
}

var errCut = errors.New("too much to look at")

type surveyor struct {
	root   *os.Root
	naming naming
	now    time.Time
	seen   int
	found  Survey
}

func (s *surveyor) visit(at string, entry fs.DirEntry, err error) error {
	if s.seen++; s.seen > surveyLimit {
		return errCut
	}
	switch {
	case err != nil:
		s.found.Unreadable.add(at)
		if entry != nil && entry.IsDir() {
			return fs.SkipDir
		}
	case at == s.naming.control():
		return fs.SkipDir // ours
	case entry.Type()&fs.ModeSymlink != 0:
		s.found.Links.add(at)
	case entry.IsDir():
		s.visitFolder(at)
	case entry.Type().IsRegular():
		s.visitFile(at, entry)
	}
	return nil
}

func (s *surveyor) visitFolder(at string) {
	if base := slash.Base(at); base == "cur" || base == "new" || base == "tmp" {
		return
	}
	if !s.hasFolder(at, "cur") {
		return
	}
	s.found.Folders++
	if !s.hasFolder(at, "new") || !s.hasFolder(at, "tmp") {
		s.found.Incomplete.add(at)
	}
	// In Maildir++ all mailboxes but INBOX are .names in the root.
	isDotted := strings.HasPrefix(slash.Base(at), ".") && at != "."
	isFlat := slash.Dir(at) == "." && isDotted || at == "."
	if s.naming.layout == MaildirPP && !isFlat || s.naming.layout == FS && at == "." {
		s.found.Foreign.add(at)
	}
}

func (s *surveyor) hasFolder(at, sub string) bool {
	info, err := s.root.Lstat(slash.Join(at, sub))
	return err == nil && info.IsDir()
}

func (s *surveyor) visitFile(at string, entry fs.DirEntry) {
	part := slash.Base(slash.Dir(at))
	if part != "cur" && part != "new" && part != "tmp" || strings.HasPrefix(entry.Name(), ".") {
		return
	}
	info, err := entry.Info()
	switch {
	case err != nil:
		return // gone meanwhile
	case part == "tmp":
		if s.now.Sub(info.ModTime()) > leftoverAge {
			s.found.Leftovers.add(at)
		}
		return
	case !s.isReadable(at, info):
		s.found.Unreadable.add(at)
	}
	s.found.Messages++
}

// isReadable asks the file only if its mode leaves a doubt.
func (s *surveyor) isReadable(at string, info fs.FileInfo) bool {
	if info.Mode().Perm()&0o444 == 0o444 {
		return true
	}
	file, err := s.root.Open(at)
	if err != nil {
		return errors.Is(err, fs.ErrNotExist)
	}
	file.Close()
	return true
}
