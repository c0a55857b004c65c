package plan

import (
	"bufio"
	"cmp"
	"crypto/sha256"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"mailferry/syncer/mailbox"
)

// A planCase is one file of testdata/plan: three snapshots in a few lines each.
// See testdata/plan/README for the language.
type planCase struct {
	base    Base
	local   Local
	remote  Remote
	adjust  []string // changes of the policy
	content map[mailbox.UID]string
	noID    map[mailbox.UID]bool
	silent  mailbox.UIDSet // messages of which no question is answered
	marks   mailbox.Marks
}

// contentOf makes a message of its name: what precedes "/" is the header.
func contentOf(name string, size int64) mailbox.Content {
	header, _, _ := strings.Cut(name, "/")
	return mailbox.Content{Size: size, Hash: sha256.Sum256([]byte(name)), Header: sha256.Sum256([]byte("header " + header))}
}

const defaultSize = 1000

// fields is a line's words: positional ones first, then name=value and bare
// options.
type fields struct {
	words   []string
	options map[string]string
}

func parseFields(line string) fields {
	f := fields{options: map[string]string{}}
	for _, word := range strings.Fields(line) {
		name, value, isOption := strings.Cut(word, "=")
		if isOption || len(f.options) > 0 {
			f.options[name] = value
			continue
		}
		f.words = append(f.words, word)
	}
	return f
}

func (f fields) has(name string) bool {
	_, ok := f.options[name]
	return ok || slices.Contains(f.words, name)
}

func (f fields) number(name string, otherwise int64) int64 {
	text, ok := f.options[name]
	if !ok {
		return otherwise
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		panic(err)
	}
	return n
}

func (f fields) flags(name string, otherwise mailbox.Flags) mailbox.Flags {
	text, ok := f.options[name]
	if !ok {
		return otherwise
	}
	return mailbox.NewFlags(strings.Split(text, ",")...)
}

func (f fields) date() mailbox.Date {
	if f.options["date"] == "none" {
		return mailbox.Date{}
	}
	return mailbox.Date{Unix: f.number("date", 1), Known: true}
}

func (f fields) uids(name string) mailbox.UIDSet {
	if f.options[name] == "" {
		return nil
	}
	set, err := mailbox.ParseUIDSet(f.options[name])
	if err != nil {
		panic(err)
	}
	return set
}

func (f fields) content() mailbox.Content {
	name, ok := f.options["m"]
	if !ok {
		return mailbox.Content{Size: f.number("size", defaultSize)}
	}
	return contentOf(name, f.number("size", defaultSize))
}

func parseCase(t testing.TB, sections map[string]string) *planCase {
	t.Helper()
	c := &planCase{content: map[mailbox.UID]string{}, noID: map[mailbox.UID]bool{}, marks: mailbox.Marks{}}
	c.base.Known = mailbox.Known{ID: 1, Name: "Work"}
	parsers := map[string]func(string){
		"policy": func(line string) { c.adjust = append(c.adjust, line) },
		"base":   c.parseBase, "disk": c.parseDisk, "server": c.parseServer,
	}
	for name, parse := range parsers {
		lines := bufio.NewScanner(strings.NewReader(sections[name]))
		for lines.Scan() {
			if line := strings.TrimSpace(lines.Text()); line != "" && line[0] != '#' {
				parse(line)
			}
		}
	}
	slices.SortStableFunc(c.base.Links, func(a, b mailbox.Link) int {
		return cmp.Or(cmp.Compare(a.UID, b.UID), cmp.Compare(a.Key, b.Key))
	})
	c.base.Known.Links = len(c.base.Links)
	c.lendContent()
	return c
}

// parseBase reads "mailbox NAME uidvalidity=1 uidnext=9 [only-remote|only-local]" and
// links: "ID KIND uid=1 key=a m=alpha flags=\Seen remote=... local=... since=4".
func (c *planCase) parseBase(line string) {
	f := parseFields(line)
	known := &c.base.Known
	if f.words[0] == "mailbox" {
		known.Name = mailbox.Name(f.words[1])
		known.Remote = mailbox.Status{UIDValidity: mailbox.UIDValidity(f.number("uidvalidity", 1)), UIDNext: mailbox.UID(f.number("uidnext", 10))}
		known.HasRemote, known.HasLocal = !f.has("only-local"), !f.has("only-remote")
		return
	}
	id, err := strconv.Atoi(f.words[0])
	if err != nil {
		panic("base: " + line)
	}
	agreed := f.flags("flags", mailbox.Flags{})
	c.base.Links = append(c.base.Links, mailbox.Link{
		ID: mailbox.LinkID(id), Kind: parseKind(f.words[1]), UID: mailbox.UID(f.number("uid", 0)),
		Key: mailbox.Key(f.options["key"]), Agreed: agreed,
		Remote: f.flags("remote", agreed), Local: f.flags("local", agreed),
		Content: f.content(), Date: f.date(), Since: mailbox.UID(f.number("since", 0)),
	})
}

func parseKind(text string) mailbox.LinkKind {
	for kind := mailbox.Linked; kind <= mailbox.PendingExpunge; kind++ {
		if kind.String() == text {
			return kind
		}
	}
	panic("no kind of link: " + text)
}

// parseDisk reads "missing", "unchanged", "incomplete" and files:
// "KEY flags=\Seen m=alpha date=1".
func (c *planCase) parseDisk(line string) {
	switch f := parseFields(line); f.words[0] {
	case "missing":
		c.local.Missing = true
	case "unchanged":
		c.local.Unchanged = true
	case "incomplete":
		c.local.Incomplete = true
	default:
		file := mailbox.LocalMessage{Key: mailbox.Key(f.words[0]), Flags: f.flags("flags", mailbox.Flags{})}
		if f.has("m") {
			file.Content, file.Date = f.content(), f.date()
		}
		c.local.Messages = append(c.local.Messages, file)
		slices.SortFunc(c.local.Messages, func(a, b mailbox.LocalMessage) int { return cmp.Compare(a.Key, b.Key) })
	}
}

// parseServer reads "missing" or "status uidvalidity=1 uidnext=9 holds=\Seen,\*
// delta incomplete present=1:3 spoiled=4 trash=Trash", and messages:
// "UID flags=\Seen m=alpha date=1 [noflags] [nosize] [noid] [silent]".
func (c *planCase) parseServer(line string) {
	f := parseFields(line)
	r := &c.remote
	switch f.words[0] {
	case "missing":
		r.Missing = true
		r.Complete, r.HasPresent, r.Holds = true, true, holdsOf(`\*`)
	case "status":
		r.Status = mailbox.Status{UIDValidity: mailbox.UIDValidity(f.number("uidvalidity", 1)), UIDNext: mailbox.UID(f.number("uidnext", 10))}
		r.Delta, r.Complete = f.has("delta"), !f.has("incomplete")
		r.HasPresent = f.has("present")
		r.Present, r.Spoiled = f.uids("present"), f.uids("spoiled")
		r.Holds = holdsOf(`\*`)
		if f.has("holds") {
			r.Holds = holdsOf(strings.Split(f.options["holds"], ",")...)
		}
		r.Trash = mailbox.Name(f.options["trash"])
	default:
		uid, err := strconv.ParseUint(f.words[0], 10, 32)
		if err != nil {
			panic("server: " + line)
		}
		row := mailbox.RemoteMessage{
			UID: mailbox.UID(uid), Flags: f.flags("flags", mailbox.Flags{}), HasFlags: !f.has("noflags"),
			HasSize: !f.has("nosize"), Size: f.number("size", defaultSize), Date: f.date(),
			Machines: f.flags("machines", mailbox.Flags{}),
		}
		if seen := f.number("seen", 0); seen > 0 {
			row.FirstSeen = mailbox.Date{Unix: seen, Known: true}
		}
		if !row.HasSize {
			row.Size = 0
		}
		c.content[row.UID], c.noID[row.UID] = f.options["m"], f.has("noid")
		if f.has("silent") {
			c.silent = c.silent.Union(mailbox.UIDs(row.UID))
		}
		r.Messages = append(r.Messages, row)
	}
}

func holdsOf(names ...string) mailbox.Holds {
	system := mailbox.NewFlags(`\Seen`, `\Answered`, `\Flagged`, `\Deleted`, `\Draft`)
	return mailbox.Holds{AnyKeyword: slices.Contains(names, `\*`), Flags: system.Union(mailbox.NewFlags(names...))}
}

// lendContent gives links and rows of one UID the same content where only one
// of them names it.
func (c *planCase) lendContent() {
	for i := range c.base.Links {
		if link := &c.base.Links[i]; link.UID != 0 && c.content[link.UID] == "" {
			c.content[link.UID] = fmt.Sprint("link of ", link.UID)
		}
	}
}

// answer fills in what was asked for, as the engine does.
func (c *planCase) answer(q Questions) {
	for i := range c.remote.Messages {
		row := &c.remote.Messages[i]
		content := contentOf(c.content[row.UID], row.Size)
		if c.silent.Contains(row.UID) {
			continue
		}
		if q.Headers.Contains(row.UID) {
			row.Header, row.HasMessageID = content.Header, !c.noID[row.UID]
		}
		if q.Bodies.Contains(row.UID) {
			row.Body = content.Hash
		}
	}
}

// policy applies the case's changes to one of the named policies.
func (c *planCase) policy(name string) Policy {
	p := map[string]func() Policy{
		"sync": Sync, "backup": Backup, "mirror": Mirror, "restore": Restore, "restore-again": restoreAgain,
		"archive": func() Policy { return Archive(Retention{KeepFlagged: true}) },
	}[name]()
	for _, line := range c.adjust {
		switch f := parseFields(line); f.words[0] {
		case "on-remote-delete":
			p.OnRemoteDelete = Fate(f.words[1])
		case "on-local-delete":
			p.OnLocalDelete = Fate(f.words[1])
		case "max":
			p.MaxMessageSize, _ = strconv.ParseInt(f.words[1], 10, 64)
		case "only":
		case "bring-back":
			p.BringBack = map[mailbox.Key]bool{mailbox.Key(f.words[1]): true}
		case "marked":
			mark := map[string]mailbox.Mark{"archived": mailbox.Archived, "returned": mailbox.Returned}[f.words[1]]
			c.marks[contentOf(f.words[2], f.number("size", defaultSize)).Hash] = mark
		default:
			limits := p.Retention
			if limits == nil {
				limits = &Retention{}
			}
			if !limit(limits, f) {
				panic("policy: " + line)
			}
		}
	}
	return p
}

// limit reads one limit of an archive.
func limit(r *Retention, f fields) bool {
	n := func() int64 {
		n, err := strconv.ParseInt(f.words[1], 10, 64)
		if err != nil {
			panic(err)
		}
		return n
	}
	switch f.words[0] {
	case "before":
		r.Before = mailbox.Date{Unix: n(), Known: true}
	case "now":
		r.Now = mailbox.Date{Unix: n(), Known: true}
	case "last-run":
		r.LastRun = mailbox.Date{Unix: n(), Known: true}
	case "keep-latest":
		r.KeepLatest = int(n())
	case "free":
		r.Free, r.HasFree = n(), true
	case "seen-only":
		r.SeenOnly = true
	case "flagged-too":
		r.KeepFlagged = false
	case "leave-for":
		r.LeaveFor = strings.Split(f.words[1], ",")
	case "machine":
		r.Machine = f.words[1]
	default:
		return false
	}
	return true
}

// policies are those that the case is planned for.
func (c *planCase) policies() []string {
	for _, line := range c.adjust {
		if f := parseFields(line); f.words[0] == "only" {
			return f.words[1:]
		}
	}
	return []string{"sync", "backup", "mirror"}
}

// restoreAgain fills up what is gone from the server.
func restoreAgain() Policy {
	p := Restore()
	p.Refill = true
	return p
}
