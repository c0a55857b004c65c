//go:build !windows

package maildirout

// separator stands between a file's key and its flags.
const separator = ':'
