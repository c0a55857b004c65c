package wire

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2/imapclient"

	"mailferry/syncer/mailbox"
)

const dovecotConfig = `
base_dir = %[1]s/run
log_path = %[1]s/log
protocols = imap
listen = 127.0.0.1
ssl = no
disable_plaintext_auth = no
passdb {
  driver = static
  args = password=pass
}
userdb {
  driver = static
  args = uid=65534 gid=65534 home=%[1]s/mail/%%u
}
mail_location = maildir:%[1]s/mail/%%u
first_valid_uid = 1
mail_plugins = zlib
protocol imap {
  mail_plugins = zlib imap_zlib
}
namespace inbox {
  inbox = yes
  separator = /
}
service imap-login {
  chroot =
  inet_listener imap {
    port = %[2]d
  }
  inet_listener imaps {
    port = 0
  }
}
service anvil {
  chroot =
}
service stats {
  unix_listener stats-writer {
    mode = 0666
  }
}
`

// startDovecot runs a private Dovecot until the test ends and returns its
// address. Dovecot needs to be started as root.
func startDovecot(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "wire-dovecot")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"run", "mail"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o777); err != nil {
			t.Fatal(err)
		}
		os.Chmod(filepath.Join(dir, name), 0o777)
	}
	os.Chmod(dir, 0o755)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := listener.Addr().(*net.TCPAddr).Port
	listener.Close()
	config := filepath.Join(dir, "dovecot.conf")
	text := fmt.Sprintf(dovecotConfig, dir, port)
	if err := os.WriteFile(config, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	server := exec.Command("dovecot", "-F", "-c", config)
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		server.Process.Signal(os.Interrupt)
		server.Wait()
		os.RemoveAll(dir)
	})
	addr := fmt.Sprintf("127.0.0.1:%d", port)
	for range 100 {
		if conn, err := net.Dial("tcp", addr); err == nil {
			conn.Close()
			return addr
		}
		time.Sleep(50 * time.Millisecond)
	}
	log, _ := os.ReadFile(filepath.Join(dir, "log"))
	t.Fatalf("dovecot does not answer: %s", log)
	return ""
}

// login connects a user through the control plane.
func login(t testing.TB, addr, user string) *Conn {
	t.Helper()
	c, err := Dialer{Addr: addr, Security: Plain}.Dial(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	client := imapclient.New(c, nil)
	t.Cleanup(func() { client.Close() })
	if err := client.Login(user, "pass").Wait(); err != nil {
		t.Fatal(err, c.Err())
	}
	client.Caps()
	return c
}

// hashes is a sink that keeps each message's hash.
type hashes struct {
	last [32]byte
	got  map[mailbox.UID][32]byte
}

func (h *hashes) Receive(size int64, body io.Reader) error {
	sum := sha256.New()
	n, err := io.Copy(sum, body)
	if err == nil && n != size {
		err = fmt.Errorf("%d of %d octets", n, size)
	}
	copy(h.last[:], sum.Sum(nil))
	return err
}
func (h *hashes) Row(uid mailbox.UID) error { h.got[uid] = h.last; return nil }
func (h *hashes) Drop(uid mailbox.UID, reason error) error {
	return fmt.Errorf("uid %d dropped: %w", uid, reason)
}

func TestDovecotKeepsMessagesToTheOctet(t *testing.T) {
	addr := startDovecot(t)
	messages := [][]byte{
		[]byte("Subject: one\r\n\r\nhello\r\n"),
		[]byte("\r\n"),
		[]byte("no header at all, no end of line"),
		bytes.Repeat([]byte("Subject: long\r\n\r\n"+strings.Repeat("0123456789abcdef\r\n", 1000)), 30),
	}
	for i := range 200 {
		messages = append(messages, fmt.Appendf(nil, "Subject: %d\r\n\r\n%s\r\n", i, strings.Repeat("z", i*37)))
	}
	groups := []int{2, len(messages) - 102, 100}
	for i, req := range []AppendRequest{
		{Mode: AppendSync}, {Mode: AppendLiteralMinus}, {Mode: AppendLiteralPlus},
		{Mode: AppendSync, Groups: groups}, {Mode: AppendLiteralPlus, Groups: groups},
	} {
		c := login(t, addr, fmt.Sprintf("octets%d", i))
		err := c.Raw(context.Background(), func(x *Exchange) error {
			if i%2 == 1 {
				if err := x.Compress(); err != nil {
					return err
				}
			}
			return roundTrip(x, messages, req)
		})
		if err != nil {
			t.Errorf("mode %d, groups %v: %v", req.Mode, req.Groups, err)
		}
	}
}

func roundTrip(x *Exchange, messages [][]byte, req AppendRequest) error {
	uploads := make([]mailbox.Upload, len(messages))
	for i, m := range messages {
		uploads[i] = mailbox.Upload{Size: int64(len(m)), Flags: mailbox.NewFlags(`\Seen`, "$Kept"),
			Date: mailbox.Date{Unix: 1e9 + int64(i), Offset: 3600, Known: true},
			Open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(m)), nil }}
	}
	at := map[mailbox.UID]int{}
	req.Name, req.Uploads = "INBOX", uploads
	err := x.Append(req, func(i int, a mailbox.Appended, err error) error {
		at[a.UID] = i
		return err
	})
	if err != nil || len(at) != len(messages) {
		return fmt.Errorf("%d UIDs: %w", len(at), err)
	}
	rows, selected := 0, Selected{}
	err = x.SelectAndFetch(SelectRequest{Name: "INBOX", ReadOnly: true, CondStore: true}, FetchRequest{From: 1, Flags: true, Size: true, Date: true, ModSeq: true},
		func(s Selected) error { selected = s; return nil },
		func(r FetchRow) error {
			rows++
			i, known := at[r.UID]
			if !known || r.Size != int64(len(messages[i])) || r.Date.Unix != 1e9+int64(i) || r.Flags.String() != `\Seen $Kept` || r.ModSeq == 0 {
				return fmt.Errorf("row %+v of message %d", r, i)
			}
			return nil
		})
	if err != nil || rows != len(messages) || selected.Exists != uint32(rows) || selected.Status.HighestModSeq == 0 {
		return fmt.Errorf("%d rows, %+v: %w", rows, selected, err)
	}
	sink := &hashes{got: map[mailbox.UID][32]byte{}}
	all, err := x.SearchAll(true)
	if err != nil || all.Len() != rows {
		return fmt.Errorf("search: %v, %w", all, err)
	}
	if err := x.FetchBodies(all, mailbox.Whole, sink); err != nil {
		return err
	}
	for uid, i := range at {
		if sink.got[uid] != sha256.Sum256(messages[i]) {
			return fmt.Errorf("uid %d came back otherwise", uid)
		}
	}
	return nil
}

func TestDovecotUnderstandsEveryCommand(t *testing.T) {
	c := login(t, startDovecot(t), "commands")
	err := c.Raw(context.Background(), func(x *Exchange) error {
		if err := x.Append(AppendRequest{Name: "INBOX", Uploads: plain("a", "b", "c"), Mode: AppendLiteralPlus}, func(_ int, _ mailbox.Appended, err error) error { return err }); err != nil {
			return err
		}
		if _, err := x.Enable("CONDSTORE"); err != nil {
			return err
		}
		s, err := x.Select(SelectRequest{Name: "INBOX", CondStore: true})
		if err != nil || s.Exists != 3 || !s.HoldsKnown || !s.Holds.AnyKeyword {
			return fmt.Errorf("select: %+v, %w", s, err)
		}
		modified, err := x.Store(StoreRequest{UIDs: mailbox.Range(1, 2), Flags: mailbox.NewFlags(`\Deleted`), UnchangedSince: s.Status.HighestModSeq})
		if err != nil || !modified.IsEmpty() {
			return fmt.Errorf("store: %v, %w", modified, err)
		}
		modified, err = x.Store(StoreRequest{UIDs: mailbox.Range(1, 3), Flags: mailbox.NewFlags("kw"), UnchangedSince: s.Status.HighestModSeq})
		if err != nil || modified.String() != "1:2" {
			return fmt.Errorf("store: modified %v, %w", modified, err)
		}
		n, err := x.Expunge(mailbox.UIDs(2, 3))
		if err != nil || n != 1 || x.Exists() != 2 {
			return fmt.Errorf("expunge: %d, %d left, %w", n, x.Exists(), err)
		}
		for _, esearch := range []bool{true, false} {
			if set, err := x.SearchAll(esearch); err != nil || set.String() != "1,3" {
				return fmt.Errorf("search: %v, %w", set, err)
			}
		}
		var rows []ListRow
		if err := x.List(ListRequest{SpecialUse: true, Status: true, HighestModSeq: true}, func(r ListRow) error { rows = append(rows, r); return nil }); err != nil {
			return err
		}
		if len(rows) != 1 || rows[0].Status == nil || rows[0].Status.Messages != 2 || rows[0].Separator != "/" {
			return fmt.Errorf("list: %+v", rows)
		}
		_, err = x.Status("no such \xff", false)
		if refusal := new(mailbox.ServerError); !errors.As(err, &refusal) {
			return fmt.Errorf("status: %w", err)
		}
		if err := x.Unselect(); err != nil {
			return err
		}
		return x.Logout()
	})
	if err != nil {
		t.Error(err)
	}
}

func TestDovecotPlanesAlternate(t *testing.T) {
	addr := startDovecot(t)
	c := login(t, addr, "alternate")
	err := c.Raw(context.Background(), func(x *Exchange) error {
		uploads := plain("a", "b", "c", "d", "hello\r\n")
		if err := x.Append(AppendRequest{Name: "INBOX", Uploads: uploads, Mode: AppendLiteralPlus}, func(_ int, _ mailbox.Appended, err error) error { return err }); err != nil {
			return err
		}
		return x.Logout()
	})
	if err != nil {
		t.Fatal(err)
	}
	again, err := Dialer{Addr: addr, Security: Plain}.Dial(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	client := imapclient.New(again, nil)
	defer client.Close()
	if err := client.Login("alternate", "pass").Wait(); err != nil {
		t.Fatal(err)
	}
	for i := range 1000 {
		if err := client.Noop().Wait(); err != nil {
			t.Fatal(i, err, again.Err())
		}
		var got collector
		err := again.Raw(context.Background(), func(x *Exchange) error {
			if i == 0 {
				if _, err := x.Select(SelectRequest{Name: "INBOX"}); err != nil {
					return err
				}
			}
			return x.FetchBodies(mailbox.UIDs(5), mailbox.Whole, &got)
		})
		if err != nil || got.String() != `receive "hello\r\n"; row 5` {
			t.Fatal(i, err, got.String())
		}
	}
}
