package synctest

import (
	"bufio"
	"crypto/sha256"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mailferry/syncer/mailbox"
)

// twin makes a tree on disk and a snapshot that says the same.
func twin(t *testing.T) (Snapshot, *Maildir) {
	dir := t.TempDir()
	tree := NewMaildir(t, dir, false)
	snapshot := Snapshot{}
	for _, name := range []mailbox.Name{mailbox.Inbox, "Büro/Süd"} {
		for _, sub := range []string{"cur", "new", "tmp"} {
			must(t, "mkdir", os.MkdirAll(filepath.Join(tree.Path(name), sub), 0o700))
		}
		messages := []Hashed{}
		for i, odd := range OddMessages() {
			flags := []mailbox.Flags{{}, flagged, mailbox.NewFlags("$Junk", mailbox.FlagSeen)}[i%3]
			tree.Deliver(name, flags, someDate(i), odd.Octets)
			messages = append(messages, Hashed{Message{mailbox.UID(i + 1), flags, someDate(i), odd.Octets}, sha256.Sum256(odd.Octets)})
		}
		snapshot[name] = messages
	}
	return snapshot, tree
}

func TestCompareFindsEveryDifferenceAndNoOther(t *testing.T) {
	snapshot, tree := twin(t)
	if got := Differences(t, snapshot, tree.Dir); len(got) != 0 {
		t.Fatalf("%q", got)
	}
	keys := tree.Files(mailbox.Inbox)
	for what, change := range map[string]func(s Snapshot, m *Maildir){
		"one octet": func(s Snapshot, m *Maildir) { write(t, m.find(mailbox.Inbox, keys[9].Key), []byte("another")) },
		"a flag": func(s Snapshot, m *Maildir) {
			m.SetFlags(mailbox.Inbox, keys[9].Key, mailbox.NewFlags(mailbox.FlagDraft))
		},
		"a keyword": func(s Snapshot, m *Maildir) {
			m.SetFlags(mailbox.Inbox, keys[9].Key, keys[9].Flags.Union(mailbox.NewFlags("x")))
		},
		"a date": func(s Snapshot, m *Maildir) {
			must(t, "chtimes", os.Chtimes(m.find(mailbox.Inbox, keys[9].Key), time.Time{}, time.Unix(1, 0)))
		},
		"a lost message": func(s Snapshot, m *Maildir) { m.Unlink(mailbox.Inbox, keys[9].Key) },
		"a duplicate": func(s Snapshot, m *Maildir) {
			m.Deliver(mailbox.Inbox, mailbox.Flags{}, someDate(1), OddMessages()[3].Octets)
		},
		"a lost mailbox": func(s Snapshot, m *Maildir) { must(t, "remove", os.RemoveAll(m.Path("Büro/Süd"))) },
		"a new mailbox":  func(s Snapshot, m *Maildir) { delete(s, "Büro/Süd") },
	} {
		snapshot, tree := twin(t)
		change(snapshot, tree)
		if len(Differences(t, snapshot, tree.Dir)) == 0 {
			t.Errorf("%s is not noticed", what)
		}
	}
}

func write(t *testing.T, path string, octets []byte) {
	t.Helper()
	must(t, "write", os.WriteFile(path, octets, 0o600))
}

func TestRogueIsHonestButForItsTwist(t *testing.T) {
	box := (&RogueMailbox{Validity: 7}).Add("one\r\n", `\Seen`).Add("two\r\n")
	s := StartRogue(t, RogueConfig{Greeting: "* PREAUTH odd\r\n"})
	s.Reset(map[string]*RogueMailbox{"INBOX": box}, func(c *Call) {
		if c.Asks("UID FETCH", "BODY") {
			c.Answer, c.HangUp = []string{"* 1 FETCH (BODY[] {1000}\r\nab"}, true
		}
	})
	conn, err := net.Dial("tcp", s.Addr)
	must(t, "dial", err)
	defer conn.Close()
	must(t, "deadline", conn.SetDeadline(time.Now().Add(10*time.Second)))
	_, err = io.WriteString(conn, "a NOOP\r\nb STATUS INBOX (MESSAGES)\r\nc SELECT {5+}\r\nINBOX\r\nd APPEND INBOX (\\Seen) {3+}\r\nabc\r\n"+
		"e UID STORE 1:2 +FLAGS.SILENT (\\Deleted)\r\nf UID EXPUNGE 2\r\ng UID FETCH 1:* (FLAGS)\r\nh UID FETCH 1 BODY[]\r\n")
	must(t, "write", err)
	got, err := io.ReadAll(conn)
	must(t, "read", err)
	for _, want := range []string{
		"* PREAUTH odd\r\na OK done\r\n* STATUS \"INBOX\" (MESSAGES 2 UIDNEXT 3 UIDVALIDITY 7", "* 2 EXISTS\r\n", "d OK [APPENDUID 7 3] done\r\n",
		"* 2 EXPUNGE\r\n", "* 1 FETCH (UID 1 FLAGS (\\Seen \\Deleted))\r\n* 2 FETCH (UID 3 FLAGS (\\Seen))\r\ng OK done\r\n* 1 FETCH (BODY[] {1000}\r\nab",
	} {
		if !strings.Contains(string(got), want) {
			t.Errorf("%q is not in %q", want, got)
		}
	}
	if calls := s.Calls(); len(calls) != 8 || calls[4].Verb != "UID STORE" || calls[4].Mailbox != "INBOX" {
		t.Errorf("%+v", calls)
	}
	if left := s.Mailboxes()["INBOX"].Messages; len(left) != 2 || left[1].Octets != "abc" {
		t.Errorf("%+v", left)
	}
}

func TestNamesSurviveModifiedUTF7(t *testing.T) {
	for _, server := range []*Server{{Separator: '/'}, {Separator: '.', Prefix: "INBOX."}} {
		for _, name := range []mailbox.Name{mailbox.Inbox, "Büro & Co/Süd", "日本/😀", "a-b", "&", "INBOX/Sub"} {
			if got := server.nameOf(server.serverName(name)); got != name {
				t.Errorf("%q became %q by %q", name, got, server.serverName(name))
			}
		}
	}
	if got := (&Server{Separator: '/'}).serverName("Büro & Co"); got != "B&APw-ro &- Co" {
		t.Errorf("%q", got)
	}
}

func FuzzReadAnswer(f *testing.F) {
	for _, seed := range []string{
		"* 1 FETCH (UID 7 FLAGS (\\Seen $X) BODY[] {3}\r\na\x00b INTERNALDATE \" 1-Jan-2000 00:00:00 +0000\")\r\n",
		"a OK [APPENDUID 1 2] done\r\n", "* LIST (\\Noselect) \"/\" \"a\\\"b\"\r\n", "* X BODY[HEADER.FIELDS (A B)] NIL\r\n",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if strings.Count(text, "(") > 1000 {
			return
		}
		r := bufio.NewReader(strings.NewReader(text))
		for {
			if _, _, err := readAnswer(r); err != nil {
				return
			}
		}
	})
}
