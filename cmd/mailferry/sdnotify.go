package main

import (
	"context"
	"net"
	"os"
	"strconv"
	"strings"
	"time"
)

// serviceManager is told how a service is doing. (sd_notify(3)) Without one, all
// methods do nothing.
type serviceManager struct {
	socket net.Conn
	every  time.Duration // how often it wants a sign of life, 0: never
}

// newServiceManager finds the manager in the environment, and takes it from
// there: the commands that we start are not the service.
func newServiceManager(env func(string) string) *serviceManager {
	m := &serviceManager{}
	path := env("NOTIFY_SOCKET")
	if path == "" {
		return m
	}
	if abstract, found := strings.CutPrefix(path, "@"); found {
		path = "\x00" + abstract
	}
	socket, err := net.Dial("unixgram", path)
	if err != nil {
		return m
	}
	m.socket = socket
	pid := env("WATCHDOG_PID")
	if microseconds, err := strconv.ParseInt(env("WATCHDOG_USEC"), 10, 64); err == nil && microseconds > 0 &&
		(pid == "" || pid == strconv.Itoa(os.Getpid())) {
		m.every = time.Duration(microseconds) * time.Microsecond / 2
	}
	for _, name := range []string{"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"} {
		_ = os.Unsetenv(name)
	}
	return m
}

// tell sends lines such as READY=1. A manager that does not listen is none.
func (m *serviceManager) tell(lines string) {
	if m.socket != nil {
		_ = m.socket.SetWriteDeadline(time.Now().Add(100 * time.Millisecond))
		_, _ = m.socket.Write([]byte(lines))
	}
}

// watchdog gives signs of life for as long as isAlive, until ctx ends.
func (m *serviceManager) watchdog(ctx context.Context, isAlive func() bool) {
	if m.every <= 0 {
		return
	}
	ticker := time.NewTicker(m.every)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			if isAlive() {
				m.tell("WATCHDOG=1")
			}
		}
	}
}

func (m *serviceManager) close() {
	if m.socket != nil {
		_ = m.socket.Close()
	}
}
