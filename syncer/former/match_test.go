package former

import (
	"fmt"
	"strings"
	"testing"

	"mailferry/syncer/mailbox"
)

// aFile makes a file whose content is of its own unless label is another's.
func aFile(key, label string, size, tuid int64, letters string) File {
	return File{
		LocalFile: mailbox.LocalFile{Key: mailbox.Key(key), Flags: flagsOf(letters)},
		Content:   mailbox.Content{Size: size, Hash: mailbox.Hash{1}}, TUID: tuid, Identity: identityOf(label),
	}
}

func identityOf(label string) (hash mailbox.Hash) {
	copy(hash[:], label)
	return hash
}

func aMessage(uid mailbox.UID, size int64, letters string) mailbox.RemoteMessage {
	return mailbox.RemoteMessage{
		UID: uid, Size: size, HasSize: true, Flags: flagsOf(letters), HasFlags: true, Date: mailbox.Date{Unix: int64(uid), Known: true},
	}
}

// linksText writes links down, one a line.
func linksText(links []*mailbox.Link) string {
	var b strings.Builder
	for _, l := range links {
		fmt.Fprintf(&b, "%s %d %s [%s]\n", l.Kind, l.UID, l.Key, l.Agreed)
	}
	return b.String()
}

func TestMatchLinksOnlyWhatBothSidesProve(t *testing.T) {
	for _, c := range []struct {
		name    string
		records []Record
		files   []File
		rows    []mailbox.RemoteMessage
		answers map[mailbox.UID]mailbox.Hash
		edit    func(*Folder)
		links   string
		ask     mailbox.UIDSet
		check   func(Matched) bool
	}{
		{
			name:    "a record with file and message of one size, but for mbsync's field",
			records: []Record{{UID: 7, Number: 3, Flags: flagsOf("S")}},
			files:   []File{aFile("x,U=3", "a", 122, 22, "F")}, rows: []mailbox.RemoteMessage{aMessage(7, 100, "")},
			links: "linked 7 x,U=3 [\\Seen]\n",
		},
		{
			name:    "the server has the field, as after an upload",
			records: []Record{{UID: 7, Number: 3}},
			files:   []File{aFile("x,U=3", "a", 100, 0, "")}, rows: []mailbox.RemoteMessage{aMessage(7, 122, "")},
			links: "linked 7 x,U=3 []\n",
		},
		{
			name:    "another size asks for the header",
			records: []Record{{UID: 7, Number: 3}},
			files:   []File{aFile("x,U=3", "a", 100, 0, "")}, rows: []mailbox.RemoteMessage{aMessage(7, 90, "")},
			ask: mailbox.UIDs(7),
		},
		{
			name:    "which is the same",
			records: []Record{{UID: 7, Number: 3}},
			files:   []File{aFile("x,U=3", "a", 100, 0, "")}, rows: []mailbox.RemoteMessage{aMessage(7, 90, "")},
			answers: map[mailbox.UID]mailbox.Hash{7: identityOf("a")}, links: "linked 7 x,U=3 []\n",
		},
		{
			name:    "or another message's",
			records: []Record{{UID: 7, Number: 3}},
			files:   []File{aFile("x,U=3", "a", 100, 0, "")}, rows: []mailbox.RemoteMessage{aMessage(7, 90, "")},
			answers: map[mailbox.UID]mailbox.Hash{7: identityOf("b")},
			check:   func(m Matched) bool { return m.Contradicted == 1 && m.NewOnDisk == 1 && m.NewOnServer == 1 },
		},
		{
			name:    "deleted on disk since: it comes back",
			records: []Record{{UID: 7, Number: 3}}, rows: []mailbox.RemoteMessage{aMessage(7, 90, "")},
			check: func(m Matched) bool { return m.GoneFromDisk == 1 && m.NewOnServer == 0 },
		},
		{
			name:    "deleted on the server since, where another record proves right",
			records: []Record{{UID: 7, Number: 3}, {UID: 8, Number: 4}},
			files:   []File{aFile("x,U=3", "a", 100, 0, ""), aFile("y,U=4", "b", 90, 0, "")}, rows: []mailbox.RemoteMessage{aMessage(8, 90, "")},
			links: "linked 7 x,U=3 []\nlinked 8 y,U=4 []\n", check: func(m Matched) bool { return m.GoneFromServer == 1 && m.Known == 1 },
		},
		{
			name:    "and where none does: nothing is known",
			records: []Record{{UID: 7, Number: 3}},
			files:   []File{aFile("x,U=3", "a", 100, 0, "")}, check: func(m Matched) bool { return m.NewOnDisk == 1 },
		},
		{
			name:    "and where one proves wrong: nothing is known of it",
			records: []Record{{UID: 6, Number: 2}, {UID: 7, Number: 3}, {UID: 8, Number: 4}},
			files:   []File{aFile("w,U=2", "c", 50, 0, ""), aFile("x,U=3", "a", 100, 0, ""), aFile("y,U=4", "b", 90, 0, "")},
			rows:    []mailbox.RemoteMessage{aMessage(6, 51, ""), aMessage(8, 90, "")},
			answers: map[mailbox.UID]mailbox.Hash{6: identityOf("other")}, links: "linked 8 y,U=4 []\n",
			check: func(m Matched) bool { return m.NewOnDisk == 2 },
		},
		{
			name:    "a copied file: which one is meant cannot be told by number, but by content",
			records: []Record{{UID: 7, Number: 3}},
			files:   []File{aFile("x,U=3", "a", 100, 0, "S"), aFile("y,U=3", "b", 100, 0, "")}, rows: []mailbox.RemoteMessage{aMessage(7, 100, "S")},
			answers: map[mailbox.UID]mailbox.Hash{7: identityOf("a")}, links: "linked 7 x,U=3 [\\Seen]\n",
			check: func(m Matched) bool { return m.NewOnDisk == 1 },
		},
		{
			name:    "expired, with and without a record, and the file not yet gone",
			records: []Record{{UID: 7, Expired: true}, {UID: 8, Number: 4, Expired: true}},
			files:   []File{aFile("y,U=4", "b", 90, 0, "")},
			rows:    []mailbox.RemoteMessage{aMessage(5, 80, "S"), aMessage(7, 100, ""), aMessage(8, 90, ""), aMessage(9, 1, "")},
			edit:    func(f *Folder) { f.ExpiredTo = 6 },
			links:   "kept-remote 5  [\\Seen]\nkept-remote 7  []\nlinked 8 y,U=4 []\n",
			check:   func(m Matched) bool { return m.Expired == 2 && m.NewOnServer == 1 },
		},
		{
			name:    "placeholders are not the message, on neither side",
			records: []Record{{UID: 7, Number: 3, Stub: OnDisk}, {UID: 8, Number: 4, Stub: OnServer}},
			files:   []File{aFile("x,U=3", "a", 100, 0, ""), aFile("y,U=4", "b", 5000, 0, "")},
			rows:    []mailbox.RemoteMessage{aMessage(7, 5000, ""), aMessage(8, 100, "")},
			answers: map[mailbox.UID]mailbox.Hash{7: identityOf("a"), 8: identityOf("b")},
			links:   "kept-local 0 x,U=3 []\nkept-remote 8  []\n",
			check:   func(m Matched) bool { return m.Stubs == 2 && m.NewOnServer == 1 && m.NewOnDisk == 1 },
		},
		{
			name:    "gone from the server before, and marked on disk",
			records: []Record{{Number: 3, Flags: flagsOf("T")}}, files: []File{aFile("x,U=3", "a", 100, 0, "T")},
			links: "kept-local 0 x,U=3 [\\Deleted]\n", check: func(m Matched) bool { return m.KeptOnDisk == 1 },
		},
		{
			name:    "renumbered: by content, one to one",
			records: []Record{{UID: 1, Number: 1}, {UID: 2, Number: 2}},
			files:   []File{aFile("x,U=1", "a", 100, 0, "S"), aFile("y,U=2", "a", 100, 0, "")},
			rows:    []mailbox.RemoteMessage{aMessage(1, 100, ""), aMessage(2, 100, ""), aMessage(3, 100, "")},
			answers: map[mailbox.UID]mailbox.Hash{1: identityOf("a"), 2: identityOf("a"), 3: identityOf("a")},
			edit:    func(f *Folder) { f.UIDValidity = 9 },
			links:   "linked 1 x,U=1 []\nlinked 2 y,U=2 []\n", check: func(m Matched) bool { return m.Renumbered && m.NewOnServer == 1 },
		},
		{
			name:    "numbers that mean nothing: by content",
			records: []Record{{UID: 1, Number: 2}}, files: []File{aFile("y,U=2", "b", 100, 0, "")},
			rows: []mailbox.RemoteMessage{aMessage(1, 100, "")}, answers: map[mailbox.UID]mailbox.Hash{1: identityOf("a")},
			edit: func(f *Folder) { f.Doubt = "another .uidvalidity" },
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			folder := Folder{UIDValidity: 5, Records: c.records, Numbers: MbsyncNumber}
			if c.edit != nil {
				c.edit(&folder)
			}
			got := Match(folder, c.files, Server{UIDValidity: 5, Messages: c.rows, Identities: c.answers})
			if text := linksText(got.Links); text != c.links {
				t.Errorf("links\n%swant\n%s", text, c.links)
			}
			if got.Ask.String() != c.ask.String() {
				t.Errorf("asks for %s, not %s", got.Ask, c.ask)
			}
			if c.check != nil && !c.check(got) {
				t.Errorf("%+v", got)
			}
			for _, link := range got.Links {
				if link.Kind == mailbox.Linked && link.Content.Hash.IsZero() {
					t.Errorf("a link without content: %+v", link)
				}
			}
		})
	}
}

func TestReadHeaderFindsWhatMbsyncAdded(t *testing.T) {
	plain := "From: a@x\r\nSubject: long\r\n line\r\nMessage-ID: <1@x>\r\n"
	with, tuid, err := ReadHeader(strings.NewReader(plain + "X-TUID: PWHT1FGDul47\r\n\r\nX-TUID: in the body\r\n"))
	if err != nil || tuid != tuidField {
		t.Errorf("%d octets, %v", tuid, err)
	}
	without, none, err := ReadHeader(strings.NewReader("X-Other: 1\r\n" + plain + "\r\n"))
	if err != nil || none != 0 || with != without || with.IsZero() {
		t.Errorf("%s %s, %d, %v", with, without, none, err)
	}
	if anonymous, _, _ := ReadHeader(strings.NewReader("From: a@x\r\n\r\n")); !anonymous.IsZero() {
		t.Error("a message without a Message-ID has an identity")
	}
}
