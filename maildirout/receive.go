package maildirout

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"

	"mailferry/syncer/mailbox"
)

// createFile makes a file that must not be there yet, with fileMode whatever
// the umask.
func createFile(root *os.Root, name string) (*os.File, error) {
	file, err := root.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, fileMode)
	if err != nil {
		return nil, err
	}
	if err := file.Chmod(fileMode); err != nil {
		file.Close()
		root.Remove(name)
		return nil, err
	}
	return file, nil
}

// createDraft is createFile, which leaves modes alone once a file has shown that
// they come out as they are asked for.
func (s *Store) createDraft(root *os.Root, name string) (*os.File, error) {
	file, err := root.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, fileMode)
	if err != nil || s.keepsModes.Load() {
		return file, err
	}
	info, err := file.Stat()
	if err == nil && info.Mode().Perm() == fileMode {
		s.keepsModes.Store(true)
		return file, nil
	}
	if err == nil {
		err = file.Chmod(fileMode)
	}
	if err != nil {
		file.Close()
		root.Remove(name)
		return nil, err
	}
	return file, nil
}

// openDraft makes a draft in a folder's tmp. A folder that somebody removed or
// replaced while its tmp was open is looked for again.
func (s *Store) openDraft(name mailbox.Name, draft string) (*desk, *os.File, error) {
	for again := false; ; again = true {
		d, err := s.takeDesk(name)
		if err != nil {
			return nil, nil, err
		}
		file, err := s.createDraft(d.tmp, draft)
		if err == nil {
			return d, file, nil
		}
		s.giveBack(d)
		if again || !errors.Is(err, fs.ErrNotExist) {
			return nil, nil, err
		}
		s.clearDesks()
	}
}

// Receive writes a message of size octets to the folder's tmp and reads no
// further, or to the body's end when size is mailbox.UnknownSize. A body that
// ends early (io.ErrUnexpectedEOF) or cannot be written leaves nothing behind.
// mailbox.ErrNotFound if there is no such folder.
func (s *Store) Receive(ctx context.Context, name mailbox.Name, size int64, body io.Reader) (mailbox.Draft, error) {
	if size < 0 && size != mailbox.UnknownSize {
		return mailbox.Draft{}, fmt.Errorf("receive for %s: a message of %d octets", name, size)
	}
	key, err := s.keys.next()
	if err != nil {
		return mailbox.Draft{}, err
	}
	s.holdDraft(key)
	d, file, err := s.openDraft(name, draftName(key))
	if err != nil {
		s.dropDraft(key)
		return mailbox.Draft{}, fmt.Errorf("receive for %s: %w", name, s.explain(err))
	}
	defer s.giveBack(d)
	b := s.buffers.Get().(*buffers)
	defer s.buffers.Put(b)
	r := recorder{root: d.tmp, name: draftName(key), file: file, buffers: b, digest: NewDigest()}
	if err := r.record(ctx, size, body); err != nil {
		s.dropDraft(key)
		return mailbox.Draft{}, fmt.Errorf("receive for %s: %w", name, s.explain(err))
	}
	content := r.digest.Content()
	content.Verbatim = r.verbatim
	if r.verbatim {
		key += verbatimMark
	}
	return mailbox.Draft{Name: name, Key: key, Content: content}, nil
}

func (s *Store) holdDraft(key mailbox.Key) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drafts[draftName(key)] = struct{}{}
}

func (s *Store) dropDraft(key mailbox.Key) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.drafts, draftName(key))
}

// explain adds how much room there is to an error of a full disk.
func (s *Store) explain(err error) error {
	if !errors.Is(err, syscall.ENOSPC) {
		return err
	}
	free, known := freeSpace(s.dir)
	if !known {
		return err
	}
	return fmt.Errorf("%w (%d octets free)", err, free)
}

// recorder writes one message, in disk form as long as that is possible.
type recorder struct {
	root    *os.Root // the folder's tmp
	name    string
	file    *os.File
	buffers *buffers
	digest  *Digest

	verbatim bool
	cr       bool  // a CR is read and not written, as an LF may follow
	written  int64 // octets in the file
}

// record fills the file and closes it; after an error the file is gone.
func (r *recorder) record(ctx context.Context, size int64, body io.Reader) (err error) {
	defer func() {
		if closed := r.file.Close(); err == nil {
			err = closed
		}
		if err != nil {
			r.root.Remove(r.name)
		}
	}()
	if size == mailbox.UnknownSize {
		err = r.copyAll(ctx, body)
	} else {
		err = r.copy(ctx, size, body)
	}
	if err == nil && r.cr {
		err = r.turnVerbatim()
	}
	return err
}

// copy writes exactly size octets.
func (r *recorder) copy(ctx context.Context, size int64, body io.Reader) error {
	for left := size; left > 0; {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := io.ReadFull(body, r.buffers.in[:min(left, chunk)])
		if err != nil {
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return fmt.Errorf("%d of %d octets: %w", size-left+int64(n), size, err)
		}
		left -= int64(n)
		if err := r.write(r.buffers.in[:n]); err != nil {
			return err
		}
	}
	return nil
}

// copyAll writes what there is. Only io.EOF itself is the message's end.
func (r *recorder) copyAll(ctx context.Context, body io.Reader) error {
	for octets := int64(0); ; {
		if err := ctx.Err(); err != nil {
			return err
		}
		n := 0
		var err error
		for n < chunk && err == nil {
			var more int
			more, err = body.Read(r.buffers.in[n:])
			n += more
		}
		octets += int64(n)
		if err := r.write(r.buffers.in[:n]); err != nil {
			return err
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("after %d octets: %w", octets, err)
		}
	}
}

func (r *recorder) write(p []byte) error {
	r.digest.Write(p)
	if !r.verbatim {
		disk, cr, ok := toDisk(r.buffers.out[:0], p, r.cr)
		if ok {
			r.cr = cr
			return r.put(disk)
		}
		if err := r.turnVerbatim(); err != nil {
			return err
		}
	}
	return r.put(p)
}

func (r *recorder) put(p []byte) error {
	n, err := r.file.Write(p)
	r.written += int64(n)
	return err
}

// turnVerbatim makes the file hold the wire form of what was written so far,
// and of what follows. It uses only half of the buffers, as the other half may
// hold what comes next.
func (r *recorder) turnVerbatim() error {
	r.verbatim = true
	if r.written > 0 {
		if err := r.rewrite(); err != nil {
			return err
		}
	}
	if r.cr {
		r.cr = false
		return r.put([]byte{'\r'})
	}
	return nil
}

func (r *recorder) rewrite() (err error) {
	name := r.name + ".v"
	file, err := createFile(r.root, name)
	if err != nil {
		return err
	}
	if err = expand(file, io.NewSectionReader(r.file, 0, r.written), r.buffers.out[:]); err == nil {
		err = r.root.Rename(name, r.name)
	}
	if err != nil {
		file.Close()
		r.root.Remove(name)
		return err
	}
	r.file.Close() // the old one has no name any more
	r.file = file
	r.written, err = file.Seek(0, io.SeekCurrent)
	return err
}

// expand copies a file in disk form as wire form, with buf as only memory.
func expand(to io.Writer, from io.Reader, buf []byte) error {
	third := len(buf) / 3
	for {
		n, err := from.Read(buf[:third])
		if _, err := to.Write(toWire(buf[third:third], buf[:n])); err != nil {
			return err
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}
