package state

import (
	"context"
	"os"
	"runtime"
	"testing"
	"time"

	"mailferry/syncer/mailbox"
)

// sizePerLink makes a state of n links and returns its octets a link.
func sizePerLink(t testing.TB, n int) (*Store, mailbox.ID, float64) {
	w := newWorld(t)
	s := w.open(t)
	id := add(t, s, "INBOX")
	commitAll(t, s, id, makeLinks(n))
	if _, err := s.conn.ExecContext(context.Background(), "PRAGMA wal_checkpoint(TRUNCATE)"); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(w.path(stateFile))
	must(t, err)
	return s, id, float64(info.Size()) / float64(n)
}

func TestAMillionLinksStayBelow300MB(t *testing.T) {
	_, _, size := sizePerLink(t, 100_000)
	t.Logf("%.0f octets a link", size)
	if size > 290 {
		t.Errorf("%.0f octets a link are more than 300 MB for 1,000,000", size)
	}
}

// BenchmarkMillionLinks commits and reads 1,000,000 links.
func BenchmarkMillionLinks(b *testing.B) {
	const n = 1_000_000
	for b.Loop() {
		start := time.Now()
		s, id, size := sizePerLink(b, n)
		b.ReportMetric(size*n/1e6, "MB")
		b.ReportMetric(time.Since(start).Seconds(), "commit-s")
		runtime.GC()
		start = time.Now()
		links, err := s.Links(context.Background(), id)
		must(b, err)
		if len(links) != n {
			b.Fatal(len(links))
		}
		b.ReportMetric(time.Since(start).Seconds(), "read-s")
		must(b, s.Close())
	}
}

// BenchmarkCommit commits batches of 2,000 new links.
func BenchmarkCommit(b *testing.B) {
	s := newWorld(b).open(b)
	id := add(b, s, "INBOX")
	next := mailbox.UID(1)
	for b.Loop() {
		b.StopTimer()
		links := makeLinks(2000)
		for _, l := range links {
			l.UID = next
			next++
		}
		b.StartTimer()
		must(b, s.Commit(context.Background(), mailbox.Commit{Mailbox: id, Put: links}))
	}
}

// BenchmarkUpdate commits changes of 2,000 known links.
func BenchmarkUpdate(b *testing.B) {
	s := newWorld(b).open(b)
	id := add(b, s, "INBOX")
	links := makeLinks(2000)
	commitAll(b, s, id, links)
	for b.Loop() {
		for _, l := range links {
			l.Since++
		}
		must(b, s.Commit(context.Background(), mailbox.Commit{Mailbox: id, Put: links}))
	}
}

// BenchmarkLinks reads 20,000 links.
func BenchmarkLinks(b *testing.B) {
	s := newWorld(b).open(b)
	id := add(b, s, "INBOX")
	commitAll(b, s, id, makeLinks(20_000))
	b.ReportAllocs()
	for b.Loop() {
		_, err := s.Links(context.Background(), id)
		must(b, err)
	}
}

// BenchmarkNoChangeRun opens the state of 20,000 links, asks for the
// mailboxes, and closes it.
func BenchmarkNoChangeRun(b *testing.B) {
	w := newWorld(b)
	s := w.open(b)
	commitAll(b, s, add(b, s, "INBOX"), makeLinks(20_000))
	must(b, s.Close())
	for b.Loop() {
		s, err := Open(context.Background(), w.options())
		must(b, err)
		id, err := s.BeginRun(context.Background(), "sync")
		must(b, err)
		_, err = s.Mailboxes(context.Background())
		must(b, err)
		must(b, s.EndRun(context.Background(), id, true, "", "{}"))
		must(b, s.Close())
	}
}

// BenchmarkLookup reads 50 links of 200,000 by their UIDs: what a run with a
// few changes needs.
func BenchmarkLookup(b *testing.B) {
	s := newWorld(b).open(b)
	id := add(b, s, "INBOX")
	commitAll(b, s, id, makeLinks(200_000))
	var uids mailbox.UIDSet
	for i := range 50 {
		uids = uids.Append(mailbox.UID(4000*i + 3999))
	}
	b.ReportAllocs()
	for b.Loop() {
		n := 0
		must(b, s.Scan(context.Background(), id, mailbox.Some{UIDs: uids, From: 199_990, Odd: true}, func(*mailbox.Link) error { n++; return nil }))
		if n < 50 {
			b.Fatal(n)
		}
	}
}
