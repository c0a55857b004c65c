package main

import (
	"context"

	"mailferry/syncer"
)

// staleRounds is how often a run looks again, at once, because mail changed
// under its hands.
const staleRounds = 2

// runSettling runs the engine, and again for actions that went stale, as the
// next run would. The summary counts all rounds; what is stale in it was so in
// the last one. After failures and refusals it leaves the rest to the next run.
func (a *app) runSettling(ctx context.Context, options syncer.Options) (syncer.Summary, error) {
	total, err := syncer.Run(ctx, options)
	if limits := options.Policy.Retention; limits != nil && limits.HasFree {
		return total, err // how much is to be freed was asked before the run
	}
	for range staleRounds {
		if err != nil || total.Stale == 0 || total.Failed > 0 || total.Guarded > 0 || ctx.Err() != nil || a.stopped() {
			break
		}
		options.Recover = false
		var next syncer.Summary
		next, err = syncer.Run(ctx, options)
		total = addRounds(total, next)
	}
	return total, err
}

// addRounds adds a later round's counts. Traffic is the account's, not the
// round's.
func addRounds(a, b syncer.Summary) syncer.Summary {
	b.Downloaded += a.Downloaded
	b.TakenAway += a.TakenAway
	b.Uploaded += a.Uploaded
	b.FlagsLocal += a.FlagsLocal
	b.FlagsRemote += a.FlagsRemote
	b.RemovedLocal += a.RemovedLocal
	b.ExpungedRemote += a.ExpungedRemote
	b.Moved += a.Moved
	b.Conflicts += a.Conflicts
	b.Failed += a.Failed
	b.Guarded += a.Guarded
	b.MailboxesCreated += a.MailboxesCreated
	b.MailboxesDeleted += a.MailboxesDeleted
	b.MailboxesRenamed += a.MailboxesRenamed
	b.Mailboxes = max(a.Mailboxes, b.Mailboxes)
	return b
}
