//go:build !linux

package maildirout

import "os"

func readNames(dir *os.File) (names []string, exact bool, err error) { return readNamesPlain(dir) }

func piecesOf(dir *os.File) func() ([]string, error) {
	return func() ([]string, error) {
		entries, err := dir.ReadDir(1 << 10)
		names := make([]string, 0, len(entries))
		for _, entry := range entries {
			if isMessageFile(entry.Name(), entry.Type()) {
				names = append(names, entry.Name())
			}
		}
		return names, err
	}
}
