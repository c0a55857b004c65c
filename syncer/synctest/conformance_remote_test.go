package synctest_test

import (
	"context"
	"slices"
	"testing"

	"mailferry/syncer/imapremote"
	"mailferry/syncer/imapremote/wire"
	"mailferry/syncer/mailbox"
	"mailferry/syncer/synctest"
)

// account opens a fresh account of a server as mailferry does.
func account(t *testing.T, server *synctest.Server, without ...string) synctest.RemoteFixture {
	user := server.User(t)
	remote, err := imapremote.Open(t.Context(), imapremote.Options{
		Dialer:   wire.Dialer{Addr: server.Addr, Security: wire.Plain},
		User:     user.Name,
		Password: func(context.Context) (string, error) { return user.Password, nil },
		Without:  without,
	})
	if err != nil {
		t.Fatal(err)
	}
	has := func(name string) bool {
		return slices.Contains(remote.Capabilities(), name) && !slices.Contains(without, name)
	}
	return synctest.RemoteFixture{
		Remote: remote, Messages: remote, Mailboxes: remote, Witness: user,
		CondStore: has("CONDSTORE") || has("QRESYNC"), UIDPlus: has("UIDPLUS"), ContentIDs: has("OBJECTID"),
		Names: []mailbox.Name{"Büro", "with space", "Büro/Süd", "日本"},
	}
}

func startedDovecot(t *testing.T, config synctest.DovecotConfig, without ...string) func(*testing.T) synctest.RemoteFixture {
	server := synctest.Dovecot(t, config)
	return func(t *testing.T) synctest.RemoteFixture {
		fixture := account(t, server, without...)
		user := fixture.Witness.(*synctest.User)
		// Dovecot saves no empty message and no NUL.
		fixture.Takes = func(odd synctest.OddMessage) bool { return !odd.NUL && len(odd.Octets) > 0 }
		fixture.Plant = func(octets []byte) { user.Plant(mailbox.Inbox, "1700000000.planted.x:2,", octets) }
		return fixture
	}
}

func TestAccountOnDovecotKeepsTheContractOfRemote(t *testing.T) {
	synctest.TestRemote(t, startedDovecot(t, synctest.DovecotConfig{}))
}

func TestAccountInANamespaceKeepsTheContractOfRemote(t *testing.T) {
	synctest.TestRemote(t, startedDovecot(t, synctest.DovecotConfig{Separator: '.', Prefix: "INBOX."}))
}

func TestAccountOnAPoorServerKeepsTheContractOfRemote(t *testing.T) {
	synctest.TestRemote(t, startedDovecot(t, synctest.DovecotConfig{Capability: "IMAP4rev1"}))
}

func TestAccountWithoutExtensionsKeepsTheContractOfRemote(t *testing.T) {
	for _, without := range [][]string{
		{"MOVE", "ESEARCH"}, {"CONDSTORE", "QRESYNC", "LITERAL+"}, {"LIST-STATUS", "MOVE", "UIDPLUS"},
	} {
		t.Run(without[0], func(t *testing.T) {
			t.Parallel()
			synctest.TestRemote(t, startedDovecot(t, synctest.DovecotConfig{}, without...))
		})
	}
}

func TestAccountOnCyrusKeepsTheContractOfRemote(t *testing.T) {
	server := synctest.Cyrus(t)
	synctest.TestRemote(t, func(t *testing.T) synctest.RemoteFixture {
		fixture := account(t, server)
		fixture.Takes, fixture.Since1970 = takenByCyrus, true
		return fixture
	}, "FetchOfAnEmptyMessage") // Cyrus takes none
}

func TestAccountInMemoryKeepsTheContractOfRemote(t *testing.T) {
	server := synctest.Memory(t)
	synctest.TestRemote(t, func(t *testing.T) synctest.RemoteFixture { return account(t, server) },
		// It names only those flags that some message has, stores a literal
		// that was cut, and renames without what is below.
		"ObserveSaysWhatTheMailboxHolds", "AppendOfATruncatedMessageStoresNothing", "RenameTakesMessagesAndThoseBelow")
}
