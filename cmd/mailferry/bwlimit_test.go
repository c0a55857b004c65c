package main

import (
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"mailferry/syncer/mailbox"
	"mailferry/syncer/synctest"
)

// The rate is that of the octets on the wire, of all connections and both
// directions together, within a tenth.
func TestBandwidthLimitIsKept(t *testing.T) {
	const limit, messages, size = 1 << 20, 40, 100 << 10
	server := synctest.Dovecot(t, synctest.DovecotConfig{})
	random := rand.NewChaCha8([32]byte{1})
	noise := func(i int) []byte {
		octets := make([]byte, size*3/4)
		_, _ = random.Read(octets)
		return fmt.Appendf(nil, "Subject: noise %d\r\n\r\n%s\r\n", i, base64.StdEncoding.EncodeToString(octets))
	}
	pull, push := newWorld(t, server, layoutFS), newWorld(t, server, layoutFS)
	onDisk{push}.create(inbox)
	for i := range messages {
		pull.user.Append(inbox, mailbox.Flags{}, someDate, noise(i))
		push.disk.Deliver(inbox, mailbox.Flags{}, someDate, noise(i))
	}
	for name, w := range map[string]*world{"pull": pull, "push": push} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			begun := time.Now()
			o := w.sync("--bwlimit=1M", "--new-store").exits(exitDone)
			took := time.Since(begun)
			octets := o.summary.OctetsDown + o.summary.OctetsUp
			if octets < messages*size {
				t.Fatalf("%d octets\n%s", octets, o.stdout)
			}
			// What starting, looking and ending takes is no transfer.
			begun = time.Now()
			w.sync("--bwlimit=1M").exits(exitDone)
			idle := time.Since(begun)
			if slowest, fastest := float64(octets)/took.Seconds(), float64(octets)/(took-idle).Seconds(); fastest < 0.9*limit || slowest > 1.1*limit {
				t.Errorf("%d octets in %v are %.0f to %.0f a second instead of %d", octets, took, slowest, fastest, limit)
			}
			w.same()
		})
	}
}
