package main

import (
	"fmt"
	"testing"
	"time"

	"mailferry/syncer/synctest"
)

func TestCutConnectionLosesAndDoublesNothing(t *testing.T) {
	server := synctest.Dovecot(t, synctest.DovecotConfig{})
	rounds := 25
	if testing.Short() {
		rounds = 4
	}
	for _, c := range []struct {
		name        string
		connections int
		up          bool
	}{
		{"answers cut over one connection", 1, false},
		{"answers cut over four connections", 4, false},
		{"commands and appends cut over one connection", 1, true},
		{"commands and appends cut over four connections", 4, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, server, layoutFS)
			p := newProxy(t, server.Addr)
			w.addr = p.addr
			d := newTide(w, uint64(c.connections), true)
			connections := fmt.Sprint("--connections=", c.connections)
			deadline := time.Now().Add(time.Minute)
			traffic := int64(20 << 10)
			for round := 0; round < rounds && time.Now().Before(deadline); round++ {
				d.rise(5)
				down, up := int64(-1), int64(-1)
				if c.up {
					up = d.random.Int64N(traffic)
				} else {
					down = d.random.Int64N(traffic)
				}
				p.arm(down, up)
				o := w.sync(connections)
				p.arm(-1, -1)
				switch o.code {
				case exitDone, exitPartly, exitTemporary:
				default:
					t.Fatalf("round %d: exit code %d\n%s\n%s", round, o.code, o.stdout, o.stderr)
				}
				if o.code == exitDone {
					d.want.check(w.same())
				}
				if again := w.sync(connections).exits(exitDone); again.summary.Failed+again.summary.Guarded != 0 {
					t.Fatalf("round %d: %s", round, again.stdout)
				}
				if d.settled(); t.Failed() {
					t.Fatalf("in round %d, after\n%s\n%s", round, o.stdout, o.stderr)
				}
			}
			t.Logf("%d cuts", p.cutCount())
			if p.cutCount() < rounds/2 {
				t.Errorf("only %d cuts in %d rounds", p.cutCount(), rounds)
			}
			w.quiet()
		})
	}
}
