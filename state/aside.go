package state

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// ReadAside reads a file of JSON that WriteAside wrote into the control
// folder. Without one, or with one that cannot be read, value stays as it is:
// nothing is kept there that cannot be found out again.
func (s *Store) ReadAside(file string, value any) error {
	text, err := os.ReadFile(filepath.Join(s.control, file))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, value); err != nil {
		s.options.Log.Warn("file beside the state cannot be read", "file", file, "error", err)
	}
	return nil
}

// WriteAside keeps value as a file of JSON in the control folder, beside the
// state, durably. What is there already is not written again. ErrReadOnly.
func (s *Store) WriteAside(file string, value any) error {
	if s.options.ReadOnly {
		return ErrReadOnly
	}
	text, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		return err
	}
	text = append(text, '\n')
	path := filepath.Join(s.control, file)
	if before, err := os.ReadFile(path); err == nil && bytes.Equal(before, text) {
		return nil
	}
	if err := writeDurably(path, text); err != nil {
		return fmt.Errorf("%s: %w", file, fault(err, false))
	}
	return nil
}

// ServerDir is the folder for what the store knows of another server, by that
// server's URL: a store of its own, without mail.
func (s *Store) ServerDir(url string) string {
	sum := sha256.Sum256([]byte(url))
	return filepath.Join(s.control, serversFolder, hex.EncodeToString(sum[:8]))
}

const serversFolder = "servers"
