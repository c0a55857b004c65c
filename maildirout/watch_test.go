package maildirout

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// watched runs a Watcher until the test ends.
type watched struct {
	dir  string
	news chan struct{}
	mu   sync.Mutex // held: changed blocks
}

func watchTree(t *testing.T, dir string, layout Layout) *watched {
	t.Helper()
	x := &watched{dir: dir, news: make(chan struct{}, 1_000_000)}
	changed := func() {
		x.mu.Lock()
		defer x.mu.Unlock()
		x.news <- struct{}{}
	}
	w := NewWatcher(dir, layout, changed, func(err error) { t.Errorf("not told: %v", err) }, slog.New(slog.DiscardHandler))
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { w.Watch(ctx) })
	t.Cleanup(func() {
		stop()
		running.Wait()
	})
	x.expect(t, "the beginning")
	return x
}

func (x *watched) expect(t *testing.T, of string) {
	t.Helper()
	select {
	case <-x.news:
		x.quiet()
	case <-time.After(20 * time.Second):
		t.Fatalf("no news of %s", of)
	}
}

func (x *watched) quiet() (told int) {
	for {
		select {
		case <-x.news:
			told++
		case <-time.After(250 * time.Millisecond):
			return told
		}
	}
}

func (x *watched) write(t *testing.T, name string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(x.dir, name), []byte("Subject: x\n\nx\n"), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (x *watched) mkdir(t *testing.T, names ...string) {
	t.Helper()
	for _, name := range names {
		if err := os.MkdirAll(filepath.Join(x.dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
}

func (x *watched) rename(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Rename(filepath.Join(x.dir, from), filepath.Join(x.dir, to)); err != nil {
		t.Fatal(err)
	}
}

func (x *watched) remove(t *testing.T, name string) {
	t.Helper()
	if err := os.RemoveAll(filepath.Join(x.dir, name)); err != nil {
		t.Fatal(err)
	}
}

func TestWatcherTellsOfMessagesKeywordsAndFolders(t *testing.T) {
	t.Parallel()
	for layout, box := range map[Layout]string{FS: "Work/", MaildirPP: ".Work/"} {
		t.Run(string(layout), func(t *testing.T) {
			t.Parallel()
			control := naming{layout: layout}.control()
			x := &watched{dir: t.TempDir()}
			x.mkdir(t, box+"cur", box+"new", box+"tmp", control)
			x = watchTree(t, x.dir, layout)
			x.write(t, box+"new/1")
			x.expect(t, "a message")
			x.rename(t, box+"new/1", box+"cur/1:2,S")
			x.expect(t, "a flag")
			x.write(t, box+"dovecot-keywords")
			x.expect(t, "keywords")
			x.remove(t, box+"cur/1:2,S")
			x.expect(t, "a message that is gone")
			x.mkdir(t, box+"cur", "New")
			x.mkdir(t, "New/cur", "New/new", "New/tmp")
			x.expect(t, "a new folder")
			x.write(t, "New/new/1")
			x.expect(t, "a message in a new folder")
			x.rename(t, "New", "Newer")
			x.expect(t, "a renamed folder")
			x.write(t, "Newer/new/2")
			x.expect(t, "a message in a renamed folder")
			x.remove(t, "Newer")
			x.expect(t, "a folder that is gone")
			time.Sleep(2 * time.Second) // the new watch over the folders
			x.quiet()
			x.write(t, box+"tmp/draft")
			x.write(t, control+"/state.db")
			x.write(t, box+"dovecot.index.log")
			x.remove(t, box+"dovecot.index.log")
			if n := x.quiet(); n > 0 {
				t.Errorf("told %d times of what is no mail", n)
			}
		})
	}
}

func TestWatcherNoticesThatTheStoreIsGoneAndBack(t *testing.T) {
	t.Parallel()
	x := &watched{dir: filepath.Join(t.TempDir(), "store")}
	x.mkdir(t, "INBOX/cur")
	x = watchTree(t, x.dir, FS)
	x.rename(t, "", "../away")
	x.expect(t, "a store that is gone")
	x.rename(t, "../away", "")
	x.expect(t, "a store that is back")
	x.write(t, "INBOX/cur/1:2,")
	x.expect(t, "a message in a store that is back")
}

func TestWatcherRecoversFromTooManyEvents(t *testing.T) {
	t.Parallel()
	x := &watched{dir: t.TempDir()}
	x.mkdir(t, "INBOX/cur", "INBOX/new")
	x = watchTree(t, x.dir, FS)
	x.mu.Lock() // nobody reads events
	for i := range 9000 {
		x.write(t, fmt.Sprintf("INBOX/new/%d", i))
	}
	x.mkdir(t, "Lost/cur", "Lost/new") // its event is lost
	x.mu.Unlock()
	x.expect(t, "the events")
	for x.quiet() > 0 {
	}
	x.write(t, "Lost/new/1")
	x.expect(t, "a message in a folder whose event was lost")
}
