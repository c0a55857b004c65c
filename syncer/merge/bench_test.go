package merge

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
)

// benchMbox is a few MB of mail as Thunderbird keeps it.
func benchMbox() []byte {
	var b bytes.Buffer
	text := strings.Repeat("A line of a letter as people write them, seventy-odd characters long.\r\n", 20)
	attached := strings.Repeat("JVBERi0xLjQKJcOkw7zDtsOfCjIgMCBvYmoKPDwvTGVuZ3RoIDMgMCBSL0ZpbHRlci9GbGF0\r\n", 1300)
	for i := range 400 {
		body := text
		if i%8 == 0 {
			body += attached
		}
		fmt.Fprintf(&b, "From - Sat Mar  4 12:00:00 2017\r\nX-Mozilla-Status: 0001\r\nX-Mozilla-Status2: 00000000\r\n"+
			"Received: from mail.example.org by mx.example.org with ESMTPS id abc123; Sat, 4 Mar 2017 11:59:58 +0100\r\n"+
			"Message-ID: <%d@example.org>\r\nFrom: Sender <s@example.org>\r\nTo: me@example.org\r\nSubject: message %d\r\n"+
			"Date: Sat, 4 Mar 2017 11:59:00 +0100\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n%s\r\n", i, i, body)
	}
	return b.Bytes()
}

// The target is 150 MB/s on one core, hashing included.
func BenchmarkMbox(b *testing.B) {
	data := benchMbox()
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		c := &collector{dig: newDigester(ofMbox, true)}
		if _, err := scanMbox(bytes.NewReader(data), int64(len(data)), c); err != nil || len(c.messages) != 400 {
			b.Fatal(len(c.messages), err)
		}
	}
}
