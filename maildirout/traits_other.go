//go:build !linux

package maildirout

func examine(string) Traits { return Traits{} }
