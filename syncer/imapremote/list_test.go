package imapremote

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"mailferry/syncer/mailbox"
)

// listing answers LIST "" "*" with rows, and NAMESPACE.
func listing(namespaces string, rows []string) script {
	return func(_ int, line string) []string {
		switch {
		case strings.HasPrefix(line, "AUTHENTICATE"):
			return []string{"OK [CAPABILITY IMAP4rev1 NAMESPACE] welcome"}
		case line == "NAMESPACE":
			return []string{"* NAMESPACE " + namespaces, "OK done"}
		case strings.HasPrefix(line, "LIST") && strings.HasSuffix(line, `"*"`):
			return append(append([]string{}, rows...), "OK done")
		case strings.HasPrefix(line, "STATUS"):
			return []string{"NO not now"}
		}
		return nil
	}
}

func TestListShowsEachMailboxOfTheUserOnce(t *testing.T) {
	for _, test := range []struct {
		namespaces string
		rows       []string
		want       string
	}{
		{`(("" "/")) NIL NIL`, []string{
			`* LIST () "/" INBOX`, `* LIST () "/" inbox`, `* LIST () "/" b`, `* LIST () "/" b`, `* LIST () "/" a`,
			`* LIST (\NoSelect) "/" c`, `* LIST (\NonExistent) "/" d`, `* LIST () "/" ""`, `* LIST () "//" e//f`,
			`* LIST () "." x.y`, `* LIST () NIL x/y`, `* LIST () "/" "&Jjo!"`, `* LIST () "/" ../../etc`,
		}, "%x26Jjo!|../../etc|INBOX|a|b|x%2Fy|x/y"},
		{`(("INBOX." ".")) (("user." ".")) (("" "."))`, []string{
			`* LIST () "." INBOX`, `* LIST () "." INBOX.Sent`, `* LIST () "." INBOX.INBOX.x`, `* LIST () "." user.bob`, `* LIST () "." bulletin`,
		}, "INBOX|INBOX/x|Sent"},
	} {
		server := startFake(t, fakeGreeting, listing(test.namespaces, test.rows))
		a := open(t, options(t, server.addr, "user"))
		listed, err := a.List(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, row := range listed {
			names = append(names, string(row.Name))
			if row.Status != nil {
				t.Errorf("%s has a status", row.Name)
			}
		}
		if got := strings.Join(names, "|"); got != test.want {
			t.Errorf("listed %s, want %s", got, test.want)
		}
	}
}

func TestListIsNeverPartOfTheMailboxes(t *testing.T) {
	var many []string
	for i := range maxMailboxes + 1 {
		many = append(many, fmt.Sprintf(`* LIST () "/" m%d`, i))
	}
	for name, rows := range map[string][]string{
		"cut short": {`* LIST () "/" INBOX`, "HANGUP"},
		"NO":        {`* LIST () "/" INBOX`, "NO [UNAVAILABLE] busy"},
		"BYE":       {`* LIST () "/" INBOX`, "* BYE enough", "HANGUP"},
		"too many":  many,
	} {
		server := startFake(t, fakeGreeting, listing(`(("" "/")) NIL NIL`, rows))
		a := open(t, options(t, server.addr, "user"))
		if listed, err := a.List(t.Context()); err == nil || listed != nil {
			t.Errorf("%s: %d mailboxes, %v", name, len(listed), err)
		} else if name == "too many" && !errors.Is(err, mailbox.ErrIncomplete) {
			t.Error(err)
		}
	}
}

func TestListLeavesOutWhatIsOnlyANameOnTheWayToOthers(t *testing.T) {
	list := listing(`(("" "/")) NIL NIL`, []string{`* LIST () "/" a`, `* LIST () "/" a/b`, `* LIST () "/" busy`, `* LIST () "/" gone`})
	server := startFake(t, fakeGreeting, func(n int, line string) []string {
		switch {
		case strings.HasPrefix(line, `STATUS "a" `):
			return []string{"NO Mailbox doesn't exist: a"}
		case strings.HasPrefix(line, `STATUS "a/b" `):
			return []string{"* STATUS a/b (MESSAGES 0 UIDNEXT 1 UIDVALIDITY 1)", "OK done"}
		case strings.HasPrefix(line, `STATUS "gone" `):
			return []string{"NO [NONEXISTENT] no such mailbox"}
		}
		return list(n, line)
	})
	a := open(t, options(t, server.addr, "user"))
	listed, err := a.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, row := range listed {
		names = append(names, string(row.Name))
	}
	if got := strings.Join(names, "|"); got != "a/b|busy" {
		t.Errorf("listed %s", got)
	}
}
