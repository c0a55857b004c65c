package synctest

import (
	"bytes"
	"testing"
	"time"

	"mailferry/syncer/mailbox"
)

// servers are the real servers, started by each test that names them.
func servers(t *testing.T) map[string]func(testing.TB) *Server {
	t.Helper()
	return map[string]func(testing.TB) *Server{
		"dovecot":        func(tb testing.TB) *Server { return Dovecot(tb, DovecotConfig{}) },
		"dovecot prefix": func(tb testing.TB) *Server { return Dovecot(tb, DovecotConfig{Separator: '.', Prefix: "INBOX."}) },
		"dovecot plain": func(tb testing.TB) *Server {
			return Dovecot(tb, DovecotConfig{Capability: "IMAP4rev1 UIDPLUS UNSELECT"})
		},
		"cyrus":  Cyrus,
		"memory": Memory,
	}
}

func TestWitnessSeesWhatItDid(t *testing.T) {
	for name, start := range servers(t) {
		t.Run(name, func(t *testing.T) {
			u := start(t).User(t)
			work := mailbox.JoinText("Büro Süd", "Sub")
			octets := []byte("Subject: x\r\n\r\n\"quoted\" (list) {3}\r\n")
			date := mailbox.DateOf(time.Date(2001, 2, 3, 4, 5, 6, 0, time.FixedZone("", 5*3600+1800)))
			u.Create(mailbox.JoinText("Büro Süd"))
			u.Create(work)
			uid := u.Append(work, mailbox.NewFlags(mailbox.FlagSeen), date, octets)
			other := u.Append(work, mailbox.Flags{}, mailbox.Date{}, []byte("A: b\r\n\r\n"))
			u.Store(work, uid, "+FLAGS", mailbox.NewFlags(mailbox.FlagFlagged))
			u.Expunge(work, other)
			got := u.Messages(work)
			if len(got) != 1 || got[0].UID != uid || !bytes.Equal(got[0].Octets, octets) || got[0].Date.Unix != date.Unix {
				t.Fatalf("got %+v", got)
			}
			if want := mailbox.NewFlags(mailbox.FlagSeen, mailbox.FlagFlagged); !got[0].Flags.Equal(want) {
				t.Errorf("flags %s, want %s", got[0].Flags, want)
			}
			if s := u.Snapshot(); len(s[work]) != 1 {
				t.Errorf("snapshot %v", s)
			}
			u.Rename(work, mailbox.JoinText("Neu"))
			if n := len(u.Messages("Neu")); n != 1 {
				t.Errorf("%d messages after the rename", n)
			}
			if n := len(u.Messages(mailbox.Inbox)); n != 0 {
				t.Errorf("%d messages in INBOX", n)
			}
		})
	}
}
