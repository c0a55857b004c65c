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
// take over a second, twice in a row, nor allocate more than the input is worth.
func Bounded(tb testing.TB, octets int, parse func()) {
	tb.Helper()
	before, began := allocated(), time.Now()
	parse()
	if took := time.Since(began); took > time.Second {
		began = time.Now() // the machine may have been busy
		if parse(); time.Since(began) > time.Second {
			tb.Fatalf("%d octets take %s", octets, took)
		}
		return
	}
	if n := allocated() - before; n > allowed+allowedEach*uint64(octets) {
		tb.Fatalf("%d octets allocate %d", octets, n)
	}
}

func allocated() uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}
