package pop3remote_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"mailferry/syncer/imapremote/wire"
	"mailferry/syncer/pop3remote"
	"mailferry/syncer/synctest"
)

// dovecot is a server that the tests share.
var dovecot *synctest.Server

func TestMain(m *testing.M) {
	server, err := synctest.StartDovecot("", synctest.DovecotConfig{})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	dovecot = server
	code := m.Run()
	if err := server.Stop(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// optionsOf reaches a user's mail over POP3.
func optionsOf(user *synctest.User) pop3remote.Options {
	return pop3remote.Options{
		Dialer:   wire.Dialer{Addr: user.Server.POP3Addr, Security: wire.Plain},
		User:     user.Name,
		Password: func(context.Context) (string, error) { return user.Password, nil },
	}
}

func open(t testing.TB, options pop3remote.Options) *pop3remote.Account {
	t.Helper()
	account, err := pop3remote.Open(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { account.Close() })
	return account
}

func TestAccountKeepsTheContractOfReading(t *testing.T) {
	synctest.TestReading(t, func(t *testing.T) synctest.RemoteFixture {
		user := dovecot.User(t)
		options := optionsOf(user)
		now := time.Unix(1_700_000_000, 0)
		// The session that Open began is old when the test comes to use it.
		options.Now = func() time.Time { now = now.Add(time.Minute); return now }
		account := open(t, options)
		return synctest.RemoteFixture{
			Remote: account, Messages: account, Mailboxes: account, Witness: user, Only: "INBOX",
			// Dovecot saves no NUL, and POP3 has no messages whose last line has
			// no end.
			Takes: func(odd synctest.OddMessage) bool { return !odd.NUL && bytes.HasSuffix(odd.Octets, []byte("\r\n")) },
		}
	},
		// POP3 has neither flags nor INTERNALDATE, and its sizes are hints.
		"ObserveHandsOverEveryMessage", "ObserveSaysWhatTheMailboxHolds", "ObserveSeesWhatChangedAndWhatIsNew", "ObserveSeesKeywordsComeAndGo",
		"ObserveTellsMachinesFromFlags", "ObserveInWindowsTellsWhatIsLeftAndThenThat",
		// A message has a UID from when it is seen first, unlike the witness's.
		"ObserveSeesANewMessageThatIsGoneAgain", "FetchLeavesOutWhatIsNotThere",
		"FetchOfAnEmptyMessage",
	)
}
