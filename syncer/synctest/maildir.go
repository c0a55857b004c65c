package synctest

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"mailferry/syncer/mailbox"
)

// Maildir is a mail reader that works in a Maildir tree on disk, a
// LocalWitness that shares no code with mailferry's own. It names folders as
// ordinary names are named: an encoded name appears as it is encoded.
type Maildir struct {
	// Dir is the tree's root.
	Dir string
	// PlusPlus says that the layout is Maildir++, not nested folders.
	PlusPlus bool

	tb        testing.TB
	delivered int
}

var _ LocalWitness = (*Maildir)(nil)

// OpenMaildir looks at a tree. Its layout is Maildir++ if the root itself is a
// Maildir.
func OpenMaildir(tb testing.TB, dir string) *Maildir {
	_, err := os.Stat(filepath.Join(dir, "cur"))
	return &Maildir{Dir: dir, PlusPlus: err == nil, tb: tb}
}

// NewMaildir is OpenMaildir of a tree whose layout is known.
func NewMaildir(tb testing.TB, dir string, plusPlus bool) *Maildir {
	return &Maildir{Dir: dir, PlusPlus: plusPlus, tb: tb}
}

// Path is where a folder lies.
func (m *Maildir) Path(name mailbox.Name) string {
	switch {
	case !m.PlusPlus:
		return filepath.Join(m.Dir, filepath.FromSlash(string(name)))
	case name == mailbox.Inbox:
		return m.Dir
	}
	return filepath.Join(m.Dir, "."+strings.ReplaceAll(string(name), "/", "."))
}

// letters are Maildir's letters for flags.
var letters = map[byte]string{
	'D': mailbox.FlagDraft, 'F': mailbox.FlagFlagged, 'P': mailbox.FlagForwarded,
	'R': mailbox.FlagAnswered, 'S': mailbox.FlagSeen, 'T': mailbox.FlagDeleted,
}

// keywords reads a folder's dovecot-keywords: lines "index name".
func (m *Maildir) keywords(name mailbox.Name) map[byte]string {
	found := map[byte]string{}
	text, err := os.ReadFile(filepath.Join(m.Path(name), "dovecot-keywords"))
	if err != nil && !os.IsNotExist(err) {
		m.tb.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		var i int
		var keyword string
		if n, _ := fmt.Sscanf(line, "%d %s", &i, &keyword); n == 2 && i < maildirRoom {
			found[byte('a'+i)] = keyword
		}
	}
	return found
}

// info is the part of a file's name behind the colon for these flags.
func (m *Maildir) info(name mailbox.Name, flags mailbox.Flags) string {
	keywords := m.keywords(name)
	for _, keyword := range flags.Keywords() {
		known := strings.EqualFold(keyword, mailbox.FlagForwarded)
		for _, k := range keywords {
			known = known || strings.EqualFold(k, keyword)
		}
		if !known {
			m.addKeyword(name, len(keywords), keyword)
			keywords = m.keywords(name)
		}
	}
	var set []byte
	for letter, flag := range letters {
		if flags.Has(flag) {
			set = append(set, letter)
		}
	}
	for letter, flag := range keywords {
		if flags.Has(flag) {
			set = append(set, letter)
		}
	}
	slices.Sort(set)
	return ":2," + string(set)
}

func (m *Maildir) addKeyword(name mailbox.Name, index int, keyword string) {
	file, err := os.OpenFile(filepath.Join(m.Path(name), "dovecot-keywords"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err == nil {
		_, err = fmt.Fprintf(file, "%d %s\n", index, keyword)
		err = firstOf(err, file.Close())
	}
	if err != nil {
		m.tb.Fatal(err)
	}
}

func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// Deliver implements LocalWitness. Where all line ends are CRLF it writes LF,
// as programs that deliver to a Maildir do; else the octets as they are.
func (m *Maildir) Deliver(name mailbox.Name, flags mailbox.Flags, date mailbox.Date, octets []byte) mailbox.Key {
	m.tb.Helper()
	m.delivered++
	key := fmt.Sprintf("%d.W%d.witness", 1700000000+m.delivered, m.delivered)
	if isCRLF(octets) {
		octets = bytes.ReplaceAll(octets, []byte("\r\n"), []byte("\n"))
	}
	draft, target := filepath.Join(m.Path(name), "tmp", key), filepath.Join(m.Path(name), "new", key)
	if !flags.IsEmpty() {
		target = filepath.Join(m.Path(name), "cur", key+m.info(name, flags))
	}
	err := os.WriteFile(draft, octets, 0o600)
	if err == nil && date.Known {
		err = os.Chtimes(draft, time.Time{}, date.Time())
	}
	if err = firstOf(err, os.Rename(draft, target)); err != nil {
		m.tb.Fatalf("mail reader: %v", err)
	}
	return mailbox.Key(key)
}

// find returns a message's path, "" if it is gone.
func (m *Maildir) find(name mailbox.Name, key mailbox.Key) string {
	for _, sub := range []string{"new", "cur"} {
		entries, err := os.ReadDir(filepath.Join(m.Path(name), sub))
		if err != nil {
			m.tb.Fatalf("mail reader: %v", err)
		}
		for _, entry := range entries {
			if base, _, _ := strings.Cut(entry.Name(), ":"); base == string(key) {
				return filepath.Join(m.Path(name), sub, entry.Name())
			}
		}
	}
	return ""
}

// SetFlags implements LocalWitness.
func (m *Maildir) SetFlags(name mailbox.Name, key mailbox.Key, flags mailbox.Flags) {
	m.tb.Helper()
	path := m.find(name, key)
	if path == "" {
		m.tb.Fatalf("mail reader: %s: %s is gone", name, key)
	}
	if err := os.Rename(path, filepath.Join(m.Path(name), "cur", string(key)+m.info(name, flags))); err != nil {
		m.tb.Fatalf("mail reader: %v", err)
	}
}

// Unlink implements LocalWitness.
func (m *Maildir) Unlink(name mailbox.Name, key mailbox.Key) {
	m.tb.Helper()
	if err := os.Remove(m.find(name, key)); err != nil {
		m.tb.Fatalf("mail reader: %v", err)
	}
}

// Files implements LocalWitness. A file with LF only reads as CRLF; one with
// any CR is taken as it is.
func (m *Maildir) Files(name mailbox.Name) []File {
	m.tb.Helper()
	files := []File{}
	keywords := m.keywords(name)
	for _, sub := range []string{"new", "cur"} {
		folder := filepath.Join(m.Path(name), sub)
		entries, err := os.ReadDir(folder)
		if err != nil {
			m.tb.Fatalf("mail reader: %v", err)
		}
		for _, entry := range entries {
			if strings.HasPrefix(entry.Name(), ".") {
				continue
			}
			file, err := readFile(folder, entry.Name(), keywords)
			if err != nil {
				m.tb.Fatalf("mail reader: %v", err)
			}
			file.New = sub == "new"
			files = append(files, file)
		}
	}
	slices.SortFunc(files, func(a, b File) int { return strings.Compare(string(a.Key), string(b.Key)) })
	return files
}

func readFile(folder, entry string, keywords map[byte]string) (File, error) {
	path := filepath.Join(folder, entry)
	octets, err := os.ReadFile(path)
	if err != nil {
		return File{}, err
	}
	stat, err := os.Stat(path)
	if err != nil {
		return File{}, err
	}
	base, info, _ := strings.Cut(entry, ":2,")
	base, _, _ = strings.Cut(base, ":")
	var names []string
	for i := range len(info) {
		if flag, ok := letters[info[i]]; ok {
			names = append(names, flag)
		} else if keyword, ok := keywords[info[i]]; ok {
			names = append(names, keyword)
		}
	}
	if !bytes.Contains(octets, []byte("\r")) && !bytes.Contains(octets, []byte("\x00")) {
		octets = bytes.ReplaceAll(octets, []byte("\n"), []byte("\r\n"))
	}
	return File{
		Key: mailbox.Key(base), Flags: mailbox.NewFlags(names...), Date: mailbox.DateOf(stat.ModTime().UTC()), Octets: octets,
	}, nil
}

// Names implements LocalWitness: the folders that have cur, new and tmp.
func (m *Maildir) Names() []mailbox.Name {
	m.tb.Helper()
	names := []mailbox.Name{}
	err := filepath.WalkDir(m.Dir, func(path string, entry os.DirEntry, err error) error {
		if err != nil || !entry.IsDir() {
			return err
		}
		if base := entry.Name(); path != m.Dir && (base == "cur" || base == "new" || base == "tmp" || base == "mailferry" && m.PlusPlus || base == ".mailferry") {
			return filepath.SkipDir
		}
		if _, err := os.Stat(filepath.Join(path, "cur")); err == nil {
			names = append(names, m.nameOf(path))
		}
		return nil
	})
	if err != nil && !os.IsNotExist(err) {
		m.tb.Fatalf("mail reader: %v", err)
	}
	slices.Sort(names)
	return names
}

func (m *Maildir) nameOf(path string) mailbox.Name {
	relative, err := filepath.Rel(m.Dir, path)
	switch {
	case err != nil:
		m.tb.Fatal(err)
	case m.PlusPlus && relative == ".":
		return mailbox.Inbox
	case m.PlusPlus:
		relative = strings.ReplaceAll(strings.TrimPrefix(relative, "."), ".", "/")
	}
	return mailbox.Name(filepath.ToSlash(relative))
}

// Drafts implements LocalWitness.
func (m *Maildir) Drafts(name mailbox.Name) int {
	m.tb.Helper()
	entries, err := os.ReadDir(filepath.Join(m.Path(name), "tmp"))
	if err != nil {
		m.tb.Fatalf("mail reader: %v", err)
	}
	return len(entries)
}
