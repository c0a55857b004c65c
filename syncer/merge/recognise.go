package merge

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// ErrNoMail is returned for a path that is no source of any kind.
var ErrNoMail = errors.New("no mail that merge knows how to read")

// SplitKind separates KIND:PATH. Without a kind it returns "".
func SplitKind(text string) (Kind, string) {
	before, after, found := strings.Cut(text, ":")
	if found && !strings.HasPrefix(after, "//") {
		for _, kind := range Kinds() {
			if strings.EqualFold(before, string(kind)) {
				return kind, after
			}
		}
	}
	return "", text
}

// Recognise tells what kind of source is at a path. Errors wrap ErrNoMail or
// are the system's.
func Recognise(at string) (Kind, error) {
	info, err := os.Stat(at)
	if err != nil {
		return "", err
	}
	if info.IsDir() {
		return recogniseFolder(at)
	}
	return recogniseFile(at)
}

func recogniseFile(at string) (Kind, error) {
	file, err := os.Open(at)
	if err != nil {
		return "", err
	}
	defer file.Close()
	start := make([]byte, 4096)
	n, err := io.ReadFull(file, start)
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return "", err
	}
	start = start[:n]
	text := bytes.TrimLeft(start, "\r\n\x00")
	switch ext := strings.ToLower(filepath.Ext(at)); {
	case bytes.HasPrefix(start, []byte("!BDN")) || ext == ".pst" || ext == ".ost":
		return Outlook, nil
	case ext == ".emlx":
		return EMLX, nil
	case ext == ".eml":
		return EML, nil
	case bytes.HasPrefix(text, fromSpace) || ext == ".mbox" || ext == ".mbx" || exists(at+".msf"):
		return Mbox, nil
	case looksLikeField(text):
		return EML, nil
	}
	return "", fmt.Errorf("%s: %w", at, ErrNoMail)
}

// maxLook bounds how many entries are looked at to recognise a folder.
const maxLook = 20000

func recogniseFolder(root string) (Kind, error) {
	switch {
	case exists(filepath.Join(root, ".mailferry", "store.json")), exists(filepath.Join(root, "mailferry", "store.json")):
		return Store, nil
	case isProfile(root), exists(filepath.Join(root, "profiles.ini")):
		return Thunderbird, nil
	case exists(filepath.Join(root, "cur")):
		return Maildir, nil
	}
	var found Kind
	seen := 0
	err := filepath.WalkDir(root, func(at string, entry fs.DirEntry, err error) error {
		if err != nil {
			if at == root {
				return err
			}
			return nil
		}
		if seen++; seen > maxLook {
			return fs.SkipAll
		}
		if kind := recogniseEntry(at, entry); kind != "" {
			found = kind
			return fs.SkipAll
		}
		return nil
	})
	if err != nil {
		return "", err
	}
	if found == "" {
		return "", fmt.Errorf("%s: %w", root, ErrNoMail)
	}
	return found, nil
}

func recogniseEntry(at string, entry fs.DirEntry) Kind {
	name := strings.ToLower(entry.Name())
	if entry.IsDir() {
		switch {
		case name == "cur" && !exists(filepath.Dir(at)+".msf"):
			return Maildir
		case strings.HasSuffix(name, ".sbd"):
			return Thunderbird
		}
		return ""
	}
	switch ext := filepath.Ext(name); {
	case ext == ".msf":
		return Thunderbird
	case ext == ".eml":
		return EML
	case ext == ".emlx":
		return EMLX
	case entry.Type().IsRegular() && name[0] != '.' && beginsLikeMbox(at):
		return Mbox
	}
	return ""
}

// NewFiles makes a source of what is at a path.
func NewFiles(kind Kind, name, root string) (Source, error) {
	switch kind {
	case Maildir:
		return NewMaildir(name, root), nil
	case Thunderbird:
		return NewThunderbird(name, root), nil
	case Mbox, EML, EMLX:
		return NewTree(kind, name, root), nil
	}
	return nil, fmt.Errorf("%s: %s is no kind of files", name, kind)
}
