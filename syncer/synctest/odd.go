package synctest

import (
	"bytes"
	"strings"
)

// OddMessage is a message that a careless program does not carry unharmed.
type OddMessage struct {
	Name   string
	Octets []byte
	// NUL says that it has a NUL, which not every server takes. (RFC 3501,
	// CHAR8)
	NUL bool
}

// OddMessages lists them all but the one of 30 MB; see BigMessage.
func OddMessages() []OddMessage {
	long := strings.Repeat("x", 2<<20)
	texts := []struct{ name, text string }{
		{"empty", ""},
		{"one octet", "x"},
		{"only an empty line", "\r\n"},
		{"no header", "\r\nbody without a header\r\n"},
		{"only a header", "Subject: no body\r\n"},
		{"header and empty line", "Subject: empty body\r\n\r\n"},
		{"no final newline", "Subject: a\r\n\r\nthe end"},
		{"no line end at all", "Subject: a"},
		{"NUL", "Subject: nul\r\n\r\na\x00b\r\n"},
		{"bare CR", "Subject: cr\r\n\r\na\rb\r\n"},
		{"CR at the end", "Subject: cr\r\n\r\nend\r"},
		{"CR CR LF", "Subject: crcrlf\r\r\n\r\r\nbody\r\r\n"},
		{"bare LF", "Subject: lf\n\nbody\n"},
		{"mixed line ends", "Subject: mixed\r\n\r\none\ntwo\r\nthree\rfour\n\r\n"},
		{"LF CR", "Subject: lfcr\r\n\r\none\n\rtwo\n\r"},
		{"8-bit header", "Subject: gr\xfc\xdfe \xe4\xf6\r\nFrom: J\xc3\xb6rg <j@example.org>\r\n\r\nbody\r\n"},
		{"invalid UTF-8", "Content-Type: text/plain; charset=utf-8\r\n\r\n\xff\xfe\xc0\x80\xed\xa0\x80\r\n"},
		{"From lines", "From someone Thu Jan  1 00:00:00 1970\r\nSubject: f\r\n\r\nFrom here\r\n>From there\r\n"},
		{"dot lines", "Subject: dots\r\n\r\n.\r\n..\r\n.a\r\n.\r\n"},
		{"IMAP in the body", "Subject: x\r\n\r\n{10}\r\n)\r\na1 OK done\r\n* BYE\r\n"},
		{"very long line", "Subject: long\r\n\r\n" + long + "\r\n"},
		{"very long header", "Subject: " + long[:1<<17] + "\r\nX-Long: " + strings.Repeat("y\r\n ", 5000) + "z\r\n\r\nbody\r\n"},
		{"duplicate headers", "Message-ID: <1@x>\r\nMessage-ID: <2@x>\r\nSubject: a\r\nSubject: b\r\n\r\nbody\r\n"},
		{"broken header", "no colon here\r\n: empty name\r\nSubject : space\r\n\r\nbody\r\n"},
		{"escape sequences", "Subject: \x1b]0;title\x07\x1b[2J\r\n\r\n\x1b[31mred\r\n"},
		{"spaces at line ends", "Subject: a \r\n\r\nb \t\r\n \r\n\t\r\n"},
		{"many empty lines", strings.Repeat("\r\n", 1000)},
	}
	var messages []OddMessage
	for _, m := range texts {
		messages = append(messages, OddMessage{m.name, []byte(m.text), strings.Contains(m.text, "\x00")})
	}
	return messages
}

// BigMessage is a message with an attachment of about 30 MB in base64.
func BigMessage() OddMessage {
	var b bytes.Buffer
	b.WriteString("Subject: big\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\n")
	line := []byte(strings.Repeat("bWFpbGZlcnJ5", 6) + "YWJj\r\n")
	for b.Len() < 30<<20 {
		line[b.Len()%70]++ // so that no two stretches are alike
		if c := line[b.Len()%70]; c < '0' || c > 'z' {
			line[b.Len()%70] = 'A'
		}
		b.Write(line)
	}
	return OddMessage{Name: "30 MB attachment", Octets: b.Bytes()}
}
