package synctest

import (
	"bufio"
	"fmt"
	"net"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"mailferry/syncer/mailbox"
)

// Gmail is a server as Gmail is one: All Mail has every message, labels are
// mailboxes that have some of them again, and X-GM-MSGID tells which is which.
// It is read-only, and counts what it is asked for.
type Gmail struct {
	Addr string

	names []string
	boxes map[string][]gmailMessage

	mu sync.Mutex
	// Bodies counts how often each message was read, by X-GM-MSGID; Headers
	// counts headers.
	bodies  map[uint64]int
	headers int
}

type gmailMessage struct {
	id     uint64
	octets []byte
}

// AllMail is the mailbox that has every message.
const AllMail = "[Gmail]/All Mail"

// StartGmail starts a server with n messages of size octets in All Mail, each
// of them in one of the labels, too.
func StartGmail(tb testing.TB, n, size int, labels ...string) *Gmail {
	tb.Helper()
	g := &Gmail{names: append([]string{"INBOX", AllMail}, labels...), boxes: map[string][]gmailMessage{}, bodies: map[uint64]int{}}
	for i := range n {
		text := fmt.Sprintf("Message-ID: <%d@gmail>\r\nSubject: %d\r\n\r\n", i, i)
		m := gmailMessage{uint64(1_500_000_000_000_000_000 + i), []byte(text + strings.Repeat("line\r\n", max(size-len(text), 0)/6))}
		g.boxes[AllMail] = append(g.boxes[AllMail], m)
		if len(labels) > 0 {
			label := labels[i%len(labels)]
			g.boxes[label] = append(g.boxes[label], m)
		}
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	g.Addr = listener.Addr().String()
	tb.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go g.serve(conn)
		}
	}()
	return g
}

// Bodies returns how often each message was read, and how many headers were.
func (g *Gmail) Bodies() (bodies map[uint64]int, headers int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	bodies = map[uint64]int{}
	for id, n := range g.bodies {
		bodies[id] = n
	}
	return bodies, g.headers
}

// Octets is the size of All Mail.
func (g *Gmail) Octets() (n int64) {
	for _, m := range g.boxes[AllMail] {
		n += int64(len(m.octets))
	}
	return n
}

func (g *Gmail) serve(conn net.Conn) {
	defer conn.Close()
	out := bufio.NewWriterSize(conn, 1<<20)
	fmt.Fprint(out, "* OK Gimap ready\r\n")
	lines := bufio.NewScanner(conn)
	selected := ""
	for out.Flush() == nil && lines.Scan() {
		tag, command, _ := strings.Cut(lines.Text(), " ")
		_ = conn.SetDeadline(time.Now().Add(patience))
		words := strings.Fields(strings.ToUpper(command) + " none")
		switch verb := words[0]; {
		case verb == "LOGOUT":
			fmt.Fprintf(out, "* BYE\r\n%s OK done\r\n", tag)
			_ = out.Flush()
			return
		case verb == "CAPABILITY":
			fmt.Fprint(out, "* CAPABILITY IMAP4rev1 UIDPLUS CONDSTORE ESEARCH X-GM-EXT-1\r\n")
		case verb == "LIST":
			for _, name := range g.names {
				fmt.Fprintf(out, "* LIST () \"/\" \"%s\"\r\n", name)
			}
		case verb == "STATUS":
			name := nameIn(command)
			n := len(g.boxes[name])
			fmt.Fprintf(out, "* STATUS \"%s\" (MESSAGES %d UIDNEXT %d UIDVALIDITY 1 HIGHESTMODSEQ 5)\r\n", name, n, n+1)
		case verb == "SELECT", verb == "EXAMINE":
			selected = nameIn(command)
			n := len(g.boxes[selected])
			fmt.Fprintf(out, "* FLAGS (\\Seen)\r\n* OK [PERMANENTFLAGS (\\Seen \\*)] ok\r\n* %d EXISTS\r\n* 0 RECENT\r\n* OK [UIDVALIDITY 1] ok\r\n* OK [UIDNEXT %d] ok\r\n* OK [HIGHESTMODSEQ 5] ok\r\n", n, n+1)
		case verb == "UID" && words[1] == "SEARCH":
			fmt.Fprintf(out, "* ESEARCH (TAG \"%s\") UID ALL 1:%d\r\n", tag, max(len(g.boxes[selected]), 1))
		case verb == "UID" && words[1] == "FETCH":
			g.fetch(out, selected, words[2], strings.ToUpper(command))
		}
		fmt.Fprintf(out, "%s OK done\r\n", tag)
	}
}

var quotedName = regexp.MustCompile(`"([^"]*)"`)

func nameIn(command string) string {
	if found := quotedName.FindStringSubmatch(command); found != nil {
		return found[1]
	}
	return strings.Fields(command)[1]
}

func (g *Gmail) fetch(out *bufio.Writer, name, set, items string) {
	messages := g.boxes[name]
	set = strings.ReplaceAll(set, "*", fmt.Sprint(max(len(messages), 1)))
	uids, err := mailbox.ParseUIDSet(set)
	if err != nil {
		return
	}
	for uid := range uids.All() {
		if int(uid) > len(messages) {
			break
		}
		m := messages[uid-1]
		answer := fmt.Sprintf("UID %d", uid)
		for _, item := range []struct{ name, value string }{
			{"X-GM-MSGID", fmt.Sprint(m.id)}, {"FLAGS", `(\Seen)`}, {"RFC822.SIZE", fmt.Sprint(len(m.octets))},
			{"INTERNALDATE", fmt.Sprintf(`"17-Jul-1996 02:44:%02d +0000"`, m.id%60)},
		} {
			if strings.Contains(items, item.name) {
				answer += " " + item.name + " " + item.value
			}
		}
		if strings.Contains(items, "MODSEQ") || strings.Contains(items, "CHANGEDSINCE") {
			answer += " MODSEQ (5)"
		}
		for section, octets := range map[string][]byte{"BODY.PEEK[]": m.octets, "BODY.PEEK[HEADER]": header(m.octets)} {
			if strings.Contains(items, section) {
				answer += fmt.Sprintf(" %s {%d}\r\n%s", strings.Replace(section, ".PEEK", "", 1), len(octets), octets)
				g.count(m.id, section == "BODY.PEEK[]")
			}
		}
		fmt.Fprintf(out, "* %d FETCH (%s)\r\n", uid, answer)
	}
}

func (g *Gmail) count(id uint64, whole bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if whole {
		g.bodies[id]++
	} else {
		g.headers++
	}
}

// Labels names n labels.
func Labels(n int) []string {
	var labels []string
	for i := range n {
		labels = append(labels, fmt.Sprintf("Label %02d", i))
	}
	return slices.Clip(labels)
}
