package synctest

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// VastServer is an IMAP server whose INBOX has more, or larger, messages than
// any real one could be filled with in time: they are made as they are asked
// for. What is appended is counted and forgotten. Any user may log in; nothing
// ever changes or is deleted.
type VastServer struct {
	Addr string

	messages int
	size     int64 // of each message, at least vastLeast
	validity atomic.Uint32
	plain    atomic.Bool
	handlers sync.WaitGroup
}

// vastLeast is the size of a VastServer's smallest message.
const vastLeast = 256

const (
	vastCapability = "IMAP4rev1 LITERAL+ SASL-IR ENABLE NAMESPACE UIDPLUS CONDSTORE ESEARCH LIST-EXTENDED LIST-STATUS SPECIAL-USE"
	vastDate       = "07-Mar-2021 10:00:00 +0000"
	vastFiller     = "0123456789012345678901234567890123456789012345678901234567890123456789012\r\n"
)

// Vast starts a VastServer of so many messages of so many octets.
func Vast(tb testing.TB, messages int, size int64) *VastServer {
	tb.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	s := &VastServer{Addr: listener.Addr().String(), messages: messages, size: max(size, vastLeast)}
	s.validity.Store(7)
	s.handlers.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			s.handlers.Go(func() {
				defer conn.Close()
				v := &vastSession{server: s, in: bufio.NewReaderSize(conn, 64<<10), out: bufio.NewWriterSize(conn, 256<<10)}
				v.serve()
			})
		}
	})
	tb.Cleanup(func() {
		listener.Close()
		s.handlers.Wait()
	})
	return s
}

// Renumber gives INBOX another UIDVALIDITY.
func (s *VastServer) Renumber() { s.validity.Add(1) }

// ForgetESearch makes the server one without ESEARCH: it names all UIDs one by
// one. It is for before the first connection.
func (s *VastServer) ForgetESearch() { s.plain.Store(true) }

func (s *VastServer) capability() string {
	if s.plain.Load() {
		return strings.Replace(vastCapability, " ESEARCH", "", 1)
	}
	return vastCapability
}

func vastHeader(uid int) string {
	return fmt.Sprintf("Message-ID: <%010d.vast@example.org>\r\nSubject: letter %010d\r\n\r\n", uid, uid)
}

func (s *VastServer) write(w io.Writer, uid int) error {
	head := vastHeader(uid)
	if _, err := io.WriteString(w, head); err != nil {
		return err
	}
	left := s.size - int64(len(head))
	block := bytes.Repeat([]byte(vastFiller), 512)
	for left > 2 {
		n := min(left-2, int64(len(block)))
		if _, err := w.Write(block[:n]); err != nil {
			return err
		}
		left -= n
	}
	_, err := io.WriteString(w, "\r\n"[:left])
	return err
}

type vastSession struct {
	server   *VastServer
	in       *bufio.Reader
	out      *bufio.Writer
	appended int
}

func (v *vastSession) serve() {
	fmt.Fprintf(v.out, "* OK [CAPABILITY %s AUTH=PLAIN AUTH=LOGIN] ready\r\n", v.server.capability())
	for {
		if v.in.Buffered() == 0 && v.out.Flush() != nil {
			return
		}
		line, err := v.in.ReadString('\n')
		if err != nil {
			return
		}
		tag, command, _ := strings.Cut(strings.TrimRight(line, "\r\n"), " ")
		answer, err := v.answer(tag, strings.ToUpper(command), command)
		if err != nil {
			return
		}
		fmt.Fprintf(v.out, "%s OK %sdone\r\n", tag, answer)
	}
}

// answer writes the untagged part and returns what the tagged OK begins with.
func (v *vastSession) answer(tag, upper, command string) (string, error) {
	n, validity := v.server.messages, v.server.validity.Load()
	status := fmt.Sprintf("MESSAGES %d UIDNEXT %d UIDVALIDITY %d HIGHESTMODSEQ 9", n, n+1, validity)
	switch {
	case strings.HasPrefix(upper, "AUTHENTICATE"), strings.HasPrefix(upper, "LOGIN"), upper == "CAPABILITY":
		fmt.Fprintf(v.out, "* CAPABILITY %s\r\n", v.server.capability())
	case upper == "NAMESPACE":
		v.out.WriteString("* NAMESPACE ((\"\" \"/\")) NIL NIL\r\n")
	case strings.HasPrefix(upper, "LIST"):
		v.out.WriteString("* LIST () \"/\" INBOX\r\n")
		if strings.Contains(upper, "STATUS") {
			fmt.Fprintf(v.out, "* STATUS INBOX (%s)\r\n", status)
		}
	case strings.HasPrefix(upper, "STATUS"):
		fmt.Fprintf(v.out, "* STATUS INBOX (%s)\r\n", status)
	case strings.HasPrefix(upper, "EXAMINE"), strings.HasPrefix(upper, "SELECT"):
		fmt.Fprintf(v.out, "* FLAGS (\\Seen \\Flagged)\r\n* OK [PERMANENTFLAGS (\\Seen \\Flagged \\*)] x\r\n* %d EXISTS\r\n"+
			"* OK [UIDVALIDITY %d] x\r\n* OK [UIDNEXT %d] x\r\n* OK [HIGHESTMODSEQ 9] x\r\n", n, validity, n+1)
	case strings.HasPrefix(upper, "UID SEARCH") && v.server.plain.Load():
		v.out.WriteString("* SEARCH")
		for uid := range n {
			fmt.Fprintf(v.out, " %d", uid+1)
		}
		v.out.WriteString("\r\n")
	case strings.HasPrefix(upper, "UID SEARCH"):
		fmt.Fprintf(v.out, "* ESEARCH (TAG \"%s\") UID ALL 1:%d\r\n", tag, n)
	case strings.HasPrefix(upper, "UID FETCH"):
		return "", v.fetch(upper)
	case strings.HasPrefix(upper, "APPEND"):
		return v.swallow(command)
	case upper == "LOGOUT":
		v.out.WriteString("* BYE\r\n")
	}
	return "", nil
}

// swallow reads the literals of an APPEND.
func (v *vastSession) swallow(command string) (string, error) {
	for {
		_, rest, isLiteral := strings.Cut(command, "{")
		if !isLiteral {
			v.appended++
			return fmt.Sprintf("[APPENDUID %d %d] ", v.server.validity.Load(), v.server.messages+v.appended), nil
		}
		count, _, waits := strings.Cut(rest, "}")
		size, err := strconv.ParseInt(strings.TrimSuffix(count, "+"), 10, 64)
		if err != nil {
			return "", err
		}
		if waits && !strings.HasSuffix(count, "+") {
			v.out.WriteString("+ go on\r\n")
			if err := v.out.Flush(); err != nil {
				return "", err
			}
		}
		if _, err := io.CopyN(io.Discard, v.in, size); err != nil {
			return "", err
		}
		if command, err = v.in.ReadString('\n'); err != nil {
			return "", err
		}
		command = strings.TrimRight(command, "\r\n")
	}
}

func (v *vastSession) fetch(upper string) error {
	if strings.Contains(upper, "CHANGEDSINCE") {
		return nil
	}
	words := strings.SplitN(upper, " ", 4)
	for part := range strings.SplitSeq(words[2], ",") {
		first, last, isRange := strings.Cut(part, ":")
		if !isRange {
			last = first
		}
		from, to := v.number(first), v.number(last)
		for uid := min(from, to); uid <= min(max(from, to), v.server.messages); uid++ {
			if err := v.row(uid, words[3]); err != nil {
				return err
			}
		}
	}
	return nil
}

func (v *vastSession) number(text string) int {
	if n, err := strconv.Atoi(text); err == nil {
		return n
	}
	return v.server.messages
}

func (v *vastSession) row(uid int, items string) error {
	fmt.Fprintf(v.out, "* %d FETCH (UID %d", uid, uid)
	if strings.Contains(items, "FLAGS") {
		fmt.Fprintf(v.out, " FLAGS (\\Seen) RFC822.SIZE %d INTERNALDATE \"%s\"", v.server.size, vastDate)
	}
	if strings.Contains(items, "[HEADER]") {
		header := vastHeader(uid)
		fmt.Fprintf(v.out, " BODY[HEADER] {%d}\r\n%s", len(header), header)
	}
	if strings.Contains(items, "[]") {
		fmt.Fprintf(v.out, " BODY[] {%d}\r\n", v.server.size)
		if err := v.server.write(v.out, uid); err != nil {
			return err
		}
	}
	_, err := v.out.WriteString(")\r\n")
	return err
}
