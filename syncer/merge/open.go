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
	"path"
	"path/filepath"
	"strings"

	"mailferry/syncer/mailbox"
)

// maxInMemory is how large a message may be to be held in memory while it is
// handed on; larger ones wait in a temporary file.
const maxInMemory = 4 << 20

// Open reads a message again and checks that it is still the same before it
// hands over the first octet.
func (f *files) Open(ctx context.Context, u Unit, r Record) (io.ReadCloser, error) {
	file, err := os.Open(f.path(u))
	if errors.Is(err, fs.ErrNotExist) {
		file, err = os.Open(f.renamed(u))
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrChanged, err)
	}
	defer file.Close()
	return spooled(r, func(w resetter) (Identity, error) {
		dig := newDigester(levelOf(u.Format), true)
		dig.steady = f.steady
		if u.Format != FormatMbox {
			got, err := readSingle(file, u, dig, bufio.NewReaderSize(nil, 64<<10), w)
			return got.Identity, err
		}
		dig.reset(ofMbox, true, w)
		taker := &rereader{dig: dig}
		err := readMboxMessage(file, r.Offset, r.Length, r.Quoted, taker)
		return taker.id, err
	})
}

// renamed finds a Maildir's file that a mail reader gave other flags.
func (f *files) renamed(u Unit) string {
	folder := filepath.Dir(filepath.Dir(f.path(u)))
	for _, sub := range []string{"cur", "new"} {
		entries, _ := os.ReadDir(filepath.Join(folder, sub))
		for _, entry := range entries {
			if base, _, _ := strings.Cut(entry.Name(), ":"); base == path.Base(u.Key) {
				return filepath.Join(folder, sub, entry.Name())
			}
		}
	}
	return f.path(u)
}

// rereader takes one message of an mbox file.
type rereader struct {
	dig *digester
	id  Identity
}

func (r *rereader) begin(int64, mailbox.Date) error { return nil }
func (r *rereader) line(p []byte)                   { r.dig.line(p) }
func (r *rereader) damage(Damage)                   {}
func (r *rereader) end(int64, bool) (err error) {
	r.id, _, err = r.dig.finish()
	return err
}

// spooled has a message written somewhere and compares it with its record.
func spooled(r Record, write func(resetter) (Identity, error)) (io.ReadCloser, error) {
	s := &spool{limit: maxInMemory}
	id, err := write(s)
	if err == nil && s.err != nil {
		err = s.err
	}
	if err == nil && (id.Content.Hash != r.Content.Hash || id.Content.Size != r.Content.Size) {
		err = ErrChanged
	}
	if err == nil {
		err = s.rewind()
	}
	if err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// spool holds a message, in memory as long as it is small.
type spool struct {
	limit int
	small bytes.Buffer
	large *os.File
	err   error
}

func (s *spool) Write(p []byte) (int, error) {
	if s.large == nil && s.small.Len()+len(p) > s.limit {
		if s.large, s.err = os.CreateTemp("", "mailferry-merge-"); s.err != nil {
			return 0, s.err
		}
		// The name goes at once where the system allows it: nothing stays
		// behind, whatever happens.
		os.Remove(s.large.Name())
		if _, s.err = s.small.WriteTo(s.large); s.err != nil {
			return 0, s.err
		}
	}
	if s.large == nil {
		return s.small.Write(p)
	}
	n, err := s.large.Write(p)
	if err != nil {
		s.err = err
	}
	return n, err
}

// Reset forgets what was written.
func (s *spool) Reset() {
	s.small.Reset()
	if s.large != nil {
		s.Close()
		s.large = nil
	}
}

func (s *spool) rewind() error {
	if s.large == nil {
		return nil
	}
	_, err := s.large.Seek(0, io.SeekStart)
	return err
}

func (s *spool) Read(p []byte) (int, error) {
	if s.large == nil {
		return s.small.Read(p)
	}
	return s.large.Read(p)
}

// Close removes the temporary file.
func (s *spool) Close() error {
	if s.large == nil {
		return nil
	}
	name := s.large.Name()
	err := s.large.Close()
	os.Remove(name)
	return err
}
