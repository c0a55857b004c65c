package maildirout

import (
	"os"
	"strings"
	"testing"

	"mailferry/syncer/mailbox"
)

// A folder stays open between messages; what becomes of it meanwhile is seen.
func TestReceiveSeesThatAFolderIsGoneOrAnother(t *testing.T) {
	receive := func(s *Store, name mailbox.Name) (mailbox.Draft, error) {
		return s.Receive(t.Context(), name, 3, strings.NewReader("a\r\n"))
	}
	for what, change := range map[string]func(t *testing.T, s *Store, dir string){
		"removed by somebody": func(t *testing.T, s *Store, dir string) { must(t, os.RemoveAll(dir+"/A")) },
		"deleted":             func(t *testing.T, s *Store, _ string) { must(t, s.Delete(t.Context(), "A")) },
		"renamed":             func(t *testing.T, s *Store, _ string) { must(t, s.Rename(t.Context(), "A", "B")) },
	} {
		t.Run(what, func(t *testing.T) {
			s, dir, _ := openStore(t, FS)
			create(t, s, "A")
			if _, err := receive(s, "A"); err != nil {
				t.Fatal(err)
			}
			change(t, s, dir)
			if _, err := receive(s, "A"); !isMissing(err) {
				t.Errorf("got %v", err)
			}
			create(t, s, "A")
			draft, err := receive(s, "A")
			if err != nil {
				t.Fatal(err)
			}
			if _, err := os.Stat(dir + "/A/tmp/" + draftName(draft.Key)); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestDesksAreFewAndClosed(t *testing.T) {
	s, _, _ := openStore(t, FS)
	for _, name := range []mailbox.Name{"A", "B", "C", "D"} {
		create(t, s, name)
	}
	for range 3 {
		for _, name := range []mailbox.Name{"A", "B", "C", "D"} {
			if _, err := s.Receive(t.Context(), name, 3, strings.NewReader("a\r\n")); err != nil {
				t.Fatal(err)
			}
		}
	}
	if len(s.desks) != 1 {
		t.Errorf("%d folders are open", len(s.desks))
	}
	must(t, s.Close())
	if len(s.desks) != 0 {
		t.Error("a folder is open after Close")
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
