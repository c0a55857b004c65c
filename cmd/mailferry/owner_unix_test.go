//go:build !windows

package main

import (
	"os"
	"syscall"
)

// ownedLike gives a file the owner of another one: a server that is not root
// must be able to read what a test puts into its mail.
func ownedLike(other, path string) error {
	stat, err := os.Stat(other)
	if err != nil {
		return err
	}
	owner := stat.Sys().(*syscall.Stat_t)
	return os.Chown(path, int(owner.Uid), int(owner.Gid))
}
