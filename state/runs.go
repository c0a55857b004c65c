package state

import (
	"context"
	"fmt"
	"time"

	"mailferry/syncer/mailbox"
)

// runsKept is how many runs the state remembers, besides the last that succeeded
// and the first that failed after it: however long a streak of failures gets, it
// is known when all was well.
const runsKept = 500

const pruneRuns = `DELETE FROM runs WHERE id <= ?
	AND id IS NOT (SELECT MAX(id) FROM runs WHERE ok <> 0)
	AND id IS NOT (SELECT MIN(id) FROM runs WHERE id > (SELECT COALESCE(MAX(id), 0) FROM runs WHERE ok <> 0))`

// RunID names a run in the state. 0 is a run that is not recorded.
type RunID int64

// Run is one run of a command on the store.
type Run struct {
	ID      RunID
	Command string
	// Started and Ended are to the millisecond. Ended is zero while the run
	// is under way and for a run that was killed.
	Started, Ended time.Time
	OK             bool
	// Error is what ended the run early, or "".
	Error string
	// Summary is the run's counts as JSON, or "".
	Summary string
}

const runColumns = "id, command, started, ended, ok, error, summary, sum"

func readRun(row []any) Run {
	n := func(i int) int64 { v, _ := row[i].(int64); return v }
	t := func(i int) string { v, _ := row[i].(string); return v }
	run := Run{ID: RunID(n(0)), Command: t(1), Started: time.UnixMilli(n(2)), OK: n(4) != 0, Error: t(5), Summary: t(6)}
	if ended := n(3); ended != 0 {
		run.Ended = time.UnixMilli(ended)
	}
	return run
}

func (s *Store) putRun(ctx context.Context, run Run) error {
	ended := int64(0)
	if !run.Ended.IsZero() {
		ended = run.Ended.UnixMilli()
	}
	var check checksum
	row := []any{int64(run.ID), run.Command, run.Started.UnixMilli(), ended, truth(run.OK), run.Error, run.Summary, nil}
	check.seal(row)
	return s.exec(ctx, "INSERT OR REPLACE INTO runs ("+runColumns+") VALUES (?,?,?,?,?,?,?,?)", row...)
}

// BeginRun records that a run begins; until its EndRun the state is not clean.
// In a store that is only read it does nothing.
func (s *Store) BeginRun(ctx context.Context, command string) (RunID, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.options.ReadOnly {
		return 0, nil
	}
	run := Run{Command: command, Started: s.options.Now()}
	err := s.write(ctx, func(ctx context.Context, r *root) (bool, error) {
		last, err := s.readRuns(ctx, 1)
		if err != nil {
			return false, err
		}
		run.ID = 1
		if len(last) > 0 {
			run.ID = last[0].ID + 1
		}
		if err := s.putRun(ctx, run); err != nil {
			return false, err
		}
		r.clean = false
		return false, s.exec(ctx, pruneRuns, int64(run.ID)-runsKept)
	})
	if err != nil {
		return 0, fmt.Errorf("record the run: %w", err)
	}
	s.running = &run
	return run.ID, nil
}

// EndRun records how a run ended, and that it did so in order. It then brings
// the machine's note of the store up to date.
func (s *Store) EndRun(ctx context.Context, id RunID, ok bool, errText, summaryJSON string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.options.ReadOnly || id == 0 {
		return nil
	}
	if s.running == nil || s.running.ID != id {
		return fmt.Errorf("end run %d: %w", id, mailbox.ErrNotFound)
	}
	run := *s.running
	run.Ended, run.OK, run.Error, run.Summary = s.options.Now(), ok, errText, summaryJSON
	err := s.write(ctx, func(ctx context.Context, r *root) (bool, error) {
		r.clean = true
		return false, s.putRun(ctx, run)
	})
	if err != nil {
		return fmt.Errorf("record the run's end: %w", err)
	}
	s.running, s.clean = nil, true
	return s.publish()
}

// Runs lists the last n runs, the latest first; 0 is all that are remembered.
// Their numbers tell how many are left out between two of them.
func (s *Store) Runs(ctx context.Context, n int) ([]Run, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n == 0 {
		n = runsKept + 2
	}
	runs, err := s.readRuns(ctx, n)
	if err != nil {
		return nil, fmt.Errorf("runs of the state: %w", err)
	}
	return runs, nil
}

func (s *Store) readRuns(ctx context.Context, n int) ([]Run, error) {
	var runs []Run
	var check checksum
	err := s.rows(ctx, "SELECT "+runColumns+" FROM runs ORDER BY id DESC LIMIT ?", []any{int64(n)}, func(row []any) error {
		if _, ok := check.verify(row); !ok {
			return damaged("the checksum of a run does not match")
		}
		runs = append(runs, readRun(row))
		return nil
	})
	return runs, err
}
