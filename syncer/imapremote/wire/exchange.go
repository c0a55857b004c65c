package wire

import (
	"bufio"
	"fmt"
	"strconv"
	"time"

	"mailferry/syncer/mailbox"
)

// How much of an answer that nobody wants any more is read before closing the
// stream is the better way out.
const (
	drainRows   = 64 << 20
	drainBodies = 1 << 20
)

// Exchange is the data plane's turn on the stream; valid inside Raw only.
//
// A NO, BAD or BYE is returned as *mailbox.ServerError. After NO and BAD the
// exchange goes on; after any other error of its own the stream is closed. An
// error of a callback is returned as it is; what is left of the answer is
// read and dropped, or the stream closed where that would be long.
type Exchange struct {
	c   *Conn
	out *bufio.Writer
	// pending are the commands that were begun and not answered, in order.
	pending []*command
}

// command is one command in flight.
type command struct {
	tag, name string
	// data takes an untagged answer that arrives while the command is the
	// oldest in flight; false leaves it to the Conn.
	data func(a answer) (bool, error)
	// status sees untagged OK, NO and BAD.
	status func(st statusText)
	// continued says that "+" arrived for a literal.
	continued bool
	// abandoned is the callback's error; data is no longer called.
	abandoned error

	answered bool
	result   statusText
	begun    time.Time // where commands are traced
	refusal  *mailbox.ServerError
}

func newExchange(c *Conn) *Exchange {
	return &Exchange{c: c, out: bufio.NewWriterSize(transmitter{c}, 64<<10)}
}

type transmitter struct{ c *Conn }

func (t transmitter) Write(p []byte) (int, error) { return t.c.transmit(p) }

// argument is a piece of a command: words as they are, or a string that is
// quoted or sent as a literal.
type argument struct {
	text     string
	isString bool
}

func words(text string) argument     { return argument{text: text} }
func stringArg(text string) argument { return argument{text: text, isString: true} }

// begin writes a command to the buffer; flush sends it. Words follow each other
// without a space of their own.
func (x *Exchange) begin(cmd *command, arguments ...argument) error {
	x.c.tags++
	cmd.tag = "mf" + strconv.Itoa(x.c.tags)
	x.pending = append(x.pending, cmd)
	x.c.traceBegin(cmd, arguments)
	x.out.WriteString(cmd.tag)
	x.out.WriteByte(' ')
	x.out.WriteString(cmd.name)
	for _, arg := range arguments {
		switch {
		case !arg.isString:
			x.out.WriteString(arg.text)
		case isQuotable(arg.text):
			x.out.WriteString(quote(arg.text))
		default:
			if err := x.literal(cmd, arg.text); err != nil || cmd.answered {
				return err
			}
		}
	}
	_, err := x.out.WriteString("\r\n")
	return err
}

// isQuotable reports whether a quoted string may hold text. Anything else goes
// as a literal, so that nothing can end the line early. (RFC 3501, section 9)
func isQuotable(text string) bool {
	for i := 0; i < len(text); i++ {
		if c := text[i]; c < ' ' || c >= 0x7f {
			return false
		}
	}
	return len(text) <= 8000
}

// literal sends a synchronising literal. The server may refuse the command
// instead: then cmd is answered.
func (x *Exchange) literal(cmd *command, text string) error {
	fmt.Fprintf(x.out, "{%d}\r\n", len(text))
	if err := x.awaitContinuation(cmd); err != nil || cmd.answered {
		return err
	}
	_, err := x.out.WriteString(text)
	return err
}

// awaitContinuation sends what is buffered and reads until "+" or cmd's answer.
func (x *Exchange) awaitContinuation(cmd *command) error {
	if err := x.out.Flush(); err != nil {
		return err
	}
	cmd.continued = false
	for !cmd.continued && !cmd.answered {
		if err := x.step(cmd); err != nil {
			return x.broken(err)
		}
	}
	return nil
}

// do sends one command and awaits its answer.
func (x *Exchange) do(cmd *command, arguments ...argument) error {
	if err := x.begin(cmd, arguments...); err != nil {
		return err
	}
	return x.await(cmd)
}

// await sends what is buffered and reads until cmd is answered. Earlier
// commands are answered on the way.
func (x *Exchange) await(cmd *command) error {
	if err := x.out.Flush(); err != nil {
		return err
	}
	for !cmd.answered {
		if err := x.step(nil); err != nil {
			err = x.broken(err)
			if cmd.abandoned != nil {
				return cmd.abandoned
			}
			return err
		}
	}
	if cmd.abandoned != nil {
		return cmd.abandoned
	}
	if cmd.refusal != nil {
		return cmd.refusal
	}
	return nil
}

// broken closes the stream: its place in the protocol is not known any more.
func (x *Exchange) broken(err error) error {
	x.pending = nil
	return x.c.broken(err)
}

// abandon gives up on the rest of a command's answer after a callback's error.
func (x *Exchange) abandon(cmd *command, err error, drain int64) {
	cmd.abandoned = err
	x.c.in.stopAt = x.c.in.seen + drain
}

// step reads one answer. waiting is the command that may be told to go on.
func (x *Exchange) step(waiting *command) error {
	a, err := x.c.beginAnswer(x.lineLimit())
	if err != nil {
		return err
	}
	switch {
	case a.continuation:
		if waiting == nil || waiting.continued {
			return fmt.Errorf("%w: the server asks to go on with nothing", mailbox.ErrProtocol)
		}
		waiting.continued = true
		return nil
	case a.tag != nil:
		return x.tagged(a)
	}
	return x.untagged(a)
}

// lineLimit leaves room for a SEARCH answer, which is one line, up to what six
// million messages need: the count is the server's word, too.
func (x *Exchange) lineLimit() int {
	return x.c.limits.DataLine + 11*int(min(x.c.exists, 6_000_000))
}

func (x *Exchange) tagged(a answer) error {
	tag, kind := string(a.tag), string(a.kind)
	i := 0
	for i < len(x.pending) && x.pending[i].tag != tag {
		i++
	}
	if i == len(x.pending) {
		return fmt.Errorf("%w: an answer to %.40q, which was not sent", mailbox.ErrProtocol, tag)
	}
	cmd := x.pending[i]
	cmd.result = parseStatusText(x.c.parser.rest())
	switch kind {
	case "OK":
	case "NO", "BAD":
		cmd.refusal = serverError(cmd.name, kind, cmd.result)
	default:
		return fmt.Errorf("%w: %s is answered %.20q", mailbox.ErrProtocol, cmd.name, kind)
	}
	cmd.answered = true
	x.c.traceEnd(cmd, kind)
	x.pending = append(x.pending[:i], x.pending[i+1:]...)
	x.c.strays = 0
	x.c.in.stopAt = 0
	return nil
}

func (x *Exchange) untagged(a answer) error {
	if len(x.pending) > 0 {
		cmd := x.pending[0]
		if cmd.data != nil && cmd.abandoned == nil {
			handled, err := cmd.data(a)
			if handled || err != nil {
				return err
			}
		}
		if cmd.status != nil {
			switch string(a.kind) {
			case "OK", "NO", "BAD":
				cmd.status(parseStatusText(x.c.parser.b[x.c.parser.i:]))
			}
		}
	}
	return x.unsolicited(a)
}

// unsolicited takes note of what nobody asked for. (RFC 9051, section 5.2)
func (x *Exchange) unsolicited(a answer) error {
	if err := x.stray(); err != nil {
		return err
	}
	if string(a.kind) == "BYE" {
		name := "connection"
		if len(x.pending) > 0 {
			name = x.pending[0].name
		}
		if name != "LOGOUT" {
			st := parseStatusText(x.c.parser.b[x.c.parser.i:])
			x.c.announce(Untagged{Kind: "BYE", Text: st.Text})
			return serverError(name, "BYE", st)
		}
	}
	return x.c.notice(a)
}

// stray counts an answer that nobody asked for.
func (x *Exchange) stray() error {
	if x.c.strays++; x.c.strays > x.c.limits.Unsolicited {
		return fmt.Errorf("%w: endless answers that nobody asked for", mailbox.ErrProtocol)
	}
	return nil
}

// Noop does nothing but see untagged data. (RFC 9051, section 6.1.2)
func (x *Exchange) Noop() error { return x.do(&command{name: "NOOP"}) }

// Logout says goodbye. The stream is of no use afterwards. (RFC 9051, section 6.1.3)
func (x *Exchange) Logout() error { return x.do(&command{name: "LOGOUT"}) }

// Unselect leaves the mailbox without expunging; requires UNSELECT. (RFC 3691)
func (x *Exchange) Unselect() error {
	err := x.do(&command{name: "UNSELECT"})
	if err == nil {
		x.c.exists = 0
	}
	return err
}

// Exists is how many messages the selected mailbox has now, after the EXISTS,
// EXPUNGE and VANISHED that were seen in either plane.
func (x *Exchange) Exists() uint32 { return x.c.exists }
