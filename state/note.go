package state

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// note is what this machine remembers of a store it made or used.
type note struct {
	Path       string    `json:"path"`
	UUID       string    `json:"uuid"`
	Account    string    `json:"account"`
	URL        string    `json:"url"`
	Layout     string    `json:"layout"`
	Generation int64     `json:"generation"`
	Created    time.Time `json:"created"`
}

func (n note) equal(other note) bool {
	created := n.Created.Equal(other.Created)
	n.Created = other.Created
	return created && n == other
}

// notePath is the note's file for a store at an absolute path.
func notePath(folder, store string) string {
	sum := sha256.Sum256([]byte(store))
	return filepath.Join(folder, hex.EncodeToString(sum[:16])+".json")
}

// readNote returns nil where there is none. A note that cannot be read as one
// still says that a store was made here: it comes without a UUID.
func readNote(folder, store string) (*note, error) {
	if folder == "" {
		return nil, nil
	}
	text, err := os.ReadFile(notePath(folder, store))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var n note
	if err := json.Unmarshal(text, &n); err != nil || n.Path != store {
		return &note{Path: store}, nil
	}
	return &n, nil
}

func writeNote(folder string, n note) error {
	if folder == "" {
		return nil
	}
	text, err := json.MarshalIndent(n, "", "  ")
	if err != nil {
		return err
	}
	if err := makeFolder(folder); err != nil {
		return err
	}
	return writeDurably(notePath(folder, n.Path), append(text, '\n'))
}
