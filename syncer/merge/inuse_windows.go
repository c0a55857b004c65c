package merge

import (
	"errors"
	"io/fs"
	"os"
)

// isLocked reports whether another process holds a file open for itself.
func isLocked(at string) bool {
	file, err := os.Open(at)
	if err == nil {
		file.Close()
	}
	return err != nil && !errors.Is(err, fs.ErrNotExist)
}
