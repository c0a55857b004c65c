//go:build linux

package main

import (
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// benchLink stands between a program and a server and is a long or narrow
// line: it delays each direction by half of a round-trip time and lets all
// connections share a bandwidth. It counts what passes.
type benchLink struct {
	addr, server string
	rtt          time.Duration
	up, down     benchLine

	conns, octetsUp, octetsDown, turns atomic.Int64
}

// linkTraffic is what passed: turns is how often the client spoke after the
// server had, which is what latency multiplies.
type linkTraffic struct{ conns, up, down, turns int64 }

// benchLine carries octets one after the other.
type benchLine struct {
	octetsPerSecond float64 // 0: no limit

	mu   sync.Mutex
	free time.Time
}

// carry says when n octets will have passed.
func (l *benchLine) carry(n int) time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now := time.Now(); l.free.Before(now) {
		l.free = now
	}
	if l.octetsPerSecond > 0 {
		l.free = l.free.Add(time.Duration(float64(n) / l.octetsPerSecond * float64(time.Second)))
	}
	return l.free
}

// newBenchLink listens until the benchmark ends. Without a delay and a limit
// the address is the server's own: a link in between would cost time itself.
func newBenchLink(tb testing.TB, server string, rtt time.Duration, mbit float64) *benchLink {
	l := &benchLink{addr: server, server: server, rtt: rtt}
	if rtt == 0 && mbit == 0 {
		return l
	}
	l.up.octetsPerSecond, l.down.octetsPerSecond = mbit*125_000, mbit*125_000
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { listener.Close() })
	l.addr = listener.Addr().String()
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			l.conns.Add(1)
			go l.serve(conn)
		}
	}()
	return l
}

// traffic returns what passed since it was asked last.
func (l *benchLink) traffic() linkTraffic {
	return linkTraffic{l.conns.Swap(0), l.octetsUp.Swap(0), l.octetsDown.Swap(0), l.turns.Swap(0)}
}

func (l *benchLink) serve(client net.Conn) {
	defer client.Close()
	time.Sleep(l.rtt) // the handshake of TCP is one round trip as well
	server, err := net.Dial("tcp", l.server)
	if err != nil {
		return
	}
	defer server.Close()
	var clientSpoke atomic.Bool
	var both sync.WaitGroup
	both.Go(func() {
		l.pump(server, client, &l.up, func(n int) {
			l.octetsUp.Add(int64(n))
			if !clientSpoke.Swap(true) {
				l.turns.Add(1)
			}
		})
	})
	both.Go(func() {
		l.pump(client, server, &l.down, func(n int) {
			l.octetsDown.Add(int64(n))
			clientSpoke.Store(false)
		})
	})
	both.Wait()
}

type parcel struct {
	due    time.Time
	octets []byte
}

// pump carries one direction. About 1 MB can be under way, as in a wide window.
func (l *benchLink) pump(to, from net.Conn, line *benchLine, count func(int)) {
	underway := make(chan parcel, 64)
	go func() {
		defer close(underway)
		for {
			buf := make([]byte, 16<<10)
			n, err := from.Read(buf)
			if n > 0 {
				count(n)
				underway <- parcel{line.carry(n).Add(l.rtt / 2), buf[:n]}
			}
			if err != nil {
				return
			}
		}
	}()
	for p := range underway {
		time.Sleep(time.Until(p.due))
		if _, err := to.Write(p.octets); err != nil {
			from.Close()
			for range underway {
				// The reader must not hang.
			}
			return
		}
	}
	if half, ok := to.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
	}
}
