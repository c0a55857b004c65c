package export

import (
	"crypto/sha256"
	"errors"
	"hash"
	"io"

	"mailferry/syncer/mailbox"
)

// Message is one message to write.
type Message struct {
	Mailbox mailbox.Name
	Key     mailbox.Key
	Flags   mailbox.Flags
	Date    mailbox.Date
	// Open returns the wire form.
	Open func() (io.ReadCloser, error)
}

// Writer takes messages, all of one mailbox before those of the next.
type Writer interface {
	// Add writes one message and returns its entry of the manifest.
	Add(m Message) (Entry, error)
	// Close finishes what was written. Nothing counts before it returned nil.
	Close() error
}

// Entry is a line of the manifest.
type Entry struct {
	// Path of the file below the target, with slashes. In an mbox many
	// messages share it.
	Path    string       `json:"path"`
	Mailbox mailbox.Name `json:"mailbox"`
	Key     mailbox.Key  `json:"key"`
	// Size and SHA256 are of the wire form.
	Size   int64    `json:"size"`
	SHA256 string   `json:"sha256"`
	Date   string   `json:"date,omitempty"`
	Flags  []string `json:"flags"`
}

// ErrExists is returned where a file that would be written is there already.
var ErrExists = errors.New("already exists")

// counted hashes and counts what is read through it.
type counted struct {
	from io.Reader
	sum  hash.Hash
	size int64
}

func newCounted(from io.Reader) *counted { return &counted{from: from, sum: sha256.New()} }

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.from.Read(p)
	c.sum.Write(p[:n])
	c.size += int64(n)
	return n, err
}

// entry describes a message that was read to its end.
func (c *counted) entry(m Message, path string) Entry {
	var hash mailbox.Hash
	c.sum.Sum(hash[:0])
	e := Entry{Path: path, Mailbox: m.Mailbox, Key: m.Key, Size: c.size, SHA256: hash.String(), Flags: m.Flags.Names()}
	if m.Date.Known {
		e.Date = m.Date.Time().Format("2006-01-02T15:04:05Z07:00")
	}
	return e
}
