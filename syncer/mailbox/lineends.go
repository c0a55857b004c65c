package mailbox

import "bytes"

// LineEnds takes what is written to it apart into text and line ends, of which
// CRLF, CR alone and LF alone are one each. Both functions have to be set; Text
// may not keep its argument.
type LineEnds struct {
	Text func([]byte)
	End  func()

	wasCR bool
}

// Write implements io.Writer. It does not fail.
func (w *LineEnds) Write(p []byte) (int, error) {
	for rest := p; len(rest) > 0; {
		i := bytes.IndexAny(rest, "\r\n")
		if i != 0 {
			text := rest
			if i > 0 {
				text = rest[:i]
			}
			w.Text(text)
			w.wasCR = false
			rest = rest[len(text):]
			continue
		}
		if rest[0] == '\r' || !w.wasCR {
			w.End()
		}
		w.wasCR = rest[0] == '\r'
		rest = rest[1:]
	}
	return len(p), nil
}
