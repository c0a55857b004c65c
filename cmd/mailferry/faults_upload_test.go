package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"testing"

	"mailferry/syncer/synctest"
)

// A push whose line breaks while messages go up, or after the server took them
// and before it said so, is finished by the run itself or the next one, and
// brings each message once: however the server lets us upload.
func TestUploadsCutInTheMiddleAreNotDoubled(t *testing.T) {
	server := synctest.Dovecot(t, synctest.DovecotConfig{})
	rounds := 2
	if os.Getenv("MAILFERRY_LONG") != "" {
		rounds = 40
	}
	for _, how := range []struct {
		name   string
		hidden []string // capabilities that the server is made to lack
	}{
		{"groups", nil},
		{"pipelined", []string{"MULTIAPPEND"}},
		{"groups over several connections", []string{"LITERAL+", "LITERAL-"}},
		{"one by one over several connections", []string{"MULTIAPPEND", "LITERAL+", "LITERAL-"}},
	} {
		t.Run(how.name, func(t *testing.T) {
			t.Parallel()
			random := rand.New(rand.NewPCG(7, uint64(len(how.name))))
			cuts := 0
			for round := range rounds {
				cuts += cutUpload(t, server, how.hidden, round%2 == 0, random)
			}
			if cuts == 0 {
				t.Errorf("only %d cuts in %d rounds", cuts, rounds)
			}
		})
	}
}

// cutUpload pushes a new store over a line that breaks once, and returns how
// often it did. lost: answers are lost, else commands.
func cutUpload(t *testing.T, server *synctest.Server, hidden []string, lost bool, random *rand.Rand) int {
	w := newWorld(t, server, layoutFS)
	p := newProxy(t, server.Addr)
	w.addr = p.addr
	reader := onDisk{w}
	reader.create(inbox, work)
	want := expectationOf(t, nil)
	for i := range 180 {
		name, label := inbox, fmt.Sprintf("up%d", i)
		if i%3 == 0 {
			name, label = work, fmt.Sprintf("long up%d", i)
		}
		reader.add(name, label, seen)
		want.add(name, label, seen)
	}
	var mu sync.Mutex
	answers, cuts, fatal := 0, 0, -1
	if lost {
		fatal = 1 + random.IntN(2) // which of the answers: of groups there are few
	} else {
		p.arm(-1, random.Int64N(700<<10))
	}
	p.setLine(func(line string) (string, bool) {
		for _, name := range hidden {
			line = strings.ReplaceAll(line, " "+name, "")
		}
		if !strings.Contains(line, "[APPENDUID") {
			return line, false
		}
		mu.Lock()
		defer mu.Unlock()
		if answers++; answers == fatal {
			cuts++
			return "", true
		}
		return line, false
	})
	first := w.sync("--new-store")
	switch first.code {
	case exitDone, exitPartly, exitTemporary:
	default:
		t.Fatalf("exit code %d\n%s\n%s", first.code, first.stdout, first.stderr)
	}
	p.arm(-1, -1)
	w.sync().exits(exitDone)
	want.check(w.same())
	w.quiet()
	if t.Failed() {
		t.Fatalf("after\n%s\n%s", first.stdout, first.stderr)
	}
	return cuts + p.cutCount()
}
