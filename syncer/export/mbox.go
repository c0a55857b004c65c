package export

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/mail"
	"os"
	"path"
	"strings"
	"time"

	"mailferry/syncer/mailbox"
)

// Mbox writes one file a mailbox in the form mboxrd: every line that begins
// with From, or with > and then From, gets another >, so that it can be undone.
type Mbox struct {
	root  *os.Root
	paths *paths
	flags bool
	name  string
	file  *os.File
	out   *bufio.Writer
}

// NewMbox writes below root. With flags, each message begins with the header
// fields Status, X-Status and X-Keywords, in which mail readers keep flags.
func NewMbox(root *os.Root, flags bool) *Mbox {
	return &Mbox{root: root, paths: newPaths(), flags: flags}
}

// Add appends one message to its mailbox's file.
func (b *Mbox) Add(m Message) (Entry, error) {
	if err := b.open(b.paths.of(m.Mailbox) + ".mbox"); err != nil {
		return Entry{}, err
	}
	body, err := m.Open()
	if err != nil {
		return Entry{}, err
	}
	defer body.Close()
	in := newCounted(body)
	lines := bufio.NewReaderSize(in, 64<<10)
	sender, err := senderOf(lines)
	if err != nil {
		return Entry{}, err
	}
	// asctime's form, in UTC (RFC 4155, appendix A)
	fmt.Fprintf(b.out, "From %s %s\n", sender, m.Date.Time().UTC().Format(time.ANSIC))
	if b.flags {
		b.out.WriteString(statusLines(m.Flags))
	}
	if err := copyQuoted(b.out, lines); err != nil {
		return Entry{}, err
	}
	return in.entry(m, b.name), nil
}

func (b *Mbox) open(name string) error {
	if b.file != nil && b.name == name {
		return nil
	}
	if err := b.Close(); err != nil {
		return err
	}
	if err := b.root.MkdirAll(path.Dir(name), 0o700); err != nil {
		return err
	}
	file, err := b.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s: %w", name, ErrExists)
	}
	if err != nil {
		return err
	}
	b.name, b.file, b.out = name, file, bufio.NewWriterSize(file, 256<<10)
	return nil
}

// Close finishes the file at hand.
func (b *Mbox) Close() error {
	if b.file == nil {
		return nil
	}
	err := errors.Join(b.out.Flush(), b.file.Close())
	b.file = nil
	return err
}

// senderOf looks for the address in the header that is at hand, and reads
// nothing.
func senderOf(lines *bufio.Reader) (string, error) {
	head, err := lines.Peek(lines.Size())
	if err != nil && err != io.EOF {
		return "", err
	}
	if message, err := mail.ReadMessage(bytes.NewReader(append(bytes.Clone(head), "\r\n\r\n"...))); err == nil {
		for _, field := range []string{"Return-Path", "From", "Sender"} {
			address, err := mail.ParseAddress(message.Header.Get(field))
			if err == nil && !strings.ContainsAny(address.Address, " \t\r\n") {
				return address.Address, nil
			}
		}
	}
	return "MAILER-DAEMON", nil
}

// statusLines are the fields that mutt, Thunderbird and others keep flags in.
func statusLines(flags mailbox.Flags) string {
	status, more := "O", ""
	if flags.Has(mailbox.FlagSeen) {
		status = "RO"
	}
	for _, letter := range []struct{ flag, letter string }{
		{mailbox.FlagAnswered, "A"}, {mailbox.FlagFlagged, "F"}, {mailbox.FlagDraft, "T"}, {mailbox.FlagDeleted, "D"},
	} {
		if flags.Has(letter.flag) {
			more += letter.letter
		}
	}
	text := "Status: " + status + "\n"
	if more != "" {
		text += "X-Status: " + more + "\n"
	}
	if keywords := flags.Keywords(); len(keywords) > 0 {
		text += "X-Keywords: " + strings.Join(keywords, " ") + "\n"
	}
	return text
}

var fromLine = []byte("From ")

// copyQuoted copies a message with LF for CRLF and quoted From lines, and ends
// it with an empty line.
func copyQuoted(to *bufio.Writer, from *bufio.Reader) error {
	begins, endsInLF := true, true
	for {
		line, err := from.ReadSlice('\n')
		if err != nil && err != io.EOF && err != bufio.ErrBufferFull {
			return err
		}
		if begins && bytes.HasPrefix(bytes.TrimLeft(line, ">"), fromLine) {
			to.WriteByte('>')
		}
		if err == bufio.ErrBufferFull && line[len(line)-1] == '\r' {
			// The LF may be the next octet.
			line = line[:len(line)-1]
			if err := from.UnreadByte(); err != nil {
				return err
			}
		}
		begins = err == nil
		if begins {
			line = append(bytes.TrimSuffix(line[:len(line)-1], []byte{'\r'}), '\n')
		}
		if len(line) > 0 {
			endsInLF = line[len(line)-1] == '\n'
		}
		if _, err := to.Write(line); err != nil {
			return err
		}
		if err == io.EOF {
			break
		}
	}
	if !endsInLF {
		to.WriteByte('\n')
	}
	return to.WriteByte('\n')
}
