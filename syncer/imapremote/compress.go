package imapremote

import (
	"log/slog"
	"slices"
	"sync"
	"time"

	"mailferry/syncer/imapremote/wire"
)

const (
	compressDeflate = "COMPRESS=DEFLATE"
	// sampleOctets is how much is measured before something is decided, for
	// sampleTime at least: connections need time to gather way. On a slow line
	// slowTime's worth is enough, on a fast one fastOctets.
	sampleOctets, sampleTime = 512 << 10, 250 * time.Millisecond
	leastOctets, slowTime    = 32 << 10, 2 * time.Second
	fastOctets               = 8 << 20
	// fastLine is the rate, in octets a second over all connections, from which
	// on packing costs more than the line: it is as fast as one core packs or
	// a server's disk reads.
	fastLine = 16 << 20
	// regret is the share of the former rate below which packing is given up.
	regret = 0.75
	// probeMessages is how many messages one command fetches, and probeOctets
	// how much one upload brings, as long as that is not decided.
	probeMessages = 32
	probeOctets   = 4 << 20
)

// A verdict is what is known about compressing one direction.
type verdict uint8

const (
	measuring verdict = iota // how fast the line is
	packing                  // connections are compressed, to see what that brings
	packed                   // it brought something
	leaving                  // connections are left as they are
	regretted                // compressed ones are replaced: they were slower
)

// squeeze decides whether connections are compressed: where they wait for the
// line rather than for us, and the line is slow. A slow server looks like a slow
// line, so what it brought is measured, too. One connection cannot be compared
// with the others meanwhile: who has more in the line's queue has more of the
// line. (RFC 4978)
type squeeze struct {
	log       *slog.Logger
	direction string
	// carried counts the octets of all connections.
	carried func() int64

	mu           sync.Mutex
	verdict      verdict
	begun        time.Time // the first transfer
	from         int64     // carried before it
	before, with sample    // not compressed, and compressed
}

// sample sums up transfers over all connections.
type sample struct {
	octets       int64 // not compressed
	time, waited time.Duration
}

func isEnough(octets int64, took time.Duration) bool {
	return octets >= fastOctets || octets >= sampleOctets && took >= sampleTime || octets >= leastOctets && took >= slowTime
}

func (s sample) rate() float64 { return float64(s.octets) / max(s.time.Seconds(), 1e-6) }

// undecided reports whether transfers should be short, to be measured.
func (q *squeeze) undecided() bool { return q.is(measuring) }

func (q *squeeze) is(verdicts ...verdict) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return slices.Contains(verdicts, q.verdict)
}

// enter and leave surround a transfer.
func (q *squeeze) enter() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.begun.IsZero() {
		q.begun, q.from = time.Now(), q.carried()
	}
}

func (q *squeeze) leave(isPacked bool, octets int64, took, waited time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if octets <= 0 || took <= 0 {
		return
	}
	into := &q.before
	if isPacked {
		into = &q.with
	}
	into.octets += octets
	into.time += took
	into.waited += waited
	q.decide()
}

// decide moves the verdict on when enough was measured.
func (q *squeeze) decide() {
	took, carried := time.Since(q.begun), q.carried()-q.from
	switch {
	case q.verdict == measuring && isEnough(carried, took):
		q.verdict = leaving
		if q.before.waited > q.before.time/2 && float64(carried) < fastLine*took.Seconds() {
			q.verdict = packing
		}
		q.log.Info("line measured", "direction", q.direction, "octets_per_second", int64(float64(carried)/took.Seconds()),
			"waited_percent", int64(100*q.before.waited/q.before.time), "compress", q.verdict == packing)
	case q.verdict == packing && isEnough(q.with.octets, q.with.time):
		q.verdict = packed
		if q.with.rate() < regret*q.before.rate() {
			q.verdict = regretted
		}
		q.log.Info("compression measured", "direction", q.direction, "plain_octets_per_second", int64(q.before.rate()),
			"compressed_octets_per_second", int64(q.with.rate()), "compress", q.verdict == packed)
	}
}

// compress compresses the session if that is wanted. A refusal is final.
func (s *session) compress(x *wire.Exchange, q *squeeze) error {
	if x.IsCompressed() || s.plain || !s.caps.has(compressDeflate) || !q.is(packing, packed) {
		return nil
	}
	err := x.Compress()
	s.unsettled = err == nil
	if isRefusal(err) {
		s.plain = true
		return nil
	}
	return err
}

// fetching runs a fetch and tells how fast it was.
func (q *squeeze) fetching(s *session, x *wire.Exchange, fetch func() error) error {
	q.enter()
	begun, received := time.Now(), x.Received()
	before, _ := s.conn.Waited()
	err := fetch()
	after, _ := s.conn.Waited()
	q.leaveAs(s, x, x.Received()-received, time.Since(begun), after-before)
	return err
}

// leaveAs is leave for a session's transfer. The first one after compression
// began does not count: it queued behind what was not compressed.
func (q *squeeze) leaveAs(s *session, x *wire.Exchange, octets int64, took, waited time.Duration) {
	if s.unsettled {
		octets = 0
	}
	s.unsettled = false
	q.leave(x.IsCompressed(), octets, took, waited)
	if x.IsCompressed() && q.is(regretted) {
		s.spent = true
	}
}
