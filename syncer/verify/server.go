package verify

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"

	"golang.org/x/sync/errgroup"

	"mailferry/syncer/mailbox"
)

// Bounds of one fetch: enough messages to keep the connection busy, few enough
// to share a mailbox between connections.
const (
	fetchMessages = 1000
	fetchOctets   = 16 << 20
)

// Server is a side on a mail server.
type Server struct {
	Remote Remote
	// Connections is how many fetches run at once, at least 1.
	Connections int
	// Journal, if not nil, remembers hashes over an interruption.
	Journal *Journal
	slots   chan struct{}
}

// NewServer returns a side whose fetches share connections.
func NewServer(remote Remote, connections int, journal *Journal) *Server {
	connections = max(connections, 1)
	return &Server{Remote: remote, Connections: connections, Journal: journal, slots: make(chan struct{}, connections)}
}

// Mailboxes lists the account's mailboxes.
func (s *Server) Mailboxes(ctx context.Context) ([]mailbox.Name, error) {
	listed, err := s.Remote.List(ctx)
	if err != nil {
		return nil, err
	}
	if server, ok := s.Remote.(mailbox.LeavesOut); ok {
		for _, left := range server.LeftOut() {
			return nil, fmt.Errorf("the server's mailbox %q cannot be compared: %w", left.Text, left.Err)
		}
	}
	names := make([]mailbox.Name, len(listed))
	for i, l := range listed {
		names[i] = l.Name
	}
	return distinct(names), nil
}

// List observes a mailbox. A listing that is not provably complete is an error:
// absence would prove nothing.
func (s *Server) List(ctx context.Context, name mailbox.Name) ([]Message, mailbox.UIDValidity, error) {
	var messages []Message
	seen, err := s.Remote.Observe(ctx, name, mailbox.Since{}, func(row mailbox.RemoteMessage) error {
		m := Message{UID: row.UID, Flags: row.Flags, Date: row.Date, Size: -1}
		if row.HasSize {
			m.Size = row.Size
		}
		messages = append(messages, m)
		return nil
	})
	if err != nil {
		return nil, 0, err
	}
	if !seen.Complete {
		return nil, 0, fmt.Errorf("%s: %w", name, mailbox.ErrIncomplete)
	}
	for uid := range seen.Spoiled.All() {
		messages = append(messages, Message{UID: uid, Size: -1})
	}
	return messages, seen.Status.UIDValidity, nil
}

// Hash fetches messages on several connections.
func (s *Server) Hash(ctx context.Context, ref mailbox.Ref, messages []*Message, read func(int64)) error {
	var wanted []*Message
	for _, m := range messages {
		if hash, size, ok := s.Journal.lookUp(ref, m.UID); ok {
			m.Hash, m.Size = hash, size
			read(size)
			continue
		}
		wanted = append(wanted, m)
	}
	err := s.fetchAll(ctx, ref, wanted, func(by map[mailbox.UID]*Message) mailbox.FetchSink {
		return &hashing{side: s, ref: ref, messages: by, read: read}
	})
	return errors.Join(err, s.Journal.flush())
}

// fetchAll cuts messages into fetches and runs them side by side.
func (s *Server) fetchAll(ctx context.Context, ref mailbox.Ref, messages []*Message, sink func(map[mailbox.UID]*Message) mailbox.FetchSink) error {
	group, ctx := errgroup.WithContext(ctx)
	for len(messages) > 0 {
		n, octets := 0, int64(0)
		for n < len(messages) && n < fetchMessages && (n == 0 || octets+messages[n].Size <= fetchOctets) {
			octets += max(messages[n].Size, 0)
			n++
		}
		part := messages[:n]
		messages = messages[n:]
		select {
		case s.slots <- struct{}{}:
		case <-ctx.Done():
			return group.Wait()
		}
		group.Go(func() error {
			defer func() { <-s.slots }()
			by, uids := byUID(part)
			if err := s.Remote.Fetch(ctx, ref, uids, mailbox.Whole, sink(by)); err != nil {
				return err
			}
			for _, m := range part {
				if m.Hash.IsZero() && m.Trouble == nil {
					m.Trouble = mailbox.ErrNotFound
				}
			}
			return nil
		})
	}
	return group.Wait()
}

func byUID(messages []*Message) (map[mailbox.UID]*Message, mailbox.UIDSet) {
	by := make(map[mailbox.UID]*Message, len(messages))
	uids := make([]mailbox.UID, len(messages))
	for i, m := range messages {
		by[m.UID], uids[i] = m, m.UID
	}
	return by, mailbox.UIDs(uids...)
}

// hashing is a FetchSink that keeps nothing but the hash.
type hashing struct {
	side     *Server
	ref      mailbox.Ref
	messages map[mailbox.UID]*Message
	read     func(int64)
	hash     mailbox.Hash
	size     int64
}

// Receive hashes one body.
func (h *hashing) Receive(size int64, body io.Reader) error {
	sum := sha256.New()
	n, err := io.Copy(sum, body)
	if err != nil {
		return err
	}
	if n != size && size != mailbox.UnknownSize {
		return io.ErrUnexpectedEOF
	}
	sum.Sum(h.hash[:0])
	h.size = n
	return nil
}

// Row names the body that came last.
func (h *hashing) Row(uid mailbox.UID) error {
	m := h.messages[uid]
	if m == nil {
		return nil
	}
	// The octets count, not the size that was announced: some servers lie.
	m.Hash, m.Size = h.hash, h.size
	h.side.Journal.record(h.ref, uid, m.Hash, m.Size)
	h.read(h.size)
	return nil
}

// Drop notes that a message has no content to be had.
func (h *hashing) Drop(uid mailbox.UID, reason error) error {
	if m := h.messages[uid]; m != nil && m.Hash.IsZero() {
		m.Trouble = reason
	}
	return nil
}

// Canonical fetches messages for what servers leave alone.
func (s *Server) Canonical(ctx context.Context, ref mailbox.Ref, messages []*Message) (map[*Message]Canonical, error) {
	by, uids := byUID(messages)
	sink := &canonicals{messages: by, found: map[*Message]Canonical{}}
	if err := s.Remote.Fetch(ctx, ref, uids, mailbox.Whole, sink); err != nil {
		return nil, err
	}
	return sink.found, nil
}

// canonicals is a FetchSink that keeps canonical forms.
type canonicals struct {
	messages map[mailbox.UID]*Message
	found    map[*Message]Canonical
	last     Canonical
}

func (c *canonicals) Receive(_ int64, body io.Reader) (err error) {
	c.last, err = Canonicalize(body)
	return err
}

func (c *canonicals) Row(uid mailbox.UID) error {
	if m := c.messages[uid]; m != nil {
		c.found[m] = c.last
	}
	return nil
}

func (c *canonicals) Drop(mailbox.UID, error) error { return nil }

// Header fetches a message's header.
func (s *Server) Header(ctx context.Context, ref mailbox.Ref, uid mailbox.UID, _ mailbox.Key) ([]byte, error) {
	var sink header
	if uid == 0 {
		return nil, nil
	}
	err := s.Remote.Fetch(ctx, ref, mailbox.UIDs(uid), mailbox.HeaderOnly, &sink)
	return sink, err
}

// header is a FetchSink that keeps the beginning of one header.
type header []byte

func (h *header) Receive(_ int64, body io.Reader) error {
	octets, err := io.ReadAll(io.LimitReader(body, headerOctets))
	if err != nil {
		return err
	}
	*h = octets
	_, err = io.Copy(io.Discard, body)
	return err
}

func (h *header) Row(mailbox.UID) error         { return nil }
func (h *header) Drop(mailbox.UID, error) error { return nil }
