package pop3remote

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

// bodies are what a server sends behind +OK, and what it means; "" with ok
// false is a stream that ends too early.
var bodies = []struct {
	name, wire, want string
	ok               bool
}{
	{"empty", ".\r\n", "", true},
	{"one line", "a\r\n.\r\n", "a\r\n", true},
	{"an empty line", "\r\n.\r\n", "\r\n", true},
	{"stuffed dot", "..\r\n.\r\n", ".\r\n", true},
	{"stuffed dots", "...\r\n..a\r\nb\r\n.\r\n", "..\r\n.a\r\nb\r\n", true},
	{"a dot that was not doubled", ".a\r\n.\r\n", "a\r\n", true},
	{"dots within lines", "a.b\r\nc.\r\n.\r\n", "a.b\r\nc.\r\n", true},
	{"bare LF before a dot", "a\n.\r\nb\r\n.\r\n", "a\n.\r\nb\r\n", true},
	{"bare CR before a dot", "a\r.\r\nb\r\n.\r\n", "a\r.\r\nb\r\n", true},
	{"CR CR LF before the dot", "a\r\r\n.\r\n", "a\r\r\n", true},
	{"dot CR, no LF", "a\r\n.\rb\r\n.\r\n", "a\r\n\rb\r\n", true},
	{"dot CR CR LF", "a\r\n.\r\r\n.\r\n", "a\r\n\r\r\n", true},
	{"dot LF", "a\r\n.\nb\r\n.\r\n", "a\r\n\nb\r\n", true},
	{"NUL and high octets", "\x00\xff\r\n.\r\n", "\x00\xff\r\n", true},
	{"no end", "a\r\n", "", false},
	{"no end of the last line", "a\r\n.", "", false},
	{"no LF behind the dot", "a\r\n.\r", "", false},
	{"nothing", "", "", false},
	{"long", strings.Repeat("x", 3*bufferSize) + "\r\n..\r\n" + strings.Repeat("..\r\n", bufferSize) + ".\r\n",
		strings.Repeat("x", 3*bufferSize) + "\r\n.\r\n" + strings.Repeat(".\r\n", bufferSize), true},
}

func TestBodyIsWhatWasMeantToTheOctet(t *testing.T) {
	for _, c := range bodies {
		for name, slow := range map[string]func(io.Reader) io.Reader{
			"at once": func(r io.Reader) io.Reader { return r }, "octet by octet": iotest.OneByteReader, "by halves": iotest.HalfReader,
		} {
			in := newReader(slow(strings.NewReader(c.wire + "+OK next\r\n")))
			if !c.ok {
				in = newReader(slow(strings.NewReader(c.wire)))
			}
			b := newBody(in)
			got, err := io.ReadAll(b)
			if !c.ok {
				if err == nil || errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
					t.Errorf("%s, %s: error %v", c.name, name, err)
				}
				continue
			}
			if err != nil || string(got) != c.want {
				t.Errorf("%s, %s: %.60q, %v, want %.60q", c.name, name, got, err, c.want)
			}
			if next, err := in.line(); err != nil || string(next) != "+OK next" {
				t.Errorf("%s, %s: behind it %.60q, %v", c.name, name, next, err)
			}
		}
	}
}

func TestBodyThatIsCutAnywhereIsAnError(t *testing.T) {
	const whole = "a: b\r\n\r\n..\r\nc\r\n..d\r\n\r\n.\r\n"
	for n := range len(whole) {
		if got, err := io.ReadAll(newBody(newReader(strings.NewReader(whole[:n])))); err == nil {
			t.Errorf("cut after %d octets: %q", n, got)
		}
	}
}

func TestBodyTakesPartsOfAnySize(t *testing.T) {
	for size := 1; size < 12; size++ {
		for _, c := range bodies {
			if !c.ok || c.name == "long" {
				continue
			}
			var got bytes.Buffer
			b := newBody(newReader(strings.NewReader(c.wire)))
			if _, err := io.CopyBuffer(struct{ io.Writer }{&got}, struct{ io.Reader }{b}, make([]byte, size)); err != nil || got.String() != c.want {
				t.Errorf("%s, %d at a time: %q, %v", c.name, size, got.String(), err)
			}
		}
	}
}

// unstuffed is body's meaning, spelled out. (RFC 1939, section 3)
func unstuffed(wire string) (message string, ok bool) {
	var b strings.Builder
	for {
		line, rest, found := strings.Cut(wire, "\r\n")
		if !found {
			return "", false
		}
		if line == "." {
			return b.String(), true
		}
		b.WriteString(strings.TrimPrefix(line, ".") + "\r\n")
		wire = rest
	}
}

func FuzzBody(f *testing.F) {
	for _, c := range bodies {
		if c.name != "long" {
			f.Add([]byte(c.wire), 3)
		}
	}
	f.Fuzz(func(t *testing.T, wire []byte, size int) {
		want, ok := unstuffed(string(wire))
		// A small buffer, so that its end may be anywhere.
		b := newBody(&reader{src: iotest.HalfReader(bytes.NewReader(wire)), buf: make([]byte, 3+size>>6&15)})
		var got bytes.Buffer
		_, err := io.CopyBuffer(struct{ io.Writer }{&got}, struct{ io.Reader }{b}, make([]byte, size&63+1))
		if ok != (err == nil) || ok && got.String() != want {
			t.Errorf("%q: %q, %v, want %q, %v", wire, got.String(), err, want, ok)
		}
	})
}

func TestHeaderEndsWithTheEmptyLine(t *testing.T) {
	for message, want := range map[string]string{
		"a: b\r\n\r\nbody\r\n": "a: b\r\n\r\n", "\r\nbody\r\n": "\r\n", "a: b\r\n": "a: b\r\n",
		"a: b\r\r\n\r\nc\r\n": "a: b\r\r\n\r\n", "a\n\nb\r\n": "a\n\nb\r\n", "a\r\n\r\r\n\r\nb\r\n": "a\r\n\r\r\n\r\n", "": "",
	} {
		for _, slow := range []func(io.Reader) io.Reader{func(r io.Reader) io.Reader { return r }, iotest.OneByteReader} {
			m := newMessage(newReader(slow(strings.NewReader(message+".\r\n"))), noDate)
			got, err := io.ReadAll(headerReader{m})
			if err != nil || string(got) != want {
				t.Errorf("%q: header %q, %v, want %q", message, got, err, want)
			}
			if err := m.drain(maxBody); err != nil {
				t.Errorf("%q: %v", message, err)
			}
		}
	}
}
