package imapremote

import (
	"bytes"
	"errors"
	"net"
)

// errGuard is returned when go-imap is about to send what it may not.
var errGuard = errors.New("a command that expunges may not come from the control plane")

// guard stands between go-imap and the socket and lets no command pass that
// expunges or marks. go-imap's Move sends COPY, STORE and EXPUNGE in one go
// when it thinks that the server lacks MOVE, and what it thinks may change with
// any untagged CAPABILITY. With this the worst is a closed connection.
type guard struct{ net.Conn }

// Write refuses commands; go-imap flushes its buffer once a command.
func (g guard) Write(p []byte) (int, error) {
	fields := bytes.Fields(p[:min(len(p), 64)])
	if len(fields) >= 2 && bytes.HasPrefix(fields[0], []byte("T")) {
		verb := fields[1]
		if bytes.EqualFold(verb, []byte("UID")) && len(fields) >= 3 {
			verb = fields[2]
		}
		for _, forbidden := range []string{"EXPUNGE", "STORE", "CLOSE"} {
			if bytes.EqualFold(verb, []byte(forbidden)) {
				return 0, errGuard
			}
		}
	}
	return g.Conn.Write(p)
}
