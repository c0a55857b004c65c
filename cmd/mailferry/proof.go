package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/google/renameio/v2/maybe"

	"mailferry/cmd/internal/config"
	"mailferry/cmd/internal/ui"
	"mailferry/syncer/mailbox"
	"mailferry/syncer/verify"
)

// writeProof writes the page of verify --html: whole or not at all.
func (a *app) writeProof(v *verification, end ui.Verification) error {
	var notChecked []string
	for _, pattern := range v.flags.mailboxes {
		notChecked = append(notChecked, "Mailboxes other than --mailbox "+pattern+".")
	}
	if end.Quick || end.Sample > 0 {
		notChecked = append(notChecked, "The octets of messages that were not read.")
	}
	if v.flags.against != "" && !v.flags.both {
		notChecked = append(notChecked, "Whether the store holds everything that its own server has (verify without --against, or with --both).")
	}
	page, err := ui.NewProof(end, "mailferry "+buildVersion().Version, v.store, notChecked, time.Now()).WriteHTML()
	if err != nil {
		return err
	}
	if err := maybe.WriteFile(v.flags.html, page, 0o600); err != nil {
		return fmt.Errorf("write the proof: %w", err)
	}
	return nil
}

// checkProof holds a store against the proof that was made of it.
func (a *app) checkProof(ctx context.Context, args []string, f verifyFlags) error {
	page, err := os.ReadFile(config.ExpandHome(f.proof, a.env))
	if err != nil {
		return usagef("--proof: %w", err)
	}
	proof, err := ui.ReadProof(page)
	if err != nil {
		return fmt.Errorf("%s: %w", f.proof, err)
	}
	if len(proof.Messages) == 0 {
		return fmt.Errorf("%s: the proof lists no messages: they were not all read when it was made", f.proof)
	}
	if len(args) == 0 {
		args = []string{cmp.Or(proof.Store, proof.Account)}
	}
	t, err := a.oneTarget(ctx, args)
	if err != nil {
		return err
	}
	started := time.Now()
	missing, err := a.missingFromProof(ctx, t, proof)
	a.console.EndProgress()
	code := exitCode(err)
	if err == nil && len(missing) > 0 {
		code = exitDifferent
	}
	a.tellProof(t, f, proof, missing, err, code, time.Since(started))
	return status(code)
}

// missingFromProof hashes the store again.
func (a *app) missingFromProof(ctx context.Context, t target, proof *ui.Proof) (missing map[mailbox.Name]int, err error) {
	both, err := a.openToRead(ctx, t)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, both.Close()) }()
	v := &verification{account: t.account.Name}
	here := &verify.Store{Disk: both.disk, Base: both.base, Readers: runtime.GOMAXPROCS(0)}
	if err := a.compare(ctx, v, finding{}, verify.Options{Here: here, Workers: 2}); err != nil {
		return nil, err
	}
	var hashes []mailbox.Hash
	for _, m := range v.findings[0].report.Mailboxes {
		hashes = append(hashes, m.Here.Hashes...)
	}
	return proof.Missing(hashes)
}

type proofObject struct {
	Type          string               `json:"type"`
	SchemaVersion int                  `json:"schema_version"`
	Account       string               `json:"account"`
	Command       string               `json:"command"`
	Proof         string               `json:"proof"`
	Messages      int                  `json:"messages"`
	Missing       map[mailbox.Name]int `json:"missing"`
	Differences   int                  `json:"differences"`
	DurationMS    int64                `json:"duration_ms"`
	ExitCode      int                  `json:"exit_code"`
	Error         string               `json:"error,omitempty"`
}

func (a *app) tellProof(t target, f verifyFlags, proof *ui.Proof, missing map[mailbox.Name]int, err error, code int, took time.Duration) {
	total := 0
	var lines []string
	for _, name := range slices.Sorted(maps.Keys(missing)) {
		total += missing[name]
		lines = append(lines, fmt.Sprintf("%s: %d messages are not in the store any more, or not as they were", name, missing[name]))
	}
	made := proof.Made.Local().Format(time.DateOnly)
	if a.flags.json {
		object := proofObject{
			Type: "summary", SchemaVersion: ui.SchemaVersion, Account: t.account.Name, Command: "verify", Proof: f.proof,
			Messages: proof.Len(), Missing: missing, Differences: total, DurationMS: took.Milliseconds(), ExitCode: code,
		}
		if err != nil {
			object.Error = err.Error()
		}
		ui.WriteJSON(a.out(), object)
	} else if code == exitDone && !a.flags.quiet && (a.flags.verbose > 0 || a.console.OutIsTerminal()) {
		fmt.Fprintf(a.out(), "%s: verify: all %d messages of the proof of %s are in the store\n", ui.Escape(t.account.Name), proof.Len(), made)
	}
	switch {
	case err != nil:
		a.console.Error(t.account.Name+": "+err.Error(), hintFor(err, "mailferry verify --proof "+quoted(f.proof)+" "+t.typed))
	case total > 0:
		a.console.Error(fmt.Sprintf("%s: %d of the %d messages that the proof of %s lists are missing\n%s", t.account.Name, total, proof.Len(), made, strings.Join(lines, "\n")),
			"which files are damaged: mailferry verify "+t.typed+" --offline\nwhat runs removed: mailferry undo "+t.typed+" --dry-run")
	}
}
