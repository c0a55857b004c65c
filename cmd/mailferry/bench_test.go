//go:build linux

package main

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"mailferry/syncer/mailbox"
	"mailferry/syncer/synctest"
)

// A benchCase is a job that every program does, all of them in turn and that
// several times, so that a machine which slows down slows all of them.
type benchCase struct {
	name, title string
	corpus      corpus
	kind        benchKind
	// rtt and mbit make the network; zero is loopback as it is.
	rtt  time.Duration
	mbit float64
	// change, if any, happens on the server before each round.
	change func(u *synctest.User, round int)
}

// benchKind says what each round starts from.
type benchKind uint8

const (
	benchPull  benchKind = iota // an empty folder
	benchAgain                  // the folder as the last round left it
	benchPush                   // an account without messages
)

// The mailboxes, as a scale of 1 makes them.
var (
	bigCorpus   = corpus{name: "big", messages: 20_000, mailboxes: 13, seed: 1}
	smallCorpus = corpus{name: "small", messages: 2_000, mailboxes: 31, seed: 2}
	wideCorpus  = corpus{name: "wide", messages: 1_000, mailboxes: 100, seed: 3}
)

var benchCases = []benchCase{
	{name: "pull", title: "first pull of %s, loopback", corpus: bigCorpus},
	{name: "few", title: "20 new messages and 50 flags in %s, loopback", corpus: bigCorpus, kind: benchAgain, change: changeFew},
	{name: "few50ms", title: "20 new messages and 50 flags in %s, 50 ms", corpus: bigCorpus, kind: benchAgain, change: changeFew, rtt: 50 * time.Millisecond},
	{name: "nothing", title: "nothing new in %s, loopback", corpus: wideCorpus, kind: benchAgain},
	{name: "nothing50ms", title: "nothing new in %s, 50 ms", corpus: wideCorpus, kind: benchAgain, rtt: 50 * time.Millisecond},
	{name: "pull50ms", title: "first pull of %s, 50 ms and 100 Mbit/s", corpus: smallCorpus, rtt: 50 * time.Millisecond, mbit: 100},
	{name: "push", title: "push of %s, loopback", corpus: smallCorpus, kind: benchPush},
	{name: "push20ms", title: "push of %s, 20 ms", corpus: smallCorpus, kind: benchPush, rtt: 20 * time.Millisecond},
}

// BenchmarkBesideOthers measures mailferry beside the programs that do the
// same and are installed. It is set by the environment:
//
//	BENCH_SCALE    share of the messages, such as 0.05 (1)
//	BENCH_ROUNDS   runs of each program in each case (3)
//	BENCH_PROGRAMS which of the programs, such as mailferry,mbsync-FSync-yes (all)
//	BENCH_DIR      a folder for a folder to work in (the system's for temporary ones)
//	BENCH_RESULTS  a file for the table (stdout)
func BenchmarkBesideOthers(b *testing.B) {
	bench := newBench(b)
	for _, c := range benchCases {
		b.Run(c.name, func(b *testing.B) {
			for range b.N {
				bench.run(b, c)
			}
		})
	}
	b.Run("archive", func(b *testing.B) {
		for range b.N {
			bench.archive(b)
		}
	})
	b.Run("gmail", func(b *testing.B) {
		for range b.N {
			bench.gmail(b)
		}
	})
	bench.table.publish(b)
}

// bench is what all cases share.
type bench struct {
	// tb is the whole benchmark: accounts outlive a case.
	tb       testing.TB
	server   *synctest.Server
	dir      string
	scale    float64
	rounds   int
	programs []benchProgram
	table    *benchTable
	// users have the mail of a corpus each; grown and changes count what
	// happened to it since it was made.
	users   map[string]*synctest.User
	grown   map[string]int
	changes int
	// stores are those that the cases about unchanged stores share, by corpus
	// and program: what a first pull over loopback left.
	stores map[string]string
	// settled are stores in which a run finds nothing to do.
	settled map[string]bool
	// dirs counts the folders of cases that start from nothing.
	dirs int
}

func newBench(b *testing.B) *bench {
	number := func(name string, otherwise float64) float64 {
		value, err := strconv.ParseFloat(cmp.Or(os.Getenv(name), fmt.Sprint(otherwise)), 64)
		if err != nil || value <= 0 {
			b.Fatalf("%s: not a number above 0", name)
		}
		return value
	}
	dir, err := os.MkdirTemp(os.Getenv("BENCH_DIR"), "mailferry-bench-")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { os.RemoveAll(dir) })
	if dir, err = filepath.Abs(dir); err != nil {
		b.Fatal(err)
	}
	// Durability and COMPRESS as servers on the Internet have them.
	server := synctest.Dovecot(b, synctest.DovecotConfig{Extra: "mail_fsync = optimized\nmail_plugins = zlib\n" +
		"protocol imap {\n  mail_plugins = zlib imap_zlib\n}\n"})
	programs := benchPrograms(b, dir)
	return &bench{
		tb: b, server: server, dir: dir, programs: programs,
		scale: number("BENCH_SCALE", 1), rounds: int(number("BENCH_ROUNDS", 3)),
		table: newBenchTable(programs), users: map[string]*synctest.User{}, grown: map[string]int{}, stores: map[string]string{}, settled: map[string]bool{},
	}
}

// account returns the user whose mail a corpus is.
func (m *bench) account(b *testing.B, c corpus) *synctest.User {
	b.Helper()
	if u := m.users[c.name]; u != nil {
		return u
	}
	u := m.server.User(m.tb)
	if err := c.onServer(u.Maildir); err != nil {
		b.Fatal(err)
	}
	// The server makes its indexes on the first look.
	if _, err := readAll(m.server.Addr, u.Name, 4, ""); err != nil {
		b.Fatal(err)
	}
	m.users[c.name] = u
	return u
}

// run plays all rounds of a case.
func (m *bench) run(b *testing.B, c benchCase) {
	c.corpus = c.corpus.scaled(m.scale)
	var user *synctest.User
	if c.kind != benchPush {
		user = m.account(b, c.corpus)
	}
	link := newBenchLink(b, m.server.Addr, c.rtt, c.mbit)
	row := m.table.row(fmt.Sprintf(c.title, c.corpus))
	programs := slices.DeleteFunc(slices.Clone(m.programs), func(p benchProgram) bool { return p.pullsOnly && c.kind != benchPull })
	jobs := map[string]*benchJob{}
	for _, p := range programs {
		jobs[p.name] = m.job(b, c, p, link.addr)
	}
	for round := range m.rounds {
		if c.change != nil {
			c.change(user, m.changes)
			m.changes++
			m.grown[c.corpus.name] += newInFew
		}
		for i := range programs {
			p := programs[(i+round)%len(programs)]
			if p.once && round > 0 {
				continue
			}
			job := jobs[p.name]
			m.prepare(b, c, job)
			link.traffic()
			figure := p.measure(b, job)
			if c.rtt > 0 {
				figure.traffic = link.traffic()
			}
			row.add(p.name, figure)
			if c.kind == benchPull && link.addr == m.server.Addr {
				m.stores[c.corpus.name+"/"+p.slug()] = job.dir
			}
			b.Logf("%s: %s: %.2f s", c.name, p.name, figure.wall.Seconds())
		}
	}
	for _, p := range programs {
		b.ReportMetric(row.median(p.name).Seconds(), p.slug()+"-s")
	}
	b.ReportMetric(0, "ns/op")
}

// job is a program's part in a case. Where it works on a store that is there
// already, that is brought to where a run finds nothing to do: the second run
// comes when no folder counts as just changed any more.
func (m *bench) job(b *testing.B, c benchCase, p benchProgram, addr string) *benchJob {
	job := &benchJob{dir: filepath.Join(m.dir, c.corpus.name, p.slug()), addr: addr, push: c.kind == benchPush}
	if user := m.users[c.corpus.name]; c.kind != benchPush {
		job.user = user.Name
	}
	if c.kind != benchAgain {
		return job
	}
	store := c.corpus.name + "/" + p.slug()
	first := *job
	if first.dir = m.stores[store]; first.dir == "" {
		first.dir = job.dir
	}
	job.dir = first.dir
	if m.settled[store] {
		return job
	}
	first.addr, first.messages = m.server.Addr, m.messages(c)
	if m.stores[store] == "" {
		m.stores[store] = job.dir
		p.measure(b, &first)
		time.Sleep(2500 * time.Millisecond)
	}
	p.measure(b, &first)
	m.settled[store] = true
	return job
}

// messages is how many there are at the end of a round.
func (m *bench) messages(c benchCase) int {
	if c.kind == benchPush {
		return c.corpus.messages
	}
	return c.corpus.messages + m.grown[c.corpus.name]
}

// prepare makes what a round starts from.
func (m *bench) prepare(b *testing.B, c benchCase, job *benchJob) {
	job.messages = m.messages(c)
	switch c.kind {
	case benchPull:
		m.freshDir(job)
	case benchPush:
		m.freshDir(job)
		user := m.server.User(m.tb)
		job.user, job.maildir = user.Name, user.Maildir
		if err := c.corpus.onDisk(filepath.Join(job.dir, "mail")); err != nil {
			b.Fatal(err)
		}
	}
}

// freshDir gives a job a folder of its own. The old one stays until the end:
// ext4 without a journal makes files slowly where others were just removed.
func (m *bench) freshDir(job *benchJob) {
	m.dirs++
	job.dir = filepath.Join(m.dir, "fresh", strconv.Itoa(m.dirs))
}

const newInFew, flaggedInFew = 20, 50

// changeFew is what a day brings.
func changeFew(u *synctest.User, round int) {
	for i := range newInFew {
		text := fmt.Appendf(nil, "Subject: new %d.%d\r\nMessage-ID: <few.%d.%d.%d@example.org>\r\n\r\nHello.\r\n",
			round, i, round, i, time.Now().UnixNano())
		u.Append(mailbox.Inbox, mailbox.Flags{}, mailbox.Date{}, text)
	}
	for _, uid := range flaggedUIDs(round) {
		u.Store(mailbox.Inbox, uid, "+FLAGS", mailbox.NewFlags(mailbox.FlagFlagged, mailbox.FlagAnswered, mailbox.FlagSeen))
	}
}

// flaggedUIDs are spread over the older messages, others in each round.
func flaggedUIDs(round int) []mailbox.UID {
	var uids []mailbox.UID
	for i := range flaggedInFew {
		uids = append(uids, mailbox.UID(1+i*3+round*flaggedInFew*3))
	}
	return uids
}
