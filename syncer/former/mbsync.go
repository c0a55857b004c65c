package former

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"mailferry/syncer/mailbox"
)

const (
	mbsyncStateFile = ".mbsyncstate"
	mbsyncValidity  = ".uidvalidity"
	mbsyncAltMap    = ".isyncuidmap.db"
)

// Mbsync finds what mbsync remembers of the store. from is its configuration,
// the folder with its state files, or the store itself. Errors are *Refusal,
// wrap ErrFormat, or are the system's.
func Mbsync(from string, store Store) ([]Folder, error) {
	info, err := os.Stat(from)
	if err != nil {
		return nil, err
	}
	var found []mbsyncPlace
	if info.IsDir() {
		found, err = mbsyncInFolder(from, store)
	} else {
		found, err = mbsyncByConfig(from, store)
	}
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, &Refusal{from, "nothing is here that mbsync remembers of " + store.Dir,
			"name mbsync's configuration: mailferry import-state mbsync ~/.mbsyncrc --account NAME"}
	}
	folders := make([]Folder, 0, len(found))
	for _, place := range found {
		folder, err := place.read(store)
		if err != nil {
			return nil, err
		}
		folders = append(folders, folder)
	}
	slices.SortFunc(folders, func(a, b Folder) int { return strings.Compare(a.Path, b.Path) })
	return folders, nil
}

// mbsyncPlace is where the state of one folder is.
type mbsyncPlace struct {
	file, folder, mailbox string
	// again is what to type for mbsync to end what it began.
	again string
}

// read reads a state file and what tells whether its numbers count.
func (p mbsyncPlace) read(store Store) (Folder, error) {
	for _, companion := range []string{".journal", ".new", ".lock"} {
		if exists(p.file + companion) {
			return Folder{}, &Refusal{p.file + companion, "mbsync is at work here, or was interrupted",
				"let it end: " + p.again + "\nthen the same line again"}
		}
	}
	file, err := os.Open(p.file)
	if err != nil {
		return Folder{}, err
	}
	defer file.Close()
	state, err := ParseMbsyncState(file)
	if err != nil {
		return Folder{}, fmt.Errorf("%s: %w", p.file, err)
	}
	folder := Folder{
		Path: p.folder, Mailboxes: otherwise(p.mailbox), UIDValidity: mailbox.UIDValidity(state.FarUIDValidity),
		Records: state.Records, ExpiredTo: state.ExpiredTo, Numbers: MbsyncNumber,
	}
	if exists(store.join(p.folder, mbsyncAltMap)) {
		dir := store.join(p.folder, "")
		return Folder{}, &Refusal{dir, "the numbers of its messages are in a database of mbsync (AltMap)",
			"have them written into the names of files: mdconvert -n " + strconv.Quote(dir) + "\nthen the same line again"}
	}
	validity, err := nearValidity(store.join(p.folder, mbsyncValidity))
	if err != nil {
		return Folder{}, err
	}
	if validity != state.NearUIDValidity {
		folder.Doubt = fmt.Sprintf("the folder's numbers are not those that mbsync remembers (%d, not %d)", validity, state.NearUIDValidity)
	}
	return folder, nil
}

// nearValidity reads the first line of .uidvalidity; 0 without the file.
func nearValidity(file string) (uint32, error) {
	open, err := os.Open(file)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	defer open.Close()
	lines := bufio.NewScanner(open)
	lines.Scan()
	n, err := strconv.ParseUint(strings.TrimSpace(lines.Text()), 10, 32)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", file, ErrFormat)
	}
	return uint32(n), lines.Err()
}

// mbsyncInFolder finds state files without a configuration: those inside the
// store's folders (SyncState *), or those in dir, whose names tell what they are
// about.
func mbsyncInFolder(dir string, store Store) ([]mbsyncPlace, error) {
	if _, within := below(clean(dir), store.Dir); within {
		return mbsyncInside(store)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	claimed := map[string]string{}
	var found []mbsyncPlace
	for _, entry := range entries {
		far, near, ok := stateName(entry.Name())
		if !ok || store.From != "" && !strings.HasPrefix(entry.Name(), ":"+store.From+":") {
			continue
		}
		folder := store.nearFolder(near)
		file := filepath.Join(dir, entry.Name())
		if !store.has(folder) || !isOfFolder(file, store.join(folder, mbsyncValidity)) {
			continue // another store's
		}
		if other := claimed[folder]; other != "" {
			return nil, &Refusal{folder, fmt.Sprintf("two of mbsync's state files are about it: %s and %s", other, entry.Name()),
				"name mbsync's configuration instead of the folder, or the store on the server: --from NAME"}
		}
		claimed[folder] = entry.Name()
		found = append(found, mbsyncPlace{file, folder, far, "mbsync -a"})
	}
	return found, nil
}

// mbsyncInside lists the folders of the store that hold their state.
func mbsyncInside(store Store) ([]mbsyncPlace, error) {
	folders, err := store.folders()
	if err != nil {
		return nil, err
	}
	var found []mbsyncPlace
	for _, folder := range folders {
		file := store.join(folder, mbsyncStateFile)
		if !exists(file) && !exists(file+".journal") {
			continue
		}
		found = append(found, mbsyncPlace{file, folder, store.box(folder), "mbsync -a"})
	}
	return found, nil
}

// stateName takes ":far:box_:near:box" apart; "!" stands for "/".
func stateName(name string) (far, near string, ok bool) {
	rest, ok := strings.CutPrefix(name, ":")
	if !ok {
		return "", "", false
	}
	_, rest, ok = strings.Cut(rest, ":")
	if !ok {
		return "", "", false
	}
	far, rest, ok = strings.Cut(rest, "_:")
	if !ok {
		return "", "", false
	}
	_, near, ok = strings.Cut(rest, ":")
	for _, companion := range []string{".journal", ".new", ".lock"} {
		ok = ok && !strings.HasSuffix(near, companion)
	}
	return strings.ReplaceAll(far, "!", "/"), strings.ReplaceAll(near, "!", "/"), ok && far != "" && near != ""
}

// isOfFolder compares the state's number for the disk with the folder's.
func isOfFolder(state, validity string) bool {
	n, err := nearValidity(validity)
	if err != nil || n == 0 {
		return false
	}
	file, err := os.Open(state)
	if err != nil {
		return false
	}
	defer file.Close()
	parsed, err := ParseMbsyncState(file)
	return err == nil && parsed.NearUIDValidity == n
}

// nearFolder is where the store has mbsync's mailbox.
func (s Store) nearFolder(box string) string {
	isInbox := strings.EqualFold(box, string(mailbox.Inbox))
	switch {
	case s.PlusPlus && isInbox:
		return ""
	case s.PlusPlus:
		return "." + strings.ReplaceAll(box, "/", ".")
	case isInbox:
		return string(mailbox.Inbox)
	}
	return path.Clean(box)
}

// box is nearFolder's inverse.
func (s Store) box(folder string) string {
	if !s.PlusPlus {
		return folder
	}
	if folder == "" {
		return string(mailbox.Inbox)
	}
	return strings.ReplaceAll(strings.TrimPrefix(folder, "."), ".", "/")
}
