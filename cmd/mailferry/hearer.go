package main

import (
	"fmt"
	"time"

	"mailferry/cmd/internal/config"
	"mailferry/cmd/internal/ui"
	"mailferry/syncer"
	"mailferry/syncer/mailbox"
	"mailferry/syncer/plan"
	"mailferry/syncer/watch"
)

// hearer hears what one run of a vigil reports, and passes on what is news.
type hearer struct {
	reporter
	vigil   *vigil
	found   [2]bool // by watch.Side
	summary ui.Summary
	err     error
}

// over puts the hearer before the reporter that tells.
func (h *hearer) over(out reporter) reporter {
	h.reporter = out
	return h
}

// Action notes on which side a change was found that should have been told.
func (h *hearer) Action(action plan.Action, result syncer.Result, err error) {
	if result == syncer.Done {
		switch action.Kind {
		case plan.Download, plan.FlagLocal, plan.RemoveLocal, plan.MoveLocal:
			if server := h.vigil.server.Load(); server != nil && server.Covers(action.Mailbox) {
				h.found[watch.Server] = true
			}
		case plan.Upload, plan.FlagRemote, plan.ExpungeRemote, plan.MoveRemote:
			h.found[watch.Disk] = h.vigil.current().command == config.ModeSync
		}
	}
	h.reporter.Action(action, result, err)
}

// Progress is for one account at a time, and for its first run, which may be long.
func (h *hearer) Progress(p syncer.Progress) {
	if len(h.vigil.vigils) == 1 && h.vigil.code.Load() < 0 {
		h.reporter.Progress(p)
	}
}

// hushes reports whether how the run ended is known already.
func (h *hearer) hushes(end ui.Summary, err error) bool {
	h.err = err
	if end.ExitCode == exitInterrupted {
		return true // by whoever ended the watch
	}
	return !h.vigil.streak.isNews(end)
}

// Summary passes on what is worth a line: as JSON all of them, to people what
// changed something or is news.
func (h *hearer) Summary(s ui.Summary) {
	h.summary = s
	v := h.vigil
	failures, since := v.streak.add(s, time.Now())
	if v.app.flags.json || v.app.flags.verbose > 0 || hasChanged(s.Summary) {
		h.reporter.Summary(s)
	}
	if s.ExitCode == exitDone && failures > 0 {
		v.tell("", fmt.Sprintf("works again, after %d failed runs since %s", failures, since.Format("15:04")))
	}
}

// outcome is what the loop has to know.
func (h *hearer) outcome(code int) watch.Outcome {
	outcome := watch.Outcome{
		Result: watch.Failed, Changed: hasChanged(h.summary.Summary), Found: h.found, Wait: suggestedWait(h.err),
	}
	switch code {
	case exitDone, exitInterrupted:
		outcome.Result = watch.Done
	case exitLocked:
		outcome.Result = watch.Busy
	case exitTemporary:
		outcome.Result = watch.Offline
		if h.summary.Stale > 0 {
			outcome.Result = watch.Busy
		}
	case exitAuth:
		outcome.Result = watch.Refused
	}
	return outcome
}

// streak is a row of runs of an account that failed alike. It is told once.
type streak struct {
	code, failed, guarded int
	runs                  int
	since                 time.Time
}

// isNews reports whether a run's end is to be told. A store that is in use is
// not: the other run tells.
func (s *streak) isNews(end ui.Summary) bool {
	return end.ExitCode != exitLocked && (s.runs == 0 || end.ExitCode != s.code || end.Failed != s.failed || end.Guarded != s.guarded)
}

// add takes note of a run's end and returns the streak before it.
func (s *streak) add(end ui.Summary, now time.Time) (runs int, since time.Time) {
	runs, since = s.runs, s.since
	switch end.ExitCode {
	case exitDone:
		*s = streak{}
	case exitLocked:
		// Nothing is known of what the other run does.
	default:
		if s.runs++; s.runs == 1 {
			s.since = now
		}
		s.code, s.failed, s.guarded = end.ExitCode, end.Failed, end.Guarded
	}
	return runs, since
}

// tell says what should be known, in the form that was asked for.
func (v *vigil) tell(name mailbox.Name, text string) {
	if v.app.flags.json {
		ui.NewJSON(v.app.out(), v.name).Notice(name, text)
		return
	}
	fmt.Fprintf(v.app.console.Err(), "mailferry: note: %s: %s\n", ui.Escape(v.name), ui.Escape(text))
}

// tellLie says that a side keeps changes to itself.
func (v *vigil) tellLie(side watch.Side) {
	text := "the server does not tell of all changes by itself; it is looked at oftener (mailferry help watch)"
	if side == watch.Disk {
		text = "the system does not tell of all changes of the store; it is looked at oftener (mailferry help watch)"
	}
	v.tell("", text)
}

// tellUntold says that the system tells nothing of the store.
func (v *vigil) tellUntold(err error) {
	v.tell("", fmt.Sprintf("the system does not tell of changes of the store (%v); it is looked at every few seconds (mailferry help watch)", err))
}
