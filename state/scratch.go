package state

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strings"
	"sync"

	"mailferry/syncer/mailbox"
)

// Scratch keeps messages found on disk in a temporary file: names, hashes, dates
// and flags, no content. It is not part of the state and goes when it is closed.
type Scratch struct {
	mu   sync.Mutex
	file *os.File
	// pending was put and not written yet, behind size octets that were.
	pending []byte
	size    int64
}

// scratchBuffer is how much is written at a time.
const scratchBuffer = 64 << 10

// ErrScratchFull is returned by a Scratch that holds all it can name.
var ErrScratchFull = errors.New("the temporary file is full")

// NewScratch makes the temporary file. Errors are the system's.
func NewScratch() (*Scratch, error) {
	file, err := os.CreateTemp(scratchDir(), "mailferry-scratch-")
	if err != nil {
		return nil, err
	}
	// Where the system lets it, the name goes at once, so that a run that is
	// killed leaves nothing behind.
	_ = os.Remove(file.Name())
	return &Scratch{file: file}, nil
}

// scratchDir is where large temporary files go: /tmp is often memory.
func scratchDir() string {
	const large = "/var/tmp"
	if info, err := os.Stat(large); os.Getenv("TMPDIR") == "" && err == nil && info.IsDir() {
		return large
	}
	return os.TempDir()
}

// Put keeps a message and returns its place. Errors: ErrScratchFull, or the
// system's.
func (s *Scratch) Put(message mailbox.LocalMessage) (uint32, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	place := s.size + int64(len(s.pending))
	if place > math.MaxUint32 {
		return 0, ErrScratchFull
	}
	s.pending = appendScratch(s.pending, message)
	if len(s.pending) < scratchBuffer {
		return uint32(place), nil
	}
	if _, err := s.file.WriteAt(s.pending, s.size); err != nil {
		s.pending = s.pending[:place-s.size]
		return 0, err
	}
	s.size += int64(len(s.pending))
	s.pending = s.pending[:0]
	return uint32(place), nil
}

// Get returns the message of a place that Put returned.
func (s *Scratch) Get(place uint32) (mailbox.LocalMessage, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	message, err := s.get(int64(place))
	if err != nil {
		return mailbox.LocalMessage{}, fmt.Errorf("temporary file: %w", err)
	}
	return message, nil
}

func (s *Scratch) get(place int64) (mailbox.LocalMessage, error) {
	if place >= s.size {
		if place-s.size >= int64(len(s.pending)) {
			return mailbox.LocalMessage{}, io.ErrUnexpectedEOF
		}
		return readScratch(s.pending[place-s.size:])
	}
	var head [4]byte
	if _, err := s.file.ReadAt(head[:], place); err != nil {
		return mailbox.LocalMessage{}, err
	}
	record := make([]byte, len(head)+int(binary.LittleEndian.Uint32(head[:])))
	if place+int64(len(record)) > s.size {
		return mailbox.LocalMessage{}, io.ErrUnexpectedEOF
	}
	if _, err := s.file.ReadAt(record, place); err != nil {
		return mailbox.LocalMessage{}, err
	}
	return readScratch(record)
}

// Close removes the file.
func (s *Scratch) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	err := s.file.Close()
	if removed := os.Remove(s.file.Name()); err == nil && !errors.Is(removed, os.ErrNotExist) {
		err = removed
	}
	return err
}

// A record is its length in 4 octets, the key's length, size and date, bits, the
// hashes if they are known, the key, and the flags as text.
const (
	scratchFixed  = 4 + 8 + 8 + 4 + 1
	scratchHashes = 32 + 32
)

// Bits of a record.
const (
	scratchVerbatim = 1 << iota
	scratchDated
	scratchHashed
)

func appendScratch(b []byte, m mailbox.LocalMessage) []byte {
	start := len(b)
	b = append(b, 0, 0, 0, 0)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(m.Key)))
	b = binary.LittleEndian.AppendUint64(b, uint64(m.Content.Size))
	b = binary.LittleEndian.AppendUint64(b, uint64(m.Date.Unix))
	b = binary.LittleEndian.AppendUint32(b, uint32(m.Date.Offset))
	isHashed := !m.Content.Hash.IsZero() || !m.Content.Header.IsZero()
	var bits byte
	for i, is := range []bool{m.Content.Verbatim, m.Date.Known, isHashed} {
		if is {
			bits |= 1 << i
		}
	}
	b = append(b, bits)
	if isHashed {
		b = append(append(b, m.Content.Hash[:]...), m.Content.Header[:]...)
	}
	b = append(append(b, m.Key...), m.Flags.String()...)
	binary.LittleEndian.PutUint32(b[start:], uint32(len(b)-start-4))
	return b
}

func readScratch(b []byte) (m mailbox.LocalMessage, err error) {
	if len(b) < 4 || len(b)-4 < int(binary.LittleEndian.Uint32(b)) || binary.LittleEndian.Uint32(b) < scratchFixed {
		return m, io.ErrUnexpectedEOF
	}
	b = b[4:][:binary.LittleEndian.Uint32(b)]
	length, bits := int(binary.LittleEndian.Uint32(b)), b[24]
	m.Content.Size = int64(binary.LittleEndian.Uint64(b[4:]))
	m.Date.Unix = int64(binary.LittleEndian.Uint64(b[12:]))
	m.Date.Offset = int32(binary.LittleEndian.Uint32(b[20:]))
	m.Content.Verbatim, m.Date.Known = bits&scratchVerbatim != 0, bits&scratchDated != 0
	b = b[scratchFixed:]
	if bits&scratchHashed != 0 {
		if len(b) < scratchHashes {
			return m, io.ErrUnexpectedEOF
		}
		copy(m.Content.Hash[:], b)
		copy(m.Content.Header[:], b[32:])
		b = b[scratchHashes:]
	}
	if length > len(b) {
		return m, io.ErrUnexpectedEOF
	}
	m.Key = mailbox.Key(b[:length])
	m.Flags = mailbox.NewFlags(strings.Fields(string(b[length:]))...)
	return m, nil
}
