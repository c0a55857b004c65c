//go:build !linux

package main

// protectMemory does nothing: a Go program dumps no core here unless GOTRACEBACK
// asks for it.
func protectMemory() {}
