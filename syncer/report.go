package syncer

import (
	"sync"
	"time"

	"mailferry/syncer/mailbox"
	"mailferry/syncer/plan"
)

// Result says what became of an action. Its text is what JSON shows.
type Result string

// The results.
const (
	Planned Result = "planned" // a dry run
	Done    Result = "done"
	Stale   Result = "stale" // the world had changed; the next run decides anew
	Failed  Result = "failed"
)

// Reporter is told what a run does, as it does it. Calls never overlap.
type Reporter interface {
	// Action reports one action's result; err is nil unless it is Failed.
	Action(action plan.Action, result Result, err error)
	// Guard reports that deletions were refused.
	Guard(refusal plan.Refusal)
	// Trouble reports what went wrong with one mailbox (name "": with the
	// account) while the rest went on.
	Trouble(name mailbox.Name, err error)
	// Notice tells what the user should know though nothing failed.
	Notice(name mailbox.Name, text string)
	// Progress reports how far the transfers have come.
	Progress(p Progress)
}

// Progress is how far a run's transfers have come. Octets are those of the
// messages; totals grow while mailboxes are looked at.
type Progress struct {
	// Phase is "looking", "transferring" or "finishing".
	Phase                     string
	Messages, TotalMessages   int64
	Octets, TotalOctets       int64
	Mailboxes, TotalMailboxes int64
	// Workers says what each connection is busy with, "" when idle.
	Workers []string
}

// progressEvery bounds how often a reporter is told of progress.
const progressEvery = 100 * time.Millisecond

// tally counts what happens and passes it on, one call at a time.
type tally struct {
	reporter Reporter
	mu       sync.Mutex
	counts   Summary
	progress Progress
	told     time.Time
}

func (t *tally) summary() Summary {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.counts
}

func (t *tally) planned(action plan.Action) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.count(action.Kind)
	t.reporter.Action(action, Planned, nil)
}

func (t *tally) done(action plan.Action) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.count(action.Kind)
	t.reporter.Action(action, Done, nil)
}

func (t *tally) stale(action plan.Action) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.counts.Stale++
	t.reporter.Action(action, Stale, nil)
}

func (t *tally) takenAway(n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.counts.TakenAway += n
}

func (t *tally) failed(action plan.Action, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.counts.Failed++
	t.reporter.Action(action, Failed, err)
}

// trouble counts as one failure: not everything asked for happened.
func (t *tally) trouble(name mailbox.Name, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.counts.Failed++
	t.reporter.Trouble(name, err)
}

func (t *tally) notice(name mailbox.Name, text string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.reporter.Notice(name, text)
}

func (t *tally) refused(refusal plan.Refusal) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.counts.Guarded += refusal.Deletions
	t.reporter.Guard(refusal)
}

func (t *tally) conflicts(n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.counts.Conflicts += n
}

func (t *tally) mailboxes(n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.counts.Mailboxes = n
	t.progress.TotalMailboxes = int64(n)
}

// advance changes the progress and tells of it, though not too often.
func (t *tally) advance(change func(*Progress)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	phase := t.progress.Phase
	change(&t.progress)
	if now := time.Now(); t.progress.Phase != phase || now.Sub(t.told) >= progressEvery {
		t.told = now
		p := t.progress
		p.Workers = append([]string(nil), p.Workers...)
		t.reporter.Progress(p)
	}
}

func (t *tally) count(kind plan.Kind) {
	switch c := &t.counts; kind {
	case plan.Download:
		c.Downloaded++
	case plan.Upload:
		c.Uploaded++
	case plan.FlagLocal:
		c.FlagsLocal++
	case plan.FlagRemote:
		c.FlagsRemote++
	case plan.RemoveLocal:
		c.RemovedLocal++
	case plan.ExpungeRemote:
		c.ExpungedRemote++
	case plan.MoveLocal, plan.MoveRemote:
		c.Moved++
	case plan.CreateMailboxLocal, plan.CreateMailboxRemote:
		c.MailboxesCreated++
	case plan.DeleteMailboxLocal, plan.DeleteMailboxRemote:
		c.MailboxesDeleted++
	case plan.RenameMailboxLocal, plan.RenameMailboxRemote:
		c.MailboxesRenamed++
	}
}
