package synctest

import (
	"bufio"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"mailferry/syncer/mailbox"
)

// RogueMailbox is a mailbox of a Rogue.
type RogueMailbox struct {
	Validity   uint32
	Next       uint32
	ModSeq     uint64
	Attributes string
	Messages   []RogueMessage
}

// RogueMessage is a message of a Rogue. Flags and Date are as IMAP writes them.
type RogueMessage struct {
	UID    uint32
	ModSeq uint64
	Flags  []string
	Date   string
	Octets string
}

// RogueDate is the INTERNALDATE of a message that was given none.
const RogueDate = `"17-Jul-2020 02:44:25 +0000"`

// Add appends a message, and returns the mailbox.
func (b *RogueMailbox) Add(octets string, flags ...string) *RogueMailbox {
	b.Next, b.ModSeq = max(b.Next, 1), b.ModSeq+1
	b.Messages = append(b.Messages, RogueMessage{b.Next, b.ModSeq, flags, RogueDate, octets})
	b.Next++
	return b
}

// Remove expunges messages.
func (b *RogueMailbox) Remove(uids ...uint32) {
	b.ModSeq++
	b.Messages = slices.DeleteFunc(b.Messages, func(m RogueMessage) bool { return slices.Contains(uids, m.UID) })
}

// Find returns a message, nil if there is none.
func (b *RogueMailbox) Find(uid uint32) *RogueMessage {
	for i := range b.Messages {
		if b.Messages[i].UID == uid {
			return &b.Messages[i]
		}
	}
	return nil
}

func (b *RogueMailbox) clone() *RogueMailbox {
	copied := *b
	copied.Messages = slices.Clone(b.Messages)
	for i := range copied.Messages {
		copied.Messages[i].Flags = slices.Clone(b.Messages[i].Flags)
	}
	return &copied
}

func (b *RogueMailbox) status(name string) string {
	return fmt.Sprintf("* STATUS %s (MESSAGES %d UIDNEXT %d UIDVALIDITY %d HIGHESTMODSEQ %d)\r\n",
		quoteWire(name), len(b.Messages), max(b.Next, 1), b.Validity, max(b.ModSeq, 1))
}

// named reads a set of UIDs.
func (b *RogueMailbox) named(text string) (mailbox.UIDSet, bool) {
	highest := uint32(0)
	for _, m := range b.Messages {
		highest = max(highest, m.UID)
	}
	set, err := mailbox.ParseUIDSet(strings.ReplaceAll(text, "*", strconv.Itoa(int(max(highest, 1)))))
	return set, err == nil
}

// args are a command's arguments.
func (c *Call) args() []item {
	line := "* " + c.Args + "\r\n"
	items, _, err := readAnswer(bufio.NewReader(strings.NewReader(line)))
	if err != nil || len(items) == 0 {
		return nil
	}
	return items[1:]
}

// answer works out the honest answer. The server's mail is locked.
func (s *rogueSession) answer(c *Call) {
	args, text := c.args(), make([]string, 8)
	for i := range min(len(args), len(text)) {
		text[i] = args[i].text
	}
	ok := "OK done"
	box := s.r.boxes[s.selected]
	switch c.Verb {
	case "CAPABILITY":
		c.Answer = append(c.Answer, "* CAPABILITY "+s.capability()+"\r\n")
	case "LOGIN", "AUTHENTICATE":
		ok = "OK [CAPABILITY " + s.capability() + "] welcome"
	case "NAMESPACE":
		c.Answer = append(c.Answer, "* NAMESPACE ((\"\" \"/\")) NIL NIL\r\n")
	case "ID":
		c.Answer = append(c.Answer, "* ID NIL\r\n")
	case "LIST":
		s.list(c, text[1])
	case "STATUS":
		if named := s.r.boxes[text[0]]; named != nil {
			c.Answer = append(c.Answer, named.status(text[0]))
		} else {
			ok = "NO [NONEXISTENT] no such mailbox"
		}
	case "SELECT", "EXAMINE":
		ok = s.choose(c, text[0])
	case "CREATE", "DELETE", "RENAME":
		ok = s.change(c.Verb, text[0], text[1])
	case "APPEND":
		ok = s.store(args)
	case "UNSELECT", "CLOSE":
		s.selected = ""
	case "LOGOUT":
		c.Answer = append(c.Answer, "* BYE bye\r\n")
	case "UID FETCH", "UID SEARCH", "UID STORE", "UID EXPUNGE", "UID COPY", "UID MOVE":
		if ok = "BAD no mailbox is selected"; box != nil {
			ok = s.messages(c, box, text)
		}
	}
	c.Answer = append(c.Answer, c.Tag+" "+ok+"\r\n")
}

func (s *rogueSession) capability() string {
	if s.r.config.TLS != nil && !s.secure {
		return "IMAP4rev1 STARTTLS LOGINDISABLED"
	}
	return RogueCapability
}

// list takes a pattern for a name unless it is "*" or "".
func (s *rogueSession) list(c *Call, pattern string) {
	for _, name := range slices.Sorted(maps.Keys(s.r.boxes)) {
		box := s.r.boxes[name]
		if pattern != "*" && pattern != name {
			continue
		}
		c.Answer = append(c.Answer, fmt.Sprintf("* LIST (%s) \"/\" %s\r\n", box.Attributes, quoteWire(name)))
		if strings.Contains(c.Args, "STATUS") {
			c.Answer = append(c.Answer, box.status(name))
		}
	}
}

func (s *rogueSession) choose(c *Call, name string) string {
	s.selected = ""
	box := s.r.boxes[name]
	if box == nil {
		return "NO [NONEXISTENT] no such mailbox"
	}
	s.selected = name
	c.Answer = append(c.Answer, "* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft)\r\n",
		"* OK [PERMANENTFLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft \\*)] ok\r\n",
		fmt.Sprintf("* %d EXISTS\r\n", len(box.Messages)), "* 0 RECENT\r\n",
		fmt.Sprintf("* OK [UIDVALIDITY %d] ok\r\n", box.Validity),
		fmt.Sprintf("* OK [UIDNEXT %d] ok\r\n", max(box.Next, 1)),
		fmt.Sprintf("* OK [HIGHESTMODSEQ %d] ok\r\n", max(box.ModSeq, 1)))
	if c.Verb == "EXAMINE" {
		return "OK [READ-ONLY] done"
	}
	return "OK [READ-WRITE] done"
}

func (s *rogueSession) change(verb, name, to string) string {
	box := s.r.boxes[name]
	switch {
	case verb == "CREATE" && box != nil:
		return "NO [ALREADYEXISTS] it is there"
	case verb == "CREATE":
		s.r.boxes[name] = &RogueMailbox{Validity: uint32(1000 + len(s.r.calls)), Next: 1, ModSeq: 1}
	case box == nil:
		return "NO [NONEXISTENT] no such mailbox"
	case verb == "RENAME":
		s.r.boxes[to] = box
	}
	if verb != "CREATE" {
		delete(s.r.boxes, name)
	}
	return "OK done"
}

// store takes one message.
func (s *rogueSession) store(args []item) string {
	box := s.r.boxes[args[0].text]
	if box == nil {
		return "NO [TRYCREATE] no such mailbox"
	}
	message := RogueMessage{Date: RogueDate}
	for _, arg := range args[1 : len(args)-1] {
		if !arg.isList {
			message.Date = `"` + arg.text + `"`
		}
		for _, flag := range arg.list {
			message.Flags = append(message.Flags, flag.text)
		}
	}
	box.Add(args[len(args)-1].text, message.Flags...)
	last := &box.Messages[len(box.Messages)-1]
	last.Date = message.Date
	return fmt.Sprintf("OK [APPENDUID %d %d] done", box.Validity, last.UID)
}

// messages answers the commands about messages of the open mailbox.
func (s *rogueSession) messages(c *Call, box *RogueMailbox, text []string) string {
	if c.Verb == "UID SEARCH" {
		var all mailbox.UIDSet
		for _, m := range box.Messages {
			all = all.Append(mailbox.UID(m.UID))
		}
		answer := fmt.Sprintf("* ESEARCH (TAG \"%s\") UID", c.Tag)
		if !all.IsEmpty() {
			answer += " ALL " + all.String()
		}
		c.Answer = append(c.Answer, answer+"\r\n")
		return "OK done"
	}
	set, ok := box.named(text[0])
	if !ok {
		return "BAD set"
	}
	switch c.Verb {
	case "UID FETCH":
		box.fetch(c, set)
	case "UID STORE":
		return box.flag(c, set)
	case "UID EXPUNGE":
		for i := len(box.Messages) - 1; i >= 0; i-- {
			if m := box.Messages[i]; set.Contains(mailbox.UID(m.UID)) && slices.Contains(m.Flags, `\Deleted`) {
				c.Answer = append(c.Answer, fmt.Sprintf("* %d EXPUNGE\r\n", i+1))
				box.Remove(m.UID)
			}
		}
	case "UID COPY", "UID MOVE":
		return s.copy(c, box, set, text[1])
	}
	return "OK done"
}

func (s *rogueSession) copy(c *Call, box *RogueMailbox, set mailbox.UIDSet, to string) string {
	target := s.r.boxes[to]
	if target == nil {
		return "NO [TRYCREATE] no such mailbox"
	}
	var from, at mailbox.UIDSet
	for _, m := range slices.Clone(box.Messages) {
		if !set.Contains(mailbox.UID(m.UID)) {
			continue
		}
		target.Add(m.Octets, m.Flags...)
		target.Messages[len(target.Messages)-1].Date = m.Date
		from, at = from.Append(mailbox.UID(m.UID)), at.Append(mailbox.UID(target.Next-1))
		if c.Verb == "UID MOVE" {
			box.Remove(m.UID)
		}
	}
	if from.IsEmpty() {
		return "OK done"
	}
	return fmt.Sprintf("OK [COPYUID %d %s %s] done", target.Validity, from, at)
}

// fetch answers with the items that were asked for.
func (b *RogueMailbox) fetch(c *Call, set mailbox.UIDSet) {
	args := strings.ToUpper(c.Args)
	since := uint64(0)
	if _, rest, found := strings.Cut(args, "CHANGEDSINCE "); found {
		since, _ = strconv.ParseUint(strings.TrimRight(rest, ")"), 10, 64)
	}
	for i, m := range b.Messages {
		if !set.Contains(mailbox.UID(m.UID)) || m.ModSeq <= since && since > 0 {
			continue
		}
		c.Answer = append(c.Answer, fmt.Sprintf("* %d FETCH (%s)\r\n", i+1, m.items(args, since > 0)))
	}
}

func (m RogueMessage) items(args string, counts bool) string {
	text := fmt.Sprintf("UID %d", m.UID)
	if strings.Contains(args, "FLAGS") {
		text += " FLAGS (" + strings.Join(m.Flags, " ") + ")"
	}
	if strings.Contains(args, "RFC822.SIZE") {
		text += fmt.Sprintf(" RFC822.SIZE %d", len(m.Octets))
	}
	if strings.Contains(args, "INTERNALDATE") {
		text += " INTERNALDATE " + m.Date
	}
	if counts || strings.Contains(args, "MODSEQ") {
		text += fmt.Sprintf(" MODSEQ (%d)", m.ModSeq)
	}
	for section, octets := range map[string]string{"[]": m.Octets, "[HEADER]": string(header([]byte(m.Octets)))} {
		if strings.Contains(args, "BODY.PEEK"+section) {
			text += fmt.Sprintf(" BODY%s {%d}\r\n%s", section, len(octets), octets)
		}
	}
	return text
}

// flag answers a STORE.
func (b *RogueMailbox) flag(c *Call, set mailbox.UIDSet) string {
	limit := ^uint64(0)
	if _, rest, found := strings.Cut(strings.ToUpper(c.Args), "UNCHANGEDSINCE "); found {
		digits, _, _ := strings.Cut(rest, ")")
		limit, _ = strconv.ParseUint(digits, 10, 64)
	}
	args := c.args()
	what, flags := strings.ToUpper(args[len(args)-2].text), args[len(args)-1]
	var modified mailbox.UIDSet
	b.ModSeq++
	for i := range b.Messages {
		m := &b.Messages[i]
		if !set.Contains(mailbox.UID(m.UID)) {
			continue
		}
		if m.ModSeq > limit {
			modified = modified.Append(mailbox.UID(m.UID))
			continue
		}
		for _, flag := range flags.list {
			m.Flags = slices.DeleteFunc(m.Flags, func(f string) bool { return strings.EqualFold(f, flag.text) })
			if what[0] == '+' {
				m.Flags = append(m.Flags, flag.text)
			}
		}
		m.ModSeq = b.ModSeq
		c.Answer = append(c.Answer, fmt.Sprintf("* %d FETCH (UID %d MODSEQ (%d))\r\n", i+1, m.UID, m.ModSeq))
	}
	if !modified.IsEmpty() {
		return fmt.Sprintf("OK [MODIFIED %s] done", modified)
	}
	return "OK done"
}
