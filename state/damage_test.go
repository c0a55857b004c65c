package state

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"mailferry/syncer/mailbox"
)

// sample is a closed store with two mailboxes, and what is in it.
type sample struct {
	*world
	octets []byte
	known  []mailbox.Known
	links  map[mailbox.ID][]mailbox.Link
}

func newSample(t testing.TB, n int) *sample {
	w := newWorld(t)
	s := w.open(t)
	x := &sample{world: w, links: map[mailbox.ID][]mailbox.Link{}}
	run, err := s.BeginRun(t.Context(), "sync")
	must(t, err)
	links := makeLinks(n)
	inbox, sent := add(t, s, "INBOX"), add(t, s, "Sent")
	commitAll(t, s, inbox, links[:n/2])
	commitAll(t, s, sent, links[n/2:])
	// Rows that were rewritten leave their old selves in free pages.
	for _, l := range links[:n/4] {
		l.Agreed = mailbox.NewFlags(mailbox.FlagDeleted)
	}
	checkpoint := &mailbox.Checkpoint{Remote: mailbox.Status{UIDNext: 9, UIDValidity: 7, HighestModSeq: 3, Messages: 2}, HasRemote: true}
	must(t, s.Commit(t.Context(), mailbox.Commit{Mailbox: inbox, Put: links[:n/4], Checkpoint: checkpoint}))
	must(t, s.EndRun(t.Context(), run, true, "", "{}"))
	x.known, err = s.Mailboxes(t.Context())
	must(t, err)
	for _, k := range x.known {
		x.links[k.ID], err = s.Links(t.Context(), k.ID)
		must(t, err)
	}
	must(t, s.Close())
	x.octets, err = os.ReadFile(w.path(stateFile))
	must(t, err)
	return x
}

// put writes a state file as it is meant to be found.
func (x *sample) put(t testing.TB, octets []byte) {
	t.Helper()
	must(t, os.WriteFile(x.path(stateFile), octets, 0o600))
	for _, suffix := range []string{"-wal", "-shm"} {
		_ = os.Remove(x.path(stateFile) + suffix)
	}
}

// verdict opens and reads all. It says "right", "rebuilt" or "damaged", and
// fails when something else than what was written is taken for it. After
// damage it rebuilds, which must give an empty state that works.
func (x *sample) verdict(t testing.TB) string {
	t.Helper()
	s, err := Open(context.Background(), x.options())
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	defer s.Close()
	if s.Rebuilt() != "" {
		x.expectEmpty(t, s)
		return "rebuilt"
	}
	if err := x.compare(s); errors.Is(err, ErrDamaged) {
		must(t, s.Rebuild(context.Background(), err.Error()))
		x.expectEmpty(t, s)
		return "damaged"
	} else if err != nil {
		t.Fatal(err)
	}
	return "right"
}

func (x *sample) compare(s *Store) error {
	known, err := s.Mailboxes(context.Background())
	if err != nil {
		return err
	}
	if !reflect.DeepEqual(known, x.known) {
		return fmt.Errorf("silently wrong: mailboxes %+v", known)
	}
	for _, k := range known {
		links, err := s.Links(context.Background(), k.ID)
		if err != nil {
			return err
		}
		if !reflect.DeepEqual(links, x.links[k.ID]) {
			return fmt.Errorf("silently wrong: links of %s", k.Name)
		}
	}
	return nil
}

func (x *sample) expectEmpty(t testing.TB, s *Store) {
	t.Helper()
	list, err := s.Mailboxes(context.Background())
	if err != nil || len(list) != 0 || s.Clean() {
		t.Fatalf("rebuilt state: %v, %v, clean %v", list, err, s.Clean())
	}
	id, err := s.Add(context.Background(), "INBOX")
	must(t, err)
	must(t, s.Commit(context.Background(), mailbox.Commit{Mailbox: id, Put: makeLinks(1)}))
}

// reset puts all back as it was before a verdict.
func (x *sample) reset(t testing.TB, generation, note []byte) {
	t.Helper()
	must(t, os.WriteFile(x.path(generationFile), generation, 0o600))
	entries, err := os.ReadDir(x.notes)
	must(t, err)
	must(t, os.WriteFile(filepath.Join(x.notes, entries[0].Name()), note, 0o600))
}

func (x *sample) beside(t testing.TB) (generation, note []byte) {
	t.Helper()
	generation, err := os.ReadFile(x.path(generationFile))
	must(t, err)
	entries, err := os.ReadDir(x.notes)
	must(t, err)
	note, err = os.ReadFile(filepath.Join(x.notes, entries[0].Name()))
	must(t, err)
	return generation, note
}

func TestNoDamageIsSilentlyWrong(t *testing.T) {
	x := newSample(t, 2000)
	generation, note := x.beside(t)
	if got := x.verdict(t); got != "right" {
		t.Fatal(got)
	}
	counts := map[string]int{}
	try := func(octets []byte, name string, mustNotice bool) {
		x.reset(t, generation, note)
		x.put(t, octets)
		got := x.verdict(t)
		if mustNotice && got == "right" {
			t.Errorf("%s was not noticed", name)
		}
		counts[got]++
	}
	for size := 0; size < len(x.octets); size += 4096 {
		// Whatever lies behind the cut, even free pages: SQLite counts them.
		try(x.octets[:size], fmt.Sprintf("truncation at %d", size), true)
	}
	r := rand.New(rand.NewPCG(3, 4))
	for range 200 {
		octets := append([]byte(nil), x.octets...)
		bit := r.IntN(8 * len(octets))
		octets[bit/8] ^= 1 << (bit % 8)
		try(octets, fmt.Sprintf("bit %d", bit), false)
	}
	// A page that took the place of another, as a disk may write it.
	pages := len(x.octets) / 4096
	for range 50 {
		octets := append([]byte(nil), x.octets...)
		from, to := r.IntN(pages), r.IntN(pages)
		copy(octets[to*4096:(to+1)*4096], x.octets[from*4096:])
		try(octets, fmt.Sprintf("page %d over %d", from, to), false)
	}
	t.Logf("%d octets: %v", len(x.octets), counts)
}

// In the header a flip changes what the file is: its form, its version, whether
// it may be written at all.
func TestNoFlippedBitOfTheHeaderIsSilentlyWrong(t *testing.T) {
	x := newSample(t, 8)
	generation, note := x.beside(t)
	for bit := range 8 * 100 {
		octets := append([]byte(nil), x.octets...)
		octets[bit/8] ^= 1 << (bit % 8)
		x.reset(t, generation, note)
		x.put(t, octets)
		x.verdict(t)
	}
}

func TestDamageAtOpenIsMovedAside(t *testing.T) {
	for name, spoil := range map[string]func(*testing.T, *sample){
		"deleted":        func(t *testing.T, x *sample) { must(t, os.Remove(x.path(stateFile))) },
		"empty":          func(t *testing.T, x *sample) { x.put(t, nil) },
		"not a database": func(t *testing.T, x *sample) { x.put(t, []byte(strings.Repeat("From me", 9999))) },
		"another store's": func(t *testing.T, x *sample) {
			x.put(t, newSample(t, 40).octets)
		},
		"a folder": func(t *testing.T, x *sample) {
			must(t, os.Remove(x.path(stateFile)))
			must(t, os.Mkdir(x.path(stateFile), 0o700))
		},
		"newer only in the header": func(t *testing.T, x *sample) {
			octets := append([]byte(nil), x.octets...)
			octets[63] = byte(len(migrations)) + 1 // user_version
			x.put(t, octets)
		},
	} {
		t.Run(name, func(t *testing.T) {
			x := newSample(t, 40)
			spoil(t, x)
			if got := x.verdict(t); got != "rebuilt" {
				t.Fatal(got)
			}
			aside, err := filepath.Glob(x.path(stateFile + ".damaged-*"))
			must(t, err)
			if name != "deleted" && len(aside) != 1 {
				t.Errorf("moved aside: %v", aside)
			}
			if s := x.open(t); s.Rebuilt() != "" {
				t.Errorf("rebuilt again: %s", s.Rebuilt())
			}
		})
	}
}

func TestOnlyThreeDamagedStatesAreKept(t *testing.T) {
	x := newSample(t, 40)
	for i := range 5 {
		x.put(t, []byte(fmt.Sprint(i)))
		must(t, x.open(t).Close())
	}
	aside, err := filepath.Glob(x.path(stateFile + ".damaged-*"))
	must(t, err)
	if len(aside) != damagedKept {
		t.Fatal(aside)
	}
	if last, _ := os.ReadFile(aside[2]); string(last) != "4" {
		t.Errorf("the last one is %q", last)
	}
}

func TestAStateFromAnOldBackupIsNoticed(t *testing.T) {
	for _, c := range []struct {
		name   string
		backup func(*testing.T, *sample) func()
	}{
		{"state.db alone", func(t *testing.T, x *sample) func() { return func() { x.put(t, x.octets) } }},
		{"the whole store", func(t *testing.T, x *sample) func() {
			saved := t.TempDir()
			must(t, os.CopyFS(saved, os.DirFS(x.dir)))
			return func() {
				must(t, os.RemoveAll(x.dir))
				must(t, os.CopyFS(x.dir, os.DirFS(saved)))
			}
		}},
		{"state.db, and no notes", func(t *testing.T, x *sample) func() {
			return func() { x.put(t, x.octets); must(t, os.RemoveAll(x.notes)) }
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			x := newSample(t, 40)
			restore := c.backup(t, x)
			s := x.open(t)
			add(t, s, "new since")
			must(t, s.Close())
			restore()
			s = x.open(t)
			if !strings.Contains(s.Rebuilt(), "restored from a backup") {
				t.Errorf("Rebuilt: %q", s.Rebuilt())
			}
			must(t, s.Close())
			if s := x.open(t); s.Rebuilt() != "" {
				t.Errorf("rebuilt again: %s", s.Rebuilt())
			}
		})
	}
}

func TestALogThatLostItsEndIsNoticed(t *testing.T) {
	x := newSample(t, 40)
	s := x.open(t)
	for _, name := range []mailbox.Name{"a", "b", "c"} {
		add(t, s, name)
	}
	open := t.TempDir()
	must(t, os.CopyFS(open, os.DirFS(x.path(""))))
	must(t, s.Close())
	for _, cut := range []bool{false, true} {
		must(t, os.RemoveAll(x.path("")))
		must(t, os.CopyFS(x.path(""), os.DirFS(open)))
		must(t, os.RemoveAll(x.notes))
		if cut {
			info, err := os.Stat(x.path("state.db-wal"))
			must(t, err)
			must(t, os.Truncate(x.path("state.db-wal"), info.Size()/2))
		}
		s := x.open(t)
		if (s.Rebuilt() != "") != cut {
			t.Errorf("cut %v: %q", cut, s.Rebuilt())
		}
		must(t, s.Close())
	}
}

func TestARebuildKeepsTheRunThatIsUnderWay(t *testing.T) {
	s := newWorld(t).open(t)
	id, err := s.BeginRun(t.Context(), "sync")
	must(t, err)
	must(t, s.Rebuild(t.Context(), "a reason"))
	if s.Rebuilt() != "a reason" || s.Clean() {
		t.Errorf("%q, clean %v", s.Rebuilt(), s.Clean())
	}
	must(t, s.EndRun(t.Context(), id, true, "", ""))
	runs, err := s.Runs(t.Context(), 5)
	must(t, err)
	if len(runs) != 1 || runs[0].Command != "sync" || !runs[0].OK {
		t.Errorf("%+v", runs)
	}
}

func TestANewerVersionIsAnErrorAndAnOlderOneIsMigrated(t *testing.T) {
	x := newSample(t, 40)
	newer := append(migrations[:len(migrations):len(migrations)], "CREATE TABLE extra (id INTEGER PRIMARY KEY)")
	openWith := func(steps []string, readOnly bool) (*Store, error) {
		o := x.options()
		o.ReadOnly = readOnly
		o.Log = nil
		return openVersion(t.Context(), o, steps)
	}
	for _, readOnly := range []bool{true, false} {
		s, err := openWith(newer, readOnly)
		must(t, err)
		if err := x.compare(s); err != nil || s.Rebuilt() != "" || s.root.version != len(newer) {
			t.Errorf("migrated: %v, %q, version %d", err, s.Rebuilt(), s.root.version)
		}
		must(t, s.Close())
	}
	_, err := openWith(migrations, false)
	var version *NewerVersionError
	if !errors.Is(err, ErrNewerVersion) || !errors.As(err, &version) || version.Version != len(newer) || version.Highest != len(migrations) {
		t.Errorf("Open by an older mailferry: %v", err)
	}
	s, err := openWith(newer, false)
	must(t, err)
	if err := x.compare(s); err != nil || s.Rebuilt() != "" {
		t.Errorf("the refused Open changed the state: %v, %q", err, s.Rebuilt())
	}
	must(t, s.Close())
}

func childCommits() {
	s, err := Open(context.Background(), childOptions())
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	if s.Rebuilt() != "" {
		fmt.Println("rebuilt:", s.Rebuilt())
		os.Exit(1)
	}
	list, err := s.Mailboxes(context.Background())
	if err != nil || len(list) != 1 {
		fmt.Println(err, len(list))
		os.Exit(1)
	}
	if _, err := s.BeginRun(context.Background(), "sync"); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	// Every commit changes the checkpoint and each link to its own number, so
	// that half a transaction shows.
	links := makeLinks(300)
	for i := 1; ; i++ {
		number := mailbox.UID(list[0].Remote.UIDNext) + mailbox.UID(i)
		if stored, err := s.Links(context.Background(), list[0].ID); err != nil {
			fmt.Println(err)
			os.Exit(1)
		} else if len(stored) > 0 {
			for j := range links {
				links[j].ID = stored[j].ID
			}
		}
		for _, l := range links {
			l.Since = number
		}
		commit := mailbox.Commit{Mailbox: list[0].ID, Put: links, Checkpoint: &mailbox.Checkpoint{Remote: mailbox.Status{UIDNext: number}}}
		if err := s.Commit(context.Background(), commit); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Println(number)
	}
}

func TestAKillInACommitLeavesWhatWasBeforeOrAfter(t *testing.T) {
	w := newWorld(t)
	s := w.open(t)
	id := add(t, s, "INBOX")
	must(t, s.Close())
	r := rand.New(rand.NewPCG(5, 6))
	for range 15 {
		cmd := child(t, "commit", w)
		var out strings.Builder
		cmd.Stdout = &out
		must(t, cmd.Start())
		time.Sleep(time.Duration(50+r.IntN(150)) * time.Millisecond)
		must(t, cmd.Process.Kill())
		_ = cmd.Wait()
		last := mailbox.UID(0)
		for line := range strings.Lines(out.String()) {
			if n, err := fmt.Sscan(line, &last); n != 1 && strings.HasSuffix(line, "\n") {
				t.Fatalf("the child says %q: %v", line, err)
			}
		}
		s := w.open(t)
		if s.Rebuilt() != "" {
			t.Fatalf("false alarm: %s", s.Rebuilt())
		}
		list, err := s.Mailboxes(t.Context())
		must(t, err)
		links, err := s.Links(t.Context(), id)
		must(t, err)
		number := list[0].Remote.UIDNext
		if last > 0 && (number != last && number != last+1 || s.Clean()) {
			t.Errorf("committed %d, found %d, clean %v", last, number, s.Clean())
		}
		for _, l := range links {
			if l.Since != number {
				t.Fatalf("half a transaction: %d beside %d", l.Since, number)
			}
		}
		must(t, s.Close())
	}
}

// FuzzOpen opens a state file of which some octets were replaced.
func FuzzOpen(f *testing.F) {
	x := newSample(f, 60)
	generation, note := x.beside(f)
	f.Add(uint32(0), []byte("SQLite"), uint32(0))
	f.Add(uint32(100), []byte{5, 0, 0, 0, 1}, uint32(4096))
	f.Add(uint32(60), []byte{0, 0, 0, 9}, uint32(1))
	f.Fuzz(func(t *testing.T, at uint32, replacement []byte, cut uint32) {
		octets := append([]byte(nil), x.octets...)
		copy(octets[int(at)%len(octets):], replacement)
		octets = octets[:len(octets)-int(cut)%len(octets)]
		x.reset(t, generation, note)
		x.put(t, octets)
		x.verdict(t)
	})
}
