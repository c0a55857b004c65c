package wire

import (
	"fmt"
	"strings"
	"testing"

	"mailferry/syncer/mailbox"
)

const opened = "* FLAGS (\\Seen foo)\r\n* 3 EXISTS\r\n* 0 RECENT\r\n" +
	"* OK [UIDVALIDITY 17] valid\r\n* OK [UIDNEXT 12] next\r\n* OK [HIGHESTMODSEQ 99] mod\r\n" +
	"* OK [PERMANENTFLAGS (\\Seen \\Deleted foo]bar \\*)] kept\r\n$ OK [READ-WRITE] open\r\n"

func describeRow(r FetchRow) string {
	text := fmt.Sprintf("%d (%s) %d %s %d %s", r.UID, r.Flags, r.Size, formatDate(r.Date), r.ModSeq, nameOf(r.ContentID))
	if r.Err != nil {
		text += " spoiled"
	}
	return text
}

// nameOf is the name that a ContentID was made of, if it is one of the tests'.
func nameOf(id mailbox.ContentID) string {
	for _, name := range []string{"M12", "12"} {
		for _, item := range []string{"EMAILID", "X-GM-MSGID"} {
			if id == mailbox.NewContentID(item, []byte(name)) {
				return item + " " + name
			}
		}
	}
	return ""
}

func fetchAll(req FetchRequest) func(x *Exchange) (string, error) {
	return func(x *Exchange) (string, error) {
		var rows []string
		err := x.Fetch(req, func(r FetchRow) error { rows = append(rows, describeRow(r)); return nil })
		return strings.Join(rows, "\n"), err
	}
}

func bodies(uids ...mailbox.UID) func(x *Exchange) (string, error) {
	return func(x *Exchange) (string, error) {
		var got collector
		err := x.FetchBodies(mailbox.UIDs(uids...), mailbox.Whole, &got)
		return got.String(), err
	}
}

func listAll(req ListRequest) func(x *Exchange) (string, error) {
	return func(x *Exchange) (string, error) {
		var rows []string
		err := x.List(req, func(r ListRow) error {
			text := fmt.Sprintf("%q %q %v", r.Name, r.Separator, r.Attributes)
			if r.Status != nil {
				text += fmt.Sprintf(" %v", *r.Status)
			}
			if r.MailboxID != "" {
				text += " " + r.MailboxID
			}
			if r.Err != nil {
				text += " spoiled"
			}
			rows = append(rows, text)
			return nil
		})
		return strings.Join(rows, "\n"), err
	}
}

func TestCommandsReadWhatServersAnswer(t *testing.T) {
	full := FetchRequest{UIDs: mailbox.Range(1, 100), Flags: true, Size: true, Date: true}
	flags := FetchRequest{From: 5, Flags: true}
	const date = `INTERNALDATE "17-Jul-1996 02:44:25 -0700"`
	tests := []struct {
		name  string
		reply string
		run   func(x *Exchange) (string, error)
		want  string
	}{
		{"capabilities without IMAP4rev2", "* CAPABILITY imap4rev1 IMAP4rev2 AUTH=PLAIN LITERAL+\r\n$ OK\r\n",
			func(x *Exchange) (string, error) { c, err := x.Capability(); return fmt.Sprint(c), err },
			"[IMAP4REV1 AUTH=PLAIN LITERAL+]"},
		{"capabilities in the OK", "$ OK [CAPABILITY IMAP4rev1 IDLE] done\r\n",
			func(x *Exchange) (string, error) { c, err := x.Capability(); return fmt.Sprint(c), err }, "[IMAP4REV1 IDLE]"},
		{"enabled", "* ENABLED CONDSTORE\r\n$ OK\r\n",
			func(x *Exchange) (string, error) { c, err := x.Enable("condstore"); return fmt.Sprint(c), err }, "[CONDSTORE]"},
		{"metadata", "* 1 FETCH (UID 7 FLAGS (\\Seen $Junk) RFC822.SIZE 42 " + date + ")\r\n$ OK\r\n", fetchAll(full),
			`7 (\Seen $Junk) 42 "17-Jul-1996 02:44:25 -0700" 0 `},
		{"items in any order, unknown ones between", "* 1 FETCH (X-GM-MSGID 12 RFC822.SIZE 42 X (a (b {3}\r\n)\"( \"q\\\"\")) " + date +
			" ENVELOPE (NIL \"x\") FLAGS () UID 7 EMAILID (M12) MODSEQ (5))\r\n$ OK\r\n", fetchAll(full),
			`7 () 42 "17-Jul-1996 02:44:25 -0700" 5 EMAILID M12`},
		{"Gmail's name of a message", "* 1 FETCH (X-GM-MSGID 12 UID 7 FLAGS ())\r\n$ OK\r\n", fetchAll(FetchRequest{UIDs: mailbox.UIDs(7), Flags: true, GmailID: true}), "7 () 0  0 X-GM-MSGID 12"},
		{"an odd flag is left out", "* 1 FETCH (UID 7 FLAGS (\\Seen \\* foo]bar \"quoted\" {3}\r\nlit \x1b[m ok))\r\n$ OK\r\n", fetchAll(FetchRequest{UIDs: mailbox.UIDs(7), Flags: true}),
			`7 (\Seen ok) 0  0 `},
		{"odd dates are unknown", "* 1 FETCH (UID 7 INTERNALDATE NIL)\r\n* 2 FETCH (UID 8 INTERNALDATE \"31-Feb-2020 00:00:00 +0000\")\r\n* 3 FETCH (UID 9 INTERNALDATE \"soon\")\r\n$ OK\r\n",
			fetchAll(FetchRequest{UIDs: mailbox.Range(7, 9), Date: true}), "7 () 0  0 \n8 () 0  0 \n9 () 0  0 "},
		{"an unsolicited FETCH is no answer", "* 9 FETCH (FLAGS (\\Seen))\r\n* 1 FETCH (UID 7 FLAGS (\\Draft))\r\n* 1 FETCH (UID 7 FLAGS () RFC822.SIZE 42 " + date + ")\r\n$ OK\r\n", fetchAll(full),
			`7 () 42 "17-Jul-1996 02:44:25 -0700" 0 `},
		{"a message without its size is spoiled and comes last", "* 1 FETCH (UID 7 FLAGS () " + date + ")\r\n* 2 FETCH (UID 8 FLAGS () RFC822.SIZE -1 " + date + ")\r\n* 3 FETCH (UID 9 FLAGS () RFC822.SIZE 3 " + date + ")\r\n$ OK\r\n", fetchAll(full),
			"9 () 3 \"17-Jul-1996 02:44:25 -0700\" 0 \n7 () 0 \"17-Jul-1996 02:44:25 -0700\" 0  spoiled\n8 () 0 \"17-Jul-1996 02:44:25 -0700\" 0  spoiled"},
		{"a broken row costs that row", "* 1 FETCH (UID 7 FLAGS (\\Seen RFC822.SIZE\r\n* 2 FETCH (UID 8 FLAGS () \"\r\n* 3 FETCH UID\r\n* 4 FETCH (UID 0 FLAGS ())\r\n* 5 FETCH (UID 10 FLAGS ())\r\n$ OK\r\n", fetchAll(flags),
			"10 () 0  0 \n7 () 0  0  spoiled\n8 () 0  0  spoiled"},
		{"rows that n:* was not meant to find", "* 1 FETCH (UID 4 FLAGS ())\r\n* 2 FETCH (UID 5 FLAGS ())\r\n$ OK\r\n", fetchAll(flags), "5 () 0  0 "},
		{"descending UIDs", "* 2 FETCH (UID 9 FLAGS ())\r\n* 1 FETCH (UID 8 FLAGS ())\r\n$ OK\r\n", fetchAll(flags), "9 () 0  0 \n8 () 0  0 "},
		{"OK and no rows", "$ OK\r\n", fetchAll(full), ""},

		{"a body", messageRow(5, "hello\r\n") + "$ OK\r\n", bodies(5), `receive "hello\r\n"; row 5`},
		{"a body before its UID", "* 1 FETCH (BODY[] {5}\r\nhello UID 5)\r\n$ OK\r\n", bodies(5), `receive "hello"; row 5`},
		{"a quoted body", "* 1 FETCH (UID 5 BODY[] \"say \\\"hi\\\"\")\r\n$ OK\r\n", bodies(5), `receive "say \"hi\""; row 5`},
		{"an empty body", "* 1 FETCH (UID 5 BODY[] {0}\r\n)\r\n* 2 FETCH (UID 6 BODY[] \"\")\r\n$ OK\r\n", bodies(5, 6), `receive ""; row 5; receive ""; row 6`},
		{"a literal8", "* 1 FETCH (UID 5 BODY[] ~{3}\r\na\x00b)\r\n$ OK\r\n", bodies(5), `receive "a\x00b"; row 5`},
		{"NIL", "* 1 FETCH (BODY[] NIL UID 5)\r\n$ OK\r\n", bodies(5), "drop 5: " + errNoContent.Error()},
		{"part of a body", "* 1 FETCH (UID 5 BODY[]<0> {5}\r\nhello)\r\n$ OK\r\n", bodies(5), "drop 5: " + errOtherPart.Error()},
		{"another section", "* 1 FETCH (UID 5 BODY[TEXT] {5}\r\nhello)\r\n$ OK\r\n", bodies(5), "drop 5: " + errOtherPart.Error()},
		{"a message not asked for", messageRow(6, "x") + messageRow(5, "y") + "$ OK\r\n", bodies(5), "drop 6: " + errNotAsked.Error() + `; receive "y"; row 5`},
		{"a message not asked for, its UID late", "* 1 FETCH (BODY[] {1}\r\nx UID 6)\r\n$ OK\r\n", bodies(5), `receive "x"; drop 6: ` + errNotAsked.Error()},
		{"one UID with two bodies", messageRow(5, "x") + messageRow(5, "y") + "$ OK\r\n", bodies(5), `receive "x"; row 5; drop 5: ` + errTwice.Error()},
		{"no UID", "* 5 FETCH (BODY[] {1}\r\nx)\r\n$ OK\r\n", bodies(5), `receive "x"; drop 0: ` + errNoUID.Error()},
		{"flags and expunges between", "* 5 FETCH (FLAGS (\\Seen))\r\n* 5 FETCH (UID 5 FLAGS ())\r\n* 1 EXPUNGE\r\n" + messageRow(5, "x") + "* VANISHED 9\r\n$ OK\r\n", bodies(5), `receive "x"; row 5`},
		{"nothing", "* 1 FETCH (UID 5)\r\n$ OK\r\n", bodies(5), ""},

		{"mailboxes", "* LIST (\\HasNoChildren) \"/\" INBOX\r\n* LIST (\\Sent) \".\" \"Sent &- x\"\r\n* LIST () NIL {4}\r\na\"\r\xff\r\n* LIST () \"/\" Foo(bar)\r\n* LIST () \"//\" \"\"\r\n$ OK\r\n", listAll(ListRequest{}),
			"\"INBOX\" \"/\" [\\HasNoChildren]\n\"Sent &- x\" \".\" [\\Sent]\n\"a\\\"\\r\\xff\" \"\" []\n\"Foo(bar)\" \"/\" []\n\"\" \"//\" []"},
		{"a broken LIST row costs that row", "* LIST (\\A \"/\" x\r\n* LIST () \"/\" \"open\r\n* LIST () \"/\" y (\"CHILDINFO\" (\"X\"))\r\n$ OK\r\n", listAll(ListRequest{}),
			"\"\" \"\" [\\A \"/\" x] spoiled\n\"\" \"/\" [] spoiled\n\"y\" \"/\" []"},
		{"LIST-STATUS joins by name", "* LIST () \"/\" INBOX\r\n* STATUS {5}\r\ninbox (MESSAGES 3 UIDNEXT 9 UIDVALIDITY 17 HIGHESTMODSEQ 5 MAILBOXID (F1) X (1 2))\r\n* STATUS b (MESSAGES 1)\r\n* LIST () \"/\" b\r\n* LIST () \"/\" c\r\n* STATUS c (UIDNEXT x)\r\n$ OK\r\n",
			listAll(ListRequest{Status: true}),
			"\"INBOX\" \"/\" [] {3 9 17 5} F1\n\"b\" \"/\" [] {1 0 0 0}\n\"c\" \"/\" [] spoiled"},
		{"status", "* STATUS box (MESSAGES 3 UIDNEXT 9 UIDVALIDITY 17)\r\n$ OK\r\n",
			func(x *Exchange) (string, error) { s, err := x.Status("box", false); return fmt.Sprint(s), err }, "{3 9 17 0}"},
		{"select", opened, func(x *Exchange) (string, error) {
			s, err := x.Select(SelectRequest{Name: "box"})
			return fmt.Sprintf("%v %v %v %v %v %v %d", s.Status, s.Holds, s.HoldsKnown, s.Flags, s.ReadOnly, s.NoModSeq, x.Exists()), err
		}, `{3 12 17 99} {true \Deleted \Seen} true \Seen foo false false 3`},
		{"examine", "* OK [CLOSED] old\r\n* 3 EXISTS\r\n* OK [PERMANENTFLAGS ()] none\r\n* OK [NOMODSEQ] no\r\n* OK [UIDVALIDITY 99999999999] odd\r\n$ OK [READ-ONLY] open\r\n", func(x *Exchange) (string, error) {
			s, err := x.Select(SelectRequest{Name: "box", ReadOnly: true})
			return fmt.Sprintf("%v %v %v %v %v", s.Status, s.Holds.AnyKeyword, s.HoldsKnown, s.ReadOnly, s.NoModSeq), err
		}, `{3 0 0 0} true false true true`},
		{"ESEARCH", "* ESEARCH (TAG \"zz\") UID ALL 99\r\n* ESEARCH (TAG \"mf1\") UID COUNT 4 ALL 1:3,4294967295\r\n$ OK\r\n",
			func(x *Exchange) (string, error) { s, err := x.SearchAll(true); return s.String(), err }, "1:3,4294967295"},
		{"ESEARCH that names everything", "* ESEARCH (TAG \"mf1\") UID ALL 1:4294967295\r\n$ OK\r\n",
			func(x *Exchange) (string, error) { s, err := x.SearchAll(true); return s.String(), err }, "1:4294967295"},
		{"SEARCH", "* SEARCH 3 1 2 (MODSEQ 9)\r\n* SEARCH 7\r\n$ OK\r\n",
			func(x *Exchange) (string, error) { s, err := x.SearchAll(false); return s.String(), err }, "1:3,7"},
		{"SEARCH of nothing", "* SEARCH\r\n$ OK\r\n",
			func(x *Exchange) (string, error) { s, err := x.SearchAll(false); return s.String(), err }, ""},
		{"STORE spares", "* 4 FETCH (MODSEQ (7))\r\n$ OK [MODIFIED 3,5:6] some\r\n", func(x *Exchange) (string, error) {
			m, err := x.Store(StoreRequest{UIDs: mailbox.Range(1, 9), Flags: mailbox.NewFlags(`\Seen`, "kw"), UnchangedSince: 4})
			return m.String(), err
		}, "3,5:6"},
		{"STORE spares unreadably", "$ OK [MODIFIED x] some\r\n", func(x *Exchange) (string, error) {
			m, err := x.Store(StoreRequest{UIDs: mailbox.Range(1, 9), Flags: mailbox.NewFlags(`\Seen`), UnchangedSince: 4})
			return m.String(), err
		}, "1:9"},
		{"EXPUNGE counts", "* 9 EXISTS\r\n* 3 EXPUNGE\r\n* VANISHED 4:5\r\n* VANISHED (EARLIER) 1:4294967295\r\n$ OK\r\n", func(x *Exchange) (string, error) {
			n, err := x.Expunge(mailbox.UIDs(3, 4, 5))
			return fmt.Sprint(n, x.Exists()), err
		}, "3 6"},
		{"VANISHED names more than there is", "* 9 EXISTS\r\n* VANISHED 1:4294967295\r\n$ OK\r\n", func(x *Exchange) (string, error) {
			n, err := x.Expunge(mailbox.UIDs(3))
			return fmt.Sprint(n, x.Exists()), err
		}, "9 0"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var got string
			_, err := raw(t, replies(test.reply, "$ OK still in step\r\n"), func(x *Exchange) (err error) {
				if got, err = test.run(x); err != nil {
					return err
				}
				return x.Noop()
			})
			if err != nil {
				t.Fatal(err)
			}
			if got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
}
