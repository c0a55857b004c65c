package synctest

import (
	"runtime/metrics"
	"testing"
	"time"
)

// allowed is how much Bounded lets any input allocate, and allowedEach how much
// more for each octet of it.
const (
	allowed     = 8 << 20
	allowedEach = 2000
)

// Bounded runs a parser on an input of so many octets, for fuzzing: it must not
// take over a second, nor allocate more than the input is worth. Since the
// machine and the test itself may be busy meanwhile, it counts if that happens
// again: parse has to start from the beginning each time.
func Bounded(tb testing.TB, octets int, parse func()) {
	tb.Helper()
	var took time.Duration
	var grew uint64
	for range 2 {
		before, began := allocated(), time.Now()
		parse()
		took, grew = time.Since(began), allocated()-before
		if took <= time.Second && grew <= allowed+allowedEach*uint64(octets) {
			return
		}
	}
	tb.Fatalf("%d octets take %s and allocate %d", octets, took, grew)
}

func allocated() uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}
