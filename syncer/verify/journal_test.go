package verify_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"mailferry/syncer/mailbox"
	"mailferry/syncer/synctest"
	"mailferry/syncer/verify"
)

func TestAnInterruptedVerificationReadsNothingTwice(t *testing.T) {
	w := newWorld(t)
	for i := range 4 {
		w.server.Append("INBOX", mailbox.Flags{}, someDate, message(i))
	}
	w.sync()
	path := filepath.Join(t.TempDir(), "verify", "x.journal")
	now := time.Now()
	run := func(limit int) (hashed int, err error) {
		journal, err := verify.OpenJournal(path, now)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = journal.Close(false) }()
		w.model.Inject(synctest.Fault{Op: "Fetch", After: limit, Kind: synctest.Lost})
		before := journal.Len()
		_, err = verify.Run(context.Background(), verify.Options{Here: w.store(), There: verify.NewServer(w.model, 1, journal), Linked: true})
		w.model.Heal()
		return before, err
	}
	if known, err := run(2); err == nil || known != 0 {
		t.Fatalf("the connection was cut, and: %v, %d known", err, known)
	}
	// A line that a kill left behind half written is not believed.
	file, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	file.WriteString("1 3 100 abc")
	file.Close()
	known, err := run(100)
	if err != nil || known != 2 {
		t.Errorf("the second attempt knows %d messages (want 2), %v", known, err)
	}
	now = now.Add(25 * time.Hour)
	journal, err := verify.OpenJournal(path, now)
	if err != nil || journal.Len() != 0 {
		t.Errorf("after a day %d messages are still believed, %v", journal.Len(), err)
	}
	if err := journal.Close(true); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("a complete verification leaves its journal: %v", err)
	}
}
