package main

import (
	"fmt"
	"strings"
	"sync"

	"mailferry/cmd/internal/ui"
	"mailferry/syncer"
	"mailferry/syncer/mailbox"
	"mailferry/syncer/plan"
)

// maxTold is how many failures are told one by one.
const maxTold = 20

// report passes a run's reports on and remembers what the end has to tell.
type report struct {
	syncer.Reporter
	mu       sync.Mutex
	refusals []plan.Refusal
	failures []string // at most maxTold
	failed   int
	troubles []trouble
	// mutes, if not nil, decides whether a run's end is kept to itself.
	mutes func(code int, blocks []block, err error) bool
}

type trouble struct {
	name mailbox.Name
	err  error
}

// Action remembers failures.
func (r *report) Action(action plan.Action, result syncer.Result, err error) {
	if result == syncer.Failed {
		r.mu.Lock()
		if r.failed++; len(r.failures) < maxTold {
			r.failures = append(r.failures, strings.Join(strings.Fields(ui.ActionLine(action)), " ")+": "+reason(action.Mailbox, err))
		}
		r.mu.Unlock()
	}
	r.Reporter.Action(action, result, err)
}

// Guard remembers refusals.
func (r *report) Guard(refusal plan.Refusal) {
	r.mu.Lock()
	r.refusals = append(r.refusals, refusal)
	r.mu.Unlock()
	r.Reporter.Guard(refusal)
}

// Trouble remembers what went wrong with a mailbox.
func (r *report) Trouble(name mailbox.Name, err error) {
	r.mu.Lock()
	r.troubles = append(r.troubles, trouble{name, err})
	r.mu.Unlock()
	r.Reporter.Trouble(name, err)
}

// exitCode is the run's, given what ended it early. A guard outweighs messages
// that failed: only a person can go on from there. What changed under the run
// is for the next one.
func (r *report) exitCode(summary syncer.Summary, err error) int {
	code := exitCode(err)
	if summary.Stale > 0 {
		code = worse(code, exitTemporary)
	}
	if len(r.refusals) > 0 || summary.Guarded > 0 {
		code = worse(code, exitGuarded)
	}
	if summary.Failed > 0 || r.failed > 0 || len(r.troubles) > 0 {
		code = worse(code, exitPartly)
	}
	return code
}

// block is what is told of one thing that went wrong.
type block struct{ message, hint string }

// tell prints everything that went wrong and was not told yet. Again is the
// command to type again.
func (r *report) tell(console *ui.Console, account, again string, summary syncer.Summary, err error) {
	for _, b := range r.blocks(account, again, summary, err) {
		console.Error(b.message, b.hint)
	}
}

// blocks are what tell prints.
func (r *report) blocks(account, again string, summary syncer.Summary, err error) []block {
	var list []block
	if err != nil {
		text := err.Error()
		if exitCode(err) == exitInterrupted {
			text = "interrupted"
		}
		list = append(list, block{account + ": " + text, hintFor(err, again)})
	}
	list = append(list, r.troubleBlocks(account, again)...)
	if r.failed > 0 {
		text := fmt.Sprintf("%s: %d failed:\n%s", account, r.failed, strings.Join(r.failures, "\n"))
		if more := r.failed - len(r.failures); more > 0 {
			text += fmt.Sprintf("\nand %d more", more)
		}
		list = append(list, block{text, "the rest is done; these are tried again by: " + again})
	}
	if summary.Stale > 0 && err == nil && r.failed == 0 && len(r.troubles) == 0 {
		text := fmt.Sprintf("%s: mail kept changing while it was looked at; %d steps are left", account, summary.Stale)
		list = append(list, block{text, "nothing is lost; go on with: " + again})
	}
	if len(r.refusals) > 0 {
		list = append(list, block{account + ": " + guardText(r.refusals), guardHint(r.refusals, again)})
	}
	return list
}

func (r *report) troubleBlocks(account, again string) (list []block) {
	for i, t := range r.troubles {
		if i == maxTold {
			text := fmt.Sprintf("%s: %d more mailboxes have trouble", account, len(r.troubles)-i)
			return append(list, block{text, "mailferry ... --json names all"})
		}
		text := account
		if t.name != "" {
			text += ": " + string(t.name)
		}
		hint := hintFor(t.err, again)
		if hint == "" {
			hint = "the rest is done; this mailbox is tried again by: " + again
		}
		list = append(list, block{text + ": " + reason(t.name, t.err), hint})
	}
	return list
}

// reason is an error's text without the mailbox's name, where that is told
// anyway: many errors begin with it.
func reason(name mailbox.Name, err error) string {
	return strings.TrimPrefix(fmt.Sprint(err), string(name)+": ")
}

// guardText says exactly what was seen.
func guardText(refusals []plan.Refusal) string {
	lines := []string{"deletions were refused; everything else was done"}
	for _, r := range refusals {
		lines = append(lines, fmt.Sprintf("%s: %s", nameOr(r.Mailbox, "all mailboxes"), refusalText(r)))
		if r.TakenAway {
			lines = append(lines, "perhaps another POP client deletes mail here: stop it, or let it leave mail on the server")
		}
	}
	return strings.Join(lines, "\n")
}

func refusalText(r plan.Refusal) string {
	here, there := "the server", "on disk"
	if r.Side == "disk" {
		here, there = "the disk", "on the server"
	}
	switch r.Reason {
	case plan.Emptied:
		return fmt.Sprintf("all %d messages are gone from %s; %d would be deleted %s", r.Known, here, r.Deletions, there)
	case plan.UIDValidity:
		return fmt.Sprintf("the server numbers the messages anew, and %d of %d are not found again; they would be deleted %s",
			r.Deletions, r.Known, there)
	case plan.MarkerMissing:
		return "the store's marker is missing"
	}
	return fmt.Sprintf("%d of %d messages are gone from %s, more than usual; they would be deleted %s", r.Deletions, r.Known, here, there)
}

// guardHint names both ways out.
func guardHint(refusals []plan.Refusal, again string) string {
	total, disk := 0, false
	for _, r := range refusals {
		total += r.Deletions
		disk = disk || r.Side == "disk"
	}
	hint := fmt.Sprintf("if they were deleted on purpose: %s --allow-deletes %d", again, total)
	if disk {
		return hint + "\nif they were lost on disk, this puts them back: " + backupInstead(again)
	}
	return hint + "\nif not, put them back on the server, or keep what is on disk by on_remote_delete = \"keep\""
}

// backupInstead turns a command line into a backup of the same account.
func backupInstead(again string) string {
	words := strings.SplitN(again, " ", 3)
	if strings.Contains(again, " --accounts ") {
		return "the mode backup in the list, then " + again
	}
	if len(words) < 3 {
		return "mailferry backup"
	}
	return words[0] + " backup " + words[2]
}

func nameOr(name mailbox.Name, otherwise string) string {
	if name == "" {
		return otherwise
	}
	return string(name)
}

// silent is a Reporter that tells nobody.
type silent struct{}

func (silent) Action(plan.Action, syncer.Result, error) {}
func (silent) Guard(plan.Refusal)                       {}
func (silent) Trouble(mailbox.Name, error)              {}
func (silent) Notice(mailbox.Name, string)              {}
func (silent) Progress(syncer.Progress)                 {}
