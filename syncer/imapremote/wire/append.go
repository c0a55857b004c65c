package wire

import (
	"fmt"
	"io"
	"strings"

	"mailferry/syncer/mailbox"
)

// appendWindow is how many pipelined APPENDs await their answer.
const appendWindow = 64

// nonSyncDefault is what LITERAL- allows. (RFC 7888, section 5)
const nonSyncDefault = 4096

// AppendMode says how literals are sent.
type AppendMode uint8

// The modes, from the slowest.
const (
	// AppendSync waits for the server before each message. NonSyncMax does
	// not count.
	AppendSync AppendMode = iota
	// AppendLiteralMinus does not wait for messages up to NonSyncMax (0: 4096
	// octets). Requires LITERAL-. (RFC 7888)
	AppendLiteralMinus
	// AppendLiteralPlus never waits and pipelines. Requires LITERAL+. (RFC 7888)
	AppendLiteralPlus
	// AppendMulti sends all in one command, which is all or nothing; waits
	// before messages larger than NonSyncMax (0: always). Requires
	// MULTIAPPEND. (RFC 3502) Pipelining with LITERAL+ is as fast, and one
	// refusal costs one message.
	AppendMulti
)

// AppendRequest uploads messages. (RFC 9051, section 6.3.12)
type AppendRequest struct {
	// Name is in wire octets.
	Name       string
	Uploads    []mailbox.Upload
	Mode       AppendMode
	NonSyncMax int64
}

// waits reports whether a literal of that size needs the server's "+".
func (req AppendRequest) waits(size int64) bool {
	switch req.Mode {
	case AppendLiteralPlus:
		return false
	case AppendLiteralMinus:
		limit := req.NonSyncMax
		if limit == 0 {
			limit = nonSyncDefault
		}
		return size > limit
	case AppendMulti:
		return size > req.NonSyncMax
	}
	return true
}

// Append uploads in order and calls done for each upload that was answered,
// in order, from the calling goroutine. done's err is that message's refusal
// (*mailbox.ServerError), or why it could not be opened. An upload with more or
// fewer octets than its Size closes the stream before the server could take it
// for whole, and is reported both to done and as the error. An error of done
// stops the upload.
func (x *Exchange) Append(req AppendRequest, done func(i int, at mailbox.Appended, err error) error) error {
	if len(req.Uploads) == 0 {
		return nil
	}
	if req.Mode == AppendMulti {
		return x.appendMulti(req, done)
	}
	s := &sending{
		x:     x,
		req:   req,
		done:  done,
		sent:  make(chan *sentUpload, appendWindow),
		goOn:  make(chan bool, 1),
		quit:  make(chan struct{}),
		ended: make(chan struct{}),
	}
	if !isQuotable(req.Name) {
		// Its literal would need an answer in the midst of the writer's work.
		s.each = true
	}
	go s.write()
	err := s.read()
	close(s.quit)
	if err != nil && x.c.Err() == nil {
		s.drain()
	}
	<-s.ended
	x.pending = nil
	return err
}

// sending is an upload at work: write runs in a goroutine of its own and owns
// the stream's sending half, read owns the other, so that a server which stops
// reading until its answers are taken cannot block both.
type sending struct {
	x    *Exchange
	req  AppendRequest
	done func(int, mailbox.Appended, error) error
	// each: the mailbox's name goes as a literal, one command at a time.
	each bool
	// sent has the uploads in order, each from before its first octet is written.
	sent chan *sentUpload
	// goOn tells the writer, which waits for "+", whether it came.
	goOn chan bool
	quit chan struct{}
	// ended is closed when the writer is through.
	ended chan struct{}
}

type sentUpload struct {
	i   int
	cmd *command
	// failed is why it was not sent at all.
	failed error
	// waits counts the "+" that the writer waits for.
	waits int
	// broken is set before ended is closed: why the stream was closed.
	broken error
}

// write sends the uploads, until quit.
func (s *sending) write() {
	defer close(s.ended)
	defer close(s.sent)
	defer s.x.out.Flush()
	for i, upload := range s.req.Uploads {
		up := &sentUpload{i: i}
		source, err := upload.Open()
		if err != nil {
			up.failed = fmt.Errorf("open message: %w", err)
			if !s.hand(up) {
				return
			}
			continue
		}
		ok := s.writeOne(up, upload, source)
		source.Close()
		if !ok {
			return
		}
	}
}

// hand gives an upload to the reader; false: it is gone.
func (s *sending) hand(up *sentUpload) bool {
	select {
	case <-s.quit:
		return false
	default:
	}
	select {
	case s.sent <- up:
		return true
	default:
	}
	// What the reader waits for may still be in the buffer.
	if s.x.out.Flush() != nil {
		return false
	}
	select {
	case s.sent <- up:
		return true
	case <-s.quit:
	case <-s.x.c.done:
	}
	return false
}

// writeOne sends one APPEND; false ends the writer.
func (s *sending) writeOne(up *sentUpload, upload mailbox.Upload, source io.Reader) bool {
	x := s.x
	wait := s.req.waits(upload.Size)
	if wait {
		up.waits++
	}
	if s.each {
		up.waits++
	}
	up.cmd = &command{name: "APPEND", tag: x.nextTag()}
	if !s.hand(up) {
		return false
	}
	fmt.Fprintf(x.out, "%s APPEND ", up.cmd.tag)
	if s.each {
		fmt.Fprintf(x.out, "{%d}\r\n", len(s.req.Name))
		if goOn, alive := s.wait(); !goOn {
			return alive
		}
		x.out.WriteString(s.req.Name)
	} else {
		x.out.WriteString(quote(s.req.Name))
	}
	x.out.WriteString(" " + appendArguments(upload))
	x.out.WriteString(literalHeader(upload.Size, wait))
	if wait {
		if goOn, alive := s.wait(); !goOn {
			return alive
		}
	}
	if err := x.copyLiteral(source, upload.Size); err != nil {
		up.broken = fmt.Errorf("append: %w", err)
		x.c.fail(fmt.Errorf("%s: %w: %w", x.c.addr, mailbox.ErrNetwork, up.broken))
		return false
	}
	if _, err := x.out.WriteString("\r\n"); err != nil {
		return false
	}
	// With LITERAL+ the buffer is flushed when it is full, or when nothing
	// follows: small messages share packets.
	if len(s.sent) == 0 || wait {
		return x.out.Flush() == nil
	}
	return true
}

// wait sends what is buffered and waits for "+"; alive is false when the
// stream is not usable any more.
func (s *sending) wait() (goOn, alive bool) {
	if s.x.out.Flush() != nil {
		return false, false
	}
	select {
	case goOn = <-s.goOn:
		return goOn, true
	case <-s.x.c.done:
		return false, false
	}
}

// read takes the answers in order. Its error is done's or the stream's.
func (s *sending) read() error {
	for up := range s.sent {
		if up.failed != nil {
			if err := s.done(up.i, mailbox.Appended{}, up.failed); err != nil {
				return err
			}
			continue
		}
		if err := s.answer(up); err != nil {
			return s.explain(up, err)
		}
		var refusal error
		if up.cmd.refusal != nil {
			refusal = up.cmd.refusal
		}
		if err := s.done(up.i, appendedAt(up.cmd.result), refusal); err != nil {
			return err
		}
	}
	return nil
}

// answer reads until the upload is answered, and passes "+" to the writer.
func (s *sending) answer(up *sentUpload) error {
	x := s.x
	x.pending = append(x.pending, up.cmd)
	for !up.cmd.answered {
		var waiting *command
		if up.waits > 0 {
			waiting = up.cmd
		}
		if err := x.step(waiting); err != nil {
			return x.broken(err)
		}
		if up.cmd.continued {
			up.cmd.continued = false
			up.waits--
			s.goOn <- true
		}
	}
	if up.waits > 0 {
		// Refused instead: the writer goes on with the next message.
		s.goOn <- false
	}
	return nil
}

// explain prefers the writer's reason for closing the stream, which concerns a
// message, and reports that message.
func (s *sending) explain(up *sentUpload, err error) error {
	<-s.ended
	for ; up != nil; up = <-s.sent {
		if up.broken != nil {
			if stop := s.done(up.i, mailbox.Appended{}, up.broken); stop != nil {
				return stop
			}
			return err
		}
	}
	return err
}

// drain reads the answers to what was begun before done stopped the upload.
func (s *sending) drain() {
	for up := range s.sent {
		if up.cmd != nil && s.answer(up) != nil {
			return
		}
	}
}

// nextTag is for commands that are not begun with begin.
func (x *Exchange) nextTag() string {
	x.c.tags++
	return fmt.Sprintf("mf%d", x.c.tags)
}

// appendArguments are flags and date, each with a space behind it.
func appendArguments(upload mailbox.Upload) string {
	text := ""
	if !upload.Flags.IsEmpty() {
		text = "(" + strings.Join(upload.Flags.Names(), " ") + ") "
	}
	if date := formatDate(upload.Date); date != "" {
		text += date + " "
	}
	return text
}

func literalHeader(size int64, waits bool) string {
	if waits {
		return fmt.Sprintf("{%d}\r\n", size)
	}
	return fmt.Sprintf("{%d+}\r\n", size)
}

// copyLiteral sends exactly size octets. A source with fewer or more is an
// error before the literal could count as whole.
func (x *Exchange) copyLiteral(source io.Reader, size int64) error {
	n, err := io.CopyN(x.out, source, size)
	if err == io.EOF {
		return fmt.Errorf("the message has %d octets instead of %d: %w", n, size, io.ErrUnexpectedEOF)
	}
	if err != nil {
		return err
	}
	var more [1]byte
	if n, err := io.ReadFull(source, more[:]); n > 0 {
		return fmt.Errorf("the message has more than %d octets", size)
	} else if err != io.EOF {
		return err
	}
	return nil
}

// appendedAt reads APPENDUID. One that is not in order tells nothing.
// (RFC 4315, section 3)
func appendedAt(st statusText) mailbox.Appended {
	if st.Code != "APPENDUID" {
		return mailbox.Appended{}
	}
	validity, uids, _ := strings.Cut(st.Args, " ")
	set, err := parseSet([]byte(uids))
	if err != nil || set.Len() != 1 || number32(validity) == 0 {
		return mailbox.Appended{}
	}
	return mailbox.Appended{UIDValidity: mailbox.UIDValidity(number32(validity)), UID: set.Max()}
}
