package merge

import (
	"bufio"
	"bytes"
	"testing"

	"mailferry/syncer/mailbox"
	"mailferry/syncer/synctest"
)

// collector keeps what a scan finds.
type collector struct {
	dig      *digester
	messages []Record
	lines    int64
	damages  []Damage
	offset   int64
}

func (c *collector) begin(offset int64, _ mailbox.Date) error {
	c.offset = offset
	c.dig.reset(ofMbox, true, nil)
	return nil
}
func (c *collector) line(p []byte) { c.lines += int64(len(p)); c.dig.line(p) }
func (c *collector) end(length int64, quoted bool) error {
	id, _, err := c.dig.finish()
	c.messages = append(c.messages, Record{Identity: id, Offset: c.offset, Length: length, Quoted: quoted})
	return err
}
func (c *collector) damage(d Damage) { c.damages = append(c.damages, d) }

// A scan of anything ends, its messages lie one behind the other within the
// file, and each of them reads again as it was hashed.
func FuzzMbox(f *testing.F) {
	f.Add([]byte("From a@b Thu Jan  1 00:00:00 2015\nSubject: x\n\nbody\n>From quoted\n\nFrom - x\nSubject: y\n\nbody\n"))
	f.Add([]byte("From - Thu Jan  1 00:00:00 2015\r\nX-Mozilla-Status: 0008\r\n\r\nbody\r\n\r\n"))
	f.Add([]byte("From a@b Thu Jan  1 00:00:00 2015\nContent-Length: 12\n\nFrom inside\n\nFrom a@b Thu Jan  1 00:00:00 2015\nA: b\n\n"))
	f.Add(append(bytes.Repeat([]byte{0}, 100), "From \nSubject: z\n\nbody"...))
	f.Add([]byte("Subject: no from\n\nbody\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		c := &collector{dig: newDigester(ofMbox, true)}
		synctest.Bounded(t, len(data), func() {
			*c = collector{dig: newDigester(ofMbox, true)}
			if _, err := scanMbox(bytes.NewReader(data), int64(len(data)), c); err != nil {
				t.Fatal(err)
			}
		})
		end := int64(0)
		for i, m := range c.messages {
			if m.Offset < end || m.Length < 0 || m.Offset+m.Length > int64(len(data)) {
				t.Fatalf("message %d at %d+%d behind %d of %d", i, m.Offset, m.Length, end, len(data))
			}
			end = m.Offset + m.Length
			if m.Length == 0 {
				continue
			}
			again := &rereader{dig: newDigester(ofMbox, true)}
			if err := readMboxMessage(bytes.NewReader(data), m.Offset, m.Length, m.Quoted, again); err != nil {
				t.Fatal(err)
			}
			if again.id.Content != m.Content {
				t.Fatalf("message %d at %d+%d reads as %d octets, was %d", i, m.Offset, m.Length, again.id.Content.Size, m.Content.Size)
			}
		}
	})
}

func FuzzEMLX(f *testing.F) {
	f.Add([]byte("16        \nSubject: x\n\nbod\n<plist><key>flags</key>\n<integer>8590195713</integer></plist>"))
	f.Add([]byte("99999999999999999999\nx"))
	f.Add([]byte("5\nab"))
	f.Fuzz(func(t *testing.T, data []byte) {
		u := Unit{Size: int64(len(data)), Format: FormatEMLX}
		r, err := readSingle(bytes.NewReader(data), u, newDigester(ofClients, true), bufio.NewReader(nil), nil)
		if err == nil && r.Content.Size > 2*int64(len(data)) {
			t.Fatalf("%d octets out of %d", r.Content.Size, len(data))
		}
	})
}

// An index that was altered anywhere is read as damaged, never as another.
func FuzzIndexEntry(f *testing.F) {
	f.Add(appendRecord([]byte{2}, Record{Identity: Identity{MessageID: "<1@x>", Subject: "s"}, Length: 3}))
	f.Add(appendUnit(nil, Unit{Key: "a", Mailbox: "INBOX"}))
	f.Fuzz(func(t *testing.T, data []byte) {
		parseRecord(data)
		parseUnit(data)
		parseDamage(data)
		if _, _, err := readEntry(bytes.NewReader(data), nil); err == nil && len(data) < 9 {
			t.Fatal("an entry of nothing")
		}
	})
}
