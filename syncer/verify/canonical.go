package verify

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"hash"
	"io"
	"strings"

	"mailferry/syncer/mailbox"
)

// Canonical is what is left of a message without what servers change when they
// take one in: line ends, empty lines at the end, and header fields but four.
type Canonical struct {
	// Identity is the SHA-256 of Message-ID, Date, From, Subject and the body,
	// line ends and empty lines at the end left aside.
	Identity [32]byte
	// LineEnds is the SHA-256 of the whole message with LF for line ends, empty
	// lines at the end left aside.
	LineEnds [32]byte
}

// identifying are the header fields that no server changes. (RFC 5322, 3.6)
var identifying = map[string]bool{"message-id": true, "date": true, "from": true, "subject": true}

// maxHeader bounds the header that is kept; what follows counts as body.
const maxHeader = 1 << 20

// Canonicalize reads a message to its end. Memory does not grow with it.
func Canonicalize(message io.Reader) (Canonical, error) {
	whole := sha256.New()
	ends := steady(whole)
	in := bufio.NewReaderSize(io.TeeReader(message, ends), 64<<10)
	identity := sha256.New()
	if err := hashHeader(in, identity); err != nil {
		return Canonical{}, err
	}
	body := steady(identity)
	if _, err := io.Copy(body, in); err != nil {
		return Canonical{}, err
	}
	var c Canonical
	identity.Sum(c.Identity[:0])
	whole.Sum(c.LineEnds[:0])
	return c, nil
}

// hashHeader reads up to the first empty line and hashes the identifying
// fields in a fixed order, unfolded.
func hashHeader(in *bufio.Reader, to hash.Hash) error {
	fields := map[string]string{}
	name, octets := "", 0
	for {
		line, err := in.ReadSlice('\n')
		if err != nil && err != io.EOF && err != bufio.ErrBufferFull {
			return err
		}
		octets += len(line)
		text := string(bytes.TrimRight(line, "\r\n"))
		switch {
		case text == "" && err != bufio.ErrBufferFull:
			writeFields(fields, to)
			return nil
		case text[0] == ' ' || text[0] == '\t':
			if identifying[name] {
				fields[name] += " " + strings.TrimSpace(text)
			}
		default:
			before, after, _ := strings.Cut(text, ":")
			name = strings.ToLower(strings.TrimSpace(before))
			if _, twice := fields[name]; identifying[name] && !twice {
				fields[name] = strings.TrimSpace(after)
			}
		}
		if err == io.EOF || octets > maxHeader {
			writeFields(fields, to)
			return nil
		}
	}
}

func writeFields(fields map[string]string, to hash.Hash) {
	for _, name := range []string{"message-id", "date", "from", "subject"} {
		io.WriteString(to, name+":"+fields[name]+"\n")
	}
}

// lineEnds writes on with LF for CRLF, CR and LF; empty lines at the end are
// held back for good.
type lineEnds struct {
	to      hash.Hash
	pending int // line ends not written yet
}

// steady is a writer to a hash, by way of lineEnds.
func steady(to hash.Hash) io.Writer {
	w := &lineEnds{to: to}
	return &mailbox.LineEnds{
		Text: func(text []byte) { w.finish(); to.Write(text) },
		End:  func() { w.pending++ },
	}
}

var newlines = bytes.Repeat([]byte{'\n'}, 1024)

func (w *lineEnds) finish() {
	for w.pending > 0 {
		n := min(w.pending, len(newlines))
		w.to.Write(newlines[:n])
		w.pending -= n
	}
}
