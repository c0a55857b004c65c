package merge

import (
	"bytes"
	"crypto/sha256"
	"hash"
	"io"
	"strings"

	"mailferry/syncer/mailbox"
)

// Identity is what a message is known by.
type Identity struct {
	// Content is of the wire form: what would be uploaded.
	Content mailbox.Content
	// Same is equal for messages that are the same once what clients add is
	// undone: fields of theirs, quoting of From_, line ends.
	Same mailbox.Hash
	// Core is equal for messages with one Message-ID, Date, From and body. It
	// is zero without a Message-ID.
	Core mailbox.Hash
	// Head and Body are of the two parts of Same; Ident is of Message-ID, Date
	// and From, zero without a Message-ID.
	Head, Body, Ident mailbox.Hash
	// MessageID, From and Subject as they stand in the header, unfolded and
	// cut to a length that fits a report.
	MessageID, From, Subject string
	// Received and Date are those of the topmost Received and of Date.
	Received, Date mailbox.Date
	// HasDate says that there is a Date field, whatever is in it.
	HasDate bool
	// HeaderOctets tells how complete a copy is.
	HeaderOctets int64
	// Undone says that the source's copy had something that clients add.
	Undone bool
}

// maxHeader bounds what of a header is in memory; what follows counts as body.
const maxHeader = 4 << 20

// flushAt is how much is hashed at once.
const flushAt = 32 << 10

// digester reads a message line by line. Its zero value is not usable.
type digester struct {
	strip level
	// crlf makes every line end CRLF. Without it lines stay as they are.
	crlf bool
	// steady replaces what a converter invents anew each time.
	steady func([]byte) []byte
	// to takes the wire form; nil: it is only hashed.
	to io.Writer

	whole, body hash.Hash
	wire, plain []byte // not hashed yet
	size        int64
	header      mailbox.Hash
	headerEnded bool // of the wire form: CRLF CRLF
	wireCRLF    bool // the wire form's last line ended so

	head    []byte // the header's lines
	inBody  bool
	midLine bool
	heldCR  bool // a CR ended the last piece: an LF may follow
	// lineEnds are those that the body may end with.
	lineEnds int
	id       Identity
	marks    marks
	err      error
}

func newDigester(strip level, crlf bool) *digester {
	d := &digester{whole: sha256.New(), body: sha256.New()}
	d.reset(strip, crlf, nil)
	return d
}

// reset makes the digester ready for another message.
func (d *digester) reset(strip level, crlf bool, to io.Writer) {
	*d = digester{
		strip: strip, crlf: crlf, to: to, steady: d.steady, whole: d.whole, body: d.body,
		wire: d.wire[:0], plain: d.plain[:0], head: d.head[:0], wireCRLF: true,
	}
	d.whole.Reset()
	d.body.Reset()
}

// line takes a line with its end, or a piece of a very long one.
func (d *digester) line(p []byte) {
	if len(p) == 0 {
		return
	}
	ended := p[len(p)-1] == '\n'
	if d.heldCR {
		d.heldCR = false
		if p[0] == '\n' {
			p = crlf
		} else {
			d.piece(crlf[:1], false)
		}
	}
	if !ended && p[len(p)-1] == '\r' {
		d.heldCR, p = true, p[:len(p)-1]
	}
	d.piece(p, ended)
}

func (d *digester) piece(p []byte, ended bool) {
	continues := d.midLine
	d.midLine = !ended
	if !d.inBody {
		d.headerLine(p, ended, continues)
		return
	}
	d.emit(p, ended)
	d.bodyLine(p, ended, continues)
}

func (d *digester) headerLine(p []byte, ended, continues bool) {
	if ended && !continues && len(trimEnd(p)) == 0 {
		d.endHeader()
		d.emit(p, true)
		return
	}
	d.head = append(d.head, p...)
	if len(d.head) > maxHeader {
		d.endHeader()
	}
}

// bodyLine hashes what is the same whatever wrote the line. Line ends wait
// until something follows them: a body's last ones do not count.
func (d *digester) bodyLine(p []byte, ended, continues bool) {
	text := p
	if ended {
		text = trimEnd(p)
	}
	if len(text) > 0 {
		for ; d.lineEnds > 0; d.lineEnds-- {
			d.plain = append(d.plain, '\n')
		}
		if !continues {
			text = unquoted(text)
		}
		if d.steady != nil {
			text = d.steady(text)
		}
		d.plain = append(d.plain, text...)
	}
	if ended {
		d.lineEnds++
	}
	if len(d.plain) >= flushAt {
		d.body.Write(d.plain)
		d.plain = d.plain[:0]
	}
}

// unquoted takes all quoting off a line that begins with "From ".
func unquoted(text []byte) []byte {
	if len(text) == 0 || text[0] != '>' {
		return text
	}
	if rest := bytes.TrimLeft(text, ">"); bytes.HasPrefix(rest, fromSpace) {
		return rest
	}
	return text
}

// trimEnd takes a line's end off.
func trimEnd(p []byte) []byte {
	if n := len(p); n > 0 && p[n-1] == '\n' {
		p = p[:n-1]
		if n := len(p); n > 0 && p[n-1] == '\r' {
			p = p[:n-1]
		}
	}
	return p
}

// emit writes a line of the wire form.
func (d *digester) emit(p []byte, ended bool) {
	start := len(d.wire)
	if d.crlf && ended {
		d.wire = append(append(d.wire, trimEnd(p)...), '\r', '\n')
	} else {
		d.wire = append(d.wire, p...)
	}
	line := d.wire[start:]
	if !d.headerEnded && d.wireCRLF && len(line) == 2 && line[0] == '\r' && line[1] == '\n' {
		d.flush()
		d.whole.Sum(d.header[:0])
		d.headerEnded = true
	}
	d.wireCRLF = bytes.HasSuffix(line, crlf)
	if len(d.wire) >= flushAt {
		d.flush()
	}
}

var crlf = []byte("\r\n")

func (d *digester) flush() {
	d.size += int64(len(d.wire))
	d.whole.Write(d.wire)
	if d.to != nil && d.err == nil {
		_, d.err = d.to.Write(d.wire)
	}
	d.wire = d.wire[:0]
}

// endHeader reads the header that was collected.
func (d *digester) endHeader() {
	d.inBody = true
	head := sha256.New()
	var clean []byte
	for rest := d.head; len(rest) > 0; {
		field := cutField(rest)
		rest = rest[len(field):]
		name, value, _ := bytes.Cut(field, []byte{':'})
		name = bytes.TrimRight(name, " \t")
		if l := noiseLevel(name); l != 0 {
			d.id.Undone = true
			d.marks.read(strings.ToLower(string(name)), value)
			if l <= d.strip {
				continue
			}
		} else {
			d.note(name, value)
			clean = append(clean, bytes.ReplaceAll(field, crlf, crlf[1:])...)
		}
		d.emitLines(field)
	}
	d.id.HeaderOctets = int64(len(clean))
	head.Write(clean)
	head.Sum(d.id.Head[:0])
	d.head = d.head[:0]
}

// emitLines writes a field's lines.
func (d *digester) emitLines(field []byte) {
	for line := range bytes.Lines(field) {
		d.emit(line, line[len(line)-1] == '\n')
	}
}

// cutField returns the first field of a header with its continuation lines.
func cutField(head []byte) []byte {
	for end := 0; ; {
		i := bytes.IndexByte(head[end:], '\n')
		if i < 0 {
			return head
		}
		end += i + 1
		if end == len(head) || head[end] != ' ' && head[end] != '\t' {
			return head[:end]
		}
	}
}

// note keeps what a field of the message says. The first of each name counts.
func (d *digester) note(name, value []byte) {
	switch {
	case d.id.MessageID == "" && isField(name, "message-id"):
		d.id.MessageID = unfolded(value, 1000)
	case d.id.From == "" && isField(name, "from"):
		d.id.From = unfolded(value, 1000)
	case d.id.Subject == "" && isField(name, "subject"):
		d.id.Subject = unfolded(value, 200)
	case !d.id.HasDate && isField(name, "date"):
		d.id.HasDate = true
		d.id.Date = parseDate(unfolded(value, 200))
	case !d.id.Received.Known && isField(name, "received"):
		_, after, _ := strings.Cut(lastPart(unfolded(value, 4000)), ";")
		d.id.Received = parseDate(after)
	}
}

// lastPart returns the text from its last semicolon on.
func lastPart(text string) string { return text[max(strings.LastIndexByte(text, ';'), 0):] }

func isField(name []byte, lower string) bool {
	return len(name) == len(lower) && strings.EqualFold(string(name), lower)
}

// unfolded is a field's value on one line, with single spaces, cut to limit.
func unfolded(value []byte, limit int) string {
	text := strings.Join(strings.Fields(string(value[:min(len(value), 8*limit)])), " ")
	if len(text) > limit {
		text = strings.ToValidUTF8(text[:limit], "")
	}
	return text
}

// finish ends the message.
func (d *digester) finish() (Identity, marks, error) {
	if d.heldCR {
		d.heldCR = false
		d.piece(crlf[:1], false)
	}
	if !d.inBody {
		d.endHeader()
	}
	d.flush()
	d.id.Content.Size = d.size
	d.whole.Sum(d.id.Content.Hash[:0])
	d.id.Content.Header = d.header
	if !d.headerEnded {
		d.id.Content.Header = d.id.Content.Hash
	}
	d.body.Write(d.plain)
	d.body.Sum(d.id.Body[:0])
	d.id.settle()
	return d.id, d.marks, d.err
}

// settle makes the hashes that are made of others.
func (id *Identity) settle() {
	id.Same = hashOf("same", string(id.Head[:]), string(id.Body[:]))
	if id.MessageID == "" {
		return
	}
	date := ""
	if id.Date.Known {
		date = id.Date.Time().UTC().String()
	}
	id.Ident = hashOf("ident", id.MessageID, date, id.From)
	id.Core = hashOf("core", string(id.Ident[:]), string(id.Body[:]))
}

// hashOf hashes texts, each with its length.
func hashOf(texts ...string) (sum mailbox.Hash) {
	h := sha256.New()
	var length [8]byte
	for _, text := range texts {
		for i := range length {
			length[i] = byte(len(text) >> (8 * i))
		}
		h.Write(length[:])
		io.WriteString(h, text)
	}
	h.Sum(sum[:0])
	return sum
}
