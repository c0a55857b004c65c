//go:build !linux

package ui

import "os"

// IsJournal is false: there is no journal here.
func IsJournal(*os.File, string) bool { return false }
