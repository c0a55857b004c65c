package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"mailferry/cmd/internal/config"
	"mailferry/cmd/internal/ui"
	"mailferry/maildirout"
	"mailferry/state"
)

func newUndoCommand(a *app) *cobra.Command {
	var since string
	var dryRun bool
	cmd := &cobra.Command{
		Use:   "undo [ACCOUNT | DIR]",
		Short: "Put back what runs removed from disk",
		Long: `Puts messages that runs removed from disk back into the folders they were
removed from. The next sync uploads them. The store's trash keeps them for 30
days.`,
		Example:           "  mailferry undo home --since 2h --dry-run",
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: a.completeAccounts,
		RunE: func(cmd *cobra.Command, args []string) error {
			age, err := config.ParseAge(since)
			if err != nil {
				return usagef("--since: %w", err)
			}
			t, err := a.oneTarget(cmd.Context(), args)
			if err != nil {
				return err
			}
			return a.undo(cmd.Context(), t, time.Now().Add(-age), dryRun)
		},
	}
	cmd.Flags().StringVar(&since, "since", "24h", "what was removed within this `TIME`, such as 2h or 30d")
	cmd.Flags().BoolVarP(&dryRun, "dry-run", "n", false, "show what would be put back and change nothing")
	return cmd
}

// undo puts files back while it holds the store's lock, and tells.
func (a *app) undo(ctx context.Context, t target, since time.Time, dryRun bool) error {
	started := time.Now()
	restored, err := a.putBack(ctx, t, since, dryRun)
	code := exitCode(err)
	a.showRestored(t.account.Name, restored, dryRun)
	if err != nil {
		a.console.Error(t.account.Name+": "+err.Error(), hintFor(err, "mailferry undo "+t.typed))
	}
	if a.flags.json {
		end := undoSummary{
			Type: "summary", SchemaVersion: ui.SchemaVersion, Account: t.account.Name, Command: "undo", DryRun: dryRun,
			Restored: len(restored), DurationMS: time.Since(started).Milliseconds(), ExitCode: code,
		}
		ui.WriteJSON(a.out(), end)
	} else if !a.flags.quiet {
		verb := "put back"
		if dryRun {
			verb = "would be put back"
		}
		fmt.Fprintf(a.out(), "%s: %d %s\n", ui.Escape(t.account.Name), len(restored), verb)
	}
	return status(code)
}

func (a *app) putBack(ctx context.Context, t target, since time.Time, dryRun bool) (_ []maildirout.Restored, err error) {
	if t.err != nil {
		return nil, t.err
	}
	if _, err := state.ReadMarker(t.account.Store); errors.Is(err, state.ErrNotAStore) {
		if missing := a.missingMarker(ctx, t.account.Store); missing != nil {
			return nil, missing.MarkerMissingError
		}
		return nil, fmt.Errorf("%s: no store yet: %w", t.account.Store, errNotSetUp)
	}
	base, err := state.Open(ctx, a.stateOptions(t.account, transferFlags{dryRun: dryRun}))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, base.Close()) }()
	if _, err := os.Stat(t.account.Store); err != nil {
		return nil, err
	}
	disk, err := openDisk(a, t.account, t.account.Store, dryRun)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, disk.Close()) }()
	return disk.Undo(ctx, since, dryRun)
}

type restoredObject struct {
	Type    string    `json:"type"`
	Account string    `json:"account"`
	Action  string    `json:"action"`
	Mailbox string    `json:"mailbox"`
	Key     string    `json:"key"`
	Removed time.Time `json:"removed"`
	Result  string    `json:"result"`
}

type undoSummary struct {
	Type          string `json:"type"`
	SchemaVersion int    `json:"schema_version"`
	Account       string `json:"account"`
	Command       string `json:"command"`
	DryRun        bool   `json:"dry_run"`
	Restored      int    `json:"restored"`
	DurationMS    int64  `json:"duration_ms"`
	ExitCode      int    `json:"exit_code"`
}

func (a *app) showRestored(account string, restored []maildirout.Restored, dryRun bool) {
	result := "done"
	if dryRun {
		result = "planned"
	}
	for _, r := range restored {
		switch {
		case a.flags.json:
			ui.WriteJSON(a.out(), restoredObject{
				Type: "action", Account: account, Action: "restore-local", Mailbox: string(r.Name),
				Key: string(r.Key), Removed: r.Removed, Result: result,
			})
		case !a.flags.quiet:
			fmt.Fprintf(a.out(), "%-22s %s  %s  removed %s\n", "restore-local", ui.Escape(string(r.Name)),
				ui.Escape(string(r.Key)), r.Removed.Local().Format(time.DateTime))
		}
	}
}
