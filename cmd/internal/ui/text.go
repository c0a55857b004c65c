package ui

import (
	"fmt"
	"strings"

	"github.com/dustin/go-humanize"

	"mailferry/syncer"
	"mailferry/syncer/mailbox"
	"mailferry/syncer/plan"
)

// Text tells people about one account's run. It implements syncer.Reporter.
type Text struct {
	Console *Console
	Account string
	// DryRun shows what would be done, Verbose what is done.
	DryRun, Verbose bool
	// Quiet shows neither progress nor notices.
	Quiet bool
	// Fleet, if not nil, has this account's progress drawn with the others', and
	// its lines say whose they are.
	Fleet *Fleet
}

// Action shows planned actions, and those done with Verbose. Failures are told
// at the end, with what to do about them.
func (t Text) Action(action plan.Action, result syncer.Result, _ error) {
	switch {
	case result == syncer.Planned && !t.Quiet, result == syncer.Done && t.Verbose:
		fmt.Fprintln(t.Console.Out(), t.whose()+ActionLine(action))
	case result == syncer.Stale && t.Verbose:
		fmt.Fprintln(t.Console.Out(), t.whose()+ActionLine(action)+"  (changed meanwhile, left for the next run)")
	}
}

// Guard does nothing: refusals are told at the end, all together.
func (t Text) Guard(plan.Refusal) {}

// Trouble does nothing: it is told at the end.
func (t Text) Trouble(mailbox.Name, error) {}

// Notice tells what should be known though nothing failed.
func (t Text) Notice(name mailbox.Name, text string) {
	if !t.Quiet && (t.Verbose || t.Console.IsTerminal()) {
		fmt.Fprintf(t.Console.Err(), "mailferry: note: %s: %s\n", Escape(place(t.Account, name)), Escape(text))
	}
}

// Progress draws the progress.
func (t Text) Progress(p syncer.Progress) {
	switch {
	case t.Quiet:
	case t.Fleet != nil:
		t.Fleet.Progress(t.Account, p)
	default:
		t.Console.Progress(t.Account, p)
	}
}

func (t Text) whose() string {
	if t.Fleet == nil {
		return ""
	}
	return Escape(t.Account) + ": "
}

func place(account string, name mailbox.Name) string {
	if name == "" {
		return account
	}
	return account + ": " + string(name)
}

// ActionLine is an action in one line for people.
func ActionLine(action plan.Action) string {
	name := string(action.Mailbox)
	if action.To != "" {
		name += " -> " + string(action.To)
	}
	parts := []string{fmt.Sprintf("%-22s %s", action.Kind, Escape(name))}
	if action.UID != 0 {
		parts = append(parts, fmt.Sprintf("uid %d", action.UID))
	} else if action.Key != "" {
		parts = append(parts, Escape(string(action.Key)))
	}
	if action.Size > 0 {
		parts = append(parts, humanize.IBytes(uint64(action.Size)))
	}
	for _, flag := range action.Change.Add.Names() {
		parts = append(parts, "+"+Escape(flag))
	}
	for _, flag := range action.Change.Remove.Names() {
		parts = append(parts, "-"+Escape(flag))
	}
	return strings.Join(parts, "  ")
}

// Summary shows the last line: where somebody watches, where it was asked for,
// and always for a run that did not do everything. Without a terminal a run
// that succeeds prints nothing.
func (t Text) Summary(s Summary) {
	if t.Quiet || s.ExitCode == 0 && !t.DryRun && !t.Verbose && !t.Console.OutIsTerminal() {
		return
	}
	fmt.Fprintln(t.Console.Out(), s.String())
}
