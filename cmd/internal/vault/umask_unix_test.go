//go:build unix

package vault

import "syscall"

func setUmask(mask int) int { return syscall.Umask(mask) }
