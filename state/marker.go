package state

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

const markerFile = "store.json"

// The control folder's name in each layout; the first is the default's.
var controls = [...]string{".mailferry", "mailferry"}

// Identity says whose mail a store holds.
type Identity struct {
	// Account is the account's name in the configuration, or "".
	Account string `json:"account"`
	// URL is the server's, with the user and without a password, or "".
	URL string `json:"url"`
	// Layout is "fs" or "maildir++".
	Layout string `json:"layout"`
}

func (i Identity) String() string {
	switch {
	case i.Account == "" && i.URL == "":
		return "no account"
	case i.Account == "" || i.URL == "":
		return cmp.Or(i.Account, i.URL)
	}
	return fmt.Sprintf("%s (%s)", i.Account, i.URL)
}

// isAnother reports whether both are known and differ. The URL decides where
// there is one: an account may be given another name in the configuration.
func (i Identity) isAnother(asked Identity) bool {
	if i.URL != "" && asked.URL != "" {
		return i.URL != asked.URL
	}
	return i.Account != "" && asked.Account != "" && i.Account != asked.Account
}

// Marker is what a store says of itself. It changes only when the store moves
// to another server, or when one without an account is opened for the first
// account.
type Marker struct {
	UUID string `json:"uuid"`
	Identity
	Created time.Time `json:"created"`
	// Moving says that BeginMove was called, and EndMove not yet.
	Moving bool `json:"moving,omitempty"`
	// MovedFrom is the URL of the server that the store moved from, or "".
	MovedFrom string `json:"moved_from,omitempty"`
	// Control is the name of the control folder it was found in.
	Control string `json:"-"`
}

var errMarker = errors.New("not a marker")

// ReadMarker reads the marker of the store in dir, whatever its layout. A
// folder without one is ErrNotAStore, a marker that cannot be read
// ErrMarkerMissing.
func ReadMarker(dir string) (Marker, error) {
	for _, control := range controls {
		marker, err := readMarker(dir, control)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			continue
		case errors.Is(err, errMarker):
			return Marker{}, &MarkerMissingError{Path: dir, Damaged: true}
		}
		return marker, err
	}
	return Marker{}, &NotAStoreError{dir}
}

// readMarker follows no symlink inside the store. Errors are fs.ErrNotExist,
// errMarker, or the system's.
func readMarker(dir, control string) (Marker, error) {
	folder := filepath.Join(dir, control)
	if info, err := os.Lstat(folder); err != nil {
		return Marker{}, notThere(err)
	} else if !info.IsDir() {
		return Marker{}, fmt.Errorf("%s: is not a folder", folder)
	}
	path := filepath.Join(folder, markerFile)
	if info, err := os.Lstat(path); err != nil {
		return Marker{}, notThere(err)
	} else if !info.Mode().IsRegular() {
		return Marker{}, fmt.Errorf("%s: is not a file", path)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return Marker{}, err
	}
	marker := Marker{Control: control}
	if err := json.Unmarshal(text, &marker); err != nil || marker.UUID == "" {
		return Marker{}, fmt.Errorf("%s: %w", path, errMarker)
	}
	return marker, nil
}

func writeMarker(control string, marker Marker) error {
	text, err := json.MarshalIndent(marker, "", "  ")
	if err != nil {
		return err
	}
	return writeDurably(filepath.Join(control, markerFile), append(text, '\n'))
}

// What a folder may hold and still be empty: what systems put into the root of
// a disk by themselves.
var systemEntries = map[string]bool{
	"lost+found": true, ".DS_Store": true, ".Spotlight-V100": true, ".Trashes": true,
	".fseventsd": true, ".TemporaryItems": true, ".snapshot": true, ".snapshots": true,
	".zfs": true, "System Volume Information": true, "$RECYCLE.BIN": true,
}

// isEmpty reports whether nothing is in dir that a person put there. A control
// folder that a killed first run left behind, without a marker, does not count.
func isEmpty(dir, control string) (bool, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	for _, entry := range entries {
		name := entry.Name()
		if trash, _ := filepath.Match(".Trash-*", name); trash || systemEntries[name] {
			continue
		}
		if name != control {
			return false, nil
		}
		inside, err := os.ReadDir(filepath.Join(dir, control))
		if err != nil {
			return false, err
		}
		for _, entry := range inside {
			if !isOurs(entry.Name()) {
				return false, nil
			}
		}
	}
	return true, nil
}

// isOurs reports whether a file may be in the control folder before the marker.
func isOurs(name string) bool {
	return name == lockFile || name == generationFile || name == "."+markerFile+".new" ||
		strings.HasPrefix(name, stateFile)
}

// notThere keeps an error unless it says that the path does not exist, which
// it then says plainly: ENOTDIR means the same for a folder's content.
func notThere(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return fs.ErrNotExist
	}
	return err
}
