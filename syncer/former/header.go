package former

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"io"
	"strings"

	"mailferry/syncer/mailbox"
)

// tuidField is how many octets mbsync's field has: "X-TUID: ", twelve
// characters, CR LF. mbsync writes it into each copy that it makes, on either
// side, in place of an older one.
const tuidField = 22

// maxHeader bounds how much of a header is read.
const maxHeader = 1 << 20

// ReadHeader reads a message's header in wire form. identity is the hash of
// Message-ID, Date, From and Subject, which no program changes; zero without a
// Message-ID. tuid is how many octets mbsync's field has, 0 without it.
func ReadHeader(message io.Reader) (identity mailbox.Hash, tuid int64, err error) {
	h := header{fields: map[string]string{}}
	in := bufio.NewReaderSize(io.LimitReader(message, maxHeader), 16<<10)
	for {
		line, err := in.ReadSlice('\n')
		if err != nil && err != io.EOF && err != bufio.ErrBufferFull {
			return mailbox.Hash{}, 0, err
		}
		if !h.add(line, err == bufio.ErrBufferFull) || err == io.EOF {
			break
		}
	}
	return h.identity(), h.tuid, nil
}

// header collects what is of interest.
type header struct {
	fields map[string]string
	name   string // of the field at hand
	tuid   int64
	within bool // the last piece did not end its line
}

// identifying are the fields that make a message the one it is.
var identifying = [...]string{"message-id", "date", "from", "subject"}

// add takes a line, or a piece of one that is too long, and reports whether the
// header goes on.
func (h *header) add(line []byte, isPiece bool) bool {
	text := string(bytes.TrimRight(line, "\r\n"))
	switch {
	case h.within:
	case text == "":
		return false
	case text[0] == ' ' || text[0] == '\t':
		if _, wanted := h.fields[h.name]; wanted {
			h.fields[h.name] += " " + strings.TrimSpace(text)
		}
	default:
		before, after, _ := strings.Cut(text, ":")
		h.name = strings.ToLower(strings.TrimSpace(before))
		if _, twice := h.fields[h.name]; twice {
			h.name = ""
		}
		for _, name := range identifying {
			if name == h.name {
				h.fields[name] = strings.TrimSpace(after)
			}
		}
	}
	if h.name == "x-tuid" {
		h.tuid += int64(len(line))
	}
	h.within = isPiece
	return true
}

func (h *header) identity() mailbox.Hash {
	if h.fields["message-id"] == "" {
		return mailbox.Hash{}
	}
	sum := sha256.New()
	for _, name := range identifying {
		io.WriteString(sum, name+":"+h.fields[name]+"\n")
	}
	var hash mailbox.Hash
	sum.Sum(hash[:0])
	return hash
}
