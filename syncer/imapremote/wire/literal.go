package wire

import (
	"fmt"
	"io"
)

// nonSyncDefault is what LITERAL- allows. (RFC 7888, section 5)
const nonSyncDefault = 4096

// AppendMode says how literals are sent.
type AppendMode uint8

// The modes, from the slowest.
const (
	// AppendSync waits for the server before each message. NonSyncMax does
	// not count.
	AppendSync AppendMode = iota
	// AppendLiteralMinus does not wait for messages up to NonSyncMax (0: 4096
	// octets). Requires LITERAL-. (RFC 7888)
	AppendLiteralMinus
	// AppendLiteralPlus never waits and pipelines. Requires LITERAL+. (RFC 7888)
	AppendLiteralPlus
)

// waits reports whether a literal of that size needs the server's "+".
func (req AppendRequest) waits(size int64) bool {
	switch req.Mode {
	case AppendLiteralPlus:
		return false
	case AppendLiteralMinus:
		limit := req.NonSyncMax
		if limit == 0 {
			limit = nonSyncDefault
		}
		return size > limit
	}
	return true
}

func literalHeader(size int64, waits bool) string {
	if waits {
		return fmt.Sprintf("{%d}\r\n", size)
	}
	return fmt.Sprintf("{%d+}\r\n", size)
}

// copyLiteral sends exactly size octets. A source with fewer or more is an
// error before the literal could count as whole.
func (x *Exchange) copyLiteral(source io.Reader, size int64) error {
	n, err := io.CopyN(x.out, source, size)
	if err == io.EOF {
		return fmt.Errorf("the message has %d octets instead of %d: %w", n, size, io.ErrUnexpectedEOF)
	}
	if err != nil {
		return err
	}
	var more [1]byte
	if n, err := io.ReadFull(source, more[:]); n > 0 {
		return fmt.Errorf("the message has more than %d octets", size)
	} else if err != io.EOF {
		return err
	}
	return nil
}
