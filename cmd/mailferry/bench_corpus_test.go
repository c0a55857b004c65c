//go:build linux

package main

import (
	"encoding/base64"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// corpus is a deterministic account: the same description makes the same
// octets. Half of the messages are in INBOX.
type corpus struct {
	name                string
	messages, mailboxes int
	seed                uint64
}

func (c corpus) scaled(scale float64) corpus {
	c.messages = max(int(float64(c.messages)*scale), 2*c.mailboxes)
	return c
}

func (c corpus) String() string {
	return fmt.Sprintf("%d messages in %d mailboxes", c.messages, c.mailboxes)
}

// corpusMessage is one message of a corpus.
type corpusMessage struct {
	mailbox int // 0 is INBOX
	date    time.Time
	flags   string // as in a Maildir's file name
	text    string // with LF
}

// each makes the messages one after the other. Sizes are log-normal around
// 6 KB, as in real accounts, and every fiftieth message or so has an attachment.
func (c corpus) each(do func(i int, m corpusMessage) error) error {
	random := rand.New(rand.NewPCG(c.seed, 11))
	prose, noise := proseOf(random), noiseOf(random)
	date := time.Date(2015, 3, 1, 8, 0, 0, 0, time.UTC)
	for i := range c.messages {
		date = date.Add(time.Duration(1+random.IntN(7000)) * time.Second)
		m := corpusMessage{date: date}
		if random.IntN(2) == 0 && c.mailboxes > 1 {
			m.mailbox = 1 + random.IntN(c.mailboxes-1)
		}
		var b strings.Builder
		fmt.Fprintf(&b, "Received: from mx%d.example.net by mail.example.com; %s\nMessage-ID: <%d.%d.%x@example.net>\n",
			random.IntN(20), date.Format(time.RFC1123Z), c.seed, i, random.Uint64())
		fmt.Fprintf(&b, "Date: %s\nFrom: Person %d <p%d@example.net>\nTo: me@example.com\nSubject: Letter %d\nMIME-Version: 1.0\n",
			date.Format(time.RFC1123Z), i%400, i%400, i)
		size := min(max(int(6000*math.Exp(1.2*random.NormFloat64())), 200), 400_000)
		text := slice(prose, random, size)
		if random.IntN(50) == 0 {
			attachment := slice(noise, random, int(70_000*math.Exp(3.5*random.Float64())))
			fmt.Fprintf(&b, "Content-Type: multipart/mixed; boundary=b\n\n--b\n\n%s\n--b\nContent-Type: application/octet-stream\n"+
				"Content-Transfer-Encoding: base64\n\n%s\n--b--\n", text, attachment)
		} else {
			fmt.Fprintf(&b, "Content-Type: text/plain; charset=utf-8\n\n%s\n", text)
		}
		m.text = b.String()
		for _, flag := range []struct {
			letter string
			of100  int
		}{{"F", 3}, {"R", 20}, {"S", 85}} {
			if random.IntN(100) < flag.of100 {
				m.flags += flag.letter
			}
		}
		if err := do(i, m); err != nil {
			return err
		}
	}
	return nil
}

// slice cuts a piece of about size octets out of lines.
func slice(lines string, random *rand.Rand, size int) string {
	start := random.IntN(max(len(lines)-size, 1))
	return strings.Trim(lines[start:min(start+size, len(lines))], "\n")
}

var proseWords = strings.Fields(`the of and to in that it was for on with as this have from are be not at
	letter order offer invoice delivery address Monday Friday question answer thank regards please kindly
	project garden train ticket weather größer Straße für naïve ответ 会議 report version server budget`)

func proseOf(random *rand.Rand) string {
	var b strings.Builder
	for b.Len() < 4<<20 {
		for column := 0; column < 66; {
			word := proseWords[random.IntN(len(proseWords))]
			column += len(word) + 1
			b.WriteString(word)
			b.WriteByte(' ')
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// noiseOf is base64 of what cannot be compressed.
func noiseOf(random *rand.Rand) string {
	var b strings.Builder
	line := make([]byte, 57)
	for b.Len() < 8<<20 {
		for i := range line {
			line[i] = byte(random.Uint32())
		}
		b.WriteString(base64.StdEncoding.EncodeToString(line))
		b.WriteByte('\n')
	}
	return b.String()
}

// onServer fills a Maildir++ as Dovecot keeps it, owned by who owns its parent.
func (c corpus) onServer(dir string) error {
	info, err := os.Stat(filepath.Dir(dir))
	if err != nil {
		return err
	}
	owner, _ := info.Sys().(*syscall.Stat_t)
	own := func(path string) error { return os.Chown(path, int(owner.Uid), int(owner.Gid)) }
	folder := func(i int) string {
		if i == 0 {
			return dir
		}
		return filepath.Join(dir, "."+mailboxText(i))
	}
	return c.write(folder, own, func(m corpusMessage) string { return strings.ReplaceAll(m.text, "\n", "\r\n") })
}

// onDisk fills folders as mailferry and mbsync (SubFolders Verbatim) have them.
func (c corpus) onDisk(dir string) error {
	folder := func(i int) string {
		if i == 0 {
			return filepath.Join(dir, "INBOX")
		}
		return filepath.Join(dir, mailboxText(i))
	}
	return c.write(folder, func(string) error { return nil }, func(m corpusMessage) string { return m.text })
}

func mailboxText(i int) string { return fmt.Sprintf("Folder%02d", i) }

func (c corpus) write(folder func(int) string, own func(string) error, form func(corpusMessage) string) error {
	for i := range c.mailboxes {
		for _, part := range []string{"", "cur", "new", "tmp"} {
			path := filepath.Join(folder(i), part)
			if err := os.MkdirAll(path, 0o700); err != nil {
				return err
			}
			if err := own(path); err != nil {
				return err
			}
		}
	}
	return c.each(func(i int, m corpusMessage) error {
		path := filepath.Join(folder(m.mailbox), "cur", fmt.Sprintf("%d.M%dP1.bench:2,%s", m.date.Unix(), i, m.flags))
		if err := os.WriteFile(path, []byte(form(m)), 0o600); err != nil {
			return err
		}
		if err := os.Chtimes(path, m.date, m.date); err != nil {
			return err
		}
		return own(path)
	})
}
