package ui

import (
	"fmt"
	"os"
	"syscall"
)

// IsJournal reports whether file is the stream to the journal that the variable
// JOURNAL_STREAM names: a shell may have sent it elsewhere. (systemd.exec(5))
func IsJournal(file *os.File, variable string) bool {
	info, err := file.Stat()
	if err != nil || variable == "" {
		return false
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && fmt.Sprintf("%d:%d", stat.Dev, stat.Ino) == variable
}
