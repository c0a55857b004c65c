package imapremote

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/emersion/go-imap/v2"

	"mailferry/syncer/mailbox"
)

// opener opens an account of a fresh user, and again the same one.
type opener func(t *testing.T, change func(*Options)) *Account

// traits are what a server is and is not capable of, by its nature.
type traits struct {
	separator string
	// keywords: the server takes keywords, and names with wildcards in them.
	keywords bool
}

func TestPortsOnDovecot(t *testing.T) {
	for _, server := range []struct{ name, separator, prefix string }{
		{"slash", "/", ""},
		{"courier", ".", "INBOX."},
	} {
		t.Run(server.name, func(t *testing.T) {
			addr := startDovecot(t, server.separator, server.prefix)
			for name, without := range map[string][]string{
				"all":          nil,
				"no UIDPLUS":   {"UIDPLUS"},
				"no MOVE":      {"MOVE"},
				"no CONDSTORE": {"CONDSTORE", "QRESYNC"},
				"bare": {"CONDSTORE", "QRESYNC", "ESEARCH", "LIST-EXTENDED", "LIST-STATUS", "SPECIAL-USE", "MOVE",
					"LITERAL+", "LITERAL-", "MULTIAPPEND", "NAMESPACE", "ID", "ENABLE", "OBJECTID", "UNSELECT"},
				"multi": {"LITERAL+"},
			} {
				if server.prefix != "" && slices.Contains(without, "NAMESPACE") {
					without = slices.DeleteFunc(slices.Clone(without), func(s string) bool { return s == "NAMESPACE" })
				}
				t.Run(name, func(t *testing.T) {
					user := strings.ReplaceAll(name, " ", "")
					users := 0
					testPorts(t, traits{separator: server.separator, keywords: true}, func() opener {
						users++
						account := fmt.Sprintf("%s%d", strings.ToLower(user), users)
						return func(t *testing.T, change func(*Options)) *Account {
							opts := options(t, addr, account)
							opts.Without = without
							change(&opts)
							return open(t, opts)
						}
					})
				})
			}
		})
	}
}

func TestPortsOnMemoryServer(t *testing.T) {
	for name, caps := range map[string]imap.CapSet{
		"bare": {imap.CapIMAP4rev1: {}},
		"most": {imap.CapIMAP4rev1: {}, imap.CapNamespace: {}, imap.CapUIDPlus: {}, imap.CapESearch: {}, imap.CapListExtended: {}, imap.CapListStatus: {}, imap.CapMove: {}},
		"rev2": {imap.CapIMAP4rev1: {}, imap.CapIMAP4rev2: {}},
	} {
		t.Run(name, func(t *testing.T) {
			testPorts(t, traits{separator: "/"}, func() opener {
				addr := startMemory(t, "user", caps)
				return func(t *testing.T, change func(*Options)) *Account {
					opts := options(t, addr, "user")
					change(&opts)
					return open(t, opts)
				}
			})
		})
	}
}

// testPorts holds what the ports promise against a server.
func testPorts(t *testing.T, is traits, user func() opener) {
	for name, test := range map[string]func(*testing.T, traits, opener){
		"mailboxes": testMailboxes, "messages": testMessages, "expunge": testExpunge,
		"move": testMove, "flags": testFlags, "validity": testValidity, "reading only": testReadOnly,
	} {
		t.Run(name, func(t *testing.T) { test(t, is, user()) })
	}
}

func plain(*Options) {}

// create makes one mailbox.
func create(a *Account, name mailbox.Name) error {
	var refused error
	err := a.Create(context.Background(), []mailbox.Name{name}, func(_ int, _ mailbox.Observation, err error) { refused = err })
	return errors.Join(err, refused)
}

func testMailboxes(t *testing.T, is traits, user opener) {
	ctx := t.Context()
	a := user(t, plain)
	names := []mailbox.Name{"Entwürfe", "Old Mail", "Tom & Jerry", "100%", "a/b/c", "INBOX/Sub"}
	if is.keywords {
		names = append(names, "star*", `quo"te`, "😀/日本語")
	}
	for _, name := range names {
		if exists, err := a.Exists(ctx, name); exists || err != nil {
			t.Errorf("%s exists before it is created: %v, %v", name, exists, err)
		}
		if err := create(a, name); err != nil {
			t.Errorf("create: %v", err)
		}
		if exists, err := a.Exists(ctx, name); !exists || err != nil {
			t.Errorf("%s does not exist: %v", name, err)
		}
	}
	if err := create(a, names[0]); !errors.Is(err, mailbox.ErrExists) {
		t.Errorf("create twice: %v", err)
	}
	if err := create(a, mailbox.JoinText("a"+is.separator+"b")); !errors.Is(err, mailbox.ErrUnsupported) {
		t.Errorf("create with a separator in a level: %v", err)
	}
	fill(t, a, "Old Mail", 3)
	b := user(t, plain) // has not heard of the names
	listed, err := b.List(ctx)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[mailbox.Name]mailbox.Listed{}
	for i, row := range listed {
		seen[row.Name] = row
		if i > 0 && listed[i-1].Name >= row.Name {
			t.Errorf("not sorted: %q, %q", listed[i-1].Name, row.Name)
		}
	}
	for _, name := range append(names, mailbox.Inbox) {
		if _, found := seen[name]; !found {
			t.Errorf("%s is not listed", name)
		}
	}
	if status := seen["Old Mail"].Status; status == nil || status.Messages != 3 || status.UIDNext != 4 || status.UIDValidity == 0 {
		t.Errorf("status of Old Mail: %+v", status)
	}
	if err := b.Rename(ctx, "Old Mail", "New Mail"); err != nil {
		t.Errorf("rename: %v", err)
	}
	if exists, err := b.Exists(ctx, "Old Mail"); exists || err != nil {
		t.Errorf("old name after rename: %v, %v", exists, err)
	}
	if err := b.Delete(ctx, "New Mail"); err == nil {
		t.Error("a mailbox with messages was deleted")
	}
	found, _ := look(t, b, "New Mail", mailbox.Since{})
	if found.Status.Messages != 3 {
		t.Errorf("messages after rename and refused delete: %+v", found.Status)
	}
	look(t, b, "Entwürfe", mailbox.Since{})
	if err := b.Delete(ctx, "Entwürfe"); err != nil {
		t.Errorf("delete: %v", err)
	}
	// To a session that has had it open Dovecot shows it for some seconds more.
	if exists, err := user(t, plain).Exists(ctx, "Entwürfe"); exists || err != nil {
		t.Errorf("after delete: %v, %v", exists, err)
	}
	if err := a.Delete(ctx, mailbox.Inbox); err == nil {
		t.Error("INBOX was deleted")
	}
	if _, err := a.Observe(ctx, "not there", mailbox.Since{}, nil); err == nil {
		t.Error("observed a mailbox that is not there")
	}
}

func testMessages(t *testing.T, _ traits, user opener) {
	ctx := t.Context()
	a := user(t, plain)
	found, rows := look(t, a, mailbox.Inbox, mailbox.Since{})
	if !found.Complete || !found.HasPresent || len(rows) != 0 || !found.Present.IsEmpty() {
		t.Errorf("empty mailbox: %+v", found)
	}
	odd := "Subject: odd\r\n\r\n" + strings.Repeat("x", 300_000) + "\r\n"
	uploads := []mailbox.Upload{text(message(1), mailbox.FlagSeen), text(odd, mailbox.FlagFlagged, mailbox.FlagDraft), text(message(3))}
	var at []mailbox.Appended
	err := a.Append(ctx, mailbox.Inbox, uploads, func(i int, appended mailbox.Appended, err error) {
		if i != len(at) || err != nil {
			t.Errorf("answer %d: %v", i, err)
		}
		at = append(at, appended)
	})
	if err != nil || len(at) != 3 {
		t.Fatalf("append: %v, %v", at, err)
	}
	if at[2].UID != 0 && (at[2].UID != 3 || at[0].UID != 1) {
		t.Errorf("APPENDUID: %+v", at)
	}
	found, rows = look(t, a, mailbox.Inbox, mailbox.Since{})
	if !found.Complete || !found.HasPresent || found.Delta || found.Present.String() != "1:3" || len(rows) != 3 {
		t.Fatalf("full listing: %+v, %+v", found, rows)
	}
	if !rows[0].HasFlags || !rows[0].HasSize || rows[1].Size != int64(len(odd)) || !rows[0].Flags.Equal(mailbox.NewFlags(mailbox.FlagSeen)) {
		t.Errorf("rows: %+v", rows)
	}
	if want := uploads[0].Date; !rows[0].Date.SameInstant(want) { // a Maildir server keeps no zone
		t.Errorf("date: %+v, want %+v", rows[0].Date, want)
	}
	if !found.Holds.Keep(mailbox.NewFlags(mailbox.FlagSeen, "$Odd")).Has(mailbox.FlagSeen) {
		t.Errorf("holds: %+v", found.Holds)
	}
	var got bodies
	ref := mailbox.Ref{Name: mailbox.Inbox, UIDValidity: found.Status.UIDValidity}
	if err := a.Fetch(ctx, ref, mailbox.UIDs(1, 2, 7), mailbox.Whole, &got); err != nil {
		t.Fatal(err)
	}
	if len(got.texts) != 2 || got.texts[1] != message(1) || got.texts[2] != odd {
		t.Errorf("bodies: %d of them", len(got.texts))
	}
	var header bodies
	if err := a.Fetch(ctx, ref, mailbox.UIDs(2), mailbox.HeaderOnly, &header); err != nil || header.texts[2] != "Subject: odd\r\n\r\n" {
		t.Errorf("header: %q, %v", header.texts[2], err)
	}
	if err := a.Append(ctx, "not there", uploads[:1], func(int, mailbox.Appended, error) {}); err != nil && !errors.Is(err, mailbox.ErrNotFound) {
		t.Errorf("append to a mailbox that is not there: %v", err)
	}

	// A second look from the checkpoint on.
	since := mailbox.Since{Remote: found.Status, Below: 3}
	found, rows = look(t, a, mailbox.Inbox, since)
	if !found.Complete || found.Delta && len(rows) != 0 {
		t.Errorf("nothing changed: %+v, %+v", found, rows)
	}
	b := user(t, plain)
	fill(t, b, mailbox.Inbox, 1)
	found, rows = look(t, a, mailbox.Inbox, since)
	if !found.Complete || len(rows) == 0 || rows[len(rows)-1].UID != 4 || !rows[len(rows)-1].HasSize {
		t.Errorf("one new message: %+v, %+v", found, rows)
	}
	if _, err := b.Expunge(ctx, ref, mailbox.UIDs(2), 0); err != nil && !errors.Is(err, mailbox.ErrNoUIDPlus) {
		t.Fatal(err)
	} else if err == nil {
		found, _ = look(t, a, mailbox.Inbox, since)
		if !found.Complete || !found.HasPresent || found.Present.String() != "1,3:4" {
			t.Errorf("one message gone: %+v", found)
		}
	}
}

func testExpunge(t *testing.T, _ traits, user opener) {
	ctx := t.Context()
	a := user(t, plain)
	fill(t, a, mailbox.Inbox, 5)
	found, _ := look(t, a, mailbox.Inbox, mailbox.Since{})
	ref := mailbox.Ref{Name: mailbox.Inbox, UIDValidity: found.Status.UIDValidity}
	other := user(t, plain)
	deleted := mailbox.FlagChange{Add: mailbox.NewFlags(mailbox.FlagDeleted)}
	if _, err := other.StoreFlags(ctx, ref, mailbox.UIDs(5), deleted, 0); err != nil {
		t.Fatal(err)
	}
	if found.Status.HighestModSeq > 0 {
		// 5 was changed since.
		modified, err := a.Expunge(ctx, ref, mailbox.UIDs(5), found.Status.HighestModSeq)
		if modified.String() != "5" || err != nil && !errors.Is(err, mailbox.ErrNoUIDPlus) {
			t.Errorf("expunge of a changed message: %q, %v", modified, err)
		}
	}
	_, err := a.Expunge(ctx, ref, mailbox.UIDs(2, 3), 0)
	after, rows := look(t, a, mailbox.Inbox, mailbox.Since{})
	if a.caps.has("UIDPLUS") {
		if err != nil || after.Present.String() != "1,4:5" {
			t.Errorf("expunge left %s: %v", after.Present, err)
		}
		return
	}
	if !errors.Is(err, mailbox.ErrNoUIDPlus) || after.Present.String() != "1:5" || !rows[1].Flags.Has(mailbox.FlagDeleted) {
		t.Errorf("without UIDPLUS: %s, %v", after.Present, err)
	}
	if _, err := a.Expunge(ctx, ref, nil, 0); err != nil {
		t.Errorf("expunge of nothing: %v", err)
	}
}

func testMove(t *testing.T, _ traits, user opener) {
	ctx := t.Context()
	a := user(t, plain)
	fill(t, a, mailbox.Inbox, 4)
	if err := create(a, "Ziel/Körbe"); err != nil {
		t.Fatal(err)
	}
	found, _ := look(t, a, mailbox.Inbox, mailbox.Since{})
	ref := mailbox.Ref{Name: mailbox.Inbox, UIDValidity: found.Status.UIDValidity}
	if _, err := a.Move(ctx, ref, mailbox.UIDs(1), "not there"); !errors.Is(err, mailbox.ErrNotFound) {
		t.Errorf("move to a mailbox that is not there: %v", err)
	}
	moved, err := a.Move(ctx, ref, mailbox.UIDs(2, 4), "Ziel/Körbe")
	if err != nil && (a.caps.has("UIDPLUS") || a.caps.has("MOVE") || !errors.Is(err, mailbox.ErrNoUIDPlus)) {
		t.Fatal(err)
	}
	if a.caps.has("UIDPLUS") && (len(moved) != 2 || moved[2] != 1 || moved[4] != 2) {
		t.Errorf("moved: %v", moved)
	}
	target, rows := look(t, a, "Ziel/Körbe", mailbox.Since{})
	if !target.Complete || len(rows) != 2 {
		t.Errorf("target: %+v", target)
	}
	left, _ := look(t, a, mailbox.Inbox, mailbox.Since{})
	if want := "1,3"; err == nil && left.Present.String() != want {
		t.Errorf("left behind: %s", left.Present)
	}
}

func testFlags(t *testing.T, is traits, user opener) {
	ctx := t.Context()
	a := user(t, plain)
	fill(t, a, mailbox.Inbox, 3)
	found, _ := look(t, a, mailbox.Inbox, mailbox.Since{})
	ref := mailbox.Ref{Name: mailbox.Inbox, UIDValidity: found.Status.UIDValidity}
	add := mailbox.NewFlags(mailbox.FlagSeen, mailbox.FlagFlagged)
	if is.keywords {
		add = add.Union(mailbox.NewFlags("$Forwarded", "own-word"))
	}
	if _, err := a.StoreFlags(ctx, ref, mailbox.UIDs(1, 2), mailbox.FlagChange{Add: add}, 0); err != nil {
		t.Fatal(err)
	}
	change := mailbox.FlagChange{Add: mailbox.NewFlags(mailbox.FlagAnswered), Remove: mailbox.NewFlags(mailbox.FlagSeen)}
	modified, err := a.StoreFlags(ctx, ref, mailbox.UIDs(2, 3), change, found.Status.HighestModSeq)
	if err != nil || found.Status.HighestModSeq > 0 && modified.String() != "2" {
		t.Errorf("modified %q, %v", modified, err)
	}
	_, rows := look(t, a, mailbox.Inbox, mailbox.Since{Remote: found.Status, Below: 3})
	flags := map[mailbox.UID]mailbox.Flags{}
	for _, row := range rows {
		flags[row.UID] = row.Flags
	}
	second := add
	if found.Status.HighestModSeq == 0 {
		second = change.Apply(add)
	}
	for uid, want := range map[mailbox.UID]mailbox.Flags{1: add, 2: second, 3: mailbox.NewFlags(mailbox.FlagAnswered)} {
		if !flags[uid].Equal(want) {
			t.Errorf("uid %d has %q, want %q", uid, flags[uid], want)
		}
	}
	if _, err := a.StoreFlags(ctx, ref, nil, change, 0); err != nil {
		t.Errorf("store on nothing: %v", err)
	}
	if _, err := a.StoreFlags(ctx, ref, mailbox.UIDs(1), mailbox.FlagChange{}, 0); err != nil {
		t.Errorf("store of nothing: %v", err)
	}
}
