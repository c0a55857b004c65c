package main

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"mailferry/syncer"
	"mailferry/syncer/mailbox"
	"mailferry/syncer/plan"
)

// Most errors of the server's side begin with the mailbox.
func TestAMailboxIsNamedOnceWhereItsTroubleIsTold(t *testing.T) {
	r := &report{Reporter: silent{}}
	err := fmt.Errorf("Odd: %w", errors.New("SELECT: NO locked"))
	r.Trouble("Odd", err)
	r.Trouble("Other", err)
	r.Trouble("", err)
	r.Action(plan.Action{Kind: plan.Upload, Mailbox: "Odd", Key: "k", Link: &mailbox.Link{}}, syncer.Failed, err)
	blocks := r.blocks("home", "mailferry sync home", syncer.Summary{}, nil)
	want := []string{"home: Odd: SELECT: NO locked", "home: Other: Odd: SELECT: NO locked", "home: Odd: SELECT: NO locked"}
	for i, text := range want {
		if blocks[i].message != text {
			t.Errorf("%q, want %q", blocks[i].message, text)
		}
	}
	if failed := blocks[len(want)].message; strings.Count(failed, "Odd") != 1 || !strings.HasSuffix(failed, ": SELECT: NO locked") {
		t.Errorf("%q", failed)
	}
}
