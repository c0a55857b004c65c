package imapremote

import (
	"context"
	"errors"
	"testing"

	"mailferry/syncer/mailbox"
)

func testValidity(t *testing.T, _ traits, user opener) {
	ctx := t.Context()
	a := user(t, plain)
	fill(t, a, mailbox.Inbox, 3)
	found, _ := look(t, a, mailbox.Inbox, mailbox.Since{})
	wrong := mailbox.Ref{Name: mailbox.Inbox, UIDValidity: found.Status.UIDValidity + 1}
	var got bodies
	if err := a.Fetch(ctx, wrong, mailbox.UIDs(1), mailbox.Whole, &got); !errors.Is(err, mailbox.ErrUIDValidity) || got.current != "" {
		t.Errorf("fetch: %v, %q", err, got.current)
	}
	a.pool.forgetSelected() // the mailbox is opened and read in one round trip
	if err := a.Fetch(ctx, wrong, mailbox.UIDs(1), mailbox.Whole, &got); !errors.Is(err, mailbox.ErrUIDValidity) || got.current != "" || len(got.texts) > 0 {
		t.Errorf("fetch from a mailbox that was not open: %v, %v", err, got.texts)
	}
	if _, err := a.Expunge(ctx, wrong, mailbox.UIDs(1), 0); !errors.Is(err, mailbox.ErrUIDValidity) {
		t.Errorf("expunge: %v", err)
	}
	if _, err := a.Expunge(ctx, mailbox.Ref{Name: mailbox.Inbox}, mailbox.UIDs(1), 0); !errors.Is(err, mailbox.ErrUIDValidity) {
		t.Errorf("expunge without UIDVALIDITY: %v", err)
	}
	if _, err := a.StoreFlags(ctx, wrong, mailbox.UIDs(1), mailbox.FlagChange{Add: mailbox.NewFlags(mailbox.FlagSeen)}, 0); !errors.Is(err, mailbox.ErrUIDValidity) {
		t.Errorf("store: %v", err)
	}
	if _, err := a.Move(ctx, wrong, mailbox.UIDs(1), mailbox.Inbox); !errors.Is(err, mailbox.ErrUIDValidity) {
		t.Errorf("move: %v", err)
	}
	old := found.Status
	old.UIDValidity++
	again, rows := look(t, a, mailbox.Inbox, mailbox.Since{Remote: old, Below: 3})
	if again.Delta || !again.Complete || len(rows) != 3 || !rows[0].HasSize || again.Status.UIDValidity == old.UIDValidity {
		t.Errorf("observe with another UIDVALIDITY: %+v, %d rows", again, len(rows))
	}
	ahead := found.Status
	ahead.HighestModSeq += 1000
	again, rows = look(t, a, mailbox.Inbox, mailbox.Since{Remote: ahead, Below: 3})
	if found.Status.HighestModSeq > 0 && (again.Delta || !again.HasPresent || len(rows) != 3) {
		t.Errorf("observe after HIGHESTMODSEQ went back: %+v", again)
	}
}

func testReadOnly(t *testing.T, _ traits, user opener) {
	ctx := t.Context()
	fill(t, user(t, plain), mailbox.Inbox, 2)
	a := user(t, func(opts *Options) { opts.ReadOnly = true })
	found, rows := look(t, a, mailbox.Inbox, mailbox.Since{})
	if !found.Complete || len(rows) != 2 {
		t.Errorf("observe: %+v", found)
	}
	ref := mailbox.Ref{Name: mailbox.Inbox, UIDValidity: found.Status.UIDValidity}
	var got bodies
	if err := a.Fetch(ctx, ref, mailbox.UIDs(1, 2), mailbox.Whole, &got); err != nil || len(got.texts) != 2 {
		t.Errorf("fetch: %v", err)
	}
	refused := map[string]error{
		"append": a.Append(ctx, mailbox.Inbox, []mailbox.Upload{text("x")}, nil),
		"create": create(a, "new"),
		"rename": a.Rename(ctx, "a", "b"),
		"delete": a.Delete(ctx, "a"),
	}
	_, refused["store"] = a.StoreFlags(ctx, ref, mailbox.UIDs(1), mailbox.FlagChange{Add: mailbox.NewFlags(mailbox.FlagSeen)}, 0)
	_, refused["expunge"] = a.Expunge(ctx, ref, mailbox.UIDs(1), 0)
	_, refused["move"] = a.Move(ctx, ref, mailbox.UIDs(1), "a")
	for what, err := range refused {
		if !errors.Is(err, mailbox.ErrUnsupported) {
			t.Errorf("%s: %v", what, err)
		}
	}
	_, rows = look(t, a, mailbox.Inbox, mailbox.Since{})
	for _, row := range rows {
		if !row.Flags.IsEmpty() {
			t.Errorf("reading set %q", row.Flags)
		}
	}
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := a.List(cancelled); !errors.Is(err, context.Canceled) {
		t.Errorf("list with a cancelled context: %v", err)
	}
	if _, err := a.List(ctx); err != nil {
		t.Errorf("list after a cancelled one: %v", err)
	}
}
