package former

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"mailferry/syncer/mailbox"
)

// ReadTable runs a query on a database of another program and hands over its
// rows.
type ReadTable func(ctx context.Context, path, query string, each func(row []any) error) error

// offlineimapAccount is where offlineimap keeps what it remembers.
type offlineimapAccount struct {
	// metadata is the folder, account its Account section.
	metadata, account string
	// remote is the Repository of the server; "" is not known.
	remote string
	// renames says that names are changed on the way (nametrans).
	renames bool
}

// Offlineimap finds what offlineimap remembers of the store. from is its
// configuration or its metadata folder (~/.offlineimap). names says what folders
// are called on the server that offlineimap calls otherwise on disk, by path.
// Errors are as Mbsync's, or read's.
func Offlineimap(ctx context.Context, from string, store Store, names map[string]string, read ReadTable) ([]Folder, error) {
	info, err := os.Stat(from)
	if err != nil {
		return nil, err
	}
	var account offlineimapAccount
	if info.IsDir() {
		account, err = offlineimapInFolder(from, store)
	} else {
		account, err = offlineimapByConfig(from, store)
	}
	if err != nil {
		return nil, err
	}
	folders, err := store.folders()
	if err != nil {
		return nil, err
	}
	var found []Folder
	for _, path := range folders {
		folder, known, err := account.folder(ctx, path, store, names, read)
		if err != nil {
			return nil, err
		}
		if known {
			found = append(found, folder)
		}
	}
	if len(found) == 0 {
		return nil, &Refusal{account.metadata, "nothing is here that offlineimap remembers of " + store.Dir,
			"name offlineimap's configuration: mailferry import-state offlineimap ~/.offlineimaprc --account NAME"}
	}
	return found, nil
}

// offlineimapInFolder takes the only account that the metadata folder has.
func offlineimapInFolder(dir string, store Store) (offlineimapAccount, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return offlineimapAccount{}, err
	}
	var accounts []string
	for _, entry := range entries {
		if name, ok := strings.CutPrefix(entry.Name(), "Account-"); ok && entry.IsDir() && (store.From == "" || store.From == name) {
			accounts = append(accounts, name)
		}
	}
	switch len(accounts) {
	case 0:
		return offlineimapAccount{}, &Refusal{dir, "is not where offlineimap remembers: it has no folder Account-...", "name ~/.offlineimap, or ~/.offlineimaprc"}
	case 1:
		return offlineimapAccount{metadata: dir, account: accounts[0]}, nil
	}
	return offlineimapAccount{}, &Refusal{dir, "has several accounts: " + strings.Join(accounts, ", "), "say which one: --from NAME"}
}

// offlineimapByConfig finds the account whose Maildirs are the store.
func offlineimapByConfig(file string, store Store) (offlineimapAccount, error) {
	rc, err := readSettings(file, ParseOfflineimaprc)
	if err != nil {
		return offlineimapAccount{}, err
	}
	none := offlineimapAccount{}
	general := rc.Find("general", "")
	if general == nil || len(rc.Names("account")) == 0 {
		return none, &Refusal{file, "is no configuration of offlineimap: it has no [general] or no [Account ...]", "name ~/.offlineimaprc, or ~/.offlineimap"}
	}
	metadata := general.Text("metadata")
	if metadata == "" {
		metadata = "~/.offlineimap"
	}
	var found []offlineimapAccount
	var others []string
	for _, name := range rc.Names("account") {
		section := rc.Find("account", name)
		local, remote := rc.Find("repository", section.Text("localrepository")), rc.Find("repository", section.Text("remoterepository"))
		if store.From != "" && store.From != name {
			continue
		}
		if local == nil || remote == nil || !strings.EqualFold(local.Text("type"), "Maildir") {
			continue
		}
		dir := clean(os.Expand(store.expand(local.Text("localfolders")), func(name string) string {
			if name == "HOME" {
				return store.Home
			}
			return os.Getenv(name)
		}))
		if dir != store.Dir {
			others = append(others, dir)
			continue
		}
		if strings.EqualFold(section.Text("maildir-windows-compatible"), "yes") || strings.EqualFold(section.Text("maildir-windows-compatible"), "true") {
			return none, &Refusal{file, "file names have ! where Maildir has a colon (maildir-windows-compatible)", "rename the files, and set it to no"}
		}
		found = append(found, offlineimapAccount{
			metadata: store.expand(metadata), account: name, remote: remote.Name,
			renames: remote.Text("nametrans") != "" || local.Text("nametrans") != "",
		})
	}
	switch {
	case len(found) == 1:
		return found[0], nil
	case len(found) > 1:
		return none, &Refusal{file, "several accounts have their mail in " + store.Dir, "say which one is taken over: --from NAME"}
	case len(others) > 0:
		slices.Sort(others)
		return none, &Refusal{store.Dir, "offlineimap keeps no mail here, but in " + strings.Join(slices.Compact(others), " and in "),
			"a store is where the mail is: set store of the account to it"}
	}
	return none, &Refusal{file, "no account in it has its mail in Maildirs", "only Maildirs can be taken over"}
}

// folder reads what is remembered of the folder at a path below the store.
func (a offlineimapAccount) folder(ctx context.Context, path string, store Store, names map[string]string, read ReadTable) (Folder, bool, error) {
	records, known, err := a.records(ctx, statusName(path), read)
	if err != nil || !known {
		return Folder{}, false, err
	}
	box, renamed := names[path]
	if !renamed {
		if a.renames {
			return Folder{}, false, &Refusal{path, "offlineimap gives mailboxes other names on disk (nametrans, which is a program)",
				"say for every folder what it is on the server: --map '" + path + "=NAME', also where the name is the same"}
		}
		box = store.box(path)
	}
	validity, err := a.validity(box)
	if err != nil {
		return Folder{}, false, err
	}
	folder := Folder{
		Path: path, Mailboxes: otherwise(box), UIDValidity: validity, Records: records,
		Numbers: offlineimapNumber(path, box, strings.ReplaceAll(box, "/", ".")),
	}
	if !renamed && !strings.Contains(box, "/") {
		// Where offlineimap's separator is a dot, a dot may be a level.
		folder.Mailboxes = append(folder.Mailboxes, otherwise(strings.ReplaceAll(box, ".", "/"))...)
	}
	if validity == 0 {
		folder.Doubt = "offlineimap does not tell what its numbers belong to (FolderValidity)"
	}
	return folder, true, nil
}

// records reads the SQLite database, or the file that older versions wrote.
func (a offlineimapAccount) records(ctx context.Context, name string, read ReadTable) (records []Record, known bool, err error) {
	base := filepath.Join(a.metadata, "Account-"+a.account)
	path := filepath.Join(base, "LocalStatus-sqlite", name)
	if exists(path + "-journal") {
		return nil, false, &Refusal{path + "-journal", "offlineimap is at work here, or was interrupted",
			"let it end: offlineimap -o -a " + a.account + "\nthen the same line again"}
	}
	if exists(path) {
		err := read(ctx, path, "SELECT id, flags FROM status ORDER BY id", func(row []any) error {
			uid, _ := row[0].(int64)
			letters, _ := row[1].(string)
			if record, ok := StatusRow(uid, letters); ok {
				records = append(records, record)
			}
			return nil
		})
		if err != nil {
			return nil, false, fmt.Errorf("%s: %w: %w", path, ErrFormat, err)
		}
		return records, true, nil
	}
	path = filepath.Join(base, "LocalStatus", name)
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	defer file.Close()
	if records, err = ParseLocalStatus(file); err != nil {
		return nil, false, fmt.Errorf("%s: %w", path, err)
	}
	return records, true, nil
}

// dotName is what becomes of a last "." in offlineimap's file names.
var dotName = regexp.MustCompile(`(^|/)\.$`)

// statusName is the file that offlineimap keeps about a folder or a mailbox.
func statusName(path string) string {
	if path == "" {
		path = "."
	}
	return dotName.ReplaceAllString(strings.ReplaceAll(path, "/", "."), "${1}dot")
}

// notAValidity is what offlineimap notes for Maildirs, which have none.
const notAValidity = 42

// validity reads the mailbox's UIDVALIDITY; 0 if it is not there, or not clear
// which of several repositories is the server's.
func (a offlineimapAccount) validity(box string) (mailbox.UIDValidity, error) {
	repositories := []string{a.remote}
	if a.remote == "" {
		matches, err := filepath.Glob(filepath.Join(a.metadata, "Repository-*"))
		if err != nil {
			return 0, err
		}
		repositories = nil
		for _, match := range matches {
			repositories = append(repositories, strings.TrimPrefix(filepath.Base(match), "Repository-"))
		}
	}
	found := mailbox.UIDValidity(0)
	for _, repository := range repositories {
		validity, err := readValidity(filepath.Join(a.metadata, "Repository-"+repository, "FolderValidity", statusName(box)))
		switch {
		case err != nil:
			return 0, err
		case validity == 0, validity == notAValidity:
		case found != 0 && found != validity:
			return 0, nil
		default:
			found = validity
		}
	}
	return found, nil
}

func readValidity(path string) (mailbox.UIDValidity, error) {
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	lines.Scan()
	n, err := strconv.ParseUint(strings.TrimSpace(lines.Text()), 10, 32)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", path, ErrFormat)
	}
	return mailbox.UIDValidity(n), lines.Err()
}
