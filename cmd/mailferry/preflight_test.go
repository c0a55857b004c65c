//go:build linux

package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"mailferry/syncer/mailbox"
	"mailferry/syncer/synctest"
)

// smallQuota is a Dovecot with room for about ten messages of 20 KB.
const smallQuota = `
mail_plugins = $mail_plugins quota
protocol imap {
  mail_plugins = $mail_plugins imap_quota
}
plugin {
  quota = count:User quota
  quota_vsizes = yes
  quota_rule = *:storage=200k
}
`

// filler is a message of about 20 KB.
func filler(i int) []byte {
	return []byte(fmt.Sprintf("Message-ID: <filler%d@example.com>\r\nSubject: filler %d\r\n\r\n", i, i) + strings.Repeat(strings.Repeat("x", 70)+"\r\n", 280))
}

// preflightOf reads what a dry run told.
func preflightOf(t *testing.T, o outcome) preflightObject {
	t.Helper()
	for line := range strings.Lines(o.stdout) {
		if strings.Contains(line, `"type":"preflight"`) {
			var p preflightObject
			if err := json.Unmarshal([]byte(line), &p); err != nil {
				t.Fatal(err)
			}
			return p
		}
	}
	t.Fatalf("no preflight: %s", o.stdout)
	return preflightObject{}
}

func TestRestoreBeyondTheQuotaIsForeseenAndCostsTheRestOnly(t *testing.T) {
	from := newWorld(t, synctest.Dovecot(t, synctest.DovecotConfig{}), layoutFS)
	to := newWorld(t, synctest.Dovecot(t, synctest.DovecotConfig{Extra: smallQuota}), layoutFS)
	const n = 15
	for i := range n {
		from.user.Append(inbox, mailbox.NewFlags(seen), someDate, filler(i))
	}
	from.user.Append(inbox, mailbox.NewFlags(seen), someDate, letter("small"))
	from.backup().exits(exitDone)
	p := preflightOf(t, from.restoreTo(to, "--dry-run").exits(exitDone))
	if p.Messages != n+1 || p.QuotaLimit != 200<<10 || p.QuotaFits {
		t.Errorf("%+v", p)
	}
	if got := to.user.Messages(inbox); len(got) > 0 {
		t.Fatalf("a dry run uploaded %d messages", len(got))
	}
	o := from.restoreTo(to).exits(exitPartly)
	if o.summary.Uploaded < 8 || o.summary.Uploaded+o.summary.Failed != n+1 || !strings.Contains(strings.Join(o.failures, " "), "OVERQUOTA") {
		t.Errorf("%+v %q", o.summary, o.failures)
	}
	if got := len(to.user.Messages(inbox)); got != o.summary.Uploaded {
		t.Errorf("%d messages are there, %d were uploaded", got, o.summary.Uploaded)
	}
	// Once there is room, the rest follows.
	for _, m := range to.user.Messages(inbox) {
		if m.UID <= 7 {
			to.user.Expunge(inbox, m.UID)
		}
	}
	if again := from.restoreTo(to); again.summary.Uploaded != min(o.summary.Failed, 7) {
		t.Errorf("%+v", again.summary)
	}
}

func TestRestoreTellsOfKeywordsThatTheServerDoesNotKeep(t *testing.T) {
	server := synctest.Dovecot(t, synctest.DovecotConfig{})
	from, to := newWorld(t, server, layoutFS), newWorld(t, server, layoutFS)
	from.user.Create(work)
	for i, name := range []mailbox.Name{inbox, inbox, work} {
		from.user.Append(name, mailbox.NewFlags(seen, label1), someDate, letter(fmt.Sprint("m", i)))
	}
	from.backup().exits(exitDone)
	p := newProxy(t, server.Addr)
	p.setLine(func(line string) (string, bool) { return strings.Replace(line, ` \*)]`, `)]`, 1), false })
	to.addr = p.addr
	if told := preflightOf(t, from.restoreTo(to, "--dry-run").exits(exitDone)); len(told.FlagsLost) != 1 || told.FlagsLost[0].Messages != 2 {
		t.Errorf("%+v", told.FlagsLost)
	}
	o := from.restoreTo(to).exits(exitPartly)
	if o.summary.Uploaded != 3 || len(o.troubles) != 2 || !strings.Contains(strings.Join(o.troubles, " "), label1) {
		t.Errorf("%+v %q", o.summary, o.troubles)
	}
	for _, name := range []mailbox.Name{inbox, work} {
		for _, m := range to.user.Messages(name) {
			if m.Flags.String() != seen {
				t.Errorf("%s: %s", name, m.Flags)
			}
		}
	}
	if o := from.restoreTo(to).exits(exitDone); o.summary.Uploaded+o.summary.FlagsRemote != 0 {
		t.Errorf("once more: %+v", o.summary)
	}
}

func TestRestoreKeepsSubscriptions(t *testing.T) {
	server := synctest.Dovecot(t, synctest.DovecotConfig{})
	from, to := newWorld(t, server, layoutFS), newWorld(t, server, layoutFS)
	for _, name := range []string{"Listed", "Unlisted", "Both"} {
		from.user.Do("CREATE " + name)
	}
	from.user.Do("SUBSCRIBE Listed")
	from.user.Do("SUBSCRIBE Both")
	to.user.Do("CREATE Both")
	from.backup().exits(exitDone)
	from.restoreTo(to).exits(exitDone)
	if got := strings.Join(to.user.Subscribed(), " "); got != "Both Listed" {
		t.Errorf("subscribed there: %s", got)
	}
	// What the user changes there later stays.
	to.user.Do("UNSUBSCRIBE Both")
	from.restoreTo(to).exits(exitDone)
	if got := strings.Join(to.user.Subscribed(), " "); got != "Listed" {
		t.Errorf("subscribed there later: %s", got)
	}
}
