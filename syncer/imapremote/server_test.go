package imapremote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"
	"github.com/emersion/go-imap/v2/imapserver/imapmemserver"

	"mailferry/syncer/imapremote/wire"
	"mailferry/syncer/mailbox"
)

const testPassword = "pass"

// testLog shows what an account logs when a test fails.
type testLog struct{ t *testing.T }

func (l testLog) Write(p []byte) (int, error) {
	l.t.Log(strings.TrimSpace(string(p)))
	return len(p), nil
}

// options are those for a server on loopback.
func options(t *testing.T, addr, user string) Options {
	return Options{
		Dialer:   wire.Dialer{Addr: addr, Security: wire.Plain, Timeout: 10 * time.Second},
		User:     user,
		Password: func(context.Context) (string, error) { return testPassword, nil },
		Log:      slog.New(slog.NewTextHandler(testLog{t}, nil)),
	}
}

func open(t *testing.T, opts Options) *Account {
	t.Helper()
	a, err := Open(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close() })
	return a
}

// startDovecot runs a Dovecot for one test and returns its address.
func startDovecot(t *testing.T, separator, prefix string) string {
	t.Helper()
	dir := t.TempDir()
	for _, part := range []string{filepath.Dir(dir), dir} {
		if err := os.Chmod(part, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, part := range []string{"run", "mail"} {
		if err := os.Mkdir(filepath.Join(dir, part), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chown(filepath.Join(dir, "mail"), 5000, 5000); err != nil {
		t.Fatal(err)
	}
	port := freePort(t)
	conf := filepath.Join(dir, "dovecot.conf")
	text := fmt.Sprintf(dovecotConf, dir, port, testPassword, separator, prefix)
	if err := os.WriteFile(conf, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	server := exec.Command("dovecot", "-F", "-c", conf)
	var output strings.Builder
	server.Stdout, server.Stderr = &output, &output
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		server.Process.Signal(os.Interrupt)
		server.Wait()
		if t.Failed() {
			t.Logf("dovecot: %s", &output)
		}
	})
	addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	for range 100 {
		if conn, err := net.Dial("tcp", addr); err == nil {
			conn.Close()
			return addr
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatal("dovecot does not listen")
	return ""
}

const dovecotConf = `base_dir = %[1]s/run
log_path = %[1]s/log
protocols = imap
listen = 127.0.0.1
ssl = no
disable_plaintext_auth = no
auth_mechanisms = plain login
auth_failure_delay = 0
first_valid_uid = 1
mail_fsync = never
mail_max_userip_connections = 50
mail_plugins = zlib
protocol imap {
  mail_plugins = zlib imap_zlib
}
mail_location = maildir:%[1]s/mail/%%u
passdb {
  driver = static
  args = password=%[3]s
}
userdb {
  driver = static
  args = uid=5000 gid=5000 home=%[1]s/mail/%%u
}
namespace inbox {
  inbox = yes
  separator = "%[4]s"
  prefix = "%[5]s"
  mailbox Sent {
    special_use = \Sent
    auto = create
  }
}
service imap-login {
  inet_listener imap {
    port = %[2]d
  }
  inet_listener imaps {
    port = 0
  }
  service_count = 0
  chroot =
}
service anvil {
  chroot =
  unix_listener anvil-auth-penalty {
    mode = 0
  }
}
service stats {
  unix_listener stats-writer {
    mode = 0666
  }
}
`

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// startMemory runs go-imap's server, which has few extensions, with one user.
func startMemory(t *testing.T, user string, caps imap.CapSet) string {
	t.Helper()
	memory := imapmemserver.New()
	account := imapmemserver.NewUser(user, testPassword)
	if err := account.Create("INBOX", nil); err != nil {
		t.Fatal(err)
	}
	memory.AddUser(account)
	server := imapserver.New(&imapserver.Options{
		NewSession: func(*imapserver.Conn) (imapserver.Session, *imapserver.GreetingData, error) {
			return memory.NewSession(), nil, nil
		},
		Caps:         caps,
		InsecureAuth: true,
		Logger:       slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug),
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go server.Serve(l)
	t.Cleanup(func() { server.Close() })
	return l.Addr().String()
}

// text returns an upload of a message.
func text(body string, flags ...string) mailbox.Upload {
	return mailbox.Upload{
		Flags: mailbox.NewFlags(flags...),
		Date:  mailbox.Date{Unix: 1_000_000_000, Offset: 7200, Known: true},
		Size:  int64(len(body)),
		Open:  func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(body)), nil },
	}
}

// message builds a small one.
func message(i int) string {
	return fmt.Sprintf("Subject: %d\r\nMessage-ID: <%d@example.org>\r\n\r\nbody %d\r\n", i, i, i)
}

// fill appends n messages.
func fill(t *testing.T, a *Account, name mailbox.Name, n int) {
	t.Helper()
	var uploads []mailbox.Upload
	for i := range n {
		uploads = append(uploads, text(message(i+1)))
	}
	answered := 0
	err := a.Append(t.Context(), name, uploads, func(i int, _ mailbox.Appended, err error) {
		answered++
		if err != nil {
			t.Errorf("append %d: %v", i, err)
		}
	})
	if err != nil || answered != n {
		t.Fatalf("append: %d of %d answered: %v", answered, n, err)
	}
}

// look observes a mailbox.
func look(t *testing.T, a *Account, name mailbox.Name, since mailbox.Since) (mailbox.Observation, []mailbox.RemoteMessage) {
	t.Helper()
	var rows []mailbox.RemoteMessage
	found, err := a.Observe(t.Context(), name, since, func(row mailbox.RemoteMessage) error {
		rows = append(rows, row)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found, rows
}

// bodies collects what Fetch hands over.
type bodies struct {
	texts   map[mailbox.UID]string
	current string
	dropped []mailbox.UID
}

func (b *bodies) Receive(size int64, body io.Reader) error {
	octets, err := io.ReadAll(body)
	if err == nil && int64(len(octets)) != size {
		err = errors.New("body is short")
	}
	b.current = string(octets)
	return err
}

func (b *bodies) Row(uid mailbox.UID) error {
	if b.texts == nil {
		b.texts = map[mailbox.UID]string{}
	}
	b.texts[uid] = b.current
	return nil
}

func (b *bodies) Drop(uid mailbox.UID, _ error) error {
	b.dropped = append(b.dropped, uid)
	return nil
}
