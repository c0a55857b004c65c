//go:build !linux

package maildirout

import "os"

func readNames(dir *os.File) (names []string, exact bool, err error) { return readNamesPlain(dir) }

func piecesOf(dir *os.File) func() ([]string, error) { return plainPieces(dir) }
