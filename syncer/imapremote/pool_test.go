package imapremote

import (
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"mailferry/syncer/mailbox"
)

func TestRefusedSecondConnectionShrinksThePool(t *testing.T) {
	for name, answer := range map[string][]string{
		"NO at login":  {"NO [LIMIT] too many connections"},
		"BYE at login": {"* BYE too many connections", "HANGUP"},
		"bad password": {"NO [AUTHENTICATIONFAILED] really too many"},
	} {
		t.Run(name, func(t *testing.T) {
			server := startFake(t, fakeGreeting, func(n int, line string) []string {
				if n > 1 && strings.HasPrefix(line, "AUTHENTICATE") {
					return answer
				}
				if strings.HasPrefix(line, "LIST") {
					time.Sleep(20 * time.Millisecond)
				}
				return nil
			})
			a := open(t, options(t, server.addr, "user"))
			var callers sync.WaitGroup
			for range 6 {
				callers.Go(func() {
					if _, err := a.List(t.Context()); err != nil {
						t.Error(err)
					}
				})
			}
			callers.Wait()
			if n := server.count("AUTHENTICATE"); n > 4 {
				t.Errorf("%d logins", n)
			}
			before := server.count("AUTHENTICATE")
			for range 4 {
				callers.Go(func() { a.List(t.Context()) })
			}
			callers.Wait()
			if n := server.count("AUTHENTICATE"); n != before {
				t.Errorf("the server was asked again: %d logins", n)
			}
		})
	}
}

// What a server refuses for now is asked for later in the run, seldom as long
// as it refuses, and at once when it no longer does.
func TestPoolGrowsBackWhenTheServerLetsIt(t *testing.T) {
	for name, answer := range map[string][]string{
		"NO LIMIT at login":       {"NO [LIMIT] not now"},
		"NO UNAVAILABLE at login": {"NO [UNAVAILABLE] not now"},
		"NO with a text only":     {"NO Maximum number of connections exceeded"},
		"BYE at login":            {"* BYE too many connections", "HANGUP"},
		"hung up at login":        {"HANGUP"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var relaxed atomic.Bool
			server := startFake(t, fakeGreeting, func(n int, line string) []string {
				if n > 2 && strings.HasPrefix(line, "AUTHENTICATE") && !relaxed.Load() {
					return answer
				}
				if strings.HasPrefix(line, "LIST") {
					time.Sleep(5 * time.Millisecond)
				}
				return nil
			})
			a := open(t, options(t, server.addr, "user"))
			a.pool.pause = 100 * time.Millisecond
			work := func(d time.Duration) {
				var callers sync.WaitGroup
				for range 6 {
					callers.Go(func() {
						for begun := time.Now(); time.Since(begun) < d; {
							if _, err := a.List(t.Context()); err != nil {
								t.Error(err)
							}
						}
					})
				}
				callers.Wait()
			}
			live := func() int {
				a.pool.mu.Lock()
				defer a.pool.mu.Unlock()
				return a.pool.live
			}
			// It is asked after 0, 0.1, 0.3, 0.7 s.
			work(600 * time.Millisecond)
			if n, logins := live(), server.count("AUTHENTICATE"); n != 2 || logins < 3 || logins > 8 {
				t.Errorf("%d connections, %d logins while the server lets in two", n, logins)
			}
			relaxed.Store(true)
			work(time.Second)
			if n := live(); n != 4 {
				t.Errorf("%d connections after the server lets in all", n)
			}
		})
	}
}

func TestPoolDoesNotGuessPasswords(t *testing.T) {
	server := startFake(t, fakeGreeting, func(n int, line string) []string {
		if n > 1 && strings.HasPrefix(line, "AUTHENTICATE") {
			return []string{"NO [AUTHENTICATIONFAILED] no"}
		}
		return nil
	})
	a := open(t, options(t, server.addr, "user"))
	a.pool.pause = time.Millisecond
	for range 5 {
		var callers sync.WaitGroup
		for range 6 {
			callers.Go(func() { a.List(t.Context()) })
		}
		callers.Wait()
		time.Sleep(5 * time.Millisecond)
	}
	if n := server.count("AUTHENTICATE"); n > 4 {
		t.Errorf("%d logins", n)
	}
}

func TestLostConnectionIsReplacedAtTheNextCall(t *testing.T) {
	server := startFake(t, fakeGreeting, func(n int, line string) []string {
		if n == 1 && strings.HasPrefix(line, "SELECT") {
			return []string{"* 3 EXISTS", "HANGUP"}
		}
		return observing(three, threeRows, all3)(n, line)
	})
	a := open(t, options(t, server.addr, "user"))
	before := a.Traffic()
	_, err := a.Observe(t.Context(), mailbox.Inbox, mailbox.Since{}, func(mailbox.RemoteMessage) error { return nil })
	if !errors.Is(err, mailbox.ErrNetwork) {
		t.Fatalf("lost connection: %v", err)
	}
	found, rows := look(t, a, mailbox.Inbox, mailbox.Since{})
	if !found.Complete || len(rows) != 3 {
		t.Errorf("after reconnecting: %+v", found)
	}
	if after := a.Traffic(); after.OctetsDown <= before.OctetsDown || after.Selected < 1 {
		t.Errorf("traffic: %+v", after)
	}
}

func TestByeIsUnavailableAndTheNextCallReconnects(t *testing.T) {
	server := startFake(t, fakeGreeting, func(n int, line string) []string {
		if n == 1 && strings.HasPrefix(line, "LIST") {
			return []string{"* BYE Suggested Backoff Time: 5000 milliseconds", "HANGUP"}
		}
		return nil
	})
	opts := options(t, server.addr, "user")
	_, err := Open(t.Context(), opts) // asks for the separator with LIST
	if !errors.Is(err, mailbox.ErrUnavailable) {
		t.Errorf("BYE: %v", err)
	}
	if _, err := open(t, opts).List(t.Context()); err != nil {
		t.Errorf("after BYE: %v", err)
	}
}

func TestSessionWithTheMailboxOpenIsPreferred(t *testing.T) {
	server := startFake(t, fakeGreeting, func(n int, line string) []string {
		if strings.HasPrefix(line, "UID FETCH") && strings.Contains(line, "BODY") {
			return []string{"* 1 FETCH (UID 1 BODY[] {2}", "hi)", "OK done"}
		}
		return observing(three, threeRows, all3)(n, line)
	})
	a := open(t, options(t, server.addr, "user"))
	found, _ := look(t, a, mailbox.Inbox, mailbox.Since{})
	ref := mailbox.Ref{Name: mailbox.Inbox, UIDValidity: found.Status.UIDValidity}
	for range 3 {
		var got bodies
		if err := a.Fetch(t.Context(), ref, mailbox.UIDs(1), mailbox.Whole, &got); err != nil || got.texts[1] != "hi" {
			t.Errorf("%v, %v", err, got.texts)
		}
	}
	if n := server.count("SELECT"); n != 1 {
		t.Errorf("%d times selected: %q", n, server.commands())
	}
}

func TestCloseDoesNotWaitForASilentServer(t *testing.T) {
	hold := make(chan struct{})
	t.Cleanup(func() { close(hold) })
	server := startFake(t, fakeGreeting, func(_ int, line string) []string {
		if line == "LOGOUT" || strings.HasPrefix(line, "SELECT") {
			<-hold
		}
		return nil
	})
	a := open(t, options(t, server.addr, "user"))
	busy := make(chan error, 1)
	go func() {
		_, err := a.Observe(t.Context(), mailbox.Inbox, mailbox.Since{}, nil)
		busy <- err
	}()
	for server.count("SELECT") == 0 {
		time.Sleep(time.Millisecond)
	}
	if _, err := a.List(t.Context()); err != nil { // a second session, idle at Close
		t.Error(err)
	}
	start := time.Now()
	a.Close()
	if took := time.Since(start); took > 2*farewell {
		t.Errorf("close took %v", took)
	}
	select {
	case err := <-busy:
		if err == nil {
			t.Error("a cut-off call has no error")
		}
	case <-time.After(5 * time.Second):
		t.Error("a call is still waiting after Close")
	}
	if _, err := a.List(t.Context()); !errors.Is(err, errClosed) {
		t.Errorf("list after close: %v", err)
	}
}

func TestConnectionsAreOpenedAheadAsFarAsTheServerLetsThem(t *testing.T) {
	for name, refuse := range map[string]int{"all": 0, "one refused": 3} {
		t.Run(name, func(t *testing.T) {
			server := startFake(t, fakeGreeting, func(n int, line string) []string {
				if refuse != 0 && n >= refuse && strings.HasPrefix(line, "AUTHENTICATE") {
					return []string{"NO [LIMIT] too many connections"}
				}
				return nil
			})
			opts := options(t, server.addr, "user")
			opts.Connections = 3
			a := open(t, opts)
			a.Prepare(t.Context(), 3)
			deadline := time.Now().Add(10 * time.Second)
			for server.count("AUTHENTICATE") < 3 && time.Now().Before(deadline) {
				time.Sleep(time.Millisecond)
			}
			var callers sync.WaitGroup
			for range 3 {
				callers.Go(func() {
					if _, err := a.List(t.Context()); err != nil {
						t.Error(err)
					}
				})
			}
			callers.Wait()
			// One that is let in after another was refused has one more tried.
			logins := server.count("AUTHENTICATE")
			if logins != 3 && (refuse == 0 || logins != 4) {
				t.Errorf("%d logins", logins)
			}
			a.Prepare(t.Context(), 2)
			if err := a.Close(); err != nil {
				t.Error(err)
			}
			a.Prepare(t.Context(), 4) // nothing is opened any more
			if _, err := a.List(t.Context()); err == nil {
				t.Error("closed, and it lists")
			}
			if n := server.count("AUTHENTICATE"); n != logins {
				t.Errorf("%d logins after the end", n)
			}
		})
	}
}
