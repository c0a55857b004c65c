package merge

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"mailferry/syncer/mailbox"
)

// Folder is a folder of a Maildir tree: its path below the root with "/", ""
// for the root itself, and its mailbox.
type Folder struct {
	Path string
	Name mailbox.Name
}

// NewMaildir makes a source of a Maildir tree in either layout.
func NewMaildir(name, root string) Source {
	return newMaildir(Maildir, name, root, func() ([]Folder, error) { return maildirFolders(root) })
}

// NewStore makes a source of a tree that mailferry keeps, whose folders it
// names itself.
func NewStore(name, root string, folders func() ([]Folder, error)) Source {
	return newMaildir(Store, name, root, folders)
}

func newMaildir(kind Kind, name, root string, folders func() ([]Folder, error)) *files {
	return &files{kind: kind, name: name, root: root, walk: func(ctx context.Context, each func(Unit) error, damage func(Damage)) error {
		list, err := folders()
		if err != nil {
			return err
		}
		slices.SortFunc(list, func(a, b Folder) int { return CompareKeys(a.Path+"/", b.Path+"/") })
		format := FormatMaildir
		if kind == Store {
			format = FormatStore
		}
		for _, folder := range list {
			if err := eachMaildirFile(ctx, root, folder, format, each, damage); err != nil {
				return err
			}
		}
		return nil
	}}
}

// maildirFile is a file in cur or new.
type maildirFile struct{ base, sub, name string }

// eachMaildirFile lists one folder.
func eachMaildirFile(ctx context.Context, root string, folder Folder, format Format, each func(Unit) error, damage func(Damage)) error {
	dir := filepath.Join(root, filepath.FromSlash(folder.Path))
	var all []maildirFile
	for _, sub := range []string{"cur", "new"} {
		entries, err := os.ReadDir(filepath.Join(dir, sub))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			damage(Damage{What: path.Join(folder.Path, sub) + " cannot be listed: " + cause(err), Lost: true})
		}
		for _, entry := range entries {
			if entry.Type().IsRegular() && entry.Name()[0] != '.' {
				base, _, _ := strings.Cut(entry.Name(), ":")
				all = append(all, maildirFile{base, sub, entry.Name()})
			}
		}
	}
	slices.SortFunc(all, func(a, b maildirFile) int {
		if c := CompareKeys(a.base, b.base); c != 0 {
			return c
		}
		return strings.Compare(a.sub+a.name, b.sub+b.name)
	})
	keywords := maildirKeywords(dir)
	for _, one := range all {
		if err := ctx.Err(); err != nil {
			return err
		}
		info, err := os.Lstat(filepath.Join(dir, one.sub, one.name))
		if err != nil {
			if !errors.Is(err, fs.ErrNotExist) { // a mail reader renamed or removed it
				damage(Damage{What: one.name + ": " + cause(err), Lost: true})
			}
			continue
		}
		unit := Unit{
			Key: path.Join(folder.Path, one.base), Mailbox: folder.Name, Size: info.Size(), Stamp: info.ModTime().UnixNano(),
			File: path.Join(folder.Path, one.sub, one.name), Format: format, Flags: maildirFlags(one.name, keywords), Date: mailbox.DateOf(info.ModTime()),
		}
		if err := each(unit); err != nil {
			return err
		}
	}
	return nil
}

var maildirLetters = map[byte]string{
	'D': mailbox.FlagDraft, 'F': mailbox.FlagFlagged, 'P': mailbox.FlagForwarded,
	'R': mailbox.FlagAnswered, 'S': mailbox.FlagSeen, 'T': mailbox.FlagDeleted,
}

func maildirFlags(name string, keywords [26]string) mailbox.Flags {
	_, letters, found := strings.Cut(name, ":2,")
	if !found || letters == "" {
		return mailbox.Flags{}
	}
	letters, _, _ = strings.Cut(letters, ",")
	var names []string
	for i := range len(letters) {
		if c := letters[i]; c >= 'a' && c <= 'z' {
			names = append(names, keywords[c-'a'])
		} else {
			names = append(names, maildirLetters[c])
		}
	}
	return mailbox.NewFlags(names...)
}

// maildirKeywords reads what Dovecot, and mailferry, keep beside cur.
func maildirKeywords(dir string) (names [26]string) {
	content, err := os.ReadFile(filepath.Join(dir, "dovecot-keywords"))
	if err != nil {
		return names
	}
	for line := range bytes.Lines(content) {
		index, name, _ := strings.Cut(strings.TrimSpace(string(line)), " ")
		if i, err := strconv.Atoi(index); err == nil && i >= 0 && i < len(names) && mailbox.IsKeyword(name) {
			names[i] = name
		}
	}
	return names
}

// maildirFolders finds the folders of a tree: those with a cur, nested or with
// the dots of Maildir++.
func maildirFolders(root string) ([]Folder, error) {
	var found []Folder
	err := filepath.WalkDir(root, func(at string, entry fs.DirEntry, err error) error {
		if err != nil {
			if at == root {
				return err
			}
			return nil // told when its messages are listed
		}
		if !entry.IsDir() {
			return nil
		}
		switch entry.Name() {
		case "cur":
			below, err := filepath.Rel(root, filepath.Dir(at))
			if err != nil {
				return err
			}
			found = append(found, Folder{slashed(below), maildirName(slashed(below))})
			return fs.SkipDir
		case "new", "tmp", ".mailferry", "mailferry", ".notmuch", ".git":
			return fs.SkipDir
		}
		return nil
	})
	return found, err
}

func slashed(below string) string {
	if below == "." {
		return ""
	}
	return filepath.ToSlash(below)
}

// maildirName is the mailbox that a folder's path means.
func maildirName(below string) mailbox.Name {
	if below == "" {
		return mailbox.Inbox
	}
	var levels []string
	for _, part := range strings.Split(below, "/") {
		if len(part) > 1 && part[0] == '.' {
			for _, level := range strings.Split(part[1:], ".") {
				levels = append(levels, decodeUTF7(level))
			}
			continue
		}
		levels = append(levels, decodeUTF7(part))
	}
	levels = slices.DeleteFunc(levels, func(level string) bool { return level == "" })
	if len(levels) == 0 {
		return mailbox.Inbox
	}
	return mailbox.JoinText(levels...)
}

var base64UTF7 = base64.NewEncoding("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,").WithPadding(base64.NoPadding)

// decodeUTF7 reads modified UTF-7, as Dovecot and Courier name folders, and
// returns what is not as it is. (RFC 3501, section 5.1.3)
func decodeUTF7(text string) string {
	if !strings.Contains(text, "&") {
		return text
	}
	var b strings.Builder
	for rest := text; ; {
		before, after, found := strings.Cut(rest, "&")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		shifted, behind, closed := strings.Cut(after, "-")
		if !closed {
			return text
		}
		rest = behind
		if shifted == "" {
			b.WriteByte('&')
			continue
		}
		octets, err := base64UTF7.DecodeString(shifted)
		if err != nil || len(octets)%2 != 0 {
			return text
		}
		units := make([]uint16, len(octets)/2)
		for i := range units {
			units[i] = uint16(octets[2*i])<<8 | uint16(octets[2*i+1])
		}
		decoded := string(utf16.Decode(units))
		if strings.ContainsRune(decoded, utf8.RuneError) {
			return text
		}
		b.WriteString(decoded)
	}
}
