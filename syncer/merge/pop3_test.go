package merge_test

import (
	"context"
	"path/filepath"
	"strings"
	"testing"

	"mailferry/syncer/imapremote/wire"
	"mailferry/syncer/mailbox"
	"mailferry/syncer/merge"
	"mailferry/syncer/pop3remote"
	"mailferry/syncer/synctest"
)

func TestAPOP3ServerIsASourceAndKeepsItsMail(t *testing.T) {
	server := synctest.Dovecot(t, synctest.DovecotConfig{})
	user := server.User(t)
	second := strings.Replace(letter, "<1@x>", "<2@x>", 1)
	for _, text := range []string{letter, second} {
		user.Append(mailbox.Inbox, mailbox.Flags{}, mailbox.DateOf(testNow), []byte(strings.ReplaceAll(text, "\n", "\r\n")))
	}
	pop, err := pop3remote.Open(t.Context(), pop3remote.Options{
		Dialer: wire.Dialer{Addr: server.POP3Addr, Security: wire.Plain}, User: user.Name, ReadOnly: true,
		Password: func(context.Context) (string, error) { return user.Password, nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	defer pop.Close()
	dir := t.TempDir()
	writeThunderbird(t, filepath.Join(dir, "tb"), []copied{{text: letter, seen: true}})
	source := merge.NewRemote(merge.RemoteOptions{Kind: merge.POP3, Name: "pop3", ID: server.POP3Addr, Server: pop})
	u := unionOf(t, filepath.Join(dir, "index"), source, open(t, filepath.Join(dir, "tb")))
	defer u.Close()
	if r := reportOf(t, u); r.Messages != 2 || r.Sources[0].Unique != 1 || r.Sources[0].Shared != 1 || r.Sources[0].Unreadable != 0 {
		t.Errorf("%+v", r.Sources)
	}
	for _, m := range deliver(t, u) {
		if m.text != strings.ReplaceAll(letter, "\n", "\r\n") && m.text != strings.ReplaceAll(second, "\n", "\r\n") {
			t.Errorf("%q", m.text)
		}
	}
	if left := user.Messages(mailbox.Inbox); len(left) != 2 {
		t.Errorf("%d messages are left on the server", len(left))
	}
}
