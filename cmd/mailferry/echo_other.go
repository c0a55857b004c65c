//go:build !(linux || darwin || dragonfly || freebsd || netbsd || openbsd)

package main

// hideTyping does nothing: a console of Windows shows what is typed when it is
// read, and then it is told not to.
func hideTyping(int) error { return nil }
