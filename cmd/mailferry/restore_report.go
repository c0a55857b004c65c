package main

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"mailferry/syncer"
	"mailferry/syncer/mailbox"
	"mailferry/syncer/plan"
)

// restoreReport is a report that also counts what travels and what is lost on
// the way.
type restoreReport struct {
	report
	messages, mailboxes int
	octets              int64
	// sent are the uploads planned, by mailbox: size and key of each.
	sent []plan.Action
	lost map[mailbox.Name]*lostKeywords
	// refused are the mailboxes that the server did not make, for their names.
	refused []mailbox.Name
}

// lostKeywords are those that a mailbox there cannot keep.
type lostKeywords struct {
	names    map[string]bool
	messages int
}

func newRestoreReport(out syncer.Reporter) *restoreReport {
	return &restoreReport{report: report{Reporter: out}, lost: map[mailbox.Name]*lostKeywords{}}
}

// Action counts.
func (r *restoreReport) Action(action plan.Action, result syncer.Result, err error) {
	r.mu.Lock()
	switch {
	case result == syncer.Failed && action.Kind == plan.CreateMailboxRemote && isForName(err):
		r.refused = append(r.refused, action.Mailbox)
	case result != syncer.Planned && result != syncer.Done:
	case action.Kind == plan.CreateMailboxRemote:
		r.mailboxes++
	case action.Kind == plan.Upload:
		r.messages++
		r.octets += action.Size
		if lost := action.Link.Agreed.Minus(action.Flags); !lost.IsEmpty() {
			r.loses(action.Mailbox, lost)
		}
		if result == syncer.Planned {
			action.Link = nil
			r.sent = append(r.sent, action)
		}
	}
	r.mu.Unlock()
	r.report.Action(action, result, err)
}

// isForName reports whether a mailbox may have been refused for its name.
func isForName(err error) bool {
	var refused *mailbox.ServerError
	return errors.As(err, &refused) && refused.Kind == nil && refused.Status != "BYE"
}

func (r *restoreReport) loses(name mailbox.Name, flags mailbox.Flags) {
	lost := r.lost[name]
	if lost == nil {
		lost = &lostKeywords{names: map[string]bool{}}
		r.lost[name] = lost
	}
	lost.messages++
	for _, flag := range flags.Names() {
		lost.names[flag] = true
	}
}

func (l *lostKeywords) String() string {
	return strings.Join(slices.Sorted(maps.Keys(l.names)), " ")
}

// tellLost reports the flags that the server cannot keep.
func (r *restoreReport) tellLost() {
	for _, name := range slices.Sorted(maps.Keys(r.lost)) {
		lost := r.lost[name]
		r.Trouble(name, fmt.Errorf("flags that the server does not keep there: %s: %d messages are there without them", lost, lost.messages))
	}
}
