package state

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"

	"mailferry/syncer/mailbox"
)

// marksFile holds what is remembered of contents for good: a line each, a sign
// and the SHA-256. The last line about a content counts. It is only ever
// appended to, beside the database, so that it outlives the database's damage.
const marksFile = "archived"

// markSigns begin the lines of the file.
var markSigns = map[mailbox.Mark]byte{mailbox.Archived: '+', mailbox.Returned: '='}

// Marks returns all marks. Lines that cannot be read are left out: the worst
// that follows from one is a message on the server once more.
func (s *Store) Marks(context.Context) (mailbox.Marks, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.readMarks(); err != nil {
		return nil, fmt.Errorf("marks of the archive: %w", err)
	}
	return maps.Clone(s.marks), nil
}

// Mark gives contents a mark; when it returns, that is durable. Contents that
// have it already cost nothing.
func (s *Store) Mark(_ context.Context, mark mailbox.Mark, contents []mailbox.Hash) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.options.ReadOnly {
		return ErrReadOnly
	}
	if err := s.readMarks(); err != nil {
		return fmt.Errorf("marks of the archive: %w", err)
	}
	var text []byte
	var fresh []mailbox.Hash
	for _, content := range contents {
		if !content.IsZero() && s.marks[content] != mark {
			text = fmt.Appendf(text, "%c%s\n", markSigns[mark], content)
			fresh = append(fresh, content)
		}
	}
	if len(fresh) == 0 {
		return nil
	}
	if err := appendDurably(filepath.Join(s.control, marksFile), text); err != nil {
		return fmt.Errorf("marks of the archive: %w", fault(err, false))
	}
	for _, content := range fresh {
		s.marks[content] = mark
	}
	return nil
}

// readMarks reads the file once.
func (s *Store) readMarks() error {
	if s.marks != nil {
		return nil
	}
	path := filepath.Join(s.control, marksFile)
	if err := mustBeFile(path); err != nil {
		return err
	}
	marks := mailbox.Marks{}
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		s.marks = marks
		return nil
	}
	if err != nil {
		return err
	}
	defer file.Close()
	lines := bufio.NewReaderSize(file, 1<<16)
	for {
		line, err := lines.ReadSlice('\n')
		for mark, sign := range markSigns {
			if len(line) == 66 && line[0] == sign {
				if content, err := mailbox.ParseHash(string(line[1:65])); err == nil {
					marks[content] = mark
				}
			}
		}
		switch {
		case err == io.EOF:
			s.marks = marks
			return nil
		case err != nil && !errors.Is(err, bufio.ErrBufferFull):
			return err
		}
	}
}

// forgetMarks moves the marks of another account's archive aside.
func forgetMarks(control string) error {
	path := filepath.Join(control, marksFile)
	if err := os.Rename(path, path+".old"); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fault(err, false)
	}
	return nil
}

func mustBeFile(path string) error {
	if info, err := os.Lstat(path); err == nil && !info.Mode().IsRegular() {
		return fmt.Errorf("%s: is not a file", path)
	}
	return nil
}

// appendDurably appends to a file. A line that a power cut tore is ended first,
// so that it spoils none of ours.
func appendDurably(path string, text []byte) error {
	if err := mustBeFile(path); err != nil {
		return err
	}
	_, err := os.Lstat(path)
	isNew := errors.Is(err, fs.ErrNotExist)
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	size, err := file.Seek(0, io.SeekEnd)
	last := []byte{'\n'}
	if err == nil && size > 0 {
		_, err = file.ReadAt(last, size-1)
	}
	if err == nil && last[0] != '\n' {
		text = append([]byte{'\n'}, text...)
	}
	if err == nil {
		_, err = file.Write(text)
	}
	if err = errors.Join(err, file.Sync(), file.Close()); err != nil || !isNew {
		return err
	}
	return syncFolder(filepath.Dir(path))
}
