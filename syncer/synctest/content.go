package synctest

import (
	"bytes"
	"crypto/sha256"
	"strings"

	"mailferry/syncer/mailbox"
)

// header is a message up to and including its first empty line.
func header(octets []byte) []byte {
	if bytes.HasPrefix(octets, []byte("\r\n")) {
		return octets[:2]
	}
	if i := bytes.Index(octets, []byte("\r\n\r\n")); i >= 0 {
		return octets[:i+4]
	}
	return octets
}

// ContentOf is what a message of this wire form is known by.
func ContentOf(octets []byte) mailbox.Content {
	return mailbox.Content{
		Size: int64(len(octets)), Hash: sha256.Sum256(octets),
		Header: sha256.Sum256(header(octets)), Verbatim: !isCRLF(octets),
	}
}

// isCRLF reports whether every line end is CRLF and there is no NUL, so that
// LF on disk can be turned back.
func isCRLF(octets []byte) bool {
	crlf := bytes.Count(octets, []byte("\r\n"))
	return crlf == bytes.Count(octets, []byte("\r")) && crlf == bytes.Count(octets, []byte("\n")) &&
		!strings.Contains(string(octets), "\x00")
}
