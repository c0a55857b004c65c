package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"time"

	"mailferry/syncer/mailbox"
)

// onDisk has what mail readers do to a Maildir, by label.
type onDisk struct{ w *world }

func (d onDisk) check(err error) {
	d.w.t.Helper()
	if err != nil {
		d.w.t.Fatalf("mail reader: %v", err)
	}
}

func (d onDisk) key(name mailbox.Name, label string) mailbox.Key {
	d.w.t.Helper()
	for _, file := range d.w.disk.Files(name) {
		if labelOf(file.Octets) == label {
			return file.Key
		}
	}
	d.w.t.Fatalf("no %s in %s on disk", label, name)
	return ""
}

// path is where a message's file lies.
func (d onDisk) path(name mailbox.Name, label string) string {
	d.w.t.Helper()
	key := string(d.key(name, label))
	for _, part := range []string{"new", "cur"} {
		found, err := filepath.Glob(filepath.Join(escapeGlob(d.w.disk.Path(name)), part, escapeGlob(key)+"*"))
		d.check(err)
		if len(found) > 0 {
			return found[0]
		}
	}
	d.w.t.Fatalf("no file of %s", label)
	return ""
}

func escapeGlob(path string) string {
	return strings.NewReplacer("*", `\*`, "?", `\?`, "[", `\[`).Replace(path)
}

func (d onDisk) add(name mailbox.Name, label string, flags ...string) {
	d.w.t.Helper()
	d.w.disk.Deliver(name, mailbox.NewFlags(flags...), someDate, letter(label))
}

// write puts octets under a name of the caller's choice, as they are.
func (d onDisk) write(name mailbox.Name, part, base string, octets []byte) {
	d.w.t.Helper()
	path := filepath.Join(d.w.disk.Path(name), part, base)
	d.check(os.WriteFile(path, octets, 0o600))
	d.check(os.Chtimes(path, time.Time{}, someDate.Time()))
}

// flag sets a message's flags, as a mail reader does by renaming into cur.
func (d onDisk) flag(name mailbox.Name, label string, flags ...string) {
	d.w.t.Helper()
	d.w.disk.SetFlags(name, d.key(name, label), mailbox.NewFlags(flags...))
}

func (d onDisk) remove(name mailbox.Name, labels ...string) {
	d.w.t.Helper()
	for _, label := range labels {
		d.w.disk.Unlink(name, d.key(name, label))
	}
}

// move renames a message into another folder; newBase "" keeps its name.
func (d onDisk) move(from mailbox.Name, label string, to mailbox.Name, newBase string) {
	d.w.t.Helper()
	path := d.path(from, label)
	d.check(os.Rename(path, d.target(path, to, newBase)))
}

func (d onDisk) copy(from mailbox.Name, label string, to mailbox.Name, newBase string) {
	d.w.t.Helper()
	path := d.path(from, label)
	octets, err := os.ReadFile(path)
	d.check(err)
	target := d.target(path, to, newBase)
	d.check(os.WriteFile(target, octets, 0o600))
	d.check(os.Chtimes(target, time.Time{}, someDate.Time()))
}

func (d onDisk) target(path string, to mailbox.Name, newBase string) string {
	base := filepath.Base(path)
	if newBase != "" {
		_, info, _ := strings.Cut(base, ":2,")
		base = newBase + ":2," + info
	}
	return filepath.Join(d.w.disk.Path(to), "cur", base)
}

// create makes a Maildir folder.
func (d onDisk) create(names ...mailbox.Name) {
	d.w.t.Helper()
	for _, name := range names {
		for _, part := range []string{"cur", "new", "tmp"} {
			d.check(os.MkdirAll(filepath.Join(d.w.disk.Path(name), part), 0o700))
		}
	}
}

// rename moves a folder and what is below it.
func (d onDisk) rename(from, to mailbox.Name) {
	d.w.t.Helper()
	if d.w.disk.PlusPlus {
		for _, name := range d.w.disk.Names() {
			if rest, below := strings.CutPrefix(string(name), string(from)); below && (rest == "" || rest[0] == '/') {
				d.check(os.Rename(d.w.disk.Path(name), d.w.disk.Path(to+mailbox.Name(rest))))
			}
		}
		return
	}
	d.check(os.MkdirAll(filepath.Dir(d.w.disk.Path(to)), 0o700))
	d.check(os.Rename(d.w.disk.Path(from), d.w.disk.Path(to)))
}

// drop removes a folder and not what is below it.
func (d onDisk) drop(name mailbox.Name) {
	d.w.t.Helper()
	path := d.w.disk.Path(name)
	for _, part := range []string{"cur", "new", "tmp", "dovecot-keywords", "maildirfolder"} {
		d.check(os.RemoveAll(filepath.Join(path, part)))
	}
	if entries, err := os.ReadDir(path); err == nil && len(entries) == 0 {
		d.check(os.Remove(path))
	}
}

// lf is a message as mail readers and delivery agents write it to a Maildir.
func lf(octets []byte) []byte { return bytes.ReplaceAll(octets, []byte("\r\n"), []byte("\n")) }

// lastKey is the key of the last, in the order of names, of identical messages.
func (d onDisk) lastKey(name mailbox.Name, label string) (key mailbox.Key) {
	d.w.t.Helper()
	for _, file := range d.w.disk.Files(name) {
		if labelOf(file.Octets) == label {
			key = file.Key
		}
	}
	return key
}
