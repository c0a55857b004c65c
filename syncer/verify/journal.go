package verify

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"mailferry/syncer/mailbox"
)

// Journal remembers the hashes of a server's messages over an interruption, so
// that the next attempt goes on where this one stopped: under one UIDVALIDITY
// the octets of a UID never change. (RFC 9051, section 2.3.1.1)
//
// A nil Journal remembers nothing.
type Journal struct {
	mu    sync.Mutex
	file  *os.File
	out   *bufio.Writer
	known map[journalKey]journalEntry
}

type journalKey struct {
	name     mailbox.Name
	validity mailbox.UIDValidity
	uid      mailbox.UID
}

type journalEntry struct {
	hash mailbox.Hash
	size int64
}

// journalAge is how long an interrupted verification is gone on with.
const journalAge = 24 * time.Hour

// OpenJournal opens or makes the journal at path. One that is older than a day
// is started anew. A line that cannot be read, as a kill leaves it behind, ends
// what is taken over.
func OpenJournal(path string, now time.Time) (*Journal, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("verification's journal: %w", err)
	}
	if info, err := os.Stat(path); err == nil && now.Sub(info.ModTime()) > journalAge {
		if err := RemoveJournal(path); err != nil {
			return nil, err
		}
	}
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("verification's journal: %w", err)
	}
	j := &Journal{file: file, known: map[journalKey]journalEntry{}}
	if err := j.load(); err != nil {
		file.Close()
		return nil, fmt.Errorf("verification's journal: %w", err)
	}
	j.out = bufio.NewWriterSize(file, 64<<10)
	return j, nil
}

func (j *Journal) load() error {
	in := bufio.NewReader(j.file)
	valid := int64(0)
	for {
		line, err := in.ReadString('\n')
		if err != nil && err != io.EOF {
			return err
		}
		key, entry, ok := parseJournalLine(strings.TrimSuffix(line, "\n"))
		if err == io.EOF || !ok {
			break
		}
		j.known[key] = entry
		valid += int64(len(line))
	}
	return j.file.Truncate(valid)
}

func parseJournalLine(line string) (journalKey, journalEntry, bool) {
	var key journalKey
	var entry journalEntry
	var hash, name string
	if _, err := fmt.Sscanf(line, "%d %d %d %64s %q", &key.validity, &key.uid, &entry.size, &hash, &name); err != nil {
		return key, entry, false
	}
	parsed, err := mailbox.ParseHash(hash)
	key.name, entry.hash = mailbox.Name(name), parsed
	return key, entry, err == nil
}

func (j *Journal) lookUp(ref mailbox.Ref, uid mailbox.UID) (mailbox.Hash, int64, bool) {
	if j == nil || ref.UIDValidity == 0 {
		return mailbox.Hash{}, 0, false
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	entry, ok := j.known[journalKey{ref.Name, ref.UIDValidity, uid}]
	return entry.hash, entry.size, ok
}

func (j *Journal) record(ref mailbox.Ref, uid mailbox.UID, hash mailbox.Hash, size int64) {
	if j == nil || ref.UIDValidity == 0 {
		return
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	// A failed write is flush's error.
	fmt.Fprintf(j.out, "%d %d %d %s %q\n", ref.UIDValidity, uid, size, hash, string(ref.Name))
}

// Len counts the messages that an earlier attempt had read.
func (j *Journal) Len() int {
	if j == nil {
		return 0
	}
	return len(j.known)
}

func (j *Journal) flush() error {
	if j == nil {
		return nil
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.out.Flush()
}

// Close closes the journal; when the verification is complete it is removed.
func (j *Journal) Close(complete bool) error {
	if j == nil {
		return nil
	}
	err := errors.Join(j.flush(), j.file.Close())
	if complete {
		err = errors.Join(err, RemoveJournal(j.file.Name()))
	}
	return err
}

// RemoveJournal forgets an interrupted verification.
func RemoveJournal(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("verification's journal: %w", err)
	}
	return nil
}
