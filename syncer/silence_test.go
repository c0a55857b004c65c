package syncer

import (
	"testing"
	"time"
)

func TestSilenceIsRepeatedUnlessTheServerSpokeForAWhile(t *testing.T) {
	const patience = time.Minute
	begin := time.Now()
	for _, c := range []struct {
		name  string
		after []time.Duration
		want  bool // of the last one
	}{
		{"the first", []time.Duration{0}, false},
		{"on another connection", []time.Duration{0, 10 * time.Second}, false},
		{"right after it was mended", []time.Duration{0, 61 * time.Second}, true},
		{"after a long search", []time.Duration{0, 2 * time.Minute}, true},
		{"much later", []time.Duration{0, 10 * time.Minute}, false},
		{"again and again, far apart", []time.Duration{0, 10 * time.Minute, 20 * time.Minute}, false},
	} {
		var s silence
		got := false
		for _, after := range c.after {
			got = s.isRepeated(begin.Add(after), patience)
		}
		if got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}
