package maildirout

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"math/rand"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/iotest"

	"pgregory.net/rapid"

	"mailferry/syncer/mailbox"
)

// contentByHand is Content by its definition.
func contentByHand(wire string) mailbox.Content {
	header := wire
	if strings.HasPrefix(wire, "\r\n") {
		header = "\r\n"
	} else if i := strings.Index(wire, "\r\n\r\n"); i >= 0 {
		header = wire[:i+4]
	}
	return mailbox.Content{
		Size: int64(len(wire)), Hash: sha256.Sum256([]byte(wire)), Header: sha256.Sum256([]byte(header)),
		Verbatim: isVerbatim(wire),
	}
}

func isVerbatim(wire string) bool {
	rest := strings.ReplaceAll(wire, "\r\n", "")
	return strings.ContainsAny(rest, "\r\n\x00")
}

// checkRoundTrip delivers a message and reads it by every way there is.
func checkRoundTrip(t testing.TB, s *Store, dir, wire string) {
	t.Helper()
	ctx := context.Background()
	want := contentByHand(wire)
	draft, err := s.Receive(ctx, "INBOX", int64(len(wire)), iotest.OneByteReader(strings.NewReader(wire)))
	if len(wire) > 1<<16 {
		s.Discard(ctx, []mailbox.Draft{draft})
		draft, err = s.Receive(ctx, "INBOX", int64(len(wire)), strings.NewReader(wire))
	}
	if err != nil {
		t.Fatal(err)
	}
	if draft.Content != want || isMarked(draft.Key) != want.Verbatim {
		t.Fatalf("%.60q: received as %+v, key %s, want %+v", wire, draft.Content, draft.Key, want)
	}
	publish(t, s, draft)
	again, err := Open(Options{Dir: dir}) // knows nothing but the file
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	content, _, err := again.Inspect(ctx, "INBOX", draft.Key)
	if err != nil {
		t.Fatal(err)
	}
	if content != want {
		t.Fatalf("%.60q: inspected as %+v, want %+v", wire, content, want)
	}
	if got := wireOf(t, again, "INBOX", draft.Key); got != wire {
		t.Fatalf("%.60q came back as %.60q", wire, got)
	}
	r, err := again.Open(ctx, "INBOX", draft.Key)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if len(wire) < 1<<16 {
		if err := iotest.TestReader(r, []byte(wire)); err != nil {
			t.Fatal(err)
		}
	}
	raw, err := os.ReadFile(dir + "/INBOX/new/" + string(draft.Key))
	if err != nil {
		t.Fatal(err)
	}
	if onDisk := string(raw); want.Verbatim && onDisk != wire || !want.Verbatim && onDisk != strings.ReplaceAll(wire, "\r\n", "\n") {
		t.Fatalf("%.60q is %.60q on disk", wire, onDisk)
	}
}

func TestMessagesRoundTripToTheOctet(t *testing.T) {
	s, dir, _ := openStore(t, FS)
	create(t, s, "INBOX")
	line := strings.Repeat("0123456789", 20) + "\r\n"
	edge := strings.Repeat("y", chunk-1)
	for _, wire := range []string{
		"", "\r\n", "\n", "\r", "\x00", "a", "a\r\n", "a: b\r\n\r\nbody\r\n", "no header at all", "\r\nbody", "a: b\n\nc",
		"a: b\r\n\r\nbare \r cr\r\n", "a: b\r\n\r\nbare \n lf\r\n", "a\r\r\n", "a\r\n\r", "a\r\n\x00\r\n", "ends with cr\r", "\r\r\n\r\n", "a\r\n\r\r\n\r\n",
		"\xff\xfe8-bit \xe4\r\n\r\n\xf6\r\n", "Subject: \x80\r\n",
		edge + "\r\n", edge + "\r", edge + "\rx", edge + "\n", edge + "\r\n\r\nx", edge[2:] + "\r\n\r\nbody",
		edge + "x\n", strings.Repeat(line, 3000) + "late \n lf", strings.Repeat(line, 3000) + "late cr\r", strings.Repeat(line, 3000) + edge[:chunk/2] + "\x00",
		"a: " + strings.Repeat("z", 2<<20) + "\r\n\r\n",
		strings.Repeat("a: b\r\n\r\n", 30<<20/8),
	} {
		checkRoundTrip(t, s, dir, wire)
	}
	if left := filesBelow(t, dir+"/INBOX/tmp"); len(left) != 0 {
		t.Error(left)
	}
}

func TestRandomMessagesRoundTripToTheOctet(t *testing.T) {
	s, dir, _ := openStore(t, FS)
	create(t, s, "INBOX")
	parts := []string{"\r\n", "\r\n", "\r\n", "a", "b: c", "\r", "\n", "\x00", "\xff"}
	rapid.Check(t, func(rt *rapid.T) {
		pool := parts[:rapid.SampledFrom([]int{5, 9}).Draw(rt, "kinds")]
		checkRoundTrip(t, s, dir, strings.Join(rapid.SliceOf(rapid.SampledFrom(pool)).Draw(rt, "message"), ""))
	})
}

// TestLateSurprisesRoundTrip puts one octet that cannot be converted anywhere
// into messages of several chunks.
func TestLateSurprisesRoundTrip(t *testing.T) {
	s, dir, _ := openStore(t, FS)
	create(t, s, "INBOX")
	random := rand.New(rand.NewSource(1))
	base := bytes.Repeat([]byte("0123456789abcd\r\n"), 3*chunk/16)
	for range 20 {
		wire := bytes.Clone(base)
		wire[random.Intn(len(wire))] = "\r\n\x00"[random.Intn(3)]
		checkRoundTrip(t, s, dir, string(wire))
	}
}

func TestFilesOfOtherProgramsKeepTheirOctets(t *testing.T) {
	s, dir, _ := openStore(t, FS)
	create(t, s, "INBOX")
	for name, test := range map[string]struct{ file, wire string }{
		"lf":    {"a: b\n\nc\n", "a: b\r\n\r\nc\r\n"},
		"crlf":  {"a: b\r\n\r\nc\r\n", "a: b\r\n\r\nc\r\n"},
		"mixed": {"a: b\r\n\nc\n", "a: b\r\n\nc\n"},
	} {
		put(t, dir+"/INBOX/cur/"+name+":2,", test.file)
		if got := wireOf(t, s, "INBOX", mailbox.Key(name)); got != test.wire {
			t.Errorf("%s: %q", name, got)
		}
		content, _, err := s.Inspect(context.Background(), "INBOX", mailbox.Key(name))
		want := contentByHand(test.wire)
		want.Verbatim = strings.Contains(test.file, "\r")
		if err != nil || content != want {
			t.Errorf("%s: %+v %v, want %+v", name, content, err, want)
		}
	}
}

func TestReceiveLeavesNothingOfAShortBody(t *testing.T) {
	s, dir, _ := openStore(t, FS)
	create(t, s, "INBOX")
	lost := errors.New("connection lost")
	for _, body := range []io.Reader{
		strings.NewReader("short"), strings.NewReader(""), io.MultiReader(strings.NewReader("short"), iotest.ErrReader(lost)),
		io.MultiReader(strings.NewReader(strings.Repeat("x\r\n", chunk)+"\n"), iotest.ErrReader(lost)),
	} {
		_, err := s.Receive(context.Background(), "INBOX", 4*chunk, body)
		if !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, lost) {
			t.Error(err)
		}
	}
	if left := filesBelow(t, dir); len(left) != 0 {
		t.Error(left)
	}
	body := strings.NewReader("12345rest")
	if _, err := s.Receive(context.Background(), "INBOX", 5, body); err != nil || body.Len() != 4 {
		t.Errorf("%v, %d octets left of 4 that are not the message's", err, body.Len())
	}
}

func FuzzDiskFormIsReversible(f *testing.F) {
	for _, seed := range []string{"", "a\r\n", "\r", "a\n", "a\r\n\r\nb\r\n"} {
		f.Add([]byte(seed), 1)
	}
	f.Fuzz(func(t *testing.T, wire []byte, split int) {
		split = min(max(split, 0), len(wire))
		disk, cr, ok := toDisk(nil, wire[:split], false)
		if ok {
			disk, cr, ok = toDisk(disk, wire[split:], cr)
		}
		if ok = ok && !cr; ok == isVerbatim(string(wire)) {
			t.Fatalf("%q: reversible %v", wire, ok)
		}
		if ok && !bytes.Equal(toWire(nil, disk), wire) {
			t.Fatalf("%q came back as %q", wire, toWire(nil, disk))
		}
		digest := NewDigest()
		digest.Write(wire[:split])
		digest.Write(wire[split:])
		want := contentByHand(string(wire))
		want.Verbatim = false
		if digest.Content() != want {
			t.Fatalf("%q: %+v", wire, digest.Content())
		}
	})
}

func TestMessagesThatAreOnlyOpenHoldNoBuffers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "message")
	if err := os.WriteFile(path, []byte("a\nb\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	r, err := newWireReader(file, false, &sync.Pool{New: func() any { return new(buffers) }})
	if err != nil || r.buffers != nil {
		t.Fatalf("opened with %v, %v", r.buffers != nil, err)
	}
	text, err := io.ReadAll(r)
	if err != nil || string(text) != "a\r\nb\r\n" {
		t.Errorf("read %q, %v", text, err)
	}
	if err := r.Close(); err != nil || r.buffers != nil {
		t.Errorf("closed with %v, %v", r.buffers != nil, err)
	}
}
