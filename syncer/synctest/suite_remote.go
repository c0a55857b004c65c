package synctest

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"
	"time"

	"mailferry/syncer"
	"mailferry/syncer/mailbox"
)

// RemoteFixture is an account as the implementation under test sees it, and
// another client of it.
type RemoteFixture struct {
	Remote    syncer.Remote
	Messages  syncer.RemoteMessages
	Mailboxes syncer.RemoteMailboxes
	Witness   Witness
	// CondStore and UIDPlus say what the implementation can rely on.
	// ContentIDs: the server has names for contents.
	CondStore, UIDPlus, ContentIDs bool
	// Names are further names of mailboxes that this server takes.
	Names []mailbox.Name
	// Takes says which odd messages the server takes; nil is all of them.
	Takes func(OddMessage) bool
	// Plant puts a message into INBOX that the server would not take over
	// IMAP; nil where that cannot be done.
	Plant func(octets []byte)
	// Only names the one mailbox of a server that has no others; "" if others
	// can be made.
	Only mailbox.Name
	// Since1970 says that the server takes no earlier dates.
	Since1970 bool
}

// remoteCase is a fixture within one subtest.
type remoteCase struct {
	*testing.T
	RemoteFixture
	ctx context.Context
	// box is the mailbox that most subtests make for themselves.
	box mailbox.Name
}

// TestRemote holds an implementation of Remote, RemoteMessages and
// RemoteMailboxes to the ports' contracts. Each subtest opens a fixture of a
// fresh account, which has INBOX and may have other empty mailboxes. Subtests
// in except are those that the server itself cannot pass.
func TestRemote(t *testing.T, open func(t *testing.T) RemoteFixture, except ...string) {
	tables := [][]remoteSubtest{listCases, observeCases, fetchCases, appendCases, changeCases, copyCases, mailboxCases}
	testRemote(t, tables, open, except)
}

// TestReading is TestRemote for a side that messages are only read from: what
// Observe and Fetch promise.
func TestReading(t *testing.T, open func(t *testing.T) RemoteFixture, except ...string) {
	testRemote(t, [][]remoteSubtest{observeCases, fetchCases}, open, except)
}

func testRemote(t *testing.T, tables [][]remoteSubtest, open func(t *testing.T) RemoteFixture, except []string) {
	for _, table := range tables {
		for _, subtest := range table {
			if slices.Contains(except, subtest.name) {
				continue
			}
			t.Run(subtest.name, func(t *testing.T) {
				fixture := open(t)
				t.Cleanup(func() { _ = fixture.Remote.Close() })
				ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
				defer cancel()
				subtest.run(&remoteCase{t, fixture, ctx, cmp.Or(fixture.Only, work)})
			})
		}
	}
}

type remoteSubtest struct {
	name string
	run  func(c *remoteCase)
}

// work is the mailbox that most subtests make for themselves.
const work mailbox.Name = "Work"

// someDate is in a zone that is not a whole number of hours.
func someDate(n int) mailbox.Date {
	return mailbox.DateOf(time.Date(2019, 5, 4, 3, 2, n%60, 0, time.FixedZone("", 5*3600+45*60)))
}

// text is a small message that is not like another number's.
func text(n int) []byte {
	return fmt.Appendf(nil, "Subject: message %d\r\nMessage-ID: <%d@example.org>\r\n\r\nbody %d\r\n", n, n, n)
}

// fill appends n messages as another client and returns what is there.
func (c *remoteCase) fill(name mailbox.Name, n int) []Message {
	c.Helper()
	for i := range n {
		c.Witness.Append(name, mailbox.Flags{}, someDate(i), text(i))
	}
	return c.Witness.Messages(name)
}

// made makes the mailbox and fills it.
func (c *remoteCase) made(n int) []Message {
	c.Helper()
	c.make()
	return c.fill(c.box, n)
}

// make makes the mailbox.
func (c *remoteCase) make() {
	c.Helper()
	if c.Only == "" {
		c.Witness.Create(c.box)
	}
}

// ref names a mailbox with the UIDValidity that it has now.
func (c *remoteCase) ref(name mailbox.Name) mailbox.Ref {
	c.Helper()
	return mailbox.Ref{Name: name, UIDValidity: c.observe(name, mailbox.Since{}).Status.UIDValidity}
}

// seen is an observation with the messages that were handed over.
type seen struct {
	mailbox.Observation
	messages []mailbox.RemoteMessage
}

func (c *remoteCase) observe(name mailbox.Name, since mailbox.Since) seen {
	c.Helper()
	var s seen
	var err error
	s.Observation, err = c.Remote.Observe(c.ctx, name, since, func(m mailbox.RemoteMessage) error {
		s.messages = append(s.messages, m)
		return nil
	})
	if err != nil {
		c.Fatalf("observe %s: %v", name, err)
	}
	if !slices.IsSortedFunc(s.messages, func(a, b mailbox.RemoteMessage) int { return int(int64(a.UID) - int64(b.UID)) }) {
		c.Errorf("observe %s: not in ascending order: %v", name, s.messages)
	}
	return s
}

// present is what a complete observation proves to be there, for a base that
// knows the UIDs in known.
func (s seen) present(known mailbox.UIDSet) mailbox.UIDSet {
	if s.HasPresent {
		return s.Present
	}
	var handed mailbox.UIDSet
	for _, message := range s.messages {
		handed = handed.Append(message.UID)
	}
	handed = handed.Union(s.Spoiled)
	if s.Delta {
		handed = handed.Union(known)
	}
	return handed
}

func (s seen) find(uid mailbox.UID) (mailbox.RemoteMessage, bool) {
	i := slices.IndexFunc(s.messages, func(m mailbox.RemoteMessage) bool { return m.UID == uid })
	if i < 0 {
		return mailbox.RemoteMessage{}, false
	}
	return s.messages[i], true
}

func uidsOf(messages []Message) mailbox.UIDSet {
	var set mailbox.UIDSet
	for _, message := range messages {
		set = set.Append(message.UID)
	}
	return set
}

// since is what a base knows after an observation of these messages.
func since(s seen, known []Message) mailbox.Since {
	return mailbox.Since{Remote: s.Status, Below: len(known)}
}

// sink collects what is fetched and holds Fetch to FetchSink's contract.
type sink struct {
	got      map[mailbox.UID][]byte
	order    []mailbox.UID
	pending  []byte
	received bool
	misuse   error
	// refuse, if not nil, is what Receive returns.
	refuse error
}

func newSink() *sink { return &sink{got: map[mailbox.UID][]byte{}} }

func (s *sink) Receive(size int64, body io.Reader) error {
	if s.refuse != nil {
		return s.refuse
	}
	if s.received {
		s.misuse = errors.New("two Receive without a Row or a Drop between them")
	}
	if size != mailbox.UnknownSize {
		body = io.LimitReader(body, size)
	}
	octets, err := io.ReadAll(body)
	if err != nil {
		return err
	}
	if size != mailbox.UnknownSize && int64(len(octets)) != size {
		return io.ErrUnexpectedEOF
	}
	s.pending, s.received = octets, true
	return nil
}

func (s *sink) Row(uid mailbox.UID) error {
	if _, twice := s.got[uid]; twice || !s.received {
		s.misuse = fmt.Errorf("row of uid %d twice or without Receive", uid)
	}
	s.got[uid], s.received = s.pending, false
	s.order = append(s.order, uid)
	return nil
}

func (s *sink) Drop(mailbox.UID, error) error {
	s.received = false
	return nil
}

func (c *remoteCase) fetch(ref mailbox.Ref, uids mailbox.UIDSet, part mailbox.Part) *sink {
	c.Helper()
	s := newSink()
	if err := c.Remote.Fetch(c.ctx, ref, uids, part, s); err != nil {
		c.Fatalf("fetch: %v", err)
	}
	if s.misuse != nil {
		c.Errorf("fetch: %v", s.misuse)
	}
	return s
}

// upload makes an upload of octets.
func upload(flags mailbox.Flags, date mailbox.Date, octets []byte) mailbox.Upload {
	return mailbox.Upload{Flags: flags, Date: date, Size: int64(len(octets)), Open: func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(octets)), nil
	}}
}

// wantError checks an error that a contract names.
func wantError(t testing.TB, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: error %v, want %v", what, err, want)
	}
}

// wantRefusal checks the error about a mailbox that is there, or is not. Older
// servers refuse without saying why, and that alone proves nothing. (RFC 5530)
func wantRefusal(t testing.TB, what string, err, want error) {
	t.Helper()
	if refusal := (*mailbox.ServerError)(nil); errors.As(err, &refusal) && refusal.Status == "NO" && refusal.Code == "" {
		return
	}
	wantError(t, what, err, want)
}

func must(t testing.TB, what string, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}
