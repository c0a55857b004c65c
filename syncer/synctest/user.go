package synctest

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"mailferry/syncer/mailbox"
)

// Password is that of every user on every server of this package.
const Password = "pass"

// internalDate is INTERNALDATE's form. (RFC 9051, date-time)
const internalDate = "_2-Jan-2006 15:04:05 -0700"

// User is a fresh account on a server and a Witness of it.
type User struct {
	Name, Password string
	Server         *Server
	// Maildir is the folder with the account's mail, "" where the server does
	// not keep it as a Maildir. INBOX is its root and "Work" is ".Work".
	Maildir string

	tb   testing.TB
	mu   sync.Mutex
	conn *client
}

var _ Witness = (*User)(nil)

// do runs a command, selecting the mailbox first if one is given.
func (u *User) do(verb string, name mailbox.Name, command string, literals ...[]byte) answer {
	u.tb.Helper()
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.conn == nil {
		conn, err := dialClient(u.Server.Addr, u.Name, u.Password)
		if err != nil {
			u.tb.Fatalf("witness: %v", err)
		}
		u.conn = conn
		u.tb.Cleanup(conn.close)
	}
	if verb != "" {
		got, err := u.conn.do(verb + " " + quote(u.Server.serverName(name)))
		if err != nil {
			u.tb.Fatalf("witness: %v", err)
		}
		defer func() { _, _ = u.conn.do("UNSELECT") }()
		if strings.Contains(command, "1:*") && isEmptyMailbox(got) {
			return answer{}
		}
	}
	got, err := u.conn.do(command, literals...)
	if err != nil {
		u.tb.Fatalf("witness: %v", err)
	}
	return got
}

func isEmptyMailbox(selected answer) bool {
	return slices.ContainsFunc(selected.untagged, func(items []item) bool {
		return len(items) == 3 && items[1].text == "0" && strings.EqualFold(items[2].text, "EXISTS")
	})
}

// Do sends any command, outside of any mailbox, and returns the text of its OK.
func (u *User) Do(command string) string {
	u.tb.Helper()
	return u.do("", "", command).text
}

// Append implements Witness.
func (u *User) Append(name mailbox.Name, flags mailbox.Flags, date mailbox.Date, octets []byte) mailbox.UID {
	u.tb.Helper()
	command := fmt.Sprintf("APPEND %s (%s) ", quote(u.Server.serverName(name)), flags)
	if date.Known {
		command += quote(date.Time().Format(internalDate)) + " "
	}
	text := u.do("", "", command+"\x00", octets).text
	_, code, _ := strings.Cut(text, "[APPENDUID ")
	code, _, _ = strings.Cut(code, "]")
	_, uid, _ := strings.Cut(code, " ")
	n, _ := strconv.ParseUint(uid, 10, 32)
	return mailbox.UID(n)
}

// Store implements Witness.
func (u *User) Store(name mailbox.Name, uid mailbox.UID, item string, flags mailbox.Flags) {
	u.tb.Helper()
	u.do("SELECT", name, fmt.Sprintf("UID STORE %d %s.SILENT (%s)", uid, item, flags))
}

// Expunge implements Witness. It spares other messages marked \Deleted.
func (u *User) Expunge(name mailbox.Name, uids ...mailbox.UID) {
	u.tb.Helper()
	if len(uids) == 0 {
		return
	}
	set := mailbox.UIDs(uids...).String()
	u.do("SELECT", name, fmt.Sprintf(`UID STORE %s +FLAGS.SILENT (\Deleted)`, set))
	u.do("SELECT", name, "UID EXPUNGE "+set)
}

// Messages implements Witness.
func (u *User) Messages(name mailbox.Name) []Message {
	u.tb.Helper()
	var messages []Message
	for _, items := range u.do("EXAMINE", name, "UID FETCH 1:* (UID FLAGS INTERNALDATE BODY.PEEK[])").untagged {
		if len(items) < 4 || !strings.EqualFold(items[2].text, "FETCH") {
			continue
		}
		message, err := parseFetch(items[3].list)
		if err != nil {
			u.tb.Fatalf("witness: %s: %v", name, err)
		}
		messages = append(messages, message)
	}
	slices.SortFunc(messages, func(a, b Message) int { return int(int64(a.UID) - int64(b.UID)) })
	return messages
}

func parseFetch(items []item) (Message, error) {
	var m Message
	for i := 0; i+1 < len(items); i += 2 {
		value := items[i+1]
		switch strings.ToUpper(items[i].text) {
		case "UID":
			n, err := strconv.ParseUint(value.text, 10, 32)
			if err != nil {
				return m, err
			}
			m.UID = mailbox.UID(n)
		case "FLAGS":
			m.Flags = flagsOf(value.list)
		case "INTERNALDATE":
			t, err := time.Parse(internalDate, value.text)
			if err != nil {
				return m, err
			}
			m.Date = mailbox.DateOf(t)
		case "BODY[]":
			m.Octets = []byte(value.text)
		}
	}
	return m, nil
}

func flagsOf(items []item) mailbox.Flags {
	var names []string
	for _, item := range items {
		names = append(names, item.text)
	}
	return mailbox.NewFlags(names...)
}

// Create implements Witness.
func (u *User) Create(name mailbox.Name) {
	u.tb.Helper()
	u.Do("CREATE " + quote(u.Server.serverName(name)))
}

// Rename implements Witness.
func (u *User) Rename(from, to mailbox.Name) {
	u.tb.Helper()
	u.Do("RENAME " + quote(u.Server.serverName(from)) + " " + quote(u.Server.serverName(to)))
}

// Delete implements Witness.
func (u *User) Delete(name mailbox.Name) {
	u.tb.Helper()
	u.Do("DELETE " + quote(u.Server.serverName(name)))
}

// Mailboxes implements Witness.
func (u *User) Mailboxes() []mailbox.Name {
	u.tb.Helper()
	names := []mailbox.Name{}
	for _, items := range u.do("", "", `LIST "" "*"`).untagged {
		if len(items) < 5 || !strings.EqualFold(items[1].text, "LIST") {
			continue
		}
		hidden := slices.ContainsFunc(items[2].list, func(attribute item) bool {
			return strings.EqualFold(attribute.text, `\Noselect`) || strings.EqualFold(attribute.text, `\NonExistent`)
		})
		if name := u.Server.nameOf(items[4].text); !hidden && u.exists(name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// exists asks for one mailbox: Dovecot goes on listing one that was deleted as
// long as it has children.
func (u *User) exists(name mailbox.Name) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	_, err := u.conn.do("STATUS " + quote(u.Server.serverName(name)) + " (UIDNEXT)")
	if err != nil && !strings.Contains(err.Error(), "exist") {
		u.tb.Fatalf("witness: %v", err)
	}
	return err == nil
}

// Snapshot is a whole account: its mailboxes and what is in them.
type Snapshot map[mailbox.Name][]Hashed

// Hashed is a message with the SHA-256 of its octets.
type Hashed struct {
	Message
	Hash mailbox.Hash
}

// SnapshotOf looks at everything that a witness can see.
func SnapshotOf(w Witness) Snapshot {
	snapshot := Snapshot{}
	for _, name := range w.Mailboxes() {
		messages := []Hashed{}
		for _, message := range w.Messages(name) {
			messages = append(messages, Hashed{message, sha256.Sum256(message.Octets)})
		}
		snapshot[name] = messages
	}
	return snapshot
}

// Snapshot looks at the whole account.
func (u *User) Snapshot() Snapshot {
	u.tb.Helper()
	return SnapshotOf(u)
}

// Subscribed lists the names of subscribed mailboxes, as the server spells
// them.
func (u *User) Subscribed() []string {
	u.tb.Helper()
	names := []string{}
	for _, items := range u.do("", "", `LSUB "" "*"`).untagged {
		if len(items) >= 5 && strings.EqualFold(items[1].text, "LSUB") {
			names = append(names, items[4].text)
		}
	}
	slices.Sort(names)
	return names
}
