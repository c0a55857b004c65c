package main

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"mailferry/syncer/mailbox"
	"mailferry/syncer/synctest"
)

// What a run without changes may cost after the greeting: login, ID with
// NAMESPACE, LIST-STATUS, LOGOUT; and in octets for 100 mailboxes.
const (
	nothingNewTurns  = 4
	nothingNewOctets = 20_000
)

// The latency of a line is paid for each turn, so a run that finds nothing to
// do takes as few for 100 mailboxes as for 10.
func TestNothingNewCostsFourTurnsHoweverManyMailboxes(t *testing.T) {
	servers := map[string]*synctest.Server{
		"Dovecot": synctest.Dovecot(t, synctest.DovecotConfig{}), "Cyrus": synctest.Cyrus(t),
	}
	for name, server := range servers {
		for _, mailboxes := range []int{10, 100} {
			t.Run(name+" "+strconv.Itoa(mailboxes), func(t *testing.T) {
				w := newWorld(t, server, layoutFS)
				for i := range mailboxes - 1 { // and INBOX
					name := mailbox.Name("Folder" + strconv.Itoa(i))
					w.user.Create(name)
					w.user.Append(name, mailbox.Flags{}, mailbox.Date{}, []byte("Subject: one\r\n\r\ntext\r\n"))
				}
				link := newBenchLink(t, server.Addr, 5*time.Millisecond, 0)
				w.addr = link.addr
				if o := w.sync().exits(0); o.summary.Downloaded != mailboxes-1 {
					t.Fatalf("%+v", o.summary)
				}
				for _, command := range []string{"sync", "backup"} {
					link.traffic()
					o := w.transfer(command).exits(0)
					got := link.traffic()
					if got.conns != 1 || got.turns > nothingNewTurns || got.down > nothingNewOctets {
						t.Errorf("%s: %d connections, %d turns, %d octets down", command, got.conns, got.turns, got.down)
					}
					if o.summary.RoundTrips > nothingNewTurns || o.summary.Mailboxes != mailboxes || o.summary.changes() != (summary{}) {
						t.Errorf("%s: the summary says %+v", command, o.summary)
					}
				}
			})
		}
	}
}

// Mailboxes are made, and looked at once their messages are there, many in one
// turn: only the messages themselves take one for each mailbox.
func TestNewMailboxesArePushedInATurnEach(t *testing.T) {
	const mailboxes = 20
	server := synctest.Dovecot(t, synctest.DovecotConfig{})
	w := newWorld(t, server, layoutFS)
	link := newBenchLink(t, server.Addr, 5*time.Millisecond, 0)
	w.addr = link.addr
	w.sync().exits(0)
	for i := range mailboxes {
		name := mailbox.Name("Folder" + strconv.Itoa(i))
		for _, sub := range []string{"cur", "new", "tmp"} {
			if err := os.MkdirAll(filepath.Join(w.disk.Path(name), sub), 0o700); err != nil {
				t.Fatal(err)
			}
		}
		w.disk.Deliver(name, mailbox.Flags{}, mailbox.Date{}, []byte("Subject: "+strconv.Itoa(i)+"\r\n\r\ntext\r\n"))
	}
	link.traffic()
	o := w.sync("--connections=1").exits(0)
	if o.summary.Uploaded != mailboxes || o.summary.MailboxesCreated != mailboxes {
		t.Errorf("%+v", o.summary)
	}
	if got := link.traffic(); got.turns > mailboxes+2*nothingNewTurns {
		t.Errorf("%d turns for %d mailboxes", got.turns, mailboxes)
	}
	w.quiet()
}
