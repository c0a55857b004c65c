//go:build unix

package maildirout

import "syscall"

func setUmask(mask int) int { return syscall.Umask(mask) }
