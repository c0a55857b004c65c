package synctest

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// item is one value of an IMAP answer: an atom, a string or a list.
type item struct {
	text   string
	list   []item
	isList bool
}

// readAnswer reads one answer, literals included. Whatever follows a status
// word is free text, so those lines come as their words.
func readAnswer(r *bufio.Reader) ([]item, string, error) {
	start, err := r.Peek(1)
	if err != nil {
		return nil, "", err
	}
	if start[0] == '+' {
		line, err := r.ReadString('\n')
		return []item{{text: "+"}}, line, err
	}
	var items []item
	for {
		if len(items) == 2 {
			switch strings.ToUpper(items[1].text) {
			case "OK", "NO", "BAD", "BYE", "PREAUTH":
				line, err := r.ReadString('\n')
				return items, strings.TrimRight(line, "\r\n"), err
			}
		}
		value, end, err := readItem(r)
		if err != nil {
			return nil, "", err
		}
		if end {
			return items, "", nil
		}
		items = append(items, value)
	}
}

// readItem reads one value; end says that the line, or the list, ended instead.
func readItem(r *bufio.Reader) (value item, end bool, err error) {
	c, err := r.ReadByte()
	for err == nil && c == ' ' || c == '\r' {
		c, err = r.ReadByte()
	}
	if err != nil {
		return item{}, false, err
	}
	switch c {
	case '\n', ')':
		return item{}, true, nil
	case '(':
		value.isList = true
		for {
			element, end, err := readItem(r)
			if err != nil || end {
				return value, false, err
			}
			value.list = append(value.list, element)
		}
	case '"':
		value.text, err = readQuoted(r)
		return value, false, err
	case '{':
		value.text, err = readLiteral(r)
		return value, false, err
	}
	return readAtom(r, c)
}

func readQuoted(r *bufio.Reader) (string, error) {
	var b strings.Builder
	for {
		c, err := r.ReadByte()
		if err != nil || c == '"' {
			return b.String(), err
		}
		if c == '\\' {
			if c, err = r.ReadByte(); err != nil {
				return "", err
			}
		}
		b.WriteByte(c)
	}
}

func readLiteral(r *bufio.Reader) (string, error) {
	line, err := r.ReadString('\n')
	if err != nil {
		return "", err
	}
	n, err := strconv.Atoi(strings.TrimRight(line, "}+\r\n"))
	if err != nil || n < 0 {
		return "", fmt.Errorf("literal of %q octets", line)
	}
	// Not allocated before it comes: the number may be a lie.
	var b strings.Builder
	_, err = io.CopyN(&b, r, int64(n))
	return b.String(), err
}

// readAtom reads on behind the atom's first octet. Brackets may hold spaces
// and parentheses, as in BODY[HEADER.FIELDS (SUBJECT)].
func readAtom(r *bufio.Reader, first byte) (item, bool, error) {
	text := []byte{first}
	depth := 0
	if first == '[' {
		depth = 1
	}
	for {
		next, err := r.Peek(1)
		if err != nil {
			return item{}, false, err
		}
		switch c := next[0]; {
		case c == '\r' || c == '\n' || depth == 0 && (c == ' ' || c == '(' || c == ')'):
			return item{text: string(text)}, false, nil
		case c == '[':
			depth++
		case c == ']':
			depth--
		}
		text = append(text, next[0])
		if _, err := r.Discard(1); err != nil {
			return item{}, false, err
		}
	}
}
