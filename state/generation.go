package state

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

const generationFile = "generation"

// generation is the number beside the database. It is written after the
// database is durable, so it is never ahead of an undamaged one.
type generation struct {
	file    *os.File
	written int64
}

// readGeneration returns 0 where there is no number to be read.
func readGeneration(control string) (int64, error) {
	text, err := os.ReadFile(filepath.Join(control, generationFile))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 0, err
	}
	number, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	if err != nil || number < 0 {
		return 0, nil
	}
	return number, nil
}

func openGeneration(control string) (*generation, error) {
	path := filepath.Join(control, generationFile)
	if info, err := os.Lstat(path); err == nil && !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: is not a file", path)
	}
	written, err := readGeneration(control)
	if err != nil {
		return nil, err
	}
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fault(err, false)
	}
	return &generation{file, written}, nil
}

// write overwrites the number in place: always the same few octets of one
// sector, so that neither a kill nor a power cut leaves half of them.
func (g *generation) write(number int64) error {
	if number == g.written {
		return nil
	}
	if _, err := g.file.WriteAt(fmt.Appendf(nil, "%020d\n", number), 0); err != nil {
		return fault(err, false)
	}
	g.written = number
	return nil
}
