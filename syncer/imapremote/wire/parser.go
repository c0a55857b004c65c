package wire

import (
	"bytes"
	"errors"
	"fmt"
	"math"

	"mailferry/syncer/mailbox"
)

// errSyntax is trouble within one answer; the stream is still in step, because
// the rest of the answer can be skipped.
var errSyntax = errors.New("syntax")

// parser reads one answer's values. It works on a line where the reader has it;
// at a literal it goes on to the octets and the next line. Tokens are valid
// until the next token.
type parser struct {
	in *reader
	// b[i:] is what is left of the line.
	b []byte
	i int
	// lineLimit, literalLimit and nesting are caps, see Limits.
	lineLimit    int
	literalLimit int64
	bodyLimit    int64
	nesting      int
	// unescaped holds quoted strings that had escapes.
	unescaped []byte
	// pending is the size of a literal whose header was read and whose octets
	// were not; -1: none.
	pending int64
}

// start begins an answer whose first line is b.
func (p *parser) start(b []byte) { p.b, p.i, p.pending = b, 0, -1 }

func (p *parser) syntax(want string) error {
	rest := p.b[p.i:]
	return fmt.Errorf("%w: want %s at %.40q", errSyntax, want, rest)
}

func (p *parser) atEnd() bool { return p.i >= len(p.b) }

// peek is the next octet, 0 at the end of the line.
func (p *parser) peek() byte {
	if p.i < len(p.b) {
		return p.b[p.i]
	}
	return 0
}

// accept consumes c if it comes next.
func (p *parser) accept(c byte) bool {
	if p.i < len(p.b) && p.b[p.i] == c {
		p.i++
		return true
	}
	return false
}

func (p *parser) expect(c byte) error {
	if !p.accept(c) {
		return p.syntax(string(rune(c)))
	}
	return nil
}

// spaces consumes any number of spaces: some servers send two, or one before
// the end of a list.
func (p *parser) spaces() {
	for p.i < len(p.b) && p.b[p.i] == ' ' {
		p.i++
	}
}

// rest consumes what is left of the line.
func (p *parser) rest() []byte {
	b := p.b[p.i:]
	p.i = len(p.b)
	return b
}

// end requires that the answer ends here.
func (p *parser) end() error {
	p.spaces()
	if !p.atEnd() {
		return p.syntax("the end of the line")
	}
	return nil
}

// word consumes an atom, taken broadly: up to a space, a parenthesis or the
// end. Servers put all kinds of octets into names and flags.
func (p *parser) word() []byte {
	start := p.i
	for p.i < len(p.b) {
		if c := p.b[p.i]; c == ' ' || c == '(' || c == ')' {
			break
		}
		p.i++
	}
	return p.b[start:p.i]
}

// number reads an unsigned number up to limit.
func (p *parser) number(limit uint64) (uint64, error) {
	start, n := p.i, uint64(0)
	for p.i < len(p.b) {
		d := uint64(p.b[p.i] - '0')
		if d > 9 {
			break
		}
		if n > (math.MaxUint64-d)/10 {
			return 0, p.syntax("a smaller number")
		}
		n = n*10 + d
		p.i++
	}
	if p.i == start || n > limit {
		return 0, p.syntax("a number")
	}
	return n, nil
}

// uid reads a UID, which is not 0.
func (p *parser) uid() (mailbox.UID, error) {
	n, err := p.number(math.MaxUint32)
	if err == nil && n == 0 {
		err = p.syntax("a UID above 0")
	}
	return mailbox.UID(n), err
}

// quoted reads a quoted string. (RFC 9051, section 4.3)
func (p *parser) quoted() ([]byte, error) {
	if err := p.expect('"'); err != nil {
		return nil, err
	}
	start := p.i
	end := bytes.IndexByte(p.b[start:], '"')
	if end < 0 {
		return nil, p.syntax("a closing quote")
	}
	if s := p.b[start : start+end]; bytes.IndexByte(s, '\\') < 0 {
		p.i = start + end + 1
		return s, nil
	}
	p.unescaped = p.unescaped[:0]
	for ; p.i < len(p.b); p.i++ {
		switch c := p.b[p.i]; c {
		case '"':
			p.i++
			return p.unescaped, nil
		case '\\':
			if p.i++; p.i >= len(p.b) {
				return nil, p.syntax("an octet after the backslash")
			}
			p.unescaped = append(p.unescaped, p.b[p.i])
		default:
			p.unescaped = append(p.unescaped, c)
		}
	}
	return nil, p.syntax("a closing quote")
}

// atLiteral reports whether a literal comes next.
func (p *parser) atLiteral() bool {
	c := p.peek()
	return c == '{' || c == '~' && p.i+1 < len(p.b) && p.b[p.i+1] == '{'
}

// literalSize reads {n}, {n+} or ~{n}, which must end the line, and leaves the
// octets to literal or to a body. A size over limit breaks the protocol.
// (RFC 9051, section 4.3; RFC 7888; literal8: RFC 3516, section 4.4)
func (p *parser) literalSize(limit int64) (int64, error) {
	size, ok := trailingLiteral(p.b[p.i:])
	if !ok || p.in == nil {
		return 0, fmt.Errorf("%w: a bad literal %.40q", mailbox.ErrProtocol, p.b[p.i:])
	}
	if size > limit {
		return 0, fmt.Errorf("%w: a literal of %d octets, over %d", mailbox.ErrProtocol, size, limit)
	}
	p.i = len(p.b)
	p.pending = size
	return size, nil
}

// next goes on to the line behind a literal whose octets were consumed.
func (p *parser) next() error {
	p.pending = -1
	line, err := p.in.line(p.lineLimit)
	p.b, p.i = line, 0
	return err
}

// text reads a quoted string or literal into a string.
func (p *parser) text() (string, error) {
	if !p.atLiteral() {
		s, err := p.quoted()
		return string(s), err
	}
	size, err := p.literalSize(p.literalLimit)
	if err != nil {
		return "", err
	}
	octets, err := p.in.literal(int(size))
	if err != nil {
		return "", err
	}
	s := string(octets)
	return s, p.next()
}

// astring reads a string or an atom.
func (p *parser) astring() (string, error) {
	if p.peek() == '"' || p.atLiteral() {
		return p.text()
	}
	word := p.word()
	if len(word) == 0 {
		return "", p.syntax("a string")
	}
	return string(word), nil
}

// skipValue drops one value of any kind. Depth is counted, not recursed.
func (p *parser) skipValue() error {
	depth := 0
	for {
		p.spaces()
		switch c := p.peek(); {
		case c == '(':
			p.i++
			if depth++; depth > p.nesting {
				return fmt.Errorf("%w: lists nested more than %d deep", mailbox.ErrProtocol, p.nesting)
			}
			continue
		case c == ')':
			if depth == 0 {
				return p.syntax("a value")
			}
			p.i++
			depth--
		case c == '"':
			if _, err := p.quoted(); err != nil {
				return err
			}
		case p.atLiteral():
			if err := p.skipLiteral(); err != nil {
				return err
			}
		default:
			if len(p.word()) == 0 {
				return p.syntax("a value")
			}
		}
		if depth == 0 {
			return nil
		}
	}
}

// skipLiteral drops a literal's octets as they arrive.
func (p *parser) skipLiteral() error {
	size, err := p.literalSize(p.bodyLimit)
	if err == nil {
		err = p.in.skip(size)
	}
	if err == nil {
		err = p.next()
	}
	return err
}

// skipAnswer drops what is left of the answer, however broken it is.
func (p *parser) skipAnswer() error {
	for {
		if p.pending < 0 {
			i := bytes.LastIndexByte(p.b[p.i:], '{')
			if i < 0 {
				p.i = len(p.b)
				return nil
			}
			if _, ok := trailingLiteral(p.b[p.i+i:]); !ok {
				p.i = len(p.b)
				return nil
			}
			p.i += i
			if _, err := p.literalSize(p.literalLimit); err != nil {
				return err
			}
		}
		if err := p.in.skip(p.pending); err != nil {
			return err
		}
		if err := p.next(); err != nil {
			return err
		}
	}
}

// trailingLiteral reads b as nothing but a literal's header. Only digits
// count: no sign, no space, nothing over 2^63-1.
func trailingLiteral(b []byte) (int64, bool) {
	if len(b) > 0 && b[0] == '~' {
		b = b[1:]
	}
	if len(b) < 3 || b[0] != '{' || b[len(b)-1] != '}' {
		return 0, false
	}
	b = b[1 : len(b)-1]
	if b[len(b)-1] == '+' {
		b = b[:len(b)-1]
	}
	if len(b) == 0 || len(b) > 19 {
		return 0, false
	}
	n := uint64(0)
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + uint64(c-'0')
	}
	return int64(n), n <= math.MaxInt64
}
