package state

import (
	"context"
	"errors"
	"reflect"
	"testing"

	"mailferry/syncer/mailbox"
)

// tamper runs statements on a closed state as a page that was lost or came
// back from the past would: each row is intact in itself.
func tamper(t *testing.T, w *world, statements ...string) {
	t.Helper()
	s := &Store{}
	must(t, s.dial(t.Context(), w.path(stateFile), "mode=rw"))
	for _, statement := range statements {
		must(t, s.exec(context.Background(), statement))
	}
	must(t, s.hangUp())
}

func TestRowsThatAreLostStaleOrAlteredAreNoticed(t *testing.T) {
	for name, statements := range map[string][]string{
		"mailbox lost":         {"DELETE FROM mailboxes WHERE name = 'Sent'"},
		"mailboxes all lost":   {"DELETE FROM mailboxes"},
		"mailbox renamed":      {"UPDATE mailboxes SET name = 'sent' WHERE name = 'Sent'"},
		"checkpoint altered":   {"UPDATE mailboxes SET highest_modseq = 99"},
		"mailbox from before":  {"DELETE FROM mailboxes WHERE id = 1", "INSERT INTO mailboxes SELECT * FROM old_mailboxes WHERE id = 1"},
		"link lost":            {"DELETE FROM links WHERE mailbox = 1 AND uid = 3"},
		"links all lost":       {"DELETE FROM links"},
		"link from before":     {"DELETE FROM links WHERE mailbox = 1 AND id = 2", "INSERT INTO links SELECT * FROM old_links WHERE id = 2"},
		"link altered":         {"UPDATE links SET remote = '\\Seen' WHERE uid = 3"},
		"hash altered":         {"UPDATE links SET hash = header WHERE uid = 3"},
		"link moved":           {"UPDATE links SET mailbox = 2 WHERE uid = 3"},
		"number made a text":   {"UPDATE links SET sum = 'x' WHERE uid = 3"},
		"number made a float":  {"UPDATE links SET size = 1.5 WHERE uid = 3"},
		"generation altered":   {"UPDATE meta SET value = '99999' WHERE key = 'generation'"},
		"clean altered":        {"UPDATE meta SET value = '0' WHERE key = 'clean'"},
		"meta lost":            {"DELETE FROM meta WHERE key = 'uuid'"},
		"run altered":          {"UPDATE runs SET ok = 0"},
		"index lost":           {"DROP INDEX links_by_uid"},
		"unique names no more": {"PRAGMA writable_schema = ON", "UPDATE sqlite_schema SET sql = replace(sql, 'NOT NULL UNIQUE', 'NOT NULL       ') WHERE name = 'mailboxes'"},
	} {
		t.Run(name, func(t *testing.T) {
			x := newSample(t, 40)
			stale := []string{
				"CREATE TEMP TABLE old_links AS SELECT * FROM links",
				"CREATE TEMP TABLE old_mailboxes AS SELECT * FROM mailboxes",
			}
			if name == "link from before" || name == "mailbox from before" {
				x.tamperWithThePast(t, stale, statements)
			} else {
				tamper(t, x.world, statements...)
			}
			if got := x.verdict(t); got == "right" {
				t.Error("not noticed")
			}
		})
	}
}

// tamperWithThePast remembers rows, changes them in the ordinary way, and then
// runs the statements that bring the old rows back.
func (x *sample) tamperWithThePast(t *testing.T, remember, statements []string) {
	t.Helper()
	s := x.open(t)
	for _, statement := range remember {
		must(t, s.exec(context.Background(), statement))
	}
	id := x.known[0].ID
	links, err := s.Links(t.Context(), id)
	must(t, err)
	var put []*mailbox.Link
	for i := range links {
		links[i].Agreed = mailbox.NewFlags("new")
		put = append(put, &links[i])
	}
	must(t, s.Commit(t.Context(), mailbox.Commit{Mailbox: id, Put: put, Checkpoint: &mailbox.Checkpoint{HasLocal: true}}))
	x.links[id] = links
	x.known, err = s.Mailboxes(t.Context())
	must(t, err)
	for _, statement := range statements {
		must(t, s.exec(context.Background(), statement))
	}
	must(t, s.Close())
}

// TestNothingIsWrittenOverARowThatWasAltered: it would get a checksum that is right.
func TestNothingIsWrittenOverARowThatWasAltered(t *testing.T) {
	s := newWorld(t).open(t)
	id := add(t, s, "INBOX")
	must(t, s.exec(t.Context(), "UPDATE mailboxes SET highest_modseq = 99"))
	if err := s.Commit(t.Context(), mailbox.Commit{Mailbox: id, Checkpoint: &mailbox.Checkpoint{HasLocal: true}}); !errors.Is(err, ErrDamaged) {
		t.Errorf("a commit: %v", err)
	}
	if _, err := s.Links(t.Context(), id); !errors.Is(err, ErrDamaged) {
		t.Errorf("its links: %v", err)
	}
}

func TestCommitThatSQLiteRefusesAtTheEndChangesNothing(t *testing.T) {
	s := newWorld(t).open(t)
	id := add(t, s, "INBOX")
	links := makeLinks(20)
	commitAll(t, s, id, links[:10])
	before, generation := s.root, s.beside.written
	// A constraint that is looked at only when the transaction ends.
	for _, statement := range []string{
		"PRAGMA foreign_keys = ON",
		"CREATE TEMP TABLE parent (id INTEGER PRIMARY KEY)",
		"CREATE TEMP TABLE child (id INTEGER REFERENCES parent (id) DEFERRABLE INITIALLY DEFERRED)",
		"CREATE TEMP TRIGGER refuse AFTER INSERT ON main.links BEGIN INSERT INTO child VALUES (1); END",
	} {
		must(t, s.exec(context.Background(), statement))
	}
	if err := s.Commit(t.Context(), mailbox.Commit{Mailbox: id, Put: links[10:]}); err == nil {
		t.Fatal("no error")
	}
	if links[10].ID != 0 || s.root != before || s.beside.written != generation {
		t.Error("a transaction that failed left something behind")
	}
	must(t, s.exec(context.Background(), "DROP TRIGGER refuse"))
	must(t, s.Commit(t.Context(), mailbox.Commit{Mailbox: id, Put: links[10:]}))
	got, err := s.Links(t.Context(), id)
	must(t, err)
	if len(got) != 20 || !reflect.DeepEqual(got[19], *links[19]) {
		t.Errorf("%d links", len(got))
	}
}

func TestAStopBeforeACommitChangesNothing(t *testing.T) {
	s := newWorld(t).open(t)
	id := add(t, s, "INBOX")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Commit(ctx, mailbox.Commit{Mailbox: id, Put: makeLinks(1)}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if _, err := s.Links(ctx, id); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if links, err := s.Links(t.Context(), id); err != nil || len(links) != 0 {
		t.Errorf("%d links, %v", len(links), err)
	}
}

func TestAClosedStoreSaysSo(t *testing.T) {
	s := newWorld(t).open(t)
	must(t, s.Close())
	must(t, s.Close())
	if _, err := s.Mailboxes(t.Context()); !errors.Is(err, errClosed) {
		t.Error(err)
	}
	if _, err := s.Add(t.Context(), "x"); !errors.Is(err, errClosed) {
		t.Error(err)
	}
}
