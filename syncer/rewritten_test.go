package syncer

import (
	"bytes"
	"testing"
	"testing/iotest"

	"mailferry/syncer/mailbox"
)

func TestLineEndsAloneDoNotTellMessagesApart(t *testing.T) {
	for _, c := range []struct {
		one, other string
		same       bool
	}{
		{"a\r\n\nb\n", "a\r\n\r\nb\r\n", true},
		{"a\rb\n", "a\r\nb\r\n", true},
		{"a\n\nb", "a\nb", false},
		{"a\nb", "a\nb\n", false},
		{"a\r\r\nb", "a\r\nb", false},
		{"a\nb", "a\nc", false},
		{"", "", true},
	} {
		var sums [2]mailbox.Hash
		for i, text := range []string{c.one, c.other} {
			// One octet at a time: a CRLF may be cut in two.
			sum, err := lineEndless(iotest.OneByteReader(bytes.NewReader([]byte(text))))
			if err != nil {
				t.Fatal(err)
			}
			sums[i] = sum
			if whole, err := lineEndless(bytes.NewReader([]byte(text))); err != nil || whole != sum {
				t.Errorf("%q: another sum in one piece, %v", text, err)
			}
		}
		if (sums[0] == sums[1]) != c.same {
			t.Errorf("%q and %q: same is %v", c.one, c.other, !c.same)
		}
	}
}
