package main

import (
	"bufio"
	"io"
	"net"
	"sync"
	"testing"
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
	// refuses says that a cut lasts: nobody is let in any more.
	refuses, isDown bool
	// line, if not nil, sees each line of the server and tells what is passed
	// on; cut ends the connection behind it.
	line func(line string) (pass string, cut bool)
	// command, if not nil, sees each line of the program and tells what is
	// passed on.
	command func(line string) string
}

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
func (p *proxy) refuse(refuses bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refuses, p.isDown = refuses, false
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
		isDown := p.isDown
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
				p.pass(server, client, &p.upBudget, &p.up)
			}
		})
		p.running.Go(func() {
			if line != nil {
				passLines(client, server, line)
			} else {
				p.pass(client, server, &p.downBudget, &p.down)
			}
		})
	}
}

// pass copies octets until the budget is used up; then all is cut.
func (p *proxy) pass(to, from net.Conn, budget, passed *int64) {
	defer to.Close()
	defer from.Close()
	buffer := make([]byte, 16<<10)
	for {
		n, err := from.Read(buffer)
		if err != nil {
			return
		}
		p.mu.Lock()
		isCut := *budget >= 0 && int64(n) >= *budget
		if isCut {
			n = int(*budget)
			p.cuts++
			p.downBudget, p.upBudget = -1, -1
			p.isDown = p.refuses
		} else if *budget >= 0 {
			*budget -= int64(n)
		}
		*passed += int64(n)
		p.mu.Unlock()
		if _, err := to.Write(buffer[:n]); err != nil {
			return
		}
		if isCut {
			p.hangUp()
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
