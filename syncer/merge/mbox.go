package merge

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"strconv"

	"mailferry/syncer/mailbox"
)

// mboxSink takes what a scan of an mbox file finds, in the file's order.
type mboxSink interface {
	// begin starts a message. Its octets begin at offset.
	begin(offset int64, envelope mailbox.Date) error
	// line takes a line of it with its end, or a piece of a very long one.
	line(p []byte)
	// end ends it. Quoted says that one > was taken off quoted lines.
	end(length int64, quoted bool) error
	// damage tells of a place that is not as it should be.
	damage(d Damage)
}

// Damage is a place in a source that is not as it should be.
type Damage struct {
	Offset, Length int64
	// What says what is wrong there.
	What string
	// Lost says that what is there is no message and was left out.
	Lost bool
}

// mboxScanner finds the messages in an mbox file in one pass, whatever wrote
// it: mboxo, mboxrd, mboxcl, mboxcl2, with LF or CRLF.
type mboxScanner struct {
	file io.ReaderAt
	size int64
	in   *bufio.Reader
	sink mboxSink
	off  int64 // of the next octet to read

	open   bool
	start  int64 // of the open message
	last   int64 // where what belongs to it ends
	isText bool  // it has a line that is not empty
	blank  []byte
	atLine bool // the next piece begins a line
	// held is an empty line that may belong to the next separator.
	held bool
	// clear says that nothing, or an empty line, came last.
	clear bool
	// single says that the part is one message, whatever is in it.
	single bool

	inHeader  bool
	announced int64 // Content-Length, -1: none
	// trusted is where the open message ends according to a Content-Length
	// that was found to be right.
	trusted int64
	unquote bool
	counted bool // some message was delimited by its Content-Length
	rd      bool // some line was quoted twice

	lost Damage // octets before the first message, or NULs
	err  error
}

const mboxBuffer = 256 << 10

// scanMbox reads a file up to size.
func scanMbox(file io.ReaderAt, size int64, sink mboxSink) (*mboxScanner, error) {
	s := &mboxScanner{file: file, size: size, sink: sink, atLine: true, clear: true, announced: -1, unquote: true}
	s.in = bufio.NewReaderSize(io.NewSectionReader(file, 0, size), mboxBuffer)
	return s, s.run()
}

// readMboxMessage reads a message again that a scan found.
func readMboxMessage(file io.ReaderAt, offset, length int64, quoted bool, sink mboxSink) error {
	s := &mboxScanner{file: file, size: offset + length, sink: sink, atLine: true, announced: -1, unquote: quoted, single: true}
	s.in = bufio.NewReaderSize(io.NewSectionReader(file, offset, length), int(min(max(length, 16), mboxBuffer)))
	s.off = offset
	if s.begin(offset, mailbox.Date{}); s.err != nil {
		return s.err
	}
	return s.run()
}

func (s *mboxScanner) run() error {
	for {
		p, err := s.in.ReadSlice('\n')
		if len(p) > 0 {
			s.take(p)
		}
		if s.err != nil {
			return s.err
		}
		switch err {
		case nil, bufio.ErrBufferFull:
		case io.EOF:
			return s.close()
		default:
			return err
		}
	}
}

// take looks at a line, or a piece of one, that begins at s.off.
func (s *mboxScanner) take(p []byte) {
	at := s.off
	s.off += int64(len(p))
	begins := s.atLine
	s.atLine = p[len(p)-1] == '\n'
	if bytes.IndexByte(p, 0) >= 0 {
		if at, p = s.dropNULs(at, p); len(p) == 0 {
			s.atLine = s.atLine || begins
			return
		}
	}
	if begins && p[0] == 'F' && at >= s.trusted && !s.single && len(p) <= maxFromLine && bytes.HasPrefix(p, fromSpace) {
		p = bytes.Clone(p) // looking ahead moves the buffer
		if s.separates(at, p) {
			return
		}
	}
	s.content(at, p, begins)
}

// minNULs is how many NULs in a row are a hole in the file, not content.
const minNULs = 64

// dropNULs takes holes out of a line: file systems leave them behind where
// octets were promised and never written. It returns where what is left begins.
func (s *mboxScanner) dropNULs(at int64, p []byte) (int64, []byte) {
	for i := 0; i < len(p); i++ {
		if p[i] != 0 {
			continue
		}
		end := i
		for end < len(p) && p[end] == 0 {
			end++
		}
		if end-i < minNULs {
			i = end
			continue
		}
		s.note(Damage{Offset: at + int64(i), Length: int64(end - i), What: "zeroes where text should be", Lost: true})
		if i == 0 {
			// What follows a hole begins a line, if only because nobody can
			// say what stood before it.
			s.clear = true
			return s.dropNULs(at+int64(end), p[end:])
		}
		p = append(p[:i:i], p[end:]...)
		i--
	}
	return at, p
}

// note reports damage, that of neighbouring octets as one.
func (s *mboxScanner) note(d Damage) {
	if s.lost.Length > 0 && d.What == s.lost.What && s.lost.Offset+s.lost.Length == d.Offset {
		s.lost.Length += d.Length
		return
	}
	s.tellLost()
	s.lost = d
}

func (s *mboxScanner) tellLost() {
	if s.lost.Length > 0 {
		s.sink.damage(s.lost)
	}
	s.lost = Damage{}
}

// separates decides whether a line that begins with "From " begins a message,
// and if so begins it.
func (s *mboxScanner) separates(at int64, line []byte) bool {
	kind, date := readFromLine(line)
	if kind == notFrom {
		return false
	}
	header := s.headerFollows()
	switch {
	case s.clear && kind == datedFrom:
	case header && s.clear:
	case header && kind == datedFrom:
		s.sink.damage(Damage{Offset: at, What: "no empty line before this message: the one before may be cut short"})
	default:
		return false
	}
	if s.err = s.finish(); s.err != nil {
		return true
	}
	if !header {
		s.sink.damage(Damage{Offset: s.off, What: "no header follows the From line"})
	}
	s.begin(s.off, date)
	return true
}

// headerFollows looks at the next line without consuming it.
func (s *mboxScanner) headerFollows() bool {
	next, err := s.in.Peek(256)
	if len(next) == 0 {
		return err == io.EOF
	}
	line, _, _ := bytes.Cut(next, []byte{'\n'})
	line = bytes.TrimSuffix(line, []byte{'\r'})
	return looksLikeField(line) || len(line) == 0 || bytes.HasPrefix(line, []byte(">From "))
}

func (s *mboxScanner) begin(at int64, date mailbox.Date) {
	s.tellLost()
	s.last, s.isText = at, false
	s.open, s.start, s.inHeader, s.announced, s.trusted, s.held, s.clear = true, at, true, -1, 0, false, false
	s.err = s.sink.begin(at, date)
}

// content hands a line to the open message.
func (s *mboxScanner) content(at int64, p []byte, begins bool) {
	isEmpty := begins && len(trimEnd(p)) == 0 && p[len(p)-1] == '\n'
	if !s.open {
		s.beforeFirst(at, p, begins, isEmpty)
		if !s.open {
			return
		}
	}
	s.clear = isEmpty
	endsHeader := s.inHeader && isEmpty
	if s.inHeader && begins {
		s.header(p, isEmpty)
	}
	if s.held {
		s.sink.line(s.blank)
		s.held, s.last = false, at
	}
	if isEmpty && !endsHeader && !s.single && s.off > s.trusted {
		s.held, s.blank = true, append(s.blank[:0], p...)
		return
	}
	if begins && p[0] == '>' && s.unquote {
		if rest := bytes.TrimLeft(p, ">"); bytes.HasPrefix(rest, fromSpace) {
			s.rd = s.rd || len(p)-len(rest) > 1
			p = p[1:]
		}
	}
	s.sink.line(p)
	s.last = s.off
	s.isText = s.isText || !isEmpty
}

// beforeFirst deals with octets that belong to no message: a message whose
// From_ line is missing is one all the same.
func (s *mboxScanner) beforeFirst(at int64, p []byte, begins, isEmpty bool) {
	switch {
	case isEmpty:
	case begins && looksLikeField(p):
		s.sink.damage(Damage{Offset: at, What: "a message without a From line"})
		s.begin(at, mailbox.Date{})
	default:
		s.note(Damage{Offset: at, Length: int64(len(p)), What: "not a message", Lost: true})
	}
}

// header watches for the Content-Length and the header's end.
func (s *mboxScanner) header(line []byte, isEmpty bool) {
	const name = "content-length:"
	if isEmpty {
		s.inHeader = false
		s.trust(s.off)
	} else if len(line) > len(name) && bytes.EqualFold(line[:len(name)], []byte(name)) {
		n, err := strconv.ParseInt(string(bytes.TrimSpace(line[len(name):])), 10, 64)
		if err == nil && n >= 0 {
			s.announced = n
		}
	}
}

// trust believes a Content-Length only if the next message, or the file's end,
// is right where it says.
func (s *mboxScanner) trust(body int64) {
	if s.single || s.announced <= 0 || s.announced > s.size-body {
		return
	}
	end := body + s.announced
	if !s.endsAt(end) {
		return
	}
	s.trusted, s.counted = end, true
	if s.unquote && hasFromLine(s.file, body, end) {
		s.unquote = false
	}
}

func (s *mboxScanner) endsAt(end int64) bool {
	var next [7]byte
	n, _ := s.file.ReadAt(next[:min(int64(len(next)), s.size-end)], end)
	rest := bytes.TrimPrefix(bytes.TrimPrefix(next[:n], crlf[:1]), crlf[1:])
	return len(rest) == 0 || bytes.HasPrefix(rest, fromSpace) || len(rest) < 5 && end+int64(n) == s.size && len(bytes.TrimSpace(rest)) == 0
}

// hasFromLine reports whether a line in the part begins with "From ", as only
// mboxcl2 leaves it.
func hasFromLine(file io.ReaderAt, from, to int64) bool {
	needle := []byte("\nFrom ")
	buf := make([]byte, min(to-from, mboxBuffer))
	for from < to {
		n, err := file.ReadAt(buf[:min(int64(len(buf)), to-from)], from)
		if bytes.Contains(buf[:n], needle) {
			return true
		}
		if err != nil || n <= len(needle) {
			return false
		}
		from += int64(n - len(needle) + 1)
	}
	return false
}

// finish ends the open message. An empty line before the next one, or the
// file's end, is not part of it.
func (s *mboxScanner) finish() error {
	if !s.open {
		return nil
	}
	s.open = false
	s.held = false
	if !s.isText && !s.single {
		s.last = s.start
		s.sink.damage(Damage{Offset: s.start, What: "an empty message"})
	}
	return s.sink.end(s.last-s.start, s.unquote)
}

func (s *mboxScanner) close() error {
	if s.open && s.inHeader && s.off > s.start {
		s.sink.damage(Damage{Offset: s.start, What: "the file ends within this message's header"})
	}
	err := s.finish()
	s.tellLost()
	if err != nil {
		return fmt.Errorf("offset %d: %w", s.off, err)
	}
	return nil
}
