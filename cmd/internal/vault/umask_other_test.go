//go:build !unix

package vault

func setUmask(int) int { return 0 }
