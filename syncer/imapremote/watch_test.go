package imapremote

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"mailferry/syncer/mailbox"
	"mailferry/syncer/synctest"
)

// watching runs a Watcher until the test ends.
type watching struct {
	*Watcher
	news  chan struct{}
	ended chan error
	stop  context.CancelFunc
}

func watch(t *testing.T, opts Options, w WatchOptions) *watching {
	t.Helper()
	x := &watching{news: make(chan struct{}, 1000), ended: make(chan error, 1)}
	w.News = func(mailbox.Name) { x.news <- struct{}{} }
	if w.Selects == nil {
		w.Selects = func(name mailbox.Name) bool { return name == mailbox.Inbox }
	}
	opts.Dialer.Buffer = 4 << 10
	x.Watcher = NewWatcher(opts, w)
	ctx, stop := context.WithCancel(t.Context())
	x.stop = stop
	var running sync.WaitGroup
	running.Go(func() { x.ended <- x.Watch(ctx) })
	t.Cleanup(func() {
		stop()
		running.Wait()
	})
	return x
}

// expect waits for news.
func (x *watching) expect(t *testing.T, of string) {
	t.Helper()
	select {
	case <-x.news:
	case err := <-x.ended:
		t.Fatalf("%s: watching ended: %v", of, err)
	case <-time.After(5 * time.Second):
		t.Fatalf("no news of %s", of)
	}
	x.quiet(300 * time.Millisecond)
}

// quiet waits until nothing is told any more and returns how much was.
func (x *watching) quiet(d time.Duration) (told int) {
	for {
		select {
		case <-x.news:
			told++
		case <-time.After(d):
			return told
		}
	}
}

func (x *watching) end(t *testing.T, within time.Duration) error {
	t.Helper()
	select {
	case err := <-x.ended:
		return err
	case <-time.After(within):
		t.Fatal("watching does not end")
		return nil
	}
}

var noteworthy = []byte("Subject: x\r\n\r\nx\r\n")

func TestNotifyTellsOfAllMailboxesOverOneConnection(t *testing.T) {
	t.Parallel()
	server := synctest.Dovecot(t, synctest.DovecotConfig{})
	user := server.User(t)
	user.Create("Work")
	x := watch(t, options(t, server.Addr, user.Name), WatchOptions{Renew: 300 * time.Millisecond})
	x.expect(t, "the beginning")
	if n := x.quiet(time.Second); n > 0 {
		t.Errorf("%d news though nothing happened: renewing is no news", n)
	}
	if _, all := x.Covered(); !all || !x.Covers("Work") {
		t.Error("not all mailboxes are covered")
	}
	uid := user.Append("Work", mailbox.Flags{}, mailbox.Date{}, noteworthy)
	x.expect(t, "a message in another mailbox")
	user.Store("Work", uid, "+FLAGS", mailbox.NewFlags(`\Seen`))
	x.expect(t, "a flag")
	user.Expunge("Work", uid)
	x.expect(t, "an expunged message")
	user.Append("INBOX", mailbox.Flags{}, mailbox.Date{}, noteworthy)
	x.expect(t, "a message in INBOX")
	user.Create("New")
	x.expect(t, "a new mailbox")
	user.Rename("New", "Newer")
	x.expect(t, "a renamed mailbox")
	user.Delete("Newer")
	x.expect(t, "a mailbox that is gone")
	// Dovecot 2.3 forgets the second of two where NOTIFY is all that it has.
	for i := range 6 {
		uid = user.Append("INBOX", mailbox.Flags{}, mailbox.Date{}, noteworthy)
		x.expect(t, "a message in INBOX")
		time.Sleep(time.Duration(i) * 50 * time.Millisecond)
		user.Store("INBOX", uid, "+FLAGS", mailbox.NewFlags(`\Flagged`))
		x.expect(t, "a flag in INBOX soon after")
	}
	x.Check()
	if n := x.quiet(time.Second); n > 0 {
		t.Errorf("%d news though nothing happened", n)
	}
	x.stop()
	if err := x.end(t, 5*time.Second); !errors.Is(err, context.Canceled) {
		t.Errorf("ended with %v", err)
	}
}

func TestIdleTellsOfTheMailboxesThatItHasConnectionsFor(t *testing.T) {
	t.Parallel()
	server := synctest.Dovecot(t, synctest.DovecotConfig{Capability: "IMAP4rev1 IDLE LITERAL+ UIDPLUS NAMESPACE"})
	user := server.User(t)
	user.Create("A")
	user.Create("B")
	opts := options(t, server.Addr, user.Name)
	opts.Connections = 2
	x := watch(t, opts, WatchOptions{Renew: 400 * time.Millisecond, Selects: func(mailbox.Name) bool { return true }})
	x.expect(t, "the beginning")
	if n, all := x.Covered(); all || n != 2 || !x.Covers(mailbox.Inbox) || !x.Covers("A") || x.Covers("B") {
		t.Errorf("%d mailboxes are covered", n)
	}
	for range 3 { // also behind a renewal
		user.Append("A", mailbox.Flags{}, mailbox.Date{}, noteworthy)
		x.expect(t, "a message in a mailbox that is watched")
		user.Append("INBOX", mailbox.Flags{}, mailbox.Date{}, noteworthy)
		x.expect(t, "a message in INBOX")
	}
	x.Check()
	user.Append("B", mailbox.Flags{}, mailbox.Date{}, noteworthy)
	if n := x.quiet(time.Second); n > 0 {
		t.Errorf("%d news of a mailbox that is not watched", n)
	}
}

func TestWatchingAServerWithoutIdleIsUnsupported(t *testing.T) {
	t.Parallel()
	server := synctest.Dovecot(t, synctest.DovecotConfig{Capability: "IMAP4rev1 LITERAL+"})
	x := watch(t, options(t, server.Addr, server.User(t).Name), WatchOptions{})
	if err := x.end(t, 5*time.Second); !errors.Is(err, mailbox.ErrUnsupported) {
		t.Errorf("ended with %v", err)
	}
}

// idler is a server with IDLE that does what a test says once it idles.
func idler(t *testing.T, capability string, idling func(conn net.Conn, in *bufio.Reader, tag string)) string {
	return listen(t, func(conn net.Conn, _ int) {
		fmt.Fprintf(conn, "* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN %s] ready\r\n", capability)
		in := bufio.NewReader(conn)
		for {
			line, err := in.ReadString('\n')
			if err != nil {
				return
			}
			tag, command, _ := strings.Cut(strings.TrimSpace(line), " ")
			switch verb, _, _ := strings.Cut(command, " "); verb {
			case "AUTHENTICATE": // the password is in the line
				capable := "[CAPABILITY IMAP4rev1 " + capability + "] "
				fmt.Fprintf(conn, "%s OK %swelcome\r\n", tag, capable)
				continue
			case "CAPABILITY":
				fmt.Fprintf(conn, "* CAPABILITY IMAP4rev1 %s\r\n", capability)
			case "LIST":
				io.WriteString(conn, "* LIST () \"/\" INBOX\r\n")
			case "STATUS":
				io.WriteString(conn, "* STATUS INBOX (MESSAGES 1 UIDNEXT 2 UIDVALIDITY 1)\r\n")
			case "EXAMINE":
				io.WriteString(conn, "* 1 EXISTS\r\n* OK [UIDVALIDITY 1] x\r\n* OK [UIDNEXT 2] x\r\n")
			case "IDLE", "NOTIFY":
				idling(conn, in, tag)
				continue
			}
			fmt.Fprintf(conn, "%s OK done\r\n", tag)
		}
	})
}

func TestWatchingEndsWithTheConnection(t *testing.T) {
	t.Parallel()
	idle := func(conn net.Conn, in *bufio.Reader, tag string) { io.WriteString(conn, "+ idling\r\n") }
	for _, c := range []struct {
		name   string
		idling func(conn net.Conn, in *bufio.Reader, tag string)
		want   error
	}{
		{"cut", func(conn net.Conn, in *bufio.Reader, tag string) {
			idle(conn, in, tag)
			time.Sleep(100 * time.Millisecond)
			conn.Close()
		}, mailbox.ErrNetwork},
		{"BYE, and the connection stays open", func(conn net.Conn, in *bufio.Reader, tag string) {
			idle(conn, in, tag)
			io.WriteString(conn, "* BYE see you\r\n")
			io.Copy(io.Discard, in)
		}, mailbox.ErrUnavailable},
		{"DONE is never answered", func(conn net.Conn, in *bufio.Reader, tag string) {
			idle(conn, in, tag)
			io.Copy(io.Discard, in)
		}, mailbox.ErrNetwork},
		{"IDLE is never answered", func(conn net.Conn, in *bufio.Reader, tag string) {
			io.Copy(io.Discard, in)
		}, mailbox.ErrNetwork},
		{"IDLE is refused", func(conn net.Conn, in *bufio.Reader, tag string) {
			fmt.Fprintf(conn, "%s NO not today\r\n", tag)
		}, nil},
		{"IDLE ends at once", func(conn net.Conn, in *bufio.Reader, tag string) {
			fmt.Fprintf(conn, "%s OK that was it\r\n", tag)
		}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			opts := options(t, idler(t, "IDLE", c.idling), "user")
			opts.Dialer.Timeout = 500 * time.Millisecond
			x := watch(t, opts, WatchOptions{Renew: 200 * time.Millisecond})
			err := x.end(t, 10*time.Second)
			if err == nil || c.want != nil && !errors.Is(err, c.want) {
				t.Errorf("ended with %v", err)
			}
			t.Log(err)
		})
	}
}

func TestRepeatedExistsIsNoNews(t *testing.T) {
	t.Parallel()
	addr := idler(t, "IDLE", func(conn net.Conn, in *bufio.Reader, tag string) {
		io.WriteString(conn, "+ idling\r\n* OK Still here\r\n* 1 EXISTS\r\n* 0 RECENT\r\n* 1 EXISTS\r\n")
		time.Sleep(600 * time.Millisecond)
		io.WriteString(conn, "* 2 EXISTS\r\n")
		in.ReadString('\n')
		fmt.Fprintf(conn, "%s OK done\r\n", tag)
	})
	x := watch(t, options(t, addr, "user"), WatchOptions{})
	x.expect(t, "the beginning")
	x.expect(t, "a message")
}

func TestServerThatGivesUpNotifyingIsLeft(t *testing.T) {
	t.Parallel()
	notified := false
	addr := idler(t, "NOTIFY IDLE", func(conn net.Conn, in *bufio.Reader, tag string) {
		if !notified {
			notified = true
			fmt.Fprintf(conn, "%s OK\r\n", tag)
			return
		}
		io.WriteString(conn, "+ idling\r\n* OK [NOTIFICATIONOVERFLOW] too much\r\n")
		in.ReadString('\n')
		fmt.Fprintf(conn, "%s OK\r\n", tag)
	})
	x := watch(t, options(t, addr, "user"), WatchOptions{})
	if err := x.end(t, 5*time.Second); !errors.Is(err, mailbox.ErrUnavailable) {
		t.Errorf("ended with %v", err)
	}
}

func TestRefusedNotifyIsIdle(t *testing.T) {
	t.Parallel()
	notified := false
	addr := idler(t, "NOTIFY IDLE", func(conn net.Conn, in *bufio.Reader, tag string) {
		if !notified {
			notified = true
			fmt.Fprintf(conn, "%s NO [BADEVENT (MessageNew)] cannot\r\n", tag)
			return
		}
		io.WriteString(conn, "+ idling\r\n")
		in.ReadString('\n')
		fmt.Fprintf(conn, "%s OK done\r\n", tag)
	})
	x := watch(t, options(t, addr, "user"), WatchOptions{})
	x.expect(t, "the beginning")
	if n, all := x.Covered(); n != 1 || all {
		t.Errorf("%d mailboxes are covered, all: %v", n, all)
	}
}
