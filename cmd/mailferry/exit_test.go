package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"

	"mailferry/cmd/internal/config"
	"mailferry/state"
	"mailferry/syncer"
	"mailferry/syncer/mailbox"
	"mailferry/syncer/plan"
)

func TestExitCodeOfEveryError(t *testing.T) {
	for _, test := range []struct {
		err  error
		code int
	}{
		{nil, 0},
		{errors.New("anything"), 1},
		{usagef("bad flag"), 2},
		{&config.Error{Message: "bad key"}, 2},
		{errors.Join(&config.Error{Message: "one"}, &config.Error{Message: "two"}), 2},
		{errNotSetUp, 10},
		{state.ErrNotAStore, 10},
		{state.ErrOtherAccount, 10},
		{state.ErrOtherLayout, 2},
		{state.ErrLocked, 11},
		{mailbox.ErrAuth, 12},
		{config.ErrNoPassword, 12},
		{&config.SecretCommandError{Err: os.ErrNotExist}, 12},
		{mailbox.ErrNetwork, 13},
		{mailbox.ErrUnavailable, 13},
		{mailbox.ErrTLS, 1},
		{fmt.Errorf("%w: %w", mailbox.ErrNetwork, mailbox.ErrTLS), 1},
		{state.ErrMarkerMissing, 14},
		{state.ErrOtherStore, 14},
		{state.ErrNewerVersion, 1},
		{syscall.ENOSPC, 1},
		{context.Canceled, 130},
		{mailbox.ErrStopped, 130},
		{exitStatus(3), 3},
	} {
		wrapped := test.err
		if wrapped != nil {
			wrapped = fmt.Errorf("home: %w", test.err)
		}
		if got := exitCode(wrapped); got != test.code {
			t.Errorf("exitCode(%v) = %d, want %d", test.err, got, test.code)
		}
	}
}

func TestExitCodeOfARunCountsWhatWasReported(t *testing.T) {
	quiet := func() *report { return &report{Reporter: silent{}} }
	guarded, failed, troubled, both := quiet(), quiet(), quiet(), quiet()
	guarded.Guard(plan.Refusal{})
	failed.Action(plan.Action{}, syncer.Failed, errors.New("x"))
	troubled.Trouble("A", mailbox.ErrNetwork)
	both.Guard(plan.Refusal{})
	both.Trouble("A", mailbox.ErrNetwork)
	stale := quiet()
	stale.Action(plan.Action{}, syncer.Stale, nil)
	for name, test := range map[string]struct {
		report *report
		counts syncer.Summary
		err    error
		want   int
	}{
		"clean": {quiet(), syncer.Summary{}, nil, 0}, "guarded": {guarded, syncer.Summary{}, nil, 14}, "failed": {failed, syncer.Summary{}, nil, 3},
		"trouble": {troubled, syncer.Summary{}, nil, 3}, "guarded and failed": {both, syncer.Summary{}, nil, 14},
		"counted only": {quiet(), syncer.Summary{Failed: 1}, nil, 3}, "guard counted only": {quiet(), syncer.Summary{Guarded: 1}, nil, 14},
		"stale": {stale, syncer.Summary{Stale: 1}, nil, 13}, "ended early": {failed, syncer.Summary{}, mailbox.ErrStopped, 130},
		"network gone": {quiet(), syncer.Summary{}, mailbox.ErrNetwork, 13}, "network gone and failed": {failed, syncer.Summary{}, mailbox.ErrNetwork, 3},
	} {
		if got := test.report.exitCode(test.counts, test.err); got != test.want {
			t.Errorf("%s: exit code %d, want %d", name, got, test.want)
		}
	}
}

func TestSeverityNamesEveryCodeOnce(t *testing.T) {
	seen := map[int]bool{}
	for _, code := range severity {
		if seen[code] {
			t.Errorf("%d twice", code)
		}
		seen[code] = true
	}
	for _, row := range exitTable {
		if !seen[row.code] {
			t.Errorf("%v: code %d has no severity", row.err, row.code)
		}
	}
	if worse(exitTemporary, exitGuarded) != exitGuarded || worse(exitDone, exitTemporary) != exitTemporary {
		t.Error("worse picks the lesser one")
	}
}

func TestHintsAreWholeSentences(t *testing.T) {
	for _, row := range exitTable {
		hint := hintFor(fmt.Errorf("x: %w", row.err), "mailferry sync home")
		if strings.Contains(hint, "%!") || strings.Contains(hint, "%s") {
			t.Errorf("%v: hint %q", row.err, hint)
		}
		if row.code != exitNotSetUp && row.hint != "" && hint == "" {
			t.Errorf("%v: no hint", row.err)
		}
	}
}

func TestGuardTellsWhatWasSeenAndBothWaysOut(t *testing.T) {
	refusals := []plan.Refusal{
		{Mailbox: "INBOX", Reason: plan.Emptied, Side: "disk", Deletions: 400, Known: 400},
		{Mailbox: "Work", Reason: plan.TooManyDeletions, Side: "server", Deletions: 12, Known: 50},
	}
	text, hint := guardText(refusals), guardHint(refusals, "mailferry sync home")
	for _, want := range []string{"INBOX: all 400 messages are gone from the disk", "Work: 12 of 50 messages are gone from the server"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in:\n%s", want, text)
		}
	}
	for _, want := range []string{"mailferry sync home --allow-deletes 412", "mailferry backup home"} {
		if !strings.Contains(hint, want) {
			t.Errorf("%q is missing in:\n%s", want, hint)
		}
	}
}

func TestQuotedArgumentsSurviveAShell(t *testing.T) {
	for arg, want := range map[string]string{
		"/home/me/Mail": "/home/me/Mail", "Old Mail": "'Old Mail'", "it's": `'it'\''s'`, "": "''", "$(x)": "'$(x)'", "a\x1b": "'a\x1b'",
	} {
		if got := quoted(arg); got != want {
			t.Errorf("quoted(%q) = %s, want %s", arg, got, want)
		}
	}
}
