package syncer

import (
	"bytes"
	"crypto/sha256"
	"hash"
	"io"

	"mailferry/syncer/mailbox"
)

// hasher is a FetchSink that keeps of each message only its hash, and whether
// its header has a Message-ID.
type hasher struct {
	hash hash.Hash
	row  func(mailbox.UID)

	sum          mailbox.Hash
	hasMessageID bool
	lineStart    []byte // the first octets of the line at hand
}

func newHasher() *hasher { return &hasher{hash: sha256.New()} }

var messageID = []byte("message-id:")

// Receive implements mailbox.FetchSink.
func (h *hasher) Receive(size int64, body io.Reader) error {
	h.hash.Reset()
	h.hasMessageID, h.lineStart = false, h.lineStart[:0]
	to := io.MultiWriter(h.hash, lineWatcher{h})
	var err error
	if size == mailbox.UnknownSize {
		_, err = io.Copy(to, body)
	} else {
		_, err = io.CopyN(to, body, size)
	}
	if err != nil {
		return err
	}
	h.hash.Sum(h.sum[:0])
	return nil
}

// Row implements mailbox.FetchSink.
func (h *hasher) Row(uid mailbox.UID) error {
	h.row(uid)
	return nil
}

// Drop implements mailbox.FetchSink.
func (h *hasher) Drop(mailbox.UID, error) error { return nil }

// lineWatcher looks at how lines begin.
type lineWatcher struct{ h *hasher }

func (w lineWatcher) Write(p []byte) (int, error) {
	h := w.h
	for rest := p; len(rest) > 0 && !h.hasMessageID; {
		line, after, ended := bytes.Cut(rest, []byte{'\n'})
		if room := len(messageID) - len(h.lineStart); room > 0 {
			h.lineStart = append(h.lineStart, line[:min(room, len(line))]...)
		}
		h.hasMessageID = bytes.EqualFold(h.lineStart, messageID)
		if ended {
			h.lineStart = h.lineStart[:0]
		}
		rest = after
	}
	return len(p), nil
}
