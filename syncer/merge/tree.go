package merge

import (
	"bytes"
	"context"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"mailferry/syncer/mailbox"
)

// NewTree makes a source of an mbox, .eml or .emlx file, or of a folder of
// them, nested as they are.
func NewTree(kind Kind, name, root string) Source { return newTree(kind, name, root) }

func newTree(kind Kind, name, root string) *files {
	f := &files{kind: kind, name: name, root: root}
	f.walk = func(ctx context.Context, each func(Unit) error, damage func(Damage)) error {
		info, err := os.Stat(root)
		if err != nil {
			return err
		}
		if !info.IsDir() {
			return each(fileUnit(info, "", path.Base(filepath.ToSlash(root)), soleName(root), formatOf(kind)))
		}
		t := treeWalk{root: root, kind: kind, each: each, damage: damage}
		return t.folder(ctx, "")
	}
	return f
}

// treeWalk goes through folders of files.
type treeWalk struct {
	root   string
	kind   Kind
	each   func(Unit) error
	damage func(Damage)
	// isMbox may take a file for an mbox that does not begin like one.
	isMbox func(below string) bool
	// named makes the mailbox of a path.
	named func(below string) mailbox.Name
}

func (t *treeWalk) folder(ctx context.Context, below string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	entries, err := os.ReadDir(filepath.Join(t.root, filepath.FromSlash(below)))
	if err != nil {
		if below == "" {
			return err
		}
		t.damage(Damage{What: below + " cannot be listed: " + cause(err), Lost: true})
		return nil
	}
	// Folders are met where a path with a slash would be.
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return CompareKeys(sortName(a), sortName(b)) })
	for _, entry := range entries {
		at := path.Join(below, entry.Name())
		switch {
		case entry.IsDir() && entry.Name() == "cur":
			err = t.maildir(ctx, below)
		case entry.IsDir() && (skipsFolder(entry.Name())):
		case entry.IsDir():
			err = t.folder(ctx, at)
		case entry.Type().IsRegular():
			err = t.file(entry, at)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func sortName(entry fs.DirEntry) string {
	if entry.IsDir() {
		return entry.Name() + "/"
	}
	return entry.Name()
}

func skipsFolder(name string) bool {
	return name == "new" || name == "tmp" || name[0] == '.' || strings.HasSuffix(name, ".mozmsgs")
}

// maildir takes a Maildir within the tree. Thunderbird's own has files without
// flags in their names, and flags in the messages.
func (t *treeWalk) maildir(ctx context.Context, below string) error {
	return eachMaildirFile(ctx, t.root, Folder{below, t.name(below)}, FormatEML, t.each, t.damage)
}

func (t *treeWalk) name(below string) mailbox.Name {
	if t.named != nil {
		return t.named(below)
	}
	return treeName(below)
}

func (t *treeWalk) file(entry fs.DirEntry, below string) error {
	format, ok := t.format(below)
	if !ok {
		return nil
	}
	info, err := entry.Info()
	if err != nil {
		t.damage(Damage{What: below + ": " + cause(err), Lost: true})
		return nil
	}
	if info.Size() == 0 && format == FormatMbox {
		return nil
	}
	name := t.name(below)
	if format == FormatEML {
		if name = t.name(path.Dir(below)); path.Dir(below) == "." {
			name = soleName(t.root)
		}
	}
	return t.each(fileUnit(info, below, below, name, format))
}

// format tells what a file is; false for none of ours.
func (t *treeWalk) format(below string) (Format, bool) {
	base := path.Base(below)
	switch ext := strings.ToLower(path.Ext(base)); {
	case base[0] == '.':
		return 0, false
	case ext == ".eml":
		return FormatEML, true
	case ext == ".emlx":
		return FormatEMLX, true
	case slices.Contains(notMail, ext):
		return 0, false
	}
	at := filepath.Join(t.root, filepath.FromSlash(below))
	return FormatMbox, t.isMbox != nil && t.isMbox(below) || beginsLikeMbox(at)
}

// notMail are the endings of files that mail programs keep beside mail.
var notMail = []string{
	".msf", ".dat", ".html", ".htm", ".json", ".js", ".sqlite", ".db", ".log", ".lock", ".plist", ".xml", ".txt", ".ini",
	".cmeta", ".ibex", ".ev-summary", ".wdseml", ".png", ".jpg", ".pdf", ".zip", ".gz", ".mab", ".pst", ".ost",
}

// beginsLikeMbox reports whether a file's first line, after empty ones and
// holes, begins with "From ".
func beginsLikeMbox(at string) bool {
	file, err := os.Open(at)
	if err != nil {
		return false
	}
	defer file.Close()
	start := make([]byte, 4096)
	n, _ := io.ReadFull(file, start)
	return bytes.HasPrefix(bytes.TrimLeft(start[:n], "\r\n\x00"), fromSpace)
}

// fileUnit makes a unit of a file.
func fileUnit(info fs.FileInfo, below, key string, name mailbox.Name, format Format) Unit {
	return Unit{
		Key: key, Mailbox: name, File: below, Size: info.Size(), Stamp: info.ModTime().UnixNano(),
		Format: format, Date: mailbox.DateOf(info.ModTime()),
	}
}

func formatOf(kind Kind) Format {
	switch kind {
	case EML:
		return FormatEML
	case EMLX:
		return FormatEMLX
	}
	return FormatMbox
}

// mailEndings are what folders' names end with on disk and not for people.
var mailEndings = []string{".mbox", ".sbd", ".mbx", ".partial.emlx", ".emlx"}

func withoutEnding(name string) string {
	for _, ending := range mailEndings {
		if len(name) > len(ending) && strings.EqualFold(name[len(name)-len(ending):], ending) {
			return name[:len(name)-len(ending)]
		}
	}
	return name
}

// treeName is the mailbox that a path in a tree means. Apple Mail has
// Inbox.mbox/UUID/Data/1/Messages/17.emlx, others Inbox.mbox/mbox.
func treeName(below string) mailbox.Name {
	parts := strings.Split(below, "/")
	if strings.HasSuffix(strings.ToLower(below), ".emlx") {
		var boxes []string
		for _, part := range parts[:len(parts)-1] {
			if strings.HasSuffix(strings.ToLower(part), ".mbox") {
				boxes = append(boxes, withoutEnding(part))
			}
		}
		if len(boxes) == 0 {
			return mailbox.Inbox
		}
		return mailbox.JoinText(boxes...)
	}
	if n := len(parts); n > 1 && strings.EqualFold(parts[n-1], "mbox") {
		parts = parts[:n-1]
	}
	var levels []string
	for _, part := range parts {
		if level := withoutEnding(part); level != "" && level != "." {
			levels = append(levels, level)
		}
	}
	if len(levels) == 0 {
		return mailbox.Inbox
	}
	return mailbox.JoinText(levels...)
}

// soleName is the mailbox of a file, or of the .eml files of a folder, that
// were named by themselves: spools are inboxes.
func soleName(root string) mailbox.Name {
	root = filepath.ToSlash(root)
	base := withoutEnding(path.Base(root))
	if strings.EqualFold(base, "mbox") || strings.Contains(root, "/var/mail/") || strings.Contains(root, "/var/spool/mail/") {
		return mailbox.Inbox
	}
	if ext := path.Ext(base); strings.EqualFold(ext, ".eml") {
		return mailbox.Inbox
	}
	return mailbox.JoinText(base)
}
