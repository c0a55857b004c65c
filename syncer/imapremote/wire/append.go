package wire

import (
	"fmt"
	"io"
	"strings"
	"time"

	"mailferry/syncer/mailbox"
)

// appendWindow is how many pipelined APPENDs await their answer.
const appendWindow = 64

// AppendRequest uploads messages. (RFC 9051, section 6.3.12)
type AppendRequest struct {
	// Name is in wire octets.
	Name    string
	Uploads []mailbox.Upload
	// Groups says how many uploads each command carries, in order; nil: one
	// each. Such a command is all or nothing, so what it carries is opened
	// before it begins; if one of them cannot be opened, each goes in a command
	// of its own. Above 1 requires MULTIAPPEND. (RFC 3502)
	Groups     []int
	Mode       AppendMode
	NonSyncMax int64
}

// Append uploads in order and calls done for each upload that was answered,
// in order, from the calling goroutine. done's err is that message's refusal
// (*mailbox.ServerError), or why it could not be opened; of a group all are
// refused together. An upload with more or fewer octets than its Size closes
// the stream before the server could take it for whole, and is reported both to
// done and as the error. An error of done stops the upload.
func (x *Exchange) Append(req AppendRequest, done func(i int, at mailbox.Appended, err error) error) error {
	if len(req.Uploads) == 0 {
		return nil
	}
	s := &sending{
		x:     x,
		req:   req,
		done:  done,
		sent:  make(chan *sentCommand, appendWindow),
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
	// sent has the commands in order, each from before its first octet is written.
	sent chan *sentCommand
	// goOn tells the writer, which waits for "+", whether it came.
	goOn chan bool
	quit chan struct{}
	// ended is closed when the writer is through.
	ended chan struct{}
}

// sentCommand is an APPEND of the uploads from first on.
type sentCommand struct {
	first, n int
	cmd      *command
	// failed is why it was not sent at all.
	failed error
	// waits counts the "+" that the writer waits for.
	waits int
	// broken is set before ended is closed: why the stream was closed while
	// upload number at was sent.
	broken error
	at     int
}

// write sends the uploads, until quit.
func (s *sending) write() {
	defer close(s.ended)
	defer close(s.sent)
	defer s.x.out.Flush()
	if s.req.Groups == nil {
		for i := range s.req.Uploads {
			if !s.writeGroup(i, 1) {
				return
			}
		}
		return
	}
	first := 0
	for _, n := range s.req.Groups {
		if !s.writeGroup(first, n) {
			return
		}
		first += n
	}
}

// writeGroup sends a command for n uploads; false ends the writer.
func (s *sending) writeGroup(first, n int) bool {
	sources, err := openAll(s.req.Uploads[first : first+n])
	switch {
	case err != nil && n == 1:
		return s.hand(&sentCommand{first: first, n: 1, failed: fmt.Errorf("open message: %w", err)})
	case err != nil:
		for i := range n {
			if !s.writeGroup(first+i, 1) {
				return false
			}
		}
		return true
	}
	defer closeAll(sources)
	return s.writeCommand(&sentCommand{first: first, n: n}, sources)
}

func openAll(uploads []mailbox.Upload) ([]io.ReadCloser, error) {
	sources := make([]io.ReadCloser, 0, len(uploads))
	for _, upload := range uploads {
		source, err := upload.Open()
		if err != nil {
			closeAll(sources)
			return nil, err
		}
		sources = append(sources, source)
	}
	return sources, nil
}

func closeAll(sources []io.ReadCloser) {
	for _, source := range sources {
		if source != nil {
			source.Close()
		}
	}
}

// hand gives a command to the reader; false: it is gone.
func (s *sending) hand(up *sentCommand) bool {
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

// writeCommand sends one APPEND; false ends the writer.
func (s *sending) writeCommand(up *sentCommand, sources []io.ReadCloser) bool {
	x := s.x
	uploads := s.req.Uploads[up.first : up.first+up.n]
	for _, upload := range uploads {
		if s.req.waits(upload.Size) {
			up.waits++
		}
	}
	if s.each {
		up.waits++
	}
	waits := up.waits // the reader's from here on
	up.cmd = &command{name: "APPEND", tag: x.nextTag(), begun: time.Now()}
	if !s.hand(up) {
		return false
	}
	x.out.WriteString(up.cmd.tag + " APPEND ")
	if s.each {
		fmt.Fprintf(x.out, "{%d}\r\n", len(s.req.Name))
		if goOn, alive := s.wait(); !goOn {
			return alive
		}
		x.out.WriteString(s.req.Name)
	} else {
		x.out.WriteString(quote(s.req.Name))
	}
	for i, upload := range uploads {
		wait := s.req.waits(upload.Size)
		x.out.WriteString(" " + appendArguments(upload) + literalHeader(upload.Size, wait))
		if wait {
			if goOn, alive := s.wait(); !goOn {
				return alive
			}
		}
		if err := x.copyLiteral(sources[i], upload.Size); err != nil {
			up.broken, up.at = fmt.Errorf("append: %w", err), up.first+i
			x.c.fail(fmt.Errorf("%s: %w: %w", x.c.addr, mailbox.ErrNetwork, up.broken))
			return false
		}
		sources[i].Close() // a source may hold a buffer from its first octet on
		sources[i] = nil
	}
	if _, err := x.out.WriteString("\r\n"); err != nil {
		return false
	}
	// With LITERAL+ the buffer is flushed when it is full, or when nothing
	// follows: small messages share packets.
	if len(s.sent) == 0 || waits > 0 || up.n > 1 {
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
			if err := s.done(up.first, mailbox.Appended{}, up.failed); err != nil {
				return err
			}
			continue
		}
		if err := s.answer(up); err != nil {
			return s.explain(up, err)
		}
		if err := s.report(up); err != nil {
			return err
		}
	}
	return nil
}

// report tells done the answer to a command, which is that of each of its
// uploads.
func (s *sending) report(up *sentCommand) error {
	var refusal error
	if up.cmd.refusal != nil {
		refusal = up.cmd.refusal
	}
	places := appendedAt(up.cmd.result, up.n)
	for i := range up.n {
		var at mailbox.Appended
		if refusal == nil && places != nil {
			at = places[i]
		}
		if err := s.done(up.first+i, at, refusal); err != nil {
			return err
		}
	}
	return nil
}

// answer reads until the command is answered, and passes "+" to the writer.
func (s *sending) answer(up *sentCommand) error {
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
		// Refused instead: the writer goes on with the next command.
		s.goOn <- false
	}
	return nil
}

// explain prefers the writer's reason for closing the stream, which concerns a
// message, and reports that message.
func (s *sending) explain(up *sentCommand, err error) error {
	<-s.ended
	for ; up != nil; up = <-s.sent {
		if up.broken != nil {
			if stop := s.done(up.at, mailbox.Appended{}, up.broken); stop != nil {
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

// appendedAt reads APPENDUID, whose set is in the order of the n messages; nil
// unless it has as many, for then it tells nothing. (RFC 4315, section 3; RFC
// 3502, section 6.3.11)
func appendedAt(st statusText, n int) []mailbox.Appended {
	if st.Code != "APPENDUID" {
		return nil
	}
	validity, uids, _ := strings.Cut(st.Args, " ")
	set, err := parseSet([]byte(uids))
	if err != nil || set.Len() != n || number32(validity) == 0 {
		return nil
	}
	list := make([]mailbox.Appended, 0, n)
	for uid := range set.All() {
		list = append(list, mailbox.Appended{UIDValidity: mailbox.UIDValidity(number32(validity)), UID: uid})
	}
	return list
}
