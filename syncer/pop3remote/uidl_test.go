package pop3remote_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"mailferry/syncer/imapremote/wire"
	"mailferry/syncer/mailbox"
	"mailferry/syncer/pop3remote"
	"mailferry/syncer/synctest"
)

// sharedMail is a folder for mail that several Dovecots serve in turn.
func sharedMail(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "mailferry-pop3-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	return dir
}

// put appends over IMAP what POP3 hands over as it is.
func put(user *synctest.User, letters ...letter) {
	for _, l := range letters {
		user.Append(mailbox.Inbox, mailbox.NewFlags(mailbox.FlagFlagged), mailbox.Date{}, []byte(l.text))
	}
}

func left(user *synctest.User) []string {
	var texts []string
	for _, m := range user.Messages(mailbox.Inbox) {
		texts = append(texts, string(m.Octets))
	}
	slices.Sort(texts)
	return texts
}

// The administrator changes how Dovecot makes unique-ids, which is what moving
// to another server does, too.
func TestDovecotsUniqueIDsMayChange(t *testing.T) {
	location := "maildir:" + sharedMail(t) + "/%%u:INDEX=%[1]s/index/%%u"
	want := append(mails(1, 5), mail(5)) // two are the same
	var s *store
	var user *synctest.User
	for i, format := range []string{"%08Xu%08Xv", "%g", "%f", "%v.%u", "%u"} {
		server := synctest.Dovecot(t, synctest.DovecotConfig{
			MailLocation: location, Extra: "pop3_uidl_format = " + format + "\n",
		})
		user = server.User(t)
		options := func() pop3remote.Options { return optionsOf(user) }
		if i == 0 {
			s = newStore(t, options)
			put(user, want...)
			s.backup().did(t, len(want), 0)
		}
		s.options = options
		s.backup().did(t, 0, 0)
		put(user, mail(10+i))
		want = append(want, mail(10+i))
		s.backup().did(t, 1, 0)
		s.holds(want...)
		s.backup().did(t, 0, 0)
	}
	before := user.Messages(mailbox.Inbox)
	s.archive(0, 4).did(t, 0, len(want)-4)
	if got := left(user); len(got) != 4 {
		t.Errorf("%d messages are left", len(got))
	}
	for _, m := range user.Messages(mailbox.Inbox) {
		i := slices.IndexFunc(before, func(b synctest.Message) bool { return b.UID == m.UID })
		if i < 0 || !before[i].Flags.Equal(m.Flags) {
			t.Errorf("uid %d has become %s", m.UID, m.Flags)
		}
	}
	s.holds(want...)
}

// An mbox's unique-ids may be hashes of headers: the same for the same message.
func TestDovecotsUniqueIDsMayRepeat(t *testing.T) {
	dir := sharedMail(t)
	server := synctest.Dovecot(t, synctest.DovecotConfig{
		MailLocation: "mbox:" + dir + "/%%u:INBOX=" + dir + "/%%u.mbox:INDEX=%[1]s/index/%%u",
		Extra:        "pop3_uidl_format = %m\nmbox_write_locks = fcntl\nmbox_read_locks = fcntl\n",
	})
	user := server.User(t)
	deliver := func(letters ...letter) {
		file, err := os.OpenFile(filepath.Join(dir, user.Name+".mbox"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o666)
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range letters {
			fmt.Fprintf(file, "From a@example.org Fri Apr  5 10:00:00 2024\n%s\n", strings.ReplaceAll(l.text, "\r\n", "\n"))
		}
		if err := errors.Join(file.Chmod(0o666), file.Close()); err != nil {
			t.Fatal(err)
		}
	}
	s := newStore(t, func() pop3remote.Options { return optionsOf(user) })
	want := append(mails(1, 3), mail(2), mail(2))
	deliver(want...)
	s.backup().did(t, 5, 0)
	s.holds(want...)
	s.backup().did(t, 0, 0)
	deliver(mail(3))
	s.backup().did(t, 1, 0)
	want = append(want, mail(3))
	s.holds(want...)
	s.archive(0, 2).did(t, 0, 4)
	s.holds(want...)
	if got := left(user); len(got) != 2 {
		t.Errorf("%d messages are left", len(got))
	}
}

func TestBackupFromDovecotOverTLS(t *testing.T) {
	_, client := certified(t) // of another authority
	options := optionsOf(dovecot.User(t))
	options.Dialer.Security, options.Dialer.TLS = wire.StartTLS, client
	if _, err := pop3remote.Open(t.Context(), options); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("a certificate of an unknown authority: %v", err)
	}
	options.Dialer.TLS = trusting(t, dovecot.CAFile)
	user := dovecot.User(t)
	options.User = user.Name
	put(user, mails(1, 20)...)
	s := newStore(t, func() pop3remote.Options { return options })
	s.backup().did(t, 20, 0)
	s.holds(mails(1, 20)...)
	if got := fmt.Sprint(len(left(user))); got != "20" {
		t.Errorf("%s are left", got)
	}
}
