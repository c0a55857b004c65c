package wire

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"mailferry/syncer/mailbox"
)

// filter reads one answer for the control plane, checks it, and writes it anew:
// a client library that closes the connection over one odd token, or that
// recurses as deep as the server says, sees only what it can read. What the
// control plane never asks for (LIST, FETCH, SEARCH, ...) is dropped.
func (c *Conn) filter() error {
	c.shown = c.shown[:0]
	c.parser.lineLimit = c.limits.Line
	defer func() { c.parser.lineLimit = c.limits.DataLine }()
	a, err := c.beginAnswer(c.limits.Line)
	if err != nil {
		return err
	}
	switch {
	case a.continuation:
		err = c.showContinuation()
	case a.tag != nil:
		c.strays = 0
		err = c.showTagged(a)
	default:
		if c.strays++; c.strays > c.limits.Unsolicited {
			return fmt.Errorf("%w: endless answers that nobody asked for", mailbox.ErrProtocol)
		}
		err = c.showUntagged(a)
	}
	return asProtocol(err)
}

func (c *Conn) show(parts ...string) {
	for _, part := range parts {
		c.shown = append(c.shown, part...)
	}
}

func (c *Conn) showContinuation() error {
	c.mu.Lock()
	awaited := c.control.busy()
	c.mu.Unlock()
	if !awaited {
		return fmt.Errorf("%w: the server asks to go on with nothing", mailbox.ErrProtocol)
	}
	c.show("+ ", plainText(string(c.parser.rest())), "\r\n")
	return nil
}

func (c *Conn) showTagged(a answer) error {
	tag := string(a.tag)
	kind := string(a.kind)
	if kind != "OK" && kind != "NO" && kind != "BAD" {
		return fmt.Errorf("%w: a command is answered %.20q", mailbox.ErrProtocol, kind)
	}
	c.showStatus(tag, kind, parseStatusText(c.parser.rest()))
	c.mu.Lock()
	known := c.control.answered(tag)
	c.turn.Broadcast()
	c.mu.Unlock()
	if !known {
		return fmt.Errorf("%w: an answer to %.40q, which was not sent", mailbox.ErrProtocol, tag)
	}
	return nil
}

// showStatus writes a status response with a code that is well-formed, or none.
func (c *Conn) showStatus(tag, kind string, st statusText) {
	c.show(tag, " ", kind)
	text := plainText(st.Text)
	if code := shownCode(st); code != "" {
		c.show(" [", code, "]")
	} else {
		// Text must not turn into a code, also not by what plainText drops.
		text = strings.TrimLeft(text, "[ ")
	}
	if text != "" {
		c.show(" ", text)
	}
	c.show("\r\n")
}

// shownCode keeps arguments only where the control plane needs them, and then
// only if they are in order.
func shownCode(st statusText) string {
	switch st.Code {
	case "CAPABILITY":
		if names := parseCapabilities([]byte(st.Args)); len(names) > 0 {
			return "CAPABILITY " + strings.Join(names, " ")
		}
		return ""
	case "COPYUID":
		fields := strings.Fields(st.Args)
		if len(fields) != 3 || !isNumber32(fields[0]) || !isSet(fields[1]) || !isSet(fields[2]) {
			return ""
		}
		return "COPYUID " + strings.Join(fields, " ")
	case "APPENDUID":
		fields := strings.Fields(st.Args)
		if len(fields) != 2 || !isNumber32(fields[0]) || !isNumber32(fields[1]) {
			return ""
		}
		return "APPENDUID " + strings.Join(fields, " ")
	case "PERMANENTFLAGS", "UIDNEXT", "UIDVALIDITY", "HIGHESTMODSEQ", "CLOSED":
		// These belong to SELECT, which is the data plane's.
		return ""
	}
	return st.Code
}

func isNumber32(text string) bool {
	_, err := strconv.ParseUint(text, 10, 32)
	return err == nil && text[0] != '+'
}

func isSet(text string) bool {
	_, err := mailbox.ParseUIDSet(text)
	return err == nil
}

// plainText drops control characters, which have no business in text for
// people and may break what reads it.
func plainText(text string) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return -1
		}
		return r
	}, text))
}

func (c *Conn) showUntagged(a answer) error {
	p := &c.parser
	switch kind := string(a.kind); kind {
	case "OK", "NO", "BAD", "BYE":
		st := parseStatusText(p.b[p.i:])
		if kind == "BYE" {
			c.farewell(st)
		}
		c.showStatus("*", kind, st)
		return c.notice(a)
	case "EXISTS", "EXPUNGE":
		c.show("* ", strconv.FormatUint(uint64(a.number), 10), " ", kind, "\r\n")
		return c.notice(a)
	case "CAPABILITY":
		c.show("* CAPABILITY")
		for _, name := range parseCapabilities(p.rest()) {
			c.show(" ", name)
		}
		c.show("\r\n")
		return nil
	case "ID":
		return c.orDrop(c.showID())
	case "NAMESPACE":
		return c.orDrop(c.showNamespace())
	case "QUOTA":
		return c.orDrop(c.showQuota())
	case "QUOTAROOT":
		return c.orDrop(c.showQuotaRoot())
	case "PREAUTH":
		return fmt.Errorf("%w: PREAUTH in mid-session", mailbox.ErrProtocol)
	}
	return c.notice(a)
}

// farewell remembers a BYE, unless the control plane asked for it.
func (c *Conn) farewell(st statusText) {
	c.mu.Lock()
	defer c.mu.Unlock()
	name := c.control.name()
	if name != "LOGOUT" && c.bye == nil {
		c.bye = serverError(name, "BYE", st)
	}
}

// orDrop drops an answer with broken syntax instead of closing the stream.
func (c *Conn) orDrop(err error) error {
	if err != nil {
		c.shown = c.shown[:0]
		if asProtocol(err) == err {
			return err
		}
	}
	return c.parser.skipAnswer()
}

// showID writes the pairs that are strings. (RFC 2971)
func (c *Conn) showID() error {
	p := &c.parser
	p.spaces()
	if p.peek() != '(' {
		c.show("* ID NIL\r\n")
		return nil
	}
	p.i++
	var pairs []string
	for p.spaces(); !p.accept(')'); p.spaces() {
		key, err := p.astring()
		if err != nil {
			return err
		}
		p.spaces()
		value, err := p.astring()
		if err != nil {
			return err
		}
		if value != "NIL" {
			pairs = append(pairs, quote(plainText(key)), quote(plainText(value)))
		}
	}
	if len(pairs) == 0 {
		c.show("* ID NIL\r\n")
		return nil
	}
	c.show("* ID (", strings.Join(pairs, " "), ")\r\n")
	return nil
}

// showNamespace writes prefixes and separators, without extensions. A namespace
// with a separator that is not one ASCII character is left out. (RFC 2342)
func (c *Conn) showNamespace() error {
	p := &c.parser
	c.show("* NAMESPACE")
	for range 3 {
		p.spaces()
		if !p.accept('(') {
			if err := p.skipValue(); err != nil {
				return err
			}
			c.show(" NIL")
			continue
		}
		var list []string
		for p.spaces(); !p.accept(')'); p.spaces() {
			entry, err := p.namespaceEntry()
			if err != nil {
				return err
			}
			if entry != "" {
				list = append(list, entry)
			}
		}
		if len(list) == 0 {
			c.show(" NIL")
		} else {
			c.show(" (", strings.Join(list, ""), ")")
		}
	}
	c.show("\r\n")
	return nil
}

func (p *parser) namespaceEntry() (string, error) {
	if err := p.expect('('); err != nil {
		return "", err
	}
	prefix, err := p.astring()
	if err != nil {
		return "", err
	}
	p.spaces()
	separator, err := p.astring()
	if err != nil {
		return "", err
	}
	for p.spaces(); !p.accept(')'); p.spaces() {
		if err := p.skipValue(); err != nil {
			return "", err
		}
	}
	switch {
	case strings.ContainsAny(prefix, "\r\n\x00"):
		return "", nil
	case separator == "NIL":
		return "(" + quote(prefix) + " NIL)", nil
	case len(separator) == 1 && separator[0] >= ' ' && separator[0] < 0x7f:
		return "(" + quote(prefix) + " " + quote(separator) + ")", nil
	}
	return "", nil
}

// showQuota writes a quota root's resources. (RFC 9208, section 5.1)
func (c *Conn) showQuota() error {
	p := &c.parser
	p.spaces()
	root, err := p.astring()
	if err != nil {
		return err
	}
	p.spaces()
	if err := p.expect('('); err != nil {
		return err
	}
	var resources []string
	for p.spaces(); !p.accept(')'); p.spaces() {
		name := string(p.word())
		var numbers [2]uint64
		for i := range numbers {
			p.spaces()
			if numbers[i], err = p.number(math.MaxInt64); err != nil {
				return err
			}
		}
		if isCodeName([]byte(name)) {
			resources = append(resources, fmt.Sprintf("%s %d %d", name, numbers[0], numbers[1]))
		}
	}
	c.show("* QUOTA ", quote(plainText(root)), " (", strings.Join(resources, " "), ")\r\n")
	return nil
}

// showQuotaRoot writes the quota roots of a mailbox whose name is plain ASCII;
// others the control plane may fail to decode. (RFC 9208, section 5.2)
func (c *Conn) showQuotaRoot() error {
	p := &c.parser
	var names []string
	for p.spaces(); !p.atEnd(); p.spaces() {
		name, err := p.astring()
		if err != nil {
			return err
		}
		names = append(names, quote(plainText(name)))
	}
	if len(names) == 0 || strings.ContainsFunc(names[0], func(r rune) bool { return r == '&' || r > 0x7e }) {
		return nil
	}
	c.show("* QUOTAROOT ", strings.Join(names, " "), "\r\n")
	return nil
}

// quote writes a quoted string. Its octets may not be CR, LF or NUL.
func quote(text string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(text) + `"`
}
