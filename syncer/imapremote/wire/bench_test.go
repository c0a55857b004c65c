package wire

import (
	"fmt"
	"io"
	"strings"
	"testing"

	"mailferry/syncer/mailbox"
)

// endless repeats text, then sends end; it stands for a server as fast as memory.
type endless struct {
	text  []byte
	at    int
	times int
	end   string
}

func (e *endless) Read(p []byte) (int, error) {
	if e.times == 0 {
		n := copy(p, e.end)
		e.end = e.end[n:]
		if n == 0 {
			return 0, io.EOF
		}
		return n, nil
	}
	n := copy(p, e.text[e.at:])
	if e.at += n; e.at == len(e.text) {
		e.at = 0
		e.times--
	}
	return n, nil
}

func BenchmarkFetchRow(b *testing.B) {
	c := offlineReader("")
	row := `* 1234 FETCH (UID 91234 FLAGS (\Seen $Forwarded) RFC822.SIZE 41234 INTERNALDATE "17-Jul-1996 02:44:25 -0700" MODSEQ (123456))` + "\r\n"
	c.in.src = &endless{text: []byte(row), times: b.N, end: "mf1 OK done\r\n"}
	x := newExchange(c)
	c.limits.Unsolicited = b.N + 1
	rows := 0
	b.ReportAllocs()
	b.ResetTimer()
	err := x.Fetch(FetchRequest{From: 1, Flags: true, Size: true, Date: true}, func(FetchRow) error { rows++; return nil })
	if err != nil || rows != b.N {
		b.Fatal(rows, err)
	}
}

type discardSink struct{ n int }

func (s *discardSink) Receive(_ int64, body io.Reader) error {
	_, err := io.Copy(io.Discard, body)
	return err
}
func (s *discardSink) Row(mailbox.UID) error         { s.n++; return nil }
func (s *discardSink) Drop(mailbox.UID, error) error { return nil }

func BenchmarkBodies(b *testing.B) {
	for _, size := range []int{4 << 10, 1 << 20} {
		b.Run(fmt.Sprintf("%dKiB", size>>10), func(b *testing.B) {
			c := offlineReader("")
			var rows strings.Builder
			uids := mailbox.UIDSet{}
			for uid := range 100 {
				uids = uids.Append(mailbox.UID(uid + 1))
				rows.WriteString(messageRow(uid+1, strings.Repeat("x", size)))
			}
			text := []byte(rows.String())
			b.SetBytes(int64(size))
			b.ReportAllocs()
			b.ResetTimer()
			for n := 0; n < b.N; n += 100 {
				c.in.src = &endless{text: text, times: 1, end: fmt.Sprintf("mf%d OK done\r\n", c.tags+1)}
				if err := newExchange(c).FetchBodies(uids, mailbox.Whole, &discardSink{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
