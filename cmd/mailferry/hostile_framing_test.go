package main

import (
	"fmt"
	"io"
	"regexp"
	"strings"
	"time"

	"mailferry/syncer/synctest"
)

// inOdd twists the calls of a verb that concern the odd mailbox.
func inOdd(verb string, change func(c *synctest.Call)) func() synctest.Twist {
	return func() synctest.Twist {
		return func(c *synctest.Call) {
			if c.Verb == verb && c.Mailbox == "Odd" {
				change(c)
			}
		}
	}
}

// bodies twists the answers that bring bodies of the odd mailbox.
func bodies(change func(c *synctest.Call)) func() synctest.Twist {
	return inOdd("UID FETCH", func(c *synctest.Call) {
		if strings.Contains(c.Args, "BODY.PEEK[]") {
			change(c)
		}
	})
}

var rowUID = regexp.MustCompile(`^\* \d+ FETCH \(UID (\d+)`)

// rows changes the FETCH rows of one message in the odd mailbox; "" leaves a
// row out.
func rows(uid uint32, change func(line string) string) func() synctest.Twist {
	return inOdd("UID FETCH", func(c *synctest.Call) { editRow(c, uid, change) })
}

func editRow(c *synctest.Call, uid uint32, change func(line string) string) {
	c.Edit(func(line string) string {
		if found := rowUID.FindStringSubmatch(line); found != nil && found[1] == fmt.Sprint(uid) {
			return change(line)
		}
		return line
	})
}

// bodyRow changes the row with the body of one message in the odd mailbox.
func bodyRow(uid uint32, change func(line string) string) func() synctest.Twist {
	return bodies(func(c *synctest.Call) { editRow(c, uid, change) })
}

// instead makes a row be this, %d being the UID.
func instead(format string) func(string) string {
	return func(line string) string {
		found := rowUID.FindStringSubmatch(line)
		return strings.Replace(format, "%d", found[1], 1) + "\r\n"
	}
}

func replacing(pairs ...string) func(string) string { return strings.NewReplacer(pairs...).Replace }

func always(twist synctest.Twist) func() synctest.Twist {
	return func() synctest.Twist { return twist }
}

// oddCosts are cases that cost the odd mailbox or some of it.
func oddCosts(class int, name string, twist func() synctest.Twist, says ...string) hostile {
	return hostile{class: class, name: name, twist: twist, cost: costItems, says: append(says, "Odd"), lost: oddLabels()}
}

// oddBodies are cases that cost the odd mailbox's new messages.
func oddBodies(class int, name string, twist func() synctest.Twist, says ...string) hostile {
	h := oddCosts(class, name, twist, says...)
	h.lost = []string{"odd9", "odd10", "odd11"}
	return h
}

// letterCost is a case that costs one new message of the odd mailbox.
func letterCost(class int, name string, twist func() synctest.Twist, says ...string) hostile {
	h := oddCosts(class, name, twist, says...)
	h.lost = []string{"odd10"}
	return h
}

// silence ends the run when it comes again with hardly anything in between: no
// run outlives twice its timeout.
func silence(name string, twist func() synctest.Twist) hostile {
	return hostile{class: 24, name: name, twist: twist, cost: costRun, says: []string{"nothing moved for"},
		ends: []int{exitTemporary, exitPartly, exitFailed}}
}

// harmless costs nothing.
func harmless(class int, name string, twist func() synctest.Twist) hostile {
	return hostile{class: class, name: name, twist: twist}
}

// hostileFraming are the classes about octets, lines and literals.
func hostileFraming() []hostile {
	cut := func(c *synctest.Call) {
		c.Answer, c.HangUp = []string{"* 9 FETCH (UID 9 BODY[] {1000}\r\n", strings.Repeat("x", 500)}, true
	}
	list := []hostile{
		oddBodies(14, "a literal cut short", bodies(cut), "Odd"),
		oddCosts(15, "a literal longer than it says", bodyRow(10, func(line string) string {
			return regexp.MustCompile(`\{\d+\}`).ReplaceAllString(line, "{10}")
		})),
		{class: 17, name: "a name of 8 GB", twist: always(func(c *synctest.Call) {
			if c.Asks("LIST", "*") {
				c.First = synctest.Pour("* LIST () \"/\" {8589934592}\r\n", strings.Repeat("n", 1000), 100_000)
			}
		}), cost: costRun, says: []string{"literal"}},
		oddCosts(18, "a line without an end", inOdd("UID FETCH", func(c *synctest.Call) {
			c.First = synctest.Pour("* 1 FETCH (UID 1 FLAGS (", "flag ", 40_000_000)
		}), "line"),
		{class: 18, name: "a line without an end in LIST", twist: always(func(c *synctest.Call) {
			if c.Asks("LIST", "*") {
				c.First = synctest.Pour("* LIST (", "\\Flag ", 40_000_000)
			}
		}), cost: costRun, says: []string{"line"}},
		oddCosts(18, "a tagged line without an end", inOdd("UID FETCH", func(c *synctest.Call) {
			c.First = synctest.Pour(c.Tag+" OK ", "done ", 40_000_000)
		}), "line"),
		oddCosts(19, "six million parentheses", inOdd("UID FETCH", func(c *synctest.Call) {
			c.First = synctest.Pour("* 1 FETCH (UID 1 X ", "(", 6_000_000)
		})),
		oddCosts(19, "nested by lines", inOdd("UID FETCH", func(c *synctest.Call) {
			c.First = synctest.Pour("* 1 FETCH (UID 1 X ", "((((((((((((((((((((((((((((((((((((((((((((((((({1}\r\nx", 100_000)
		})),
		{class: 19, name: "nested for the control plane", twist: always(func(c *synctest.Call) {
			if c.Verb == "NAMESPACE" || c.Verb == "ID" {
				c.First = synctest.Pour("* NAMESPACE ", "(", 6_000_000)
			}
		}), cost: costRun},
		oddCosts(20, "endless news", inOdd("UID FETCH", func(c *synctest.Call) {
			c.First = synctest.Pour("", "* OK still here\r\n", 1<<40)
		}), "endless"),
		oddCosts(20, "endless flags of one message", inOdd("UID FETCH", func(c *synctest.Call) {
			c.First = synctest.Pour("", "* 1 FETCH (UID 1 FLAGS () RFC822.SIZE 1 INTERNALDATE \"17-Jul-2020 02:44:25 +0000\")\r\n", 1<<40)
		})),
		oddCosts(20, "endless short rows", inOdd("UID FETCH", func(c *synctest.Call) {
			c.First = func(w io.Writer) error {
				for uid := uint32(1); uid < 1<<31; uid++ {
					if _, err := fmt.Fprintf(w, "* 1 FETCH (UID %d FLAGS ())\r\n", uid); err != nil {
						return err
					}
				}
				return nil
			}
		})),
		oddBodies(20, "endless bodies nobody asked for", bodies(func(c *synctest.Call) {
			c.First = synctest.Pour("", "* 1 FETCH (UID 1 BODY[] {5}\r\nhello)\r\n", 1<<40)
		}), "nobody asked for"),
		{class: 20, name: "endless statuses", twist: always(func(c *synctest.Call) {
			if c.Asks("LIST", "*") {
				c.First = synctest.Pour("", "* STATUS Odd (MESSAGES 1)\r\n", 1<<40)
			}
		}), cost: costRun},
		{class: 20, name: "endless capabilities", twist: always(func(c *synctest.Call) {
			if c.Verb == "LOGIN" || c.Verb == "AUTHENTICATE" {
				c.First = synctest.Pour("", "* CAPABILITY IMAP4rev1\r\n", 1<<40)
			}
		}), cost: costRun},
	}
	for _, size := range []string{"99999999999", "-1", "4294967296", "18446744073709551617", "1e3", "", " 5"} {
		list = append(list, oddCosts(16, "a literal of {"+size+"}", bodies(func(c *synctest.Call) {
			c.Answer = []string{"* 9 FETCH (UID 9 BODY[] {" + size + "}\r\n", "hello)\r\n", c.Tag + " OK done\r\n"}
		})))
	}
	return list
}

// hostileOrder are the classes about what comes when.
func hostileOrder() []hostile {
	all := "1:4294967295"
	hangs := func(change func(c *synctest.Call)) func() synctest.Twist {
		return inOdd("UID FETCH", func(c *synctest.Call) {
			change(c)
			c.Answer = c.Answer[:len(c.Answer)/2]
		})
	}
	return []hostile{
		oddCosts(21, "all UIDs in ESEARCH", func() synctest.Twist {
			return func(c *synctest.Call) {
				switch {
				case c.Mailbox == "Odd" && c.Verb == "UID SEARCH":
					c.Answer = []string{"* ESEARCH (TAG \"" + c.Tag + "\") UID ALL " + all + "\r\n", c.Tag + " OK done\r\n"}
				case c.Mailbox == "Odd" && c.Verb == "UID FETCH" && !strings.Contains(c.Args, "BODY"):
					c.Edit(func(line string) string { // so that it is asked
						if strings.Contains(line, "UID 9 ") {
							return ""
						}
						return line
					})
				}
			}
		}),
		{class: 21, name: "all UIDs in VANISHED", twist: inOdd("UID FETCH", func(c *synctest.Call) {
			c.Insert("* VANISHED " + all + "\r\n")
		}), cost: costItems, ends: []int{exitDone, exitPartly, exitTemporary}, lost: oddLabels()},
		{class: 21, name: "all UIDs in APPENDUID", twist: always(func(c *synctest.Call) {
			if c.Verb == "APPEND" {
				c.Refuse("OK [APPENDUID 13 " + all + "] done")
			}
		})},
		oddCosts(22, "an unknown tag", inOdd("UID FETCH", func(c *synctest.Call) { c.Insert("zz9 OK done\r\n") }), "zz9"),
		oddCosts(22, "a stray +", inOdd("UID FETCH", func(c *synctest.Call) { c.Insert("+ go ahead\r\n") })),
		oddCosts(22, "an OK of the future", inOdd("UID FETCH", func(c *synctest.Call) {
			var n int
			if _, err := fmt.Sscanf(c.Tag, "mf%d", &n); err == nil {
				c.Answer = append(c.Answer, fmt.Sprintf("mf%d OK done\r\n", n+1), fmt.Sprintf("mf%d OK done\r\n", n+2))
			}
		})),
		{class: 22, name: "an OK of the future for STORE", twist: always(func(c *synctest.Call) {
			var n int
			if _, err := fmt.Sscanf(c.Tag, "mf%d", &n); err == nil && c.Verb == "UID STORE" && c.Mailbox == "Odd" {
				c.Refuse("NO not now")
				c.Answer = append(c.Answer, fmt.Sprintf("mf%d OK done\r\n", n+1))
			}
		}), in: "sync archive", cost: costItems, lost: oddLabels()},
		oddCosts(23, "bare LF", inOdd("UID FETCH", func(c *synctest.Call) {
			c.Edit(func(line string) string { return strings.TrimSuffix(line, "\r\n") + "\n" })
		}), "CRLF"),
		oddBodies(23, "octets behind the closing parenthesis", bodyRow(10, func(line string) string {
			return strings.TrimSuffix(line, "\r\n") + " more\r\n"
		})),
		{class: 24, name: "an octet a moment", twist: inOdd("UID FETCH", func(c *synctest.Call) {
			c.Answer, c.Pace = []string{"* 1 FETCH (UID 1 X abcdefghijklmnopqrstuvwxyz)\r\n", c.Tag + " OK done\r\n"}, 50*time.Millisecond
		}), cost: costItems, ends: []int{exitDone, exitPartly, exitTemporary}, lost: oddLabels()},
		{class: 24, name: "silence at login", twist: always(func(c *synctest.Call) {
			if c.Verb == "LOGIN" || c.Verb == "AUTHENTICATE" {
				c.Answer, c.Stall = nil, true
			}
		}), cost: costRun, ends: []int{exitTemporary}, says: []string{"nothing moved for"}},
		{class: 24, name: "silence in LIST", twist: always(func(c *synctest.Call) {
			if c.Verb == "LIST" {
				c.Answer, c.Stall = c.Answer[:1], true
			}
		}), cost: costRun, ends: []int{exitTemporary}, says: []string{"nothing moved for"}},
		silence("silence amid FETCH", hangs(func(c *synctest.Call) { c.Stall = true })),
		silence("silence amid a body", bodies(func(c *synctest.Call) {
			c.Answer, c.Stall = []string{"* 9 FETCH (UID 9 BODY[] {1000}\r\nhello"}, true
		})),
	}
}
