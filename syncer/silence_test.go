package syncer

import (
	"testing"
	"time"
)

func TestSilenceIsRepeatedWhenHardlyAnythingWasCarried(t *testing.T) {
	const patience = time.Minute
	type heard struct {
		after  time.Duration
		octets int64
	}
	begin := time.Now()
	for _, c := range []struct {
		name  string
		heard []heard
		want  bool // of the last one
	}{
		{"the first", []heard{{0, 100}}, false},
		{"on another connection", []heard{{0, 100}, {40 * time.Second, 100}}, false},
		{"right after it was mended", []heard{{0, 100}, {time.Minute, 2000}}, true},
		{"much later, and nothing was done", []heard{{0, 100}, {10 * time.Minute, 2000}}, true},
		{"after some work", []heard{{0, 100}, {2 * time.Minute, 1 << 20}}, false},
		{"again and again, with work between", []heard{{0, 0}, {2 * time.Minute, 1 << 20}, {4 * time.Minute, 2 << 20}}, false},
		{"after some work, and then at once", []heard{{0, 0}, {2 * time.Minute, 1 << 20}, {3 * time.Minute, 1<<20 + 5}}, true},
	} {
		var s silence
		got := false
		for _, h := range c.heard {
			got = s.isRepeated(begin.Add(h.after), h.octets, patience)
		}
		if got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}
