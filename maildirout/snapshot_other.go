//go:build !linux

package maildirout

import "os"

func readNames(dir *os.File) (names []string, exact bool, err error) { return readNamesPlain(dir) }
