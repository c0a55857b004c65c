package maildirout

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync"

	"mailferry/syncer/mailbox"
)

// listing is what a folder held when it was listed last, to find a key's file
// without looking through the folder. It is never believed: a rename or an
// open that does not find the file has the folder listed again.
type listing struct {
	mu sync.Mutex
	// files are sorted by key, one a key. nil: not listed yet.
	files []file
	// fresh are those published since.
	fresh map[string]file
	// letters says which of a to z are in file names; bit 0 is a.
	letters uint32
	// common are the combinations of letters that a reading without keeping
	// found; nil: not read, or there are too many.
	common []string
}

const (
	maxListings = 8
	maxFresh    = 1 << 14
)

// listingOf returns the folder's listing, which may be empty. Only those used
// last are kept.
func (s *Store) listingOf(name mailbox.Name) *listing {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.listings[name]
	if l == nil {
		l = &listing{}
		s.listings[name] = l
	}
	s.recent = append(slices.DeleteFunc(s.recent, func(n mailbox.Name) bool { return n == name }), name)
	if len(s.recent) > maxListings {
		delete(s.listings, s.recent[0])
		s.recent = slices.Delete(s.recent, 0, 1)
	}
	return l
}

// Stamp tells whether a folder may have changed, without listing it.
// mailbox.ErrNotFound if there is no such folder.
func (s *Store) Stamp(ctx context.Context, name mailbox.Name) (mailbox.Stamp, error) {
	if err := ctx.Err(); err != nil {
		return mailbox.Stamp{}, err
	}
	taken := s.now().UnixNano()
	f, err := s.openFolder(name)
	if err != nil {
		return mailbox.Stamp{}, err
	}
	defer f.close()
	stamp, err := f.stamp()
	if err != nil {
		return mailbox.Stamp{}, fmt.Errorf("folder %s: %w", name, err)
	}
	stamp.Taken = taken
	return stamp, nil
}

// List returns every message of a folder sorted by key, and the stamp as it was
// before. mailbox.ErrIncomplete when other
// programs change the folder so fast that what is missing may be there.
func (s *Store) List(ctx context.Context, name mailbox.Name) ([]mailbox.LocalFile, mailbox.Stamp, error) {
	taken := s.now().UnixNano()
	f, err := s.openFolder(name)
	if err != nil {
		return nil, mailbox.Stamp{}, err
	}
	defer f.close()
	messages, stamp, err := s.list(ctx, f)
	if err != nil {
		return nil, mailbox.Stamp{}, fmt.Errorf("list folder %s: %w", name, err)
	}
	stamp.Taken = taken
	return messages, stamp, nil
}

func (s *Store) list(ctx context.Context, f *folder) ([]mailbox.LocalFile, mailbox.Stamp, error) {
	stamp, err := f.stamp()
	if err != nil {
		return nil, stamp, err
	}
	table, _, err := f.table()
	if err != nil {
		return nil, stamp, err
	}
	l := s.listingOf(f.name)
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := s.load(ctx, f, l); err != nil {
		return nil, stamp, err
	}
	messages := make([]mailbox.LocalFile, len(l.files))
	known := map[string]mailbox.Flags{}
	for i, file := range l.files {
		letters, _ := file.info()
		flags, seen := known[letters]
		if !seen {
			flags = table.flags(letters)
			known[letters] = flags
		}
		messages[i] = mailbox.LocalFile{Key: mailbox.Key(file.keyText()), Flags: flags}
	}
	return messages, stamp, nil
}

// load lists the folder. new comes before cur, as messages move only that way.
func (s *Store) load(ctx context.Context, f *folder, l *listing) error {
	fresh, err := s.snapshot(ctx, f, "new")
	if err != nil {
		return err
	}
	current, err := s.snapshot(ctx, f, "cur")
	if err != nil {
		return err
	}
	files := make([]file, 0, len(fresh)+len(current))
	for _, name := range current {
		files = append(files, newFile(name, false))
	}
	for _, name := range fresh {
		files = append(files, newFile(name, true))
	}
	sortFiles(files)
	l.letters = lettersOf(files)
	l.files = s.oneEach(f, files)
	l.fresh = nil
	return nil
}

// sortFiles sorts by key, cur before new, then by name. Keys mostly begin with
// the same digits, so the octets behind what all have in common are compared
// as one number first.
func sortFiles(files []file) {
	if len(files) < 2 {
		return
	}
	common := len(files[0].keyText())
	for _, f := range files {
		common = min(common, commonPrefix(files[0].keyText()[:common], f.keyText()))
	}
	type ranked struct {
		rank uint64
		file file
	}
	list := make([]ranked, len(files))
	for i, f := range files {
		list[i] = ranked{rankOf(f.keyText()[common:]), f}
	}
	slices.SortFunc(list, func(a, b ranked) int {
		if a.rank != b.rank {
			return cmp.Compare(a.rank, b.rank)
		}
		return compareFiles(a.file, b.file)
	})
	for i, r := range list {
		files[i] = r.file
	}
}

func compareFiles(a, b file) int {
	if c := strings.Compare(a.keyText(), b.keyText()); c != 0 {
		return c
	}
	if a.inNew != b.inNew {
		return strings.Compare(a.sub(), b.sub()) // cur, new
	}
	return strings.Compare(a.name, b.name)
}

func commonPrefix(a, b string) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}

// rankOf orders like the text's first 8 octets.
func rankOf(text string) uint64 {
	var rank uint64
	for i := range 8 {
		rank <<= 8
		if i < len(text) {
			rank |= uint64(text[i])
		}
	}
	return rank
}

func lettersOf(files []file) uint32 {
	var letters uint32
	for _, f := range files {
		text, _ := f.info()
		for i := range len(text) {
			if c := text[i]; 'a' <= c && c <= 'z' {
				letters |= 1 << (c - 'a')
			}
		}
	}
	return letters
}

// oneEach keeps one file a key: a message that moved from new to cur between
// the two looks is seen twice. cur's is the one, or the first that is there.
func (s *Store) oneEach(f *folder, files []file) []file {
	kept := files[:0]
	for _, one := range files {
		n := len(kept)
		if n == 0 || kept[n-1].keyText() != one.keyText() {
			kept = append(kept, one)
			continue
		}
		exists := func(o file) bool {
			_, err := f.root.Lstat(o.sub() + "/" + o.name)
			return err == nil
		}
		first, second := exists(kept[n-1]), exists(one)
		if first && second {
			s.log.Warn("two files have one key; one is not looked at", "mailbox", string(f.name), "key", one.keyText())
		} else if second {
			kept[n-1] = one
		}
	}
	return kept
}

// noteFile remembers where a message is now, if the folder was listed.
func (s *Store) noteFile(name mailbox.Name, f file) {
	s.mu.Lock()
	l := s.listings[name]
	s.mu.Unlock()
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if i, ok := l.search(f.keyText()); ok {
		l.files[i] = f
		return
	}
	if l.fresh == nil || len(l.fresh) >= maxFresh {
		l.fresh = map[string]file{}
	}
	l.fresh[f.keyText()] = f
}

func (l *listing) search(key string) (int, bool) {
	return slices.BinarySearchFunc(l.files, key, func(f file, key string) int { return strings.Compare(f.keyText(), key) })
}

// likelyLetters are the flags that most messages have.
var likelyLetters = [...]string{"S", "", "RS", "FS", "F", "FRS", "ST", "T", "PS", "PRS", "D", "DS"}

// guess looks for a key's file under the names that it most likely has: a few
// messages are found like this while the listing of a large folder would have
// just begun. common are further letters, or nil.
func (f *folder) guess(key string, common []string) (file, bool) {
	isThere := func(one file) bool {
		info, err := f.root.Lstat(one.sub() + "/" + one.name)
		return err == nil && info.Mode().IsRegular()
	}
	if key == "" || strings.ContainsAny(key, `/\`) {
		return file{}, false
	}
	for _, letters := range likelyLetters {
		if one := newFile(messageName(key, letters, ""), false); isThere(one) {
			return one, true
		}
	}
	for _, letters := range common {
		if one := newFile(messageName(key, letters, ""), false); isThere(one) {
			return one, true
		}
	}
	for _, inNew := range []bool{true, false} { // in cur, too, others leave names without letters
		if one := newFile(key, inNew); isThere(one) {
			return one, true
		}
	}
	return file{}, false
}

// find returns the file of a key. again says that the file that find named
// before was not there, so that the folder must be listed anew. A miss is
// proof: it comes from a listing made in this call.
func (s *Store) find(ctx context.Context, f *folder, key mailbox.Key, again bool) (file, error) {
	l := s.listingOf(f.name)
	l.mu.Lock()
	defer l.mu.Unlock()
	if !again {
		if i, ok := l.search(string(key)); ok {
			return l.files[i], nil
		}
		if one, ok := l.fresh[string(key)]; ok {
			return one, nil
		}
		if one, ok := f.guess(string(key), l.common); ok && l.files == nil {
			return one, nil
		}
	}
	if err := s.load(ctx, f, l); err != nil {
		return file{}, err
	}
	if i, ok := l.search(string(key)); ok {
		return l.files[i], nil
	}
	return file{}, mailbox.ErrNotFound
}

// lettersInUse returns which letters a to z file names have.
func (s *Store) lettersInUse(ctx context.Context, f *folder) (uint32, error) {
	l := s.listingOf(f.name)
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := s.load(ctx, f, l); err != nil {
		return 0, err
	}
	return l.letters, nil
}

// onFile does something to a key's file, again when a mail reader renamed it
// first. do returns fs.ErrNotExist for that. mailbox.ErrNotFound if the
// message is gone.
func (s *Store) onFile(ctx context.Context, f *folder, key mailbox.Key, do func(file) error) error {
	const tries = 50
	for try := range tries {
		one, err := s.find(ctx, f, key, try > 0)
		if err != nil {
			return err
		}
		if err := do(one); !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return fmt.Errorf("another program keeps renaming it: %w", mailbox.ErrUnavailable)
}
