package synctest_test

import (
	"path/filepath"
	"testing"

	"mailferry/maildirout"
	"mailferry/state"
	"mailferry/syncer"
	"mailferry/syncer/mailbox"
	"mailferry/syncer/synctest"
)

// takenByCyrus says which odd messages Cyrus takes: it refuses NUL, bare line
// ends and broken headers.
func takenByCyrus(odd synctest.OddMessage) bool {
	switch odd.Name {
	case "no final newline", "From lines", "dot lines", "IMAP in the body", "duplicate headers", "spaces at line ends", "very long line":
		return true
	}
	return false
}

func TestStoreKeepsTheContractOfLocal(t *testing.T) {
	for _, layout := range []maildirout.Layout{maildirout.FS, maildirout.MaildirPP} {
		t.Run(string(layout), func(t *testing.T) {
			synctest.TestLocal(t, func(t *testing.T) synctest.LocalFixture {
				dir := t.TempDir()
				store, err := maildirout.Open(maildirout.Options{Dir: dir, Layout: layout})
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { store.Close() })
				return synctest.LocalFixture{
					Local: store, Stream: store, Delivery: store, Copies: store, Messages: store, Folders: store,
					Reader: synctest.NewMaildir(t, dir, layout == maildirout.MaildirPP),
					Names:  []mailbox.Name{"..", "cur", "a.b", "x/new", "%2Fescaped", "Foo", "foo", ".mailferry", "con", "\x1b[2J"},
				}
			})
		})
	}
}

func TestStateKeepsTheContractOfBase(t *testing.T) {
	synctest.TestBase(t, func(t *testing.T) synctest.BaseFixture {
		options := state.Options{
			Dir: filepath.Join(t.TempDir(), "store"), Control: ".mailferry",
			Identity: state.Identity{Account: "home", URL: "imaps://me@imap.example.com", Layout: "fs"},
		}
		var open *state.Store
		reopen := func() syncer.Base {
			if open != nil {
				if err := open.Close(); err != nil {
					t.Fatal(err)
				}
			}
			var err error
			if open, err = state.Open(t.Context(), options); err != nil {
				t.Fatal(err)
			}
			return open
		}
		t.Cleanup(func() { open.Close() })
		return synctest.BaseFixture{Base: reopen(), Reopen: reopen}
	})
}
