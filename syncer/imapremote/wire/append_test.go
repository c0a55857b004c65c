package wire

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"mailferry/syncer/mailbox"
)

// upload makes an upload of text that announces size octets.
func upload(text string, size int) mailbox.Upload {
	return mailbox.Upload{
		Flags: mailbox.NewFlags(`\Seen`, "kw"),
		Date:  mailbox.Date{Unix: 837596665, Offset: -7 * 3600, Known: true},
		Size:  int64(size),
		Open:  func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(text)), nil },
	}
}

func plain(texts ...string) []mailbox.Upload {
	uploads := make([]mailbox.Upload, len(texts))
	for i, text := range texts {
		uploads[i] = upload(text, len(text))
	}
	return uploads
}

// appended collects what done is told.
type appended struct {
	events []string
	stop   error
}

func (a *appended) done(i int, at mailbox.Appended, err error) error {
	text := fmt.Sprintf("%d: %d", i, at.UID)
	var refusal *mailbox.ServerError
	switch {
	case errors.As(err, &refusal):
		text = fmt.Sprintf("%d: %s", i, refusal.Status)
	case err != nil:
		text = fmt.Sprintf("%d: failed", i)
	}
	a.events = append(a.events, text)
	return a.stop
}

func (a *appended) String() string { return strings.Join(a.events, ", ") }

// store is a server that takes APPENDs, answers each, and tells the commands.
func store(commands chan<- string, refuse string) func(p *peer) {
	return func(p *peer) {
		p.send("* OK hello\r\n")
		for uid := 1; ; uid++ {
			tag, text := p.command()
			if tag == "" {
				return
			}
			if commands != nil {
				commands <- text
			}
			switch {
			case !strings.HasPrefix(text, "APPEND"):
				p.send(tag + " OK\r\n")
			case refuse != "" && strings.Contains(text, refuse):
				p.send(tag + " NO [TOOBIG] no\r\n")
			default:
				p.send(fmt.Sprintf("* %d EXISTS\r\n%s OK [APPENDUID 17 %d] done\r\n", uid, tag, uid))
			}
		}
	}
}

func TestAppendSendsEachMessageAsItIs(t *testing.T) {
	const head = `APPEND "box" (\Seen kw) "17-Jul-1996 02:44:25 -0700" `
	tests := []struct {
		mode AppendMode
		max  int64
		want []string
	}{
		{AppendSync, 0, []string{head + "{3}a\r\n", head + "{0}", head + "{6}bad\x00\n\r"}},
		{AppendLiteralMinus, 3, []string{head + "{3+}a\r\n", head + "{0+}", head + "{6}bad\x00\n\r"}},
		{AppendLiteralPlus, 0, []string{head + "{3+}a\r\n", head + "{0+}", head + "{6+}bad\x00\n\r"}},
	}
	for _, test := range tests {
		commands := make(chan string, 10)
		var got appended
		_, err := raw(t, store(commands, "bad"), func(x *Exchange) error {
			err := x.Append(AppendRequest{Name: "box", Uploads: plain("a\r\n", "", "bad\x00\n\r"), Mode: test.mode, NonSyncMax: test.max}, got.done)
			if err != nil {
				return err
			}
			return x.Noop()
		})
		if err != nil || got.String() != "0: 1, 1: 2, 2: NO" {
			t.Errorf("mode %d: got %v, %s", test.mode, err, got.String())
		}
		for _, want := range test.want {
			if text := <-commands; text != want {
				t.Errorf("mode %d: sent %q, want %q", test.mode, text, want)
			}
		}
	}
}

func TestMultiAppendIsOneCommand(t *testing.T) {
	for _, test := range []struct{ reply, want string }{
		{"$ OK [APPENDUID 17 5:6] done\r\n", "0: 5, 1: 6"},
		{"$ OK [APPENDUID 17 1:4294967295] done\r\n", "0: 0, 1: 0"},
		{"$ OK done\r\n", "0: 0, 1: 0"},
		{"$ NO [OVERQUOTA] full\r\n", "0: NO, 1: NO"},
	} {
		var got appended
		_, err := raw(t, replies(test.reply, "$ OK\r\n"), func(x *Exchange) error {
			if err := x.Append(AppendRequest{Name: "b\xff", Uploads: plain("one", "three"), Groups: []int{2}, Mode: AppendLiteralMinus, NonSyncMax: 3}, got.done); err != nil {
				return err
			}
			return x.Noop()
		})
		if err != nil || got.String() != test.want {
			t.Errorf("%q: got %v, %s", test.reply, err, got.String())
		}
	}
}

func TestRefusedBeforeTheLiteralSendsNothing(t *testing.T) {
	commands := make(chan string, 10)
	var got appended
	_, err := raw(t, func(p *peer) {
		p.send("* OK hello\r\n")
		for {
			line, err := p.in.ReadString('\n')
			if err != nil {
				return
			}
			commands <- line
			tag, _, _ := strings.Cut(line, " ")
			p.send(tag + " NO [TRYCREATE] no such mailbox\r\n")
		}
	}, func(x *Exchange) error {
		return x.Append(AppendRequest{Name: "box", Uploads: plain("one", "two")}, got.done)
	})
	if err != nil || got.String() != "0: NO, 1: NO" || len(commands) != 2 {
		t.Errorf("got %v, %s, %d lines", err, got.String(), len(commands))
	}
}

func TestUploadOfAnotherSizeNeverCountsAsWhole(t *testing.T) {
	for _, test := range []struct {
		mode   AppendMode
		groups []int
	}{{AppendSync, nil}, {AppendLiteralPlus, nil}, {AppendSync, []int{1, 2}}, {AppendLiteralPlus, []int{3}}} {
		for _, size := range []int{4, 6, 100_000} {
			var whole atomic.Int32
			var got appended
			c, err := raw(t, func(p *peer) {
				p.send("* OK hello\r\n")
				for {
					tag, text := p.command()
					if tag == "" {
						return
					}
					if strings.Contains(text, "short") || strings.Contains(text, "hello") {
						whole.Add(1)
					}
					p.send(tag + " OK [APPENDUID 17 1] done\r\n")
				}
			}, func(x *Exchange) error {
				uploads := []mailbox.Upload{upload("first", 5), upload("hello", size), upload("third", 5)}
				return x.Append(AppendRequest{Name: "box", Uploads: uploads, Groups: test.groups, Mode: test.mode}, got.done)
			})
			// Whether the answer to what went before is seen is chance.
			if err == nil || c.Err() == nil || got.String() != "0: 1, 1: failed" && got.String() != "1: failed" {
				t.Errorf("%+v, size %d: got %v, %v, %s", test, size, err, c.Err(), got.String())
			}
			if whole.Load() != 0 {
				t.Errorf("%+v, size %d: the server took it for whole", test, size)
			}
		}
	}
}

// The second command is sent before the first is answered, and a refusal
// concerns its own group.
func TestGroupsArePipelined(t *testing.T) {
	var got appended
	_, err := raw(t, func(p *peer) {
		p.send("* OK hello\r\n")
		var tags []string
		for range 3 {
			tag, _ := p.command()
			tags = append(tags, tag)
		}
		p.send(tags[0] + " OK [APPENDUID 17 1:2] done\r\n" + tags[1] + " NO not these\r\n" + tags[2] + " OK [APPENDUID 17 3] done\r\n")
	}, func(x *Exchange) error {
		return x.Append(AppendRequest{Name: "box", Uploads: plain("a", "b", "c", "d", "e"), Groups: []int{2, 2, 1}, Mode: AppendLiteralPlus}, got.done)
	})
	if err != nil || got.String() != "0: 1, 1: 2, 2: NO, 3: NO, 4: 3" {
		t.Errorf("got %v, %s", err, got.String())
	}
}

// begun counts sources that were read and not closed.
type begun struct {
	io.Reader
	open, most *int
	isBegun    bool
}

func (b *begun) Read(p []byte) (int, error) {
	if !b.isBegun {
		b.isBegun = true
		*b.open++
		*b.most = max(*b.most, *b.open)
	}
	return b.Reader.Read(p)
}

func (b *begun) Close() error { *b.open--; return nil }

// What a source holds while it is read is not held for a whole group.
func TestSourcesOfAGroupAreClosedOneByOne(t *testing.T) {
	uploads := plain(strings.Split(strings.Repeat("x ", 49)+"x", " ")...)
	open, most := 0, 0
	for i := range uploads {
		uploads[i].Open = func() (io.ReadCloser, error) {
			return &begun{Reader: strings.NewReader("x"), open: &open, most: &most}, nil
		}
	}
	var got appended
	_, err := raw(t, store(nil, ""), func(x *Exchange) error {
		return x.Append(AppendRequest{Name: "box", Uploads: uploads, Groups: []int{50}, Mode: AppendLiteralPlus}, got.done)
	})
	if err != nil || len(got.events) != 50 || open != 0 || most != 1 {
		t.Errorf("%v, %d answers, %d sources open, at most %d", err, len(got.events), open, most)
	}
}

func TestGroupOfWhichOneCannotBeOpenedGoesOneByOne(t *testing.T) {
	uploads := plain("a", "b", "c", "d")
	uploads[1].Open = func() (io.ReadCloser, error) { return nil, errors.New("gone") }
	commands := make(chan string, 10)
	var got appended
	_, err := raw(t, store(commands, ""), func(x *Exchange) error {
		return x.Append(AppendRequest{Name: "box", Uploads: uploads, Groups: []int{3, 1}, Mode: AppendLiteralPlus}, got.done)
	})
	if err != nil || got.String() != "0: 1, 1: failed, 2: 2, 3: 3" || len(commands) != 3 {
		t.Errorf("got %v, %s, %d commands", err, got.String(), len(commands))
	}
}

func TestUploadThatCannotBeOpenedCostsThatMessage(t *testing.T) {
	for _, mode := range []AppendMode{AppendSync, AppendLiteralPlus} {
		uploads := plain("a", "b", "c")
		uploads[1].Open = func() (io.ReadCloser, error) { return nil, errors.New("gone") }
		var got appended
		_, err := raw(t, store(nil, ""), func(x *Exchange) error {
			return x.Append(AppendRequest{Name: "b\xff", Uploads: uploads, Mode: mode}, got.done)
		})
		if err != nil || got.String() != "0: 1, 1: failed, 2: 2" {
			t.Errorf("mode %d: got %v, %s", mode, err, got.String())
		}
	}
}

func TestErrorOfDoneStopsTheUpload(t *testing.T) {
	for _, mode := range []AppendMode{AppendSync, AppendLiteralMinus, AppendLiteralPlus} {
		got := appended{stop: errors.New("stop")}
		c, err := raw(t, store(nil, ""), func(x *Exchange) error {
			uploads := plain(strings.Split(strings.Repeat("x ", 2000), " ")...)
			err := x.Append(AppendRequest{Name: "box", Uploads: uploads, Mode: mode}, got.done)
			if !errors.Is(err, got.stop) || len(got.events) != 1 {
				t.Errorf("mode %d: got %v, %s", mode, err, got.String())
			}
			return x.Noop()
		})
		if err != nil || c.Err() != nil {
			t.Errorf("mode %d: the next command: %v", mode, err)
		}
	}
}

// A server that does not read on until its answers are taken, and says much.
func TestPipelinedUploadsDoNotDeadlock(t *testing.T) {
	chatter := strings.Repeat("* OK "+strings.Repeat("x", 1000)+"\r\n", 50)
	body := strings.Repeat("y", 20_000)
	texts := make([]string, 500)
	for i := range texts {
		texts[i] = body
	}
	var got appended
	c, err := raw(t, func(p *peer) {
		p.send("* OK hello\r\n")
		for {
			tag, _ := p.command()
			if tag == "" {
				return
			}
			p.send(chatter + tag + " OK done\r\n")
		}
	}, func(x *Exchange) error {
		return x.Append(AppendRequest{Name: "box", Uploads: plain(texts...), Mode: AppendLiteralPlus}, got.done)
	})
	if err != nil || len(got.events) != len(texts) {
		t.Errorf("got %v, %d answers", err, len(got.events))
	}
	if trips := c.Traffic().RoundTrips; trips > 1000 {
		t.Errorf("%d round trips", trips)
	}
}

func TestLargeUploadOutlastsTheTimeout(t *testing.T) {
	// More than the buffers of the system take: what is in them shows no progress.
	const octets = 32 << 20
	addr := serve(t, func(p *peer) {
		p.send("* OK hello\r\n")
		line, _ := p.in.ReadString('\n')
		for range octets >> 20 {
			time.Sleep(60 * time.Millisecond)
			io.CopyN(io.Discard, p.in, 1<<20)
		}
		p.in.ReadString('\n')
		tag, _, _ := strings.Cut(line, " ")
		p.send(tag + " OK done\r\n")
	})
	c, err := Dialer{Addr: addr, Security: Plain, Timeout: time.Second}.Dial(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	big := mailbox.Upload{Size: octets, Open: func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(make([]byte, octets))), nil
	}}
	var got appended
	err = c.Raw(context.Background(), func(x *Exchange) error {
		return x.Append(AppendRequest{Name: "box", Uploads: []mailbox.Upload{big}, Mode: AppendLiteralPlus}, got.done)
	})
	if err != nil || got.String() != "0: 0" {
		t.Errorf("got %v, %s", err, got.String())
	}
}

func TestByeDuringAppendLeavesTheRestUnknown(t *testing.T) {
	var got appended
	_, err := raw(t, replies("$ OK [APPENDUID 17 1] done\r\n", "* BYE full\r\n"+hangUp), func(x *Exchange) error {
		return x.Append(AppendRequest{Name: "box", Uploads: plain("a", "b", "c"), Mode: AppendLiteralPlus}, got.done)
	})
	if !errors.Is(err, mailbox.ErrUnavailable) || got.String() != "0: 1" {
		t.Errorf("got %v, %s", err, got.String())
	}
}
