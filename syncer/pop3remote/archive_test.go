package pop3remote_test

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"mailferry/syncer/mailbox"
)

// textsOf are the messages' octets, sorted.
func textsOf(letters ...letter) []string {
	var texts []string
	for _, l := range letters {
		texts = append(texts, l.text)
	}
	slices.Sort(texts)
	return texts
}

// keeps checks what is left on the server.
func (s *pop3Server) keeps(t testing.TB, want ...letter) {
	t.Helper()
	if got := s.texts(); !slices.Equal(got, textsOf(want...)) {
		t.Fatalf("%d messages on the server, want %d", len(got), len(want))
	}
}

func TestArchiveDeletesWhatIsSafeOnDisk(t *testing.T) {
	server := start(t, &pop3Server{letters: mails(1, 30)})
	s := newStore(t, server.options)
	s.archive(0, 10).did(t, 30, 20)
	server.keeps(t, mails(21, 30)...) // the newest ten
	s.holds(mails(1, 30)...)
	s.archive(0, 10).did(t, 0, 0)
	server.add(mail(31))
	s.archive(0, 10).did(t, 1, 1)
	server.keeps(t, mails(22, 31)...)
	s.backup().did(t, 0, 0)
	s.holds(mails(1, 31)...)
}

func TestAgeCountsFromWhenAMessageWasFirstSeen(t *testing.T) {
	// The headers say 2024, which is long ago.
	server := start(t, &pop3Server{letters: mails(1, 5)})
	s := newStore(t, server.options)
	const month = 30 * 24 * time.Hour
	s.archive(month, 0).did(t, 5, 0)
	s.now = s.now.Add(20 * 24 * time.Hour)
	server.add(mails(6, 8)...)
	s.archive(month, 0).did(t, 3, 0)
	s.now = s.now.Add(11 * 24 * time.Hour)
	s.archive(month, 0).did(t, 0, 5)
	server.keeps(t, mails(6, 8)...)
	s.now = s.now.Add(20 * 24 * time.Hour)
	s.archive(month, 0).did(t, 0, 3)
	server.keeps(t)
	s.holds(mails(1, 8)...)
}

func TestArchiveOfManyMessagesGoesInGroups(t *testing.T) {
	server := start(t, &pop3Server{letters: mails(1, 1200)})
	s := newStore(t, server.options)
	s.archive(0, 0).did(t, 1200, 1200)
	server.keeps(t)
	s.holds(mails(1, 1200)...)
	if n := server.sent("DELE"); n != 1200 {
		t.Errorf("%d DELE", n)
	}
}

// A message is not deleted whose number stands for another one than it did.
func TestNothingIsDeletedThatIsNotWhatWasRead(t *testing.T) {
	for name, wrong := range map[string]struct{ command, answer string }{
		"another unique-id": {"UIDL 2", "+OK 2 other\r\n"},
		"no unique-id":      {"UIDL 2", "-ERR no such message\r\n"},
		"another size":      {"LIST 2", "+OK 2 7\r\n"},
		"another header":    {"TOP 2 0", "+OK\r\nSubject: other\r\n\r\n.\r\n"},
		"undeletable":       {"DELE 2", "-ERR read only\r\n"},
	} {
		t.Run(name, func(t *testing.T) {
			server := start(t, &pop3Server{letters: mails(1, 4)})
			server.answer = func(_ int, command string) (string, bool) { return wrong.answer, command == wrong.command }
			s := newStore(t, server.options)
			o := s.archive(0, 0)
			if o.ExpungedRemote != 3 || o.Stale+o.Failed == 0 {
				t.Errorf("%+v, %v", o.Summary, o.err)
			}
			server.keeps(t, mail(2))
			s.holds(mails(1, 4)...)
		})
	}
}

func TestAServerThatDeletesNothingIsFoundOut(t *testing.T) {
	server := start(t, &pop3Server{letters: mails(1, 4)})
	server.answer = func(_ int, command string) (string, bool) { return "+OK\r\n", strings.HasPrefix(command, "DELE") }
	s := newStore(t, server.options)
	o := s.archive(0, 0)
	if o.ExpungedRemote != 0 || o.Failed < 4 {
		t.Errorf("%+v, %v", o.Summary, o.err)
	}
	s.holds(mails(1, 4)...)
}

// The answer to QUIT is lost, and with it whether messages were deleted.
func TestLostQuitDeletesNothingTwiceAndDoublesNothing(t *testing.T) {
	for name, isCommitted := range map[string]bool{"after the deletion": true, "before the deletion": false} {
		for _, refused := range []string{"", "-ERR some messages were not deleted\r\n"} {
			t.Run(fmt.Sprint(name, " ", refused), func(t *testing.T) {
				server := start(t, &pop3Server{letters: mails(1, 9)})
				lost := false
				server.answer = func(session int, command string) (string, bool) {
					server.mu.Lock()
					defer server.mu.Unlock()
					marks := slices.ContainsFunc(server.commands, func(c string) bool { return strings.HasPrefix(c, "DELE") })
					if command != "QUIT" || !marks || lost {
						return "", false
					}
					lost = true
					if isCommitted {
						server.letters = server.letters[6:] // keep-latest 3
					}
					return refused, true
				}
				s := newStore(t, server.options)
				o := s.archive(0, 3)
				if !lost {
					t.Fatal("QUIT was not reached")
				}
				if o.err != nil {
					t.Logf("the run says %v", o.err)
				}
				s.holds(mails(1, 9)...)
				s.archive(0, 3)
				server.keeps(t, mails(7, 9)...)
				s.holds(mails(1, 9)...)
				s.archive(0, 3).did(t, 0, 0)
			})
		}
	}
}

// cuts are after how many octets a server hangs up.
func cuts(below int) []int {
	step := 53
	if os.Getenv("MAILFERRY_LONG") != "" {
		step = 1
	}
	var list []int
	for n := 1; n < below; n += step {
		list = append(list, n)
	}
	return list
}

// cutIn is a server of four messages that hangs up in one session.
func cutIn(t *testing.T, session, octets int) *pop3Server {
	return start(t, &pop3Server{letters: mails(1, 4), cut: func(number int) int {
		if number == session {
			return octets
		}
		return 0
	}})
}

func TestSessionCutAnywhereLosesAndDoublesNothing(t *testing.T) {
	for _, n := range cuts(1100) { // the whole session has some 1,050
		t.Run(fmt.Sprint("after ", n), func(t *testing.T) {
			t.Parallel()
			s := newStore(t, cutIn(t, 1, n).options)
			if o := s.backup(); o.err != nil && !errors.Is(o.err, mailbox.ErrNetwork) {
				t.Fatal(o.err)
			}
			for _, text := range s.disk() {
				if !slices.Contains(textsOf(mails(1, 4)...), text) {
					t.Fatalf("on disk is %q", text)
				}
			}
			s.backup()
			s.holds(mails(1, 4)...)
			s.backup().did(t, 0, 0)
		})
	}
}

func TestArchiveCutAnywhereLosesAndDoublesNothing(t *testing.T) {
	for _, session := range []int{2, 3} { // with DELE, and that which looks what came of it
		for _, n := range cuts(900) {
			t.Run(fmt.Sprint("session ", session, " after ", n), func(t *testing.T) {
				t.Parallel()
				server := cutIn(t, session, n)
				s := newStore(t, server.options)
				s.archive(0, 1)
				for _, text := range textsOf(mails(1, 4)...) {
					if !slices.Contains(server.texts(), text) && !slices.Contains(s.disk(), text) {
						t.Fatal("a message is gone")
					}
				}
				s.archive(0, 1)
				server.keeps(t, mail(4))
				s.holds(mails(1, 4)...)
				if len(server.deleted) != 3 {
					t.Fatalf("%d deletions", len(server.deleted))
				}
			})
		}
	}
}

func TestExpungeWithoutQuitsAnswerIsAnError(t *testing.T) {
	for name, answer := range map[string]string{"hung up": "", "refused": "-ERR not all were deleted\r\n"} {
		t.Run(name, func(t *testing.T) {
			server := start(t, &pop3Server{letters: mails(1, 2)})
			server.answer = func(_ int, command string) (string, bool) { return answer, command == "QUIT" }
			a := open(t, server.options())
			seen, err := a.Observe(t.Context(), mailbox.Inbox, mailbox.Since{}, func(mailbox.RemoteMessage) error { return nil })
			if err != nil {
				t.Fatal(err)
			}
			ref := mailbox.Ref{Name: mailbox.Inbox, UIDValidity: seen.Status.UIDValidity}
			if _, err := a.Expunge(t.Context(), ref, mailbox.UIDs(1), 0); !errors.Is(err, mailbox.ErrNetwork) && !errors.Is(err, mailbox.ErrUnavailable) {
				t.Errorf("error %v", err)
			}
			if server.sent("DELE 1") != 1 || len(server.deleted) > 0 {
				t.Errorf("%q", server.commands)
			}
		})
	}
}

func TestExpungeOfAnotherUIDValidityIsRefused(t *testing.T) {
	server := start(t, &pop3Server{letters: mails(1, 2)})
	a := open(t, server.options())
	_, err := a.Expunge(t.Context(), mailbox.Ref{Name: mailbox.Inbox, UIDValidity: 7}, mailbox.UIDs(1), 0)
	if !errors.Is(err, mailbox.ErrUIDValidity) || server.sent("DELE") > 0 {
		t.Errorf("error %v, sent %q", err, server.commands)
	}
	options := server.options()
	options.ReadOnly = true
	if _, err := open(t, options).Expunge(t.Context(), mailbox.Ref{Name: mailbox.Inbox}, mailbox.UIDs(1), 0); !errors.Is(err, mailbox.ErrUnsupported) {
		t.Errorf("read-only: error %v", err)
	}
}
