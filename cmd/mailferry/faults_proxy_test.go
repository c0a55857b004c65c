package main

import (
	"bufio"
	"io"
	"net"
	"sync"
	"testing"
	"time"
)

// proxy stands between the program and a server and is a bad network.
type proxy struct {
	addr, server string
	listener     net.Listener
	running      sync.WaitGroup

	mu    sync.Mutex
	conns map[net.Conn]struct{}
	// downBudget and upBudget are how many octets still pass in either
	// direction before every connection is cut; negative: no limit.
	downBudget, upBudget int64
	cuts                 int
	// down and up are the octets that passed since count.
	down, up int64
	// ending is what happens when a budget is used up. refuses says that it
	// lasts: nobody is let in any more, or heard.
	ending          ending
	refuses, isDown bool
	// links counts connections; those with a lower number than silent are open
	// and carry nothing.
	links, silent int
	// drips is how many octets still pass one by one.
	drips int
	// line, if not nil, sees each line of the server and tells what is passed
	// on; cut ends the connection behind it.
	line func(line string) (pass string, cut bool)
	// command, if not nil, sees each line of the program and tells what is
	// passed on.
	command func(line string) string
}

// ending is how a bad network is bad.
type ending uint8

// What happens when a proxy's budget is used up.
const (
	// hangsUp: all connections are cut.
	hangsUp ending = iota
	// fallsSilent: the connections that there are stay open and carry nothing,
	// as when a router forgot them.
	fallsSilent
	// dries: the next octets pass one by one.
	dries
)

func (e ending) String() string { return [...]string{"cut", "silent", "slow"}[e] }

// How many octets pass one by one when the line dries, and how long each takes.
// Of those to the server there are few: nobody sees them creep, and what is on
// the way for longer than the program's patience may arrive twice.
const (
	manyDrips = 40
	upDrips   = 10
	drip      = 100 * time.Millisecond
)

func newProxy(t testing.TB, server string) *proxy {
	t.Helper()
	return newProxyAt(t, "127.0.0.1:0", server)
}

func newProxyAt(t testing.TB, addr, server string) *proxy {
	t.Helper()
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{
		addr: listener.Addr().String(), server: server, listener: listener,
		conns: map[net.Conn]struct{}{}, downBudget: -1, upBudget: -1,
	}
	p.running.Go(p.accept)
	t.Cleanup(func() {
		_ = listener.Close()
		p.hangUp()
		p.running.Wait()
	})
	return p
}

// arm cuts all connections once so many octets have passed; negative: never.
func (p *proxy) arm(down, up int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.downBudget, p.upBudget = down, up
}

// setLine has each line of the server in later connections edited.
func (p *proxy) setLine(line func(string) (string, bool)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.line = line
}

// setCommand has each line of the program in later connections edited.
func (p *proxy) setCommand(command func(string) string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.command = command
}

// refuse has the next cut last until it is called again.
func (p *proxy) refuse(refuses bool) { p.end(hangsUp, refuses) }

// end says what happens at the next cut, and whether it lasts.
func (p *proxy) end(how ending, refuses bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ending, p.refuses, p.isDown, p.silent, p.drips = how, refuses, false, 0, 0
}

// count returns the octets that passed in either direction since it was last
// called.
func (p *proxy) count() (down, up int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	down, up = p.down, p.up
	p.down, p.up = 0, 0
	return down, up
}

// cutCount tells how often the line was cut.
func (p *proxy) cutCount() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cuts
}

func (p *proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", p.server)
		if err != nil {
			_ = client.Close()
			continue
		}
		p.mu.Lock()
		isDown := p.isDown && p.ending == hangsUp
		p.links++
		link := p.links
		if p.isDown {
			p.silent = link + 1
		}
		p.conns[client], p.conns[server] = struct{}{}, struct{}{}
		line, command := p.line, p.command
		p.mu.Unlock()
		if isDown {
			_, _ = client.Close(), server.Close()
			continue
		}
		p.running.Go(func() {
			if command != nil {
				passLines(server, client, func(line string) (string, bool) { return command(line), false })
			} else {
				p.pass(link, server, client, &p.upBudget, &p.up)
			}
		})
		p.running.Go(func() {
			if line != nil {
				passLines(client, server, line)
			} else {
				p.pass(link, client, server, &p.downBudget, &p.down)
			}
		})
	}
}

// share says what becomes of octets that were read: the first pass at once,
// then some slowly, and the last not at all.
type share struct {
	first, slowly, lost int
	isCut               bool
}

// share is told of n octets on a connection.
func (p *proxy) share(link, n int, budget, passed *int64) share {
	p.mu.Lock()
	defer p.mu.Unlock()
	isOver := *budget >= 0 && int64(n) >= *budget
	s := share{first: n}
	switch {
	case isOver:
		s.first = int(*budget)
		p.cuts++
		p.downBudget, p.upBudget = -1, -1
		p.isDown = p.refuses
		switch p.ending {
		case fallsSilent:
			p.silent = p.links + 1
		case dries:
			if p.drips = manyDrips; budget == &p.upBudget {
				p.drips = upDrips
			}
		}
		s.isCut = p.ending == hangsUp
	case *budget >= 0:
		*budget -= int64(n)
	}
	if link < p.silent {
		if !isOver {
			s.first = 0
		}
		s.lost = n - s.first
	} else if p.drips > 0 {
		if !isOver {
			s.first = 0
		}
		s.slowly = min(p.drips, n-s.first)
		p.drips -= s.slowly
	}
	*passed += int64(n - s.lost)
	return s
}

// pass copies octets until the budget is used up; then all is cut, or else.
func (p *proxy) pass(link int, to, from net.Conn, budget, passed *int64) {
	defer to.Close()
	defer from.Close()
	buffer := make([]byte, 16<<10)
	for {
		n, err := from.Read(buffer)
		if err != nil {
			return
		}
		s := p.share(link, n, budget, passed)
		if _, err := to.Write(buffer[:s.first]); err != nil {
			return
		}
		if s.isCut {
			p.hangUp()
			return
		}
		for i := range s.slowly {
			time.Sleep(drip)
			if _, err := to.Write(buffer[s.first+i : s.first+i+1]); err != nil {
				return
			}
		}
		if _, err := to.Write(buffer[s.first+s.slowly : n-s.lost]); err != nil {
			return
		}
	}
}

func passLines(to, from net.Conn, line func(string) (string, bool)) {
	defer to.Close()
	defer from.Close()
	r := bufio.NewReader(from)
	for {
		text, err := r.ReadString('\n')
		if err != nil {
			return
		}
		text, isCut := line(text)
		if _, err := io.WriteString(to, text); err != nil || isCut {
			return
		}
	}
}

func (p *proxy) hangUp() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for conn := range p.conns {
		_ = conn.Close()
	}
	clear(p.conns)
}
