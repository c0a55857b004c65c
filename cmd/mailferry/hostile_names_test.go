package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"mailferry/syncer/synctest"
)

// named is a server that has one more mailbox, with one message, under each of
// these names. They are carried, whatever they are.
func named(class int, title string, names ...string) hostile {
	return hostile{class: class, name: title, mail: withNames(names...)}
}

func withNames(names ...string) func(map[string]*synctest.RogueMailbox) {
	return func(boxes map[string]*synctest.RogueMailbox) {
		for i, name := range names {
			boxes[name] = (&synctest.RogueMailbox{Validity: uint32(20 + i)}).Add(string(letter(nameLabel(i))))
		}
	}
}

func nameLabel(i int) string { return fmt.Sprint("named", i) }

// refused is named for names that have no counterpart.
func refused(class int, title string, names ...string) hostile {
	h := named(class, title, names...)
	h.cost, h.scar = costItems, "the name is still there"
	for i := range names {
		h.lost, h.kept = append(h.lost, nameLabel(i)), append(h.kept, nameLabel(i))
	}
	h.says = []string{"mailbox"}
	return h
}

// listing has each LIST answer's lines changed.
func listing(change func(line string) string) func() synctest.Twist {
	return func() synctest.Twist {
		return func(c *synctest.Call) {
			if c.Verb == "LIST" {
				c.Edit(change)
			}
		}
	}
}

// alsoListed adds lines to the answer of a LIST of everything.
func alsoListed(lines ...string) func() synctest.Twist {
	return func() synctest.Twist {
		return func(c *synctest.Call) {
			if c.Asks("LIST", "*") {
				c.Insert(lines...)
			}
		}
	}
}

// hostileNames are the classes about names in LIST and STATUS.
func hostileNames() []hostile {
	deep := strings.TrimSuffix(strings.Repeat("d/", 200), "/")
	return []hostile{
		named(1, "up and away", "../../.ssh/authorized_keys", "../bar", "../../etc/passwd"),
		named(2, "dots in the middle", "foo/../bar", "foo/./bar", "foo/../../../home/bar"),
		named(3, "absolute", "/etc/passwd", "a//b", "trailing/", "//"),
		{class: 3, name: "an empty name that does not exist", twist: alsoListed("* LIST () \"/\" \"\"\r\n")},
		{class: 3, name: "an empty name", twist: always(func(c *synctest.Call) {
			if c.Asks("LIST", "*") {
				c.Insert("* LIST () \"/\" \"\"\r\n")
			} else if c.Asks("STATUS", `""`) {
				c.Refuse("NO later")
			}
		}), cost: costItems, says: []string{"mailbox", "empty"}},
		named(4, "dots", ".", "..", "...", "Good/.", "Good/.."),
		named(5, "Maildir's own", "cur", "new", "tmp", "Good/cur", "Odd/new/tmp", "INBOX/cur"),
		named(5, "ours", ".hidden", ".mailferry", "mailferry", ".mailferry/trash", "Good/.mailferry", "dovecot-keywords", "state.db", "lock"),
		{class: 6, name: "a dot separates, names have slashes", mail: withNames("x/y", "a.b"),
			twist: listing(func(line string) string {
				if strings.Contains(line, "x/y") || strings.Contains(line, "a.b") {
					return strings.Replace(line, `"/"`, `"."`, 1)
				}
				return line
			}), scar: "the names change", later: []int{exitDone, exitPartly}},
		{class: 6, name: "no separator", mail: withNames("x/y"), twist: listing(func(line string) string {
			return strings.Replace(line, `"/"`, "NIL", 1)
		}), scar: "the names change", later: []int{exitDone, exitPartly}},
		{class: 6, name: "the separator changes", mail: withNames("x.y", "x/y"), twist: changingSeparator, scar: "the names change, too"},
		{class: 6, name: "a separator of two", mail: withNames("x//y"), twist: listing(func(line string) string {
			if strings.Contains(line, "x//y") {
				return strings.Replace(line, `"/"`, `"//"`, 1)
			}
			return line
		}), cost: costItems, lost: []string{"named0"}, kept: []string{"named0"}, says: []string{"separator"}},
		named(7, "case and form", "Foo", "foo", "FOO/x", "caf&AOk-", "cafe&AwE-", "stra&AN8-e", "STRASSE"),
		named(8, "too long", strings.Repeat("n", 300), strings.Repeat("n", 299)+"m", strings.Repeat("&AOk-", 200), "Good/"+strings.Repeat("x", 255)),
		named(8, "deep", deep),
		named(9, "no UTF-7", "&Jjo!", "&Jjo", "&", "a&&b", "&AGE-", "&AOk-&AOk-"),
		named(9, "half a character", "&2AA-", "&3AA-", "&2ADYAA-"),
		named(9, "raw octets", "\xff", "caf\xe9", "caf\u00e9", "\u65e5\u672c"),
		named(10, "encoded controls", "&AAA-", "&AA0ACg-", "&ABs-&AFs-2J", "&AJs-", "&IC4-abc", "&AAk-"),
		refused(10, "raw line ends", "a\r\nb", "nul\x00"),
		named(11, "Windows", "CON", "nul.txt", "a.", "a ", `a\b`, "a:b", "a*b", "com1", `"q"`),
		{class: 12, name: "inbox beside INBOX", twist: alsoListed("* LIST () \"/\" inbox\r\n")},
		{class: 12, name: "one name twice", twist: alsoListed("* LIST () \"/\" Odd\r\n", "* LIST () \"/\" \"Odd\"\r\n")},
		{class: 12, name: "a million names", twist: func() synctest.Twist {
			return func(c *synctest.Call) {
				if c.Asks("LIST", "*") {
					c.First = synctest.Pour("", "* LIST () \"/\" \"a name like any other\"\r\n", 1_000_000)
				}
			}
		}, cost: costRun, says: []string{"mailboxes"}},
		{class: 13, name: "a symlink for a folder", mail: withNames("Trap", "Good/Trap"), yard: func(a *arena) {
			a.must(os.Symlink(filepath.Join(a.home, ".ssh"), filepath.Join(a.disk.Dir, "Trap")))
			a.must(os.Symlink("../../bar", filepath.Join(a.disk.Dir, "Good", "Trap")))
		}, cost: costItems, lost: []string{"named0", "named1"}, kept: []string{"named0", "named1"}, says: []string{"Trap"}, scar: "the symlink is still there"},
		{class: 13, name: "a symlink for cur", yard: func(a *arena) {
			cur := filepath.Join(a.disk.Dir, "Odd", "cur")
			a.must(os.Rename(cur, filepath.Join(a.root, "elsewhere")))
			a.must(os.Symlink("../../../elsewhere", cur))
		}, cost: costItems, says: []string{"Odd"}, lost: oddLabels(), kept: oddLabels(), scar: "the symlink is still there"},
		{class: 13, name: "a symlink for tmp", yard: func(a *arena) {
			tmp := filepath.Join(a.disk.Dir, "Odd", "tmp")
			a.must(os.Remove(tmp))
			a.must(os.Symlink("../../bar/cur", tmp))
		}, cost: costItems, says: []string{"Odd"}, lost: oddLabels(), scar: "the symlink is still there"},
		{class: 13, name: "a symlink for a message", yard: func(a *arena) {
			a.must(os.Symlink("../../../../etc/passwd", filepath.Join(a.disk.Dir, "Odd", "cur", "1784000009.link.host:2,S")))
		}},
	}
}

// changingSeparator answers every other LIST with another separator.
func changingSeparator() synctest.Twist {
	return func(c *synctest.Call) {
		if c.Verb == "LIST" && c.Nth%2 == 0 {
			c.Edit(func(line string) string { return strings.Replace(line, `"/"`, `"."`, 1) })
		}
	}
}

// oddLabels are all messages that the odd mailbox can have.
func oddLabels() []string {
	labels := []string{"odd up"}
	for i := range 11 {
		labels = append(labels, fmt.Sprint("odd", i+1))
	}
	return labels
}
