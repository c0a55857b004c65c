package imapremote

import (
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"mailferry/syncer/mailbox"
)

func TestSqueezePacksOnlyWhereTheLineIsTheLimit(t *testing.T) {
	const mb = 1 << 20
	for name, test := range map[string]struct {
		octets       int64
		took, waited time.Duration
		with         time.Duration // for as much, compressed
		first, last  verdict
	}{
		"slow line":            {2 * mb, time.Second, 900 * time.Millisecond, 500 * time.Millisecond, packing, packed},
		"fast line":            {20 * mb, time.Second, 900 * time.Millisecond, 0, leaving, leaving},
		"very fast line":       {10 * mb, 50 * time.Millisecond, 40 * time.Millisecond, 0, leaving, leaving},
		"slow disk":            {2 * mb, time.Second, 100 * time.Millisecond, 0, leaving, leaving},
		"slow server":          {2 * mb, time.Second, 900 * time.Millisecond, 3 * time.Second, packing, regretted},
		"too little to tell":   {100 << 10, 200 * time.Millisecond, 190 * time.Millisecond, 0, measuring, measuring},
		"little on a bad line": {100 << 10, 3 * time.Second, 3 * time.Second, time.Second, packing, measuringNoMore},
	} {
		q := &squeeze{log: slog.New(slog.DiscardHandler), carried: func() int64 { return test.octets }}
		q.begun = time.Now().Add(-test.took)
		q.leave(false, test.octets, test.took, test.waited)
		if q.verdict != test.first {
			t.Errorf("%s: verdict %d after the first transfer", name, q.verdict)
		}
		if test.with == 0 {
			continue
		}
		for range 3 {
			q.leave(true, test.octets, test.with, test.with)
		}
		if test.last != measuringNoMore && q.verdict != test.last || q.verdict == measuring {
			t.Errorf("%s: verdict %d after compressed transfers", name, q.verdict)
		}
	}
}

// measuringNoMore stands for whatever was decided.
const measuringNoMore verdict = 255

func octetsOf(upload mailbox.Upload) string {
	source, _ := upload.Open()
	octets, _ := io.ReadAll(source)
	return string(octets)
}

// narrow stands between client and server and carries so many octets a second
// down. It returns its address.
func narrow(t *testing.T, server string, octetsPerSecond int) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	var line sync.Mutex // one for all connections
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", server)
			if err != nil {
				client.Close()
				return
			}
			go func() { io.Copy(server, client); server.Close() }()
			go func() {
				defer client.Close()
				buf := make([]byte, 8<<10)
				for {
					n, err := server.Read(buf)
					line.Lock()
					time.Sleep(time.Duration(n) * time.Second / time.Duration(octetsPerSecond))
					line.Unlock()
					if _, failed := client.Write(buf[:n]); err != nil || failed != nil {
						return
					}
				}
			}()
		}
	}()
	return listener.Addr().String()
}

func TestSlowLineIsCompressedAndAFastOneIsNot(t *testing.T) {
	server := startDovecot(t, "/", "")
	const messages, size = 200, 20 << 10
	var uploads []mailbox.Upload
	for i := range messages {
		uploads = append(uploads, text(message(i)+strings.Repeat(fmt.Sprintf("line %d\r\n", i), size/9)))
	}
	a := open(t, options(t, server, "user"))
	if err := a.Append(t.Context(), mailbox.Inbox, uploads, func(int, mailbox.Appended, error) {}); err != nil {
		t.Fatal(err)
	}
	found, _ := look(t, a, mailbox.Inbox, mailbox.Since{})
	ref := mailbox.Ref{Name: mailbox.Inbox, UIDValidity: found.Status.UIDValidity}
	for name, test := range map[string]struct {
		addr      string
		without   []string
		isPacked  bool
		least, at int64 // octets down
	}{
		"fast":            {server, nil, false, messages * size, 100 << 20},
		"slow":            {narrow(t, server, 2<<20), nil, true, 0, messages * size * 6 / 10},
		"slow, forbidden": {narrow(t, server, 8<<20), []string{compressDeflate}, false, messages * size, 100 << 20},
	} {
		t.Run(name, func(t *testing.T) {
			opts := options(t, test.addr, "user")
			opts.Without = test.without
			a := open(t, opts)
			var got bodies
			if err := a.Fetch(t.Context(), ref, mailbox.Range(1, messages), mailbox.Whole, &got); err != nil || len(got.texts) != messages {
				t.Fatalf("%d messages, %v", len(got.texts), err)
			}
			if down := a.Traffic().OctetsDown; down < test.least || down > test.at || test.isPacked != a.down.is(packing, packed) && test.without == nil {
				t.Errorf("verdict %d, %d octets down", a.down.verdict, down)
			}
			for uid, octets := range got.texts {
				if octets != octetsOf(uploads[uid-1]) {
					t.Errorf("uid %d is not what was uploaded", uid)
				}
			}
		})
	}
}

func TestRefusedCompressionIsNotAskedForAgain(t *testing.T) {
	server := startFake(t, fakeGreeting, func(n int, line string) []string {
		switch {
		case strings.HasPrefix(line, "AUTHENTICATE"):
			return []string{"OK [CAPABILITY IMAP4rev1 UIDPLUS COMPRESS=DEFLATE] welcome"}
		case strings.HasPrefix(line, "COMPRESS"):
			return []string{"NO no memory"}
		case strings.HasPrefix(line, "EXAMINE"), strings.HasPrefix(line, "SELECT"):
			return []string{"* 3 EXISTS", "* OK [UIDVALIDITY 7] ok", "* OK [UIDNEXT 4] ok", "OK [READ-ONLY] done"}
		case strings.HasPrefix(line, "UID FETCH"):
			return []string{"* 1 FETCH (UID 1 BODY[] {3}", "a", ")", "OK done"}
		}
		return nil
	})
	opts := options(t, server.addr, "user")
	opts.Connections = 1
	a := open(t, opts)
	a.down.verdict = packed
	for range 3 {
		var got bodies
		if err := a.Fetch(t.Context(), mailbox.Ref{Name: mailbox.Inbox, UIDValidity: 7}, mailbox.UIDs(1), mailbox.Whole, &got); err != nil || got.texts[1] != "a\r\n" {
			t.Errorf("%v, %q", err, got.texts[1])
		}
	}
	if n := server.count("COMPRESS"); n != 1 {
		t.Errorf("asked %d times", n)
	}
}

// A connection that compression made slower is replaced by one without.
func TestRegrettedCompressionIsGivenUp(t *testing.T) {
	server := startDovecot(t, "/", "")
	opts := options(t, server, "user")
	opts.Connections = 1
	a := open(t, opts)
	fill(t, a, mailbox.Inbox, 5)
	found, _ := look(t, a, mailbox.Inbox, mailbox.Since{})
	ref := mailbox.Ref{Name: mailbox.Inbox, UIDValidity: found.Status.UIDValidity}
	for _, v := range []verdict{packed, regretted, leaving} {
		a.down.verdict = v
		var got bodies
		if err := a.Fetch(t.Context(), ref, mailbox.Range(1, 5), mailbox.Whole, &got); err != nil || len(got.texts) != 5 {
			t.Errorf("%v, %d messages", err, len(got.texts))
		}
		idle := a.pool.idle
		if (len(idle) == 0) != (v == regretted) {
			t.Errorf("verdict %d: %d idle connections", v, len(idle))
		}
	}
}
