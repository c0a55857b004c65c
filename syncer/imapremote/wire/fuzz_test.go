package wire

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"mailferry/syncer/mailbox"
	"mailferry/syncer/synctest"
)

func FuzzFetchRows(f *testing.F) {
	f.Add("* 1 FETCH (UID 7 FLAGS (\\Seen foo]bar) RFC822.SIZE 4 INTERNALDATE \"17-Jul-1996 02:44:25 -0700\" MODSEQ (5) EMAILID (M1))\r\nmf1 OK\r\n")
	f.Add("* 1 FETCH (UID 7 X (((\"a\" {3}\r\nabc ~{1+}\r\nx))) BODY[HEADER.FIELDS (A)]<0> NIL)\r\nmf1 OK [MODIFIED 1]\r\n")
	f.Add("* 1 FETCH (FLAGS (\\Seen \"\r\n* VANISHED (EARLIER) 1:*\r\n* BYE\r\n")
	f.Fuzz(func(t *testing.T, text string) {
		synctest.Bounded(t, len(text), func() {
			x := newExchange(offlineReader(text))
			cmd := &command{name: "UID FETCH", tag: "mf1"}
			fetch := &fetching{x: x, cmd: cmd, req: FetchRequest{From: 1, Flags: true}, short: map[mailbox.UID]FetchRow{},
				give: func(r FetchRow) error {
					if r.UID == 0 || !r.HasFlags {
						t.Errorf("row %+v", r)
					}
					return nil
				}}
			cmd.data = fetch.data
			run(x, cmd)
		})
	})
}

func FuzzBodies(f *testing.F) {
	f.Add("* 1 FETCH (UID 5 BODY[] {5}\r\nhello)\r\n* 2 FETCH (BODY[] \"x\" UID 6)\r\nmf1 OK\r\n")
	f.Add("* 1 FETCH (UID 5 BODY[]<0> ~{5}\r\nhello FLAGS ())\r\nmf1 NO [X (]\r\n")
	f.Fuzz(func(t *testing.T, text string) {
		c := offlineReader(text)
		x := newExchange(c)
		cmd := &command{name: "UID FETCH", tag: "mf1"}
		var sink collector
		r := &receiving{x: x, cmd: cmd, uids: mailbox.Range(5, 6), section: "BODY[]", sink: &sink, seen: map[mailbox.UID]struct{}{}}
		cmd.data = r.data
		run(x, cmd)
		rows := map[string]bool{}
		for i, event := range sink.events {
			if !strings.HasPrefix(event, "row") {
				continue
			}
			if rows[event] || i == 0 || !strings.HasPrefix(sink.events[i-1], "receive") {
				t.Errorf("%q: %v", text, sink.events)
			}
			rows[event] = true
		}
	})
}

func FuzzListRows(f *testing.F) {
	f.Add("* LIST (\\Sent) \"/\" {3}\r\na\"b\r\n* STATUS a\"b (MESSAGES 1 X (1 2))\r\nmf1 OK\r\n")
	f.Add("* LIST () NIL INBOX (\"CHILDINFO\" (\"X\"))\r\n* STATUS inbox (MESSAGES 4294967296)\r\nmf1 OK\r\n")
	f.Fuzz(func(t *testing.T, text string) {
		x := newExchange(offlineReader(text))
		l := &lister{x: x, index: map[string]int{}, spare: map[string]statusAnswer{}}
		run(x, &command{name: "LIST", tag: "mf1", data: l.data})
	})
}

func FuzzStatusText(f *testing.F) {
	f.Add("[CAPABILITY IMAP4rev1 IMAP4rev2] hi")
	f.Add("[COPYUID 1 2:3 4:5] x")
	f.Add("\x01[CAPABILITY IMAP4REV2] x")
	f.Add("[PERMANENTFLAGS (foo]bar)] x")
	f.Fuzz(func(t *testing.T, text string) {
		if strings.ContainsAny(text, "\r\n") {
			return
		}
		st := parseStatusText([]byte(text))
		c := offlineReader("")
		c.showStatus("*", "OK", st)
		shown := string(c.shown)
		code, _, _ := strings.Cut(shown, "]")
		if strings.Count(shown, "\r\n") != 1 || strings.HasPrefix(code, "* OK [CAPABILITY ") && slices.Contains(strings.Fields(code), "IMAP4REV2") {
			t.Errorf("%q is shown as %q", text, shown)
		}
	})
}

func FuzzControlPlane(f *testing.F) {
	f.Add("* NAMESPACE ((\"\" \"/\" \"X\" (\"a\"))) NIL NIL\r\n* ID (\"a\" NIL)\r\n* QUOTA \"\" (STORAGE 1 2)\r\n")
	f.Add("* 3 EXISTS\r\n* LIST () {3}\r\nabc x\r\n* CAPABILITY A B\r\nT1 OK [COPYUID 1 2 3]\r\n+ x\r\n")
	f.Fuzz(func(t *testing.T, text string) {
		c := offlineReader(text)
		for range 100 {
			if c.filter() != nil {
				return
			}
			if shown := string(c.shown); shown != "" && (!strings.HasSuffix(shown, "\r\n") || strings.Count(shown, "\n") != 1) {
				t.Errorf("%q is shown as %q", text, shown)
			}
		}
	})
}

// talk is an Exchange that reads text through a small buffer, as many octets at
// a time as each says.
func talk(text string, buffer int, each func(io.Reader) io.Reader) *Exchange {
	c := offlineReader("")
	c.in = &reader{src: each(strings.NewReader(text)), buf: make([]byte, buffer)}
	c.parser.in = c.in
	c.exists = 3
	return newExchange(c)
}

// questions are what may be asked, each of which writes down what it hears.
var questions = []func(x *Exchange, note func(format string, args ...any)) error{
	func(x *Exchange, note func(string, ...any)) error {
		return x.Fetch(FetchRequest{From: 1, Flags: true, Size: true, Date: true}, func(r FetchRow) error {
			note("%d %v %d %v %d %v", r.UID, r.Flags, r.Size, r.Date, r.ModSeq, r.Err)
			return nil
		})
	},
	func(x *Exchange, note func(string, ...any)) error {
		var sink collector
		err := x.FetchBodies(mailbox.Range(5, 6), mailbox.Whole, &sink)
		note("%s", &sink)
		return err
	},
	func(x *Exchange, note func(string, ...any)) error {
		return x.List(ListRequest{Status: true}, func(r ListRow) error {
			note("%q %q %q %+v %q %v", r.Name, r.Separator, r.Attributes, r.Status, r.MailboxID, r.Err)
			return nil
		})
	},
	func(x *Exchange, note func(string, ...any)) error {
		set, err := x.SearchAll(true)
		note("%s", set)
		return err
	},
	func(x *Exchange, note func(string, ...any)) error {
		return x.SelectAndFetch(SelectRequest{Name: "INBOX"}, FetchRequest{From: 1, Flags: true},
			func(s Selected) error { note("%+v", s); return nil },
			func(r FetchRow) error { note("%d %v", r.UID, r.Flags); return nil })
	},
	func(x *Exchange, note func(string, ...any)) error {
		n, err := x.Expunge(mailbox.Range(5, 6))
		note("%d expunged", n)
		return err
	},
}

// allQuestions, and what is above, asks them all.
const allQuestions = uint8(6)

// What is understood does not depend on how the octets arrive, nor on where the
// buffer ends.
func FuzzAnswersAreTheSameHoweverTheyArrive(f *testing.F) {
	for _, text := range []string{
		"* 1 FETCH (UID 5 FLAGS (\\Seen) RFC822.SIZE 4 INTERNALDATE \"17-Jul-1996 02:44:25 -0700\" BODY[] {4}\r\nabcd)\r\nmf1 OK done\r\n",
		"* LIST (\\Sent) \"/\" {3}\r\na\"b\r\n* STATUS {3}\r\na\"b (MESSAGES 1 UIDNEXT 2)\r\nmf1 OK\r\n",
		"* ESEARCH (TAG \"mf1\") UID ALL 1:3,7\r\n* SEARCH 9\r\nmf1 OK\r\n",
		"* FLAGS (a b)\r\n* 3 EXISTS\r\n* OK [UIDVALIDITY 5] x\r\nmf1 OK [READ-ONLY]\r\n* VANISHED 1:2\r\n* 1 FETCH (UID 1 FLAGS ())\r\nmf2 NO x\r\n",
		"* BYE gone\r\n", "mf1 BAD [X (]\r\n", "* 1 FETCH (UID 5 BODY[] {1000}\r\nabc", "* 1 FETCH (UID 1 X ((((((\r\n",
	} {
		f.Add(text, uint8(7), allQuestions)
	}
	f.Fuzz(func(t *testing.T, text string, buffer, question uint8) {
		if len(text) > 1<<16 {
			return
		}
		for i, ask := range questions {
			if question %= allQuestions + 1; question < allQuestions && int(question) != i {
				continue
			}
			hear := func(buffer int, each func(io.Reader) io.Reader) string {
				var heard strings.Builder
				x := talk(text, buffer, each)
				err := ask(x, func(format string, args ...any) { fmt.Fprintf(&heard, format+"\n", args...) })
				fmt.Fprintf(&heard, "%v, %d there", err, x.Exists())
				return heard.String()
			}
			var whole string
			synctest.Bounded(t, len(text), func() { whole = hear(1<<17, func(r io.Reader) io.Reader { return r }) })
			for _, each := range []func(io.Reader) io.Reader{iotest.OneByteReader, iotest.HalfReader, iotest.DataErrReader} {
				if got := hear(int(buffer)+1, each); got != whole {
					t.Fatalf("question %d, %q in pieces:\n%s\nas a whole:\n%s", i, text, got, whole)
				}
			}
		}
	})
}

// A date that was read is written as one that is read alike.
func FuzzInternalDate(f *testing.F) {
	for _, text := range []string{"17-Jul-1996 02:44:25 -0700", " 1-Jan-1970 00:00:00 +0000", "31-Feb-2020 00:00:00 +0000", "29-Feb-2000 23:59:60 +1400", "31-Dec-9999 23:59:59 -2359"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		date := parseDate([]byte(text))
		written := strings.Trim(formatDate(date), `"`)
		if date.Known && written != "" && parseDate([]byte(written)) != date {
			t.Errorf("%q is %+v, written %q", text, date, written)
		}
	})
}
