package merge

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"

	"mailferry/syncer/mailbox"
)

// An index is a file of entries in the order in which a source was read. Each
// has its length, a CRC-32, and a letter that says what it is: unit, message,
// damage, end. A unit counts only with its end; one that is cut short or
// altered is read again.
const indexMagic = "mailferry merge index 1\n"

const (
	entryUnit    = 'u'
	entryMessage = 'm'
	entryDamage  = 'd'
	entryEnd     = 'e'
)

// maxEntry bounds what is believed of a length.
const maxEntry = 64 << 10

var errIndex = errors.New("index is damaged")

// indexWriter writes an index beside the old one.
type indexWriter struct {
	path string
	file *os.File
	out  *bufio.Writer
	at   int64
	unit int64 // where the open unit's entry is
	buf  []byte
}

func createIndex(path string) (*indexWriter, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	file, err := os.OpenFile(path+".new", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	w := &indexWriter{path: path, file: file, out: bufio.NewWriterSize(file, 256<<10)}
	_, err = w.out.WriteString(indexMagic)
	w.at = int64(len(indexMagic))
	return w, err
}

// entry writes one entry and returns where it is.
func (w *indexWriter) entry(kind byte, body []byte) (int64, error) {
	var head [9]byte
	binary.LittleEndian.PutUint32(head[0:], uint32(len(body)))
	head[8] = kind
	sum := crc32.ChecksumIEEE(head[8:])
	binary.LittleEndian.PutUint32(head[4:], crc32.Update(sum, crc32.IEEETable, body))
	at := w.at
	w.at += int64(len(head) + len(body))
	if _, err := w.out.Write(head[:]); err != nil {
		return at, err
	}
	_, err := w.out.Write(body)
	return at, err
}

func (w *indexWriter) begin(u Unit) (err error) {
	w.buf = appendUnit(w.buf[:0], u)
	w.unit, err = w.entry(entryUnit, w.buf)
	return err
}

func (w *indexWriter) message(r Record) error {
	w.buf = binary.AppendVarint(w.buf[:0], w.at-w.unit)
	w.buf = appendRecord(w.buf, r)
	_, err := w.entry(entryMessage, w.buf)
	return err
}

func (w *indexWriter) damage(d Damage) error {
	_, err := w.entry(entryDamage, appendDamage(w.buf[:0], d))
	return err
}

func (w *indexWriter) end(sure bool) error {
	body := []byte{0}
	if sure {
		body[0] = 1
	}
	_, err := w.entry(entryEnd, body)
	return err
}

// rewind forgets what was written from an entry on.
func (w *indexWriter) rewind(at int64) error {
	if err := w.out.Flush(); err != nil {
		return err
	}
	if err := w.file.Truncate(at); err != nil {
		return err
	}
	w.at = at
	_, err := w.file.Seek(at, io.SeekStart)
	return err
}

// publish puts the index in the old one's place.
func (w *indexWriter) publish() error {
	err := w.out.Flush()
	if closed := w.file.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = os.Rename(w.path+".new", w.path)
	}
	if err != nil {
		os.Remove(w.path + ".new")
	}
	return err
}

func (w *indexWriter) discard() {
	w.file.Close()
	os.Remove(w.path + ".new")
}

// indexReader reads an index from its start.
type indexReader struct {
	file *os.File
	in   *bufio.Reader
	at   int64
	buf  []byte
}

// openIndex returns fs.ErrNotExist where there is none, errIndex for a file
// that is none.
func openIndex(path string) (*indexReader, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	r := &indexReader{file: file, in: bufio.NewReaderSize(file, 256<<10), at: int64(len(indexMagic))}
	magic := make([]byte, len(indexMagic))
	if _, err := io.ReadFull(r.in, magic); err != nil || string(magic) != indexMagic {
		file.Close()
		return nil, errIndex
	}
	return r, nil
}

// next returns the next entry; its body is valid until the next call.
func (r *indexReader) next() (kind byte, at int64, body []byte, err error) {
	at = r.at
	kind, r.buf, err = readEntry(r.in, r.buf)
	r.at += int64(9 + len(r.buf))
	return kind, at, r.buf, err
}

func readEntry(in io.Reader, buf []byte) (kind byte, body []byte, err error) {
	var head [9]byte
	if _, err := io.ReadFull(in, head[:]); err != nil {
		if err == io.EOF {
			return 0, nil, io.EOF
		}
		return 0, nil, errIndex
	}
	n := binary.LittleEndian.Uint32(head[:])
	if n > maxEntry {
		return 0, nil, errIndex
	}
	body = append(buf[:0], make([]byte, n)...)
	if _, err := io.ReadFull(in, body); err != nil {
		return 0, nil, errIndex
	}
	sum := crc32.Update(crc32.ChecksumIEEE(head[8:]), crc32.IEEETable, body)
	if sum != binary.LittleEndian.Uint32(head[4:]) {
		return 0, nil, errIndex
	}
	return head[8], body, nil
}

func (r *indexReader) close() error { return r.file.Close() }

// lookUp reads a message's entry and its unit's.
func lookUp(file io.ReaderAt, at int64) (Unit, Record, error) {
	kind, body, err := readEntry(io.NewSectionReader(file, at, maxEntry+9), nil)
	if err != nil || kind != entryMessage {
		return Unit{}, Record{}, fmt.Errorf("%w at %d", errIndex, at)
	}
	back, record, ok := parseRecord(body)
	if !ok {
		return Unit{}, Record{}, fmt.Errorf("%w at %d", errIndex, at)
	}
	kind, body, err = readEntry(io.NewSectionReader(file, at-back, maxEntry+9), nil)
	if err != nil || kind != entryUnit {
		return Unit{}, Record{}, fmt.Errorf("%w at %d", errIndex, at-back)
	}
	unit, ok := parseUnit(body)
	if !ok {
		return Unit{}, Record{}, fmt.Errorf("%w at %d", errIndex, at-back)
	}
	return unit, record, nil
}

// unpacker reads an entry's body; ok turns false at the first thing that is
// not there.
type unpacker struct {
	rest []byte
	ok   bool
}

func (u *unpacker) int() int64 {
	n, size := binary.Varint(u.rest)
	if size <= 0 {
		u.ok = false
		return 0
	}
	u.rest = u.rest[size:]
	return n
}

func (u *unpacker) text() string {
	n := u.int()
	if n < 0 || n > int64(len(u.rest)) {
		u.ok = false
		return ""
	}
	text := string(u.rest[:n])
	u.rest = u.rest[n:]
	return text
}

func (u *unpacker) hash() (h mailbox.Hash) {
	if len(u.rest) < len(h) {
		u.ok = false
		return h
	}
	copy(h[:], u.rest)
	u.rest = u.rest[len(h):]
	return h
}

func (u *unpacker) bool() bool { return u.int() != 0 }

func (u *unpacker) date() mailbox.Date {
	return mailbox.Date{Known: u.bool(), Unix: u.int(), Offset: int32(u.int())}
}

func (u *unpacker) flags() mailbox.Flags {
	text := u.text()
	if text == "" {
		return mailbox.Flags{}
	}
	var names []string
	for name := range bytes.FieldsSeq([]byte(text)) {
		names = append(names, string(name))
	}
	return mailbox.NewFlags(names...)
}

func appendText(b []byte, text string) []byte {
	return append(binary.AppendVarint(b, int64(len(text))), text...)
}

func appendBool(b []byte, v bool) []byte {
	if v {
		return binary.AppendVarint(b, 1)
	}
	return binary.AppendVarint(b, 0)
}

func appendDate(b []byte, d mailbox.Date) []byte {
	return binary.AppendVarint(binary.AppendVarint(appendBool(b, d.Known), d.Unix), int64(d.Offset))
}

func appendUnit(b []byte, u Unit) []byte {
	b = appendText(appendText(appendText(b, u.Key), string(u.Mailbox)), u.File)
	b = binary.AppendVarint(binary.AppendVarint(b, u.Size), u.Stamp)
	b = binary.AppendVarint(b, int64(u.Format))
	return appendDate(appendText(b, u.Flags.String()), u.Date)
}

func parseUnit(body []byte) (Unit, bool) {
	u := unpacker{rest: body, ok: true}
	unit := Unit{Key: u.text(), Mailbox: mailbox.Name(u.text()), File: u.text(), Size: u.int(), Stamp: u.int(), Format: Format(u.int())}
	unit.Flags, unit.Date = u.flags(), u.date()
	return unit, u.ok
}

func appendRecord(b []byte, r Record) []byte {
	for _, h := range []mailbox.Hash{r.Content.Hash, r.Content.Header, r.Head, r.Body} {
		b = append(b, h[:]...)
	}
	b = binary.AppendVarint(b, r.Content.Size)
	b = appendText(appendText(appendText(b, r.MessageID), r.From), r.Subject)
	b = appendBool(appendDate(appendDate(b, r.Received), r.Date), r.HasDate)
	b = appendBool(binary.AppendVarint(b, r.HeaderOctets), r.Undone)
	b = appendBool(binary.AppendVarint(binary.AppendVarint(b, r.Offset), r.Length), r.Quoted)
	b = appendBool(appendBool(appendText(b, r.Flags.String()), r.Expunged), r.Partial)
	return appendDate(b, r.Filed)
}

// parseRecord also returns how far before the entry its unit's is.
func parseRecord(body []byte) (back int64, r Record, ok bool) {
	u := unpacker{rest: body, ok: true}
	back = u.int()
	r.Content.Hash, r.Content.Header, r.Head, r.Body = u.hash(), u.hash(), u.hash(), u.hash()
	r.Content.Size = u.int()
	r.MessageID, r.From, r.Subject = u.text(), u.text(), u.text()
	r.Received, r.Date, r.HasDate = u.date(), u.date(), u.bool()
	r.HeaderOctets, r.Undone = u.int(), u.bool()
	r.Offset, r.Length, r.Quoted = u.int(), u.int(), u.bool()
	r.Flags, r.Expunged, r.Partial = u.flags(), u.bool(), u.bool()
	r.Filed = u.date()
	r.settle()
	return back, r, u.ok
}

func appendDamage(b []byte, d Damage) []byte {
	b = binary.AppendVarint(binary.AppendVarint(b, d.Offset), d.Length)
	return appendBool(appendText(b, d.What), d.Lost)
}

func parseDamage(body []byte) (Damage, bool) {
	u := unpacker{rest: body, ok: true}
	d := Damage{Offset: u.int(), Length: u.int(), What: u.text(), Lost: u.bool()}
	return d, u.ok
}
