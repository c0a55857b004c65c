package export

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"time"

	"mailferry/syncer/mailbox"
)

// EML writes a tree of .eml files.
type EML struct {
	root  *os.Root
	paths *paths
}

// NewEML writes below root.
func NewEML(root *os.Root) *EML { return &EML{root: root, paths: newPaths()} }

// fileName names a message's file: its date, for people, and its key, which
// makes it the only one.
func fileName(m Message) string {
	date := "undated"
	if m.Date.Known {
		date = m.Date.Time().UTC().Format("20060102-150405")
	}
	key := strings.Map(func(r rune) rune {
		if strings.ContainsRune(`/\:*?"<>|`, r) || r < ' ' {
			return '_'
		}
		return r
	}, string(m.Key))
	return date + " " + key + ".eml"
}

// Add writes one file, with the message's date as its time.
func (e *EML) Add(m Message) (Entry, error) {
	folder := e.paths.of(m.Mailbox)
	if err := e.root.MkdirAll(folder, 0o700); err != nil {
		return Entry{}, err
	}
	name := path.Join(folder, fileName(m))
	body, err := m.Open()
	if err != nil {
		return Entry{}, err
	}
	defer body.Close()
	file, err := e.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return Entry{}, fmt.Errorf("%s: %w", name, ErrExists)
	}
	if err != nil {
		return Entry{}, err
	}
	in := newCounted(body)
	_, err = io.Copy(file, in)
	if err := errors.Join(err, file.Close()); err != nil {
		return Entry{}, errors.Join(err, e.root.Remove(name))
	}
	return in.entry(m, name), setTime(e.root, name, m.Date)
}

func setTime(root *os.Root, name string, date mailbox.Date) error {
	if !date.Known {
		return nil
	}
	return root.Chtimes(name, time.Time{}, date.Time())
}

// Close has nothing left to do.
func (e *EML) Close() error { return nil }
