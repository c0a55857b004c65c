package merge

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"mailferry/syncer/mailbox"
)

// ErrChanged is returned for a message that is no longer what it was when the
// source was indexed.
var ErrChanged = errors.New("the source changed since it was looked at")

// files is a source of files.
type files struct {
	kind       Kind
	name, root string
	// walk lists the files in the order of CompareKeys.
	walk func(ctx context.Context, each func(Unit) error, damage func(Damage)) error
	// inUse says why the source may be changing now, or "".
	inUse func() string
	// steady replaces what a converter invents anew each time; may be nil.
	steady func([]byte) []byte
	// closing may be nil.
	closing func() error

	mu    sync.Mutex
	notes []Note
	in    *bufio.Reader
	dig   *digester
}

func (f *files) Kind() Kind   { return f.kind }
func (f *files) Name() string { return f.name }
func (f *files) ID() string   { return string(f.kind) + ":" + f.root }

func (f *files) Close() error {
	if f.closing == nil {
		return nil
	}
	return f.closing()
}

// Notes lists what was noticed.
func (f *files) Notes() []Note {
	f.mu.Lock()
	defer f.mu.Unlock()
	notes := f.notes
	if f.inUse != nil {
		if text := f.inUse(); text != "" {
			notes = append(notes[:len(notes):len(notes)], Note{Text: text, Unsure: true})
		}
	}
	return notes
}

func (f *files) note(text string, unsure bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.notes = append(f.notes, Note{Text: text, Unsure: unsure})
}

// Size adds up the files.
func (f *files) Size(ctx context.Context) (total int64, err error) {
	err = f.walk(ctx, func(u Unit) error {
		total += u.Size
		return ctx.Err()
	}, func(Damage) {})
	return total, err
}

// Units walks through the folders.
func (f *files) Units(ctx context.Context, each func(Unit) error, damage func(Damage)) error {
	return f.walk(ctx, each, damage)
}

// Read reads files. One that cannot be read is damage, not an error.
func (f *files) Read(ctx context.Context, units []Unit, sink Sink) error {
	if f.dig == nil {
		f.dig = newDigester(asIs, false)
		f.dig.steady = f.steady
		f.in = bufio.NewReaderSize(nil, 64<<10)
	}
	for _, u := range units {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := sink.Begin(u); err != nil {
			return err
		}
		sure, err := f.readUnit(ctx, u, sink)
		if err != nil {
			return err
		}
		if err := sink.End(sure); err != nil {
			return err
		}
	}
	return nil
}

// readUnit returns an error only where the sink has one or ctx ended.
func (f *files) readUnit(ctx context.Context, u Unit, sink Sink) (sure bool, err error) {
	file, err := os.Open(f.path(u))
	if err != nil {
		sink.Damage(Damage{What: "cannot be read: " + cause(err), Lost: true})
		sink.Octets(u.Size)
		return false, nil
	}
	defer file.Close()
	taker := &fileTaker{ctx: ctx, unit: u, sink: sink, dig: f.dig}
	err = f.readFile(file, u, taker)
	if taker.err != nil {
		return false, taker.err
	}
	if err != nil {
		sink.Damage(Damage{What: "cannot be read to its end: " + cause(err), Lost: true})
		return false, nil
	}
	after, err := file.Stat()
	if err != nil || after.Size() != u.Size || after.ModTime().UnixNano() != u.Stamp {
		f.note(fmt.Sprintf("%s changed while it was read; close the mail program that uses it and run merge again", u.Key), true)
		return false, nil
	}
	return u.Format == FormatMaildir || u.Format == FormatStore || timely(u.Stamp, time.Now()), nil
}

// path is where a unit's file is.
func (f *files) path(u Unit) string { return filepath.Join(f.root, filepath.FromSlash(u.File)) }

// cause is an error without the path, which the report names anyway.
func cause(err error) string {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err.Error()
	}
	return err.Error()
}

func (f *files) readFile(file *os.File, u Unit, taker *fileTaker) error {
	if u.Format == FormatMbox {
		taker.dig.steady = f.steady
		_, err := scanMbox(file, u.Size, taker)
		return err
	}
	record, err := readSingle(file, u, f.dig, f.in, nil)
	if err != nil {
		return err
	}
	if u.Format == FormatEMLX && record.Length < 0 {
		record.Length = u.Size
		taker.sink.Damage(Damage{Offset: u.Size, What: "the file ends before its message does"})
	}
	taker.octets(u.Size)
	taker.err = taker.sink.Message(record)
	return nil
}

// levelOf says what of a format's header fields is left out again.
func levelOf(format Format) level {
	switch format {
	case FormatStore, FormatRemote:
		return asIs
	case FormatMbox:
		return ofMbox
	}
	return ofClients
}

// errHasCR says that a Maildir's file holds the wire form itself.
var errHasCR = errors.New("file has a CR")

// readSingle reads a file that is one message. Its wire form goes to w, which
// may be nil. A w that had some of it gets all of it anew: it has to be a
// resetter.
func readSingle(file io.ReadSeeker, u Unit, dig *digester, in *bufio.Reader, w resetter) (Record, error) {
	record := Record{Length: u.Size}
	body := io.Reader(file)
	var tail []byte
	if u.Format == FormatEMLX {
		n, err := emlxLength(file)
		if err != nil {
			return record, err
		}
		body = io.LimitReader(file, n)
		if at, err := file.Seek(0, io.SeekCurrent); err == nil && at+n > u.Size {
			record.Length = -1 // told by readFile
		}
	}
	wholeLines := u.Format == FormatEML || u.Format == FormatEMLX
	err := digestFile(body, dig, in, levelOf(u.Format), true, !wholeLines, w)
	if errors.Is(err, errHasCR) {
		if _, err := file.Seek(0, io.SeekStart); err != nil {
			return record, err
		}
		if w != nil {
			w.Reset()
		}
		err = digestFile(body, dig, in, levelOf(u.Format), false, false, w)
	}
	if err != nil {
		return record, err
	}
	if u.Format == FormatEMLX {
		if tail, err = io.ReadAll(io.LimitReader(file, 1<<20)); err != nil {
			return record, err
		}
	}
	id, marks, err := dig.finish()
	record.Identity, record.Expunged = id, marks.expunged
	record.Flags = marks.flags()
	if u.Format == FormatEMLX {
		record.Flags = record.Flags.Union(emlxFlags(tail))
	}
	return record, err
}

// resetter is a writer that can forget what it got.
type resetter interface {
	io.Writer
	Reset()
}

// digestFile hands a file's lines to the digester.
func digestFile(body io.Reader, dig *digester, in *bufio.Reader, strip level, crlf, stopAtCR bool, w io.Writer) error {
	dig.reset(strip, crlf, nil)
	if w != nil {
		dig.to = w
	}
	in.Reset(body)
	for {
		p, err := in.ReadSlice('\n')
		if stopAtCR && bytes.IndexByte(p, '\r') >= 0 {
			return errHasCR
		}
		dig.line(p)
		if err == io.EOF {
			return nil
		}
		if err != nil && err != bufio.ErrBufferFull {
			return err
		}
	}
}

// emlxLength reads the first line: how many octets the message has.
func emlxLength(file io.Reader) (int64, error) {
	var line []byte
	var one [1]byte
	for len(line) < 32 {
		if _, err := io.ReadFull(file, one[:]); err != nil {
			break
		}
		if one[0] == '\n' {
			n, err := strconv.ParseInt(string(bytes.TrimSpace(line)), 10, 64)
			if err != nil || n < 0 {
				break
			}
			return n, nil
		}
		line = append(line, one[0])
	}
	return 0, errors.New("does not begin with a length, as .emlx files do")
}

// Bits of the flags in an .emlx file's property list.
var emlxBits = []struct {
	bit  uint64
	flag string
}{
	{1 << 0, mailbox.FlagSeen},
	{1 << 1, mailbox.FlagDeleted},
	{1 << 2, mailbox.FlagAnswered},
	{1 << 4, mailbox.FlagFlagged},
	{1 << 6, mailbox.FlagDraft},
	{1 << 8, mailbox.FlagForwarded},
}

// emlxFlags finds <key>flags</key><integer>N</integer>.
func emlxFlags(plist []byte) mailbox.Flags {
	_, rest, found := bytes.Cut(plist, []byte("<key>flags</key>"))
	if !found {
		return mailbox.Flags{}
	}
	_, rest, _ = bytes.Cut(rest, []byte("<integer>"))
	digits, _, _ := bytes.Cut(rest, []byte("</integer>"))
	bits, err := strconv.ParseUint(string(bytes.TrimSpace(digits)), 10, 64)
	if err != nil {
		return mailbox.Flags{}
	}
	var names []string
	for _, row := range emlxBits {
		if bits&row.bit != 0 {
			names = append(names, row.flag)
		}
	}
	return mailbox.NewFlags(names...)
}

// fileTaker makes records of what an mbox scan finds.
type fileTaker struct {
	ctx  context.Context
	unit Unit
	sink Sink
	dig  *digester
	err  error

	offset   int64
	envelope mailbox.Date
	count    int64
}

func (t *fileTaker) begin(offset int64, envelope mailbox.Date) error {
	t.offset, t.envelope = offset, envelope
	t.dig.reset(ofMbox, true, nil)
	return nil
}

func (t *fileTaker) line(p []byte) {
	t.octets(int64(len(p)))
	t.dig.line(p)
}

func (t *fileTaker) end(length int64, quoted bool) error {
	id, marks, err := t.dig.finish()
	if err == nil {
		err = t.ctx.Err()
	}
	if err == nil && marks.bad {
		t.sink.Damage(Damage{Offset: t.offset, What: "an X-Mozilla-Status that is no number"})
	}
	if err == nil && length > 0 {
		record := Record{
			Identity: id, Offset: t.offset, Length: length, Quoted: quoted,
			Flags: marks.flags(), Expunged: marks.expunged, Filed: t.envelope,
		}
		if !record.Filed.Known {
			record.Filed = t.unit.Date
		}
		err = t.sink.Message(record)
	}
	t.err = err
	return err
}

func (t *fileTaker) damage(d Damage) {
	t.octets(d.Length)
	t.sink.Damage(d)
}

// octets tells of progress now and then.
func (t *fileTaker) octets(n int64) {
	const often = 1 << 20
	if t.count += n; t.count >= often {
		t.sink.Octets(t.count)
		t.count = 0
	}
}
