package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"mailferry/syncer/synctest"
)

// either is a case after which the run may have done all or know of trouble.
func either(class int, name string, twist func() synctest.Twist, lost ...string) hostile {
	return hostile{class: class, name: name, twist: twist, cost: costItems, lost: lost, ends: []int{exitDone, exitPartly, exitTemporary, exitGuarded}}
}

// opening changes the answer to a SELECT or EXAMINE of the odd mailbox.
func opening(change func(line string) string) func() synctest.Twist {
	return always(func(c *synctest.Call) {
		if (c.Verb == "SELECT" || c.Verb == "EXAMINE") && c.Mailbox == "Odd" {
			c.Edit(change)
		}
	})
}

// telling changes what is told of a mailbox's state, STATUS included.
func telling(pattern, with string) func() synctest.Twist {
	expression := regexp.MustCompile(pattern)
	return always(func(c *synctest.Call) {
		isOdd := c.Mailbox == "Odd" && (c.Verb == "SELECT" || c.Verb == "EXAMINE")
		c.Edit(func(line string) string {
			if isOdd || strings.HasPrefix(line, `* STATUS "Odd"`) {
				return expression.ReplaceAllString(line, with)
			}
			return line
		})
	})
}

// impostor is another message of the same size as odd10.
func impostor() string { return strings.ReplaceAll(string(letter("odd10")), "This", "That") }

func dated(text string) func(string) string {
	return func(line string) string {
		return strings.Replace(line, synctest.RogueDate, text, 1)
	}
}

func flagged10(flags string) func() synctest.Twist {
	return rows(10, replacing("FLAGS ()", "FLAGS ("+flags+")"))
}

// hostileMessages are the classes about single messages.
func hostileMessages() []hostile {
	other := "* 1 FETCH (UID 10 BODY[] {" + fmt.Sprint(len(impostor())) + "}\r\n" + impostor() + ")\r\n"
	first := func(lines ...string) func(c *synctest.Call) {
		return func(c *synctest.Call) { c.Answer = append(lines, c.Answer...) }
	}
	list := []hostile{
		either(25, "a body nobody asked for", bodies(first("* 1 FETCH (UID 999 BODY[] {5}\r\nhello)\r\n"))),
		either(25, "a body of a known message", bodies(first("* 1 FETCH (UID 1 BODY[] {5}\r\nhello)\r\n"))),
		ghost(25, "a row of a message that is not there", inOdd("UID FETCH", first("* 99 FETCH (UID 999 FLAGS ())\r\n"))),
		either(26, "two bodies, the false one last", bodies(func(c *synctest.Call) { c.Insert(other) }), "odd10"),
		either(26, "two bodies, the false one first", bodies(first(other)), "odd10"),
		harmless(27, "UID 0 and message 0", inOdd("UID FETCH", first("* 0 FETCH (UID 0 FLAGS ())\r\n", "* 0 FETCH (UID 1 FLAGS (\\Seen))\r\n"))),
		letterCost(27, "UID 0 for a message", rows(10, replacing("UID 10", "UID 0"))),
		harmless(28, "descending", inOdd("UID FETCH", func(c *synctest.Call) { slices.Reverse(c.Answer[:len(c.Answer)-1]) })),
		letterCost(33, "no body", bodyRow(10, instead("* 9 FETCH (UID %d)"))),
		letterCost(33, "NIL", bodyRow(10, instead("* 9 FETCH (UID %d BODY[] NIL)"))),
		{class: 33, name: "quoted and short", twist: bodyRow(10, instead("* 9 FETCH (UID %d BODY[] \"hello\")")), in: "archive", cost: costItems,
			lost: []string{"odd10"}, kept: []string{"odd10"}, says: []string{"RFC822.SIZE"}, later: []int{exitDone, exitPartly}, scar: "five octets are on disk"},
		letterCost(33, "no octets", bodyRow(10, instead("* 9 FETCH (UID %d BODY[] {0}\r\n)"))),
		letterCost(34, "a part of it", bodyRow(10, replacing("BODY[]", "BODY[]<5>"))),
		letterCost(34, "its text", bodyRow(10, replacing("BODY[]", "BODY[TEXT]"))),
		{class: 35, name: "another size", twist: rows(10, func(line string) string {
			return regexp.MustCompile(`RFC822\.SIZE \d+`).ReplaceAllString(line, "RFC822.SIZE 9999")
		}), in: "archive", cost: costItems, lost: []string{"odd10"}, kept: []string{"odd10"}, says: []string{"RFC822.SIZE"}},
		letterCost(35, "no size", rows(10, func(line string) string {
			return regexp.MustCompile(`RFC822\.SIZE \d+`).ReplaceAllString(line, "RFC822.SIZE NIL")
		})),
		harmless(38, "the body before the UID", bodyRow(10, func(line string) string {
			return strings.TrimSuffix(strings.Replace(line, "UID 10 ", "", 1), ")\r\n") + " UID 10)\r\n"
		})),
		oddCosts(39, "OK and no rows", inOdd("UID FETCH", func(c *synctest.Call) { c.Answer = c.Answer[len(c.Answer)-1:] })),
		oddBodies(39, "OK and no bodies", bodies(func(c *synctest.Call) { c.Answer = c.Answer[len(c.Answer)-1:] })),
		letterCost(39, "OK and one row less", rows(10, func(string) string { return "" })),
	}
	for _, date := range []string{`"yesterday"`, "NIL", `"17-Jul-9999 02:44:25 +0000"`, `"31-Feb-2020 00:00:00 +0000"`, "(a (list))", "{3}\r\nabc"} {
		list = append(list, hostile{class: 36, name: "the date " + date, twist: rows(10, dated(date)), in: "archive", cost: costItems,
			ends: []int{exitDone, exitPartly}, lost: []string{"odd10"}, kept: []string{"odd10"}, scar: "the date is told once"})
	}
	var many []string
	for i := range 10_000 {
		many = append(many, fmt.Sprint("keyword", i))
	}
	for _, flags := range []string{`\*`, "foo]bar", `"quoted flag"`, "\x1b[2J", "a{5", `\Deleted \Deleted`, "NIL", `\`, "{3}\r\nabc", "(nested)", "\xff\xfe"} {
		list = append(list, either(37, "flags "+flags, flagged10(flags), "odd10"))
	}
	return append(list, either(37, "10,000 keywords", flagged10(strings.Join(many, " ")), "odd10"))
}

// hostileMailboxes are the classes about mailboxes and their numbers.
func hostileMailboxes() []hostile {
	spared := func(h hostile) hostile {
		h.kept, h.later, h.scar = oddLabels(), []int{exitDone, exitPartly}, "nothing is deleted then"
		return h
	}
	inSession := func() synctest.Twist {
		seen := 0
		return func(c *synctest.Call) {
			if (c.Verb == "SELECT" || c.Verb == "EXAMINE") && c.Mailbox == "Odd" {
				seen++
				c.Edit(replacing("[UIDVALIDITY 13]", fmt.Sprintf("[UIDVALIDITY %d]", 13+seen)))
			}
		}
	}
	fetching := func(line string) func() synctest.Twist {
		return inOdd("UID FETCH", func(c *synctest.Call) { c.Answer = slices.Insert(c.Answer, len(c.Answer)/2, line) })
	}
	appendUID := func(text string) func() synctest.Twist {
		return always(func(c *synctest.Call) {
			if c.Verb == "APPEND" && strings.Contains(c.Args, "odd up") {
				c.Refuse("OK [APPENDUID " + text + "] done")
			}
		})
	}
	moving := func(h hostile) hostile {
		h.in, h.yard = "sync", func(a *arena) {
			a.onDisk("Odd", "odd5", func(path string) {
				a.must(os.Rename(path, filepath.Join(a.disk.Path("Good"), "cur", filepath.Base(path))))
			})
		}
		return h
	}
	lied := []int{exitDone, exitPartly}
	return []hostile{
		spared(either(29, "UIDVALIDITY 0", telling(`UIDVALIDITY \d+`, "UIDVALIDITY 0"), oddLabels()...)),
		spared(either(29, "no UIDVALIDITY", opening(func(line string) string {
			if strings.Contains(line, "UIDVALIDITY") {
				return ""
			}
			return line
		}), oddLabels()...)),
		spared(either(29, "another UIDVALIDITY each time", inSession, oddLabels()...)),
		harmless(30, "UIDNEXT went back", telling(`UIDNEXT \d+`, "UIDNEXT 3")),
		either(30, "UIDNEXT 0", telling(`UIDNEXT \d+`, "UIDNEXT 0"), oddLabels()...),
		either(31, "EXISTS shrinks", fetching("* 3 EXISTS\r\n"), oddLabels()...),
		either(31, "EXISTS says none", opening(replacing(" EXISTS", "0 EXISTS", "* 10 EXISTS", "* 0 EXISTS")), oddLabels()...),
		either(32, "EXPUNGE amid FETCH", fetching("* 1 EXPUNGE\r\n"), oddLabels()...),
		either(32, "VANISHED amid FETCH", fetching("* VANISHED 1,3\r\n"), oddLabels()...),
		either(32, "EXPUNGE 0 and of none", fetching("* 0 EXPUNGE\r\n* 4294967295 EXPUNGE\r\n"), oddLabels()...),
		moving(hostile{class: 43, name: "MOVE refused", twist: always(func(c *synctest.Call) {
			if c.Verb == "UID MOVE" {
				c.Refuse("NO not now")
			}
		}), deaf: deaf("UID MOVE"), cost: costItems, lost: []string{"odd5"}, ends: []int{exitPartly, exitTemporary}}),
		moving(hostile{class: 43, name: "COPY refused", twist: always(func(c *synctest.Call) {
			if c.Edit(replacing(" MOVE", "")); c.Verb == "UID COPY" {
				c.Refuse("NO not now")
			}
		}), deaf: deaf("UID COPY"), cost: costItems, lost: []string{"odd5"}, ends: []int{exitPartly, exitTemporary}}),
		{class: 44, name: "STORE that does nothing", deaf: deaf("UID STORE"), in: "sync archive", cost: costItems, ends: lied, lost: append(oddLabels(), goodLabels()...), scar: "what the server said was believed: the message is back"},
		{class: 44, name: "EXPUNGE that does nothing", deaf: deaf("UID EXPUNGE"), in: "sync archive", cost: costItems, ends: lied, lost: append(oddLabels(), goodLabels()...), scar: "what the server said was believed: the message is back"},
		{class: 44, name: "APPEND that does nothing", deaf: deaf("APPEND"), in: "sync", cost: costItems, ends: []int{exitDone, exitPartly, exitTemporary}, lost: []string{"odd up", "good up"}},
		inSync(either(45, "APPENDUID of a known message", appendUID("13 1"))),
		inSync(either(45, "APPENDUID of nothing", appendUID("13 999"))),
		inSync(either(45, "APPENDUID under another UIDVALIDITY", appendUID("99 12"))),
		inSync(either(45, "APPENDUID 0", appendUID("13 0"))),
		either(46, "HIGHESTMODSEQ goes back", telling(`HIGHESTMODSEQ \d+`, "HIGHESTMODSEQ 2"), oddLabels()...),
		either(46, "HIGHESTMODSEQ never moves", telling(`HIGHESTMODSEQ \d+`, "HIGHESTMODSEQ 8"), oddLabels()...),
		either(46, "HIGHESTMODSEQ too large", telling(`HIGHESTMODSEQ \d+`, "HIGHESTMODSEQ 99999999999999999999"), oddLabels()...),
		{class: 47, name: "EXPUNGE of another", twist: inOdd("UID EXPUNGE", func(c *synctest.Call) { c.Insert("* 1 EXPUNGE\r\n", "* 1 EXPUNGE\r\n") }),
			in: "sync archive", cost: costRun, ends: []int{exitDone, exitFailed, exitPartly, exitTemporary}},
		spared(oddCosts(48, "another mailbox is opened", func() synctest.Twist {
			return func(c *synctest.Call) {
				if (c.Verb == "SELECT" || c.Verb == "EXAMINE") && c.Mailbox == "Odd" {
					c.Opens = "Good"
					c.Edit(replacing("[UIDVALIDITY 13]", "[UIDVALIDITY 12]"))
				}
			}
		})),
	}
}

func deaf(verb string) func(c *synctest.Call) bool {
	return func(c *synctest.Call) bool { return c.Verb == verb }
}

// ghost may stop an archive: a message is gone that it did not expunge.
func ghost(class int, name string, twist func() synctest.Twist) hostile {
	h := either(class, name, twist, append(oddLabels(), goodLabels()...)...)
	h.ends = append(h.ends, exitFailed)
	return h
}

func inSync(h hostile) hostile {
	h.in = "sync"
	return h
}

func goodLabels() []string {
	var labels []string
	for _, label := range oddLabels() {
		labels = append(labels, strings.Replace(label, "odd", "good", 1))
	}
	return append(labels, "inbox1", "inbox2")
}

// hostileRefusals are the classes about refusals.
func hostileRefusals() []hostile {
	var list []hostile
	concerns := func(verb string) func(c *synctest.Call) bool {
		return func(c *synctest.Call) bool {
			isOdd := c.Mailbox == "Odd" || strings.HasPrefix(c.Args, `"Odd"`) || strings.HasPrefix(c.Args, "Odd ")
			if c.Verb == "APPEND" {
				isOdd = strings.Contains(c.Args, "odd up")
			}
			return strings.Contains(verb, c.Verb) && isOdd
		}
	}
	refusing := func(verb string, text string) func() synctest.Twist {
		isMeant := concerns(verb)
		return always(func(c *synctest.Call) {
			if isMeant(c) {
				c.Refuse(text)
			}
		})
	}
	for _, text := range []string{
		"NO [LIMIT] not so many", "NO [THROTTLED] slowly", "NO [OVERQUOTA] full", "NO [UNAVAILABLE] later", "NO [INUSE] in use",
		"NO Request is throttled. Suggested Backoff Time: 100 milliseconds", "NO \x1b]0;evil\x07 no", "BAD what", "BAD", "NO",
	} {
		list = append(list,
			oddCosts(40, "opening is refused: "+text, refusing("SELECT EXAMINE", text)),
			oddCosts(40, "FETCH is refused: "+text, refusing("UID FETCH", text)))
		for _, verb := range []string{"APPEND", "UID STORE"} {
			h := oddCosts(40, verb+" is refused: "+text, refusing(verb, text))
			if h.deaf, h.in = concerns(verb), "sync"; verb == "UID STORE" {
				h.in = "sync archive"
			}
			list = append(list, h)
		}
	}
	list = append(list, hostile{class: 41, name: "BAD to everything", twist: always(func(c *synctest.Call) {
		if c.Verb != "AUTHENTICATE" && c.Verb != "CAPABILITY" {
			c.Refuse("BAD what?")
		}
	}), cost: costRun})
	for _, verb := range []string{"CAPABILITY", "AUTHENTICATE", "NAMESPACE", "LIST"} {
		list = append(list, hostile{class: 42, name: "BYE amid " + verb, twist: bye(verb, false), cost: costRun})
	}
	for _, verb := range []string{"SELECT EXAMINE", "UID FETCH", "APPEND", "UID STORE", "UID EXPUNGE"} {
		h := either(42, "BYE amid each "+verb, bye(verb, true), oddLabels()...)
		if verb != "SELECT EXAMINE" && verb != "UID FETCH" {
			h.ends = append(h.ends, exitPartly)
		}
		once := either(42, "BYE amid one "+verb, byeOnce(verb))
		list = append(list, h, once)
	}
	return list
}

// bye ends the connection amid the answer to a verb; in the odd mailbox only
// for those about messages.
func bye(verb string, odd bool) func() synctest.Twist {
	return always(func(c *synctest.Call) {
		isOdd := c.Mailbox == "Odd" || c.Verb == "APPEND" && strings.Contains(c.Args, "odd up")
		if strings.Contains(verb, c.Verb) && (isOdd || !odd) {
			c.Answer, c.HangUp = append(c.Answer[:len(c.Answer)/2:len(c.Answer)/2], "* BYE \x1b[2Jgone\r\n"), true
		}
	})
}

func byeOnce(verb string) func() synctest.Twist {
	return func() synctest.Twist {
		done := false
		twist := bye(verb, true)()
		return func(c *synctest.Call) {
			if !done {
				if twist(c); c.HangUp {
					done = true
				}
			}
		}
	}
}
