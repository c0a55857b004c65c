package wire

import (
	"bytes"

	"mailferry/syncer/mailbox"
)

// Most messages have one of a few sets of flags: these are built once. Both
// the number and the length of what is kept are capped.
const (
	cachedFlags      = 1024
	cachedFlagLength = 512
)

// readFlags reads a list of flags. What is no flag is left out: `\*`, "foo]bar",
// quoted strings.
func (c *Conn) readFlags() (mailbox.Flags, error) {
	p := &c.parser
	if err := p.expect('('); err != nil {
		return mailbox.Flags{}, err
	}
	rest := p.b[p.i:]
	end := bytes.IndexByte(rest, ')')
	if end < 0 || bytes.ContainsAny(rest[:end], `"{(`) {
		return p.oddFlags()
	}
	list := rest[:end]
	p.i += end + 1
	if flags, found := c.flags[string(list)]; found {
		return flags, nil
	}
	names := bytes.Fields(list)
	texts := make([]string, len(names))
	for i, name := range names {
		texts[i] = string(name)
	}
	flags := mailbox.NewFlags(texts...)
	if len(list) <= cachedFlagLength && len(c.flags) < cachedFlags {
		c.flags[string(list)] = flags
	}
	return flags, nil
}

// oddFlags reads a list that holds more than atoms.
func (p *parser) oddFlags() (mailbox.Flags, error) {
	var names []string
	for p.spaces(); !p.accept(')'); p.spaces() {
		if c := p.peek(); c == '"' || c == '(' || p.atLiteral() {
			if err := p.skipValue(); err != nil {
				return mailbox.Flags{}, err
			}
			continue
		}
		name := p.word()
		if len(name) == 0 {
			return mailbox.Flags{}, p.syntax("a flag")
		}
		names = append(names, string(name))
	}
	return mailbox.NewFlags(names...), nil
}
