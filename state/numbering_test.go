package state

import (
	"context"
	"errors"
	"reflect"
	"testing"

	"mailferry/syncer/mailbox"
)

func numbering(t *testing.T, s *Store) mailbox.Numbering {
	t.Helper()
	n, err := s.Numbering(t.Context())
	must(t, err)
	return n
}

func TestNumberedMessagesSurviveReopening(t *testing.T) {
	w := newWorld(t)
	s := w.open(t)
	if n := numbering(t, s); n.UIDValidity != 0 || n.Next != 1 || len(n.Messages) != 0 {
		t.Errorf("at first %+v", n)
	}
	want := []mailbox.Numbered{
		{UID: 1, ID: "odd \x00 \xff ' id", Size: 1 << 40, Header: mailbox.Hash{7}, Seen: 5, Gone: 9},
		{UID: 2, ID: "plain", Seen: 6},
		{UID: 4, ID: "after a gap"},
	}
	must(t, s.Number(t.Context(), want, nil))
	first := numbering(t, s)
	if first.UIDValidity == 0 || first.Next != 5 || !reflect.DeepEqual(first.Messages, want) {
		t.Errorf("got %+v", first)
	}
	want[1].Header, want[1].Gone = mailbox.Hash{8}, 11
	must(t, s.Number(t.Context(), want[1:2], []mailbox.UID{4, 77}))
	must(t, s.Close())
	again := numbering(t, w.open(t))
	if again.UIDValidity != first.UIDValidity || !reflect.DeepEqual(again.Messages, want[:2]) {
		t.Errorf("got %+v", again)
	}
	if again.Next != 5 {
		t.Errorf("UID %d would be given again", again.Next)
	}
}

func TestNumberingThatIsAlteredOrLostIsNoticed(t *testing.T) {
	for name, statement := range map[string]string{
		"lost":    "DELETE FROM numbered WHERE uid = 1",
		"altered": "UPDATE numbered SET id = 'x' WHERE uid = 1",
		"added":   "INSERT INTO numbered SELECT 9, id, size, header, seen, gone, sum FROM numbered WHERE uid = 1",
		"last":    "UPDATE meta SET value = '1' WHERE key = 'last_uid'",
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			s := w.open(t)
			must(t, s.Number(t.Context(), []mailbox.Numbered{{UID: 1, ID: "a"}, {UID: 2, ID: "b"}}, nil))
			must(t, s.Close())
			tamper(t, w, statement)
			s = w.open(t)
			if s.Rebuilt() == "" {
				t.Fatal("not noticed")
			}
			if n := numbering(t, s); n.UIDValidity != 0 || n.Next != 1 || len(n.Messages) != 0 {
				t.Errorf("after the rebuild %+v", n)
			}
		})
	}
}

func TestNumberingInAStoreThatIsOnlyReadIsRefused(t *testing.T) {
	w := newWorld(t)
	must(t, w.open(t).Close())
	options := w.options()
	options.ReadOnly = true
	s := open(t, options)
	if err := s.Number(context.Background(), []mailbox.Numbered{{UID: 1}}, nil); !errors.Is(err, ErrReadOnly) {
		t.Errorf("error %v", err)
	}
}
