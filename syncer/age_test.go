package syncer_test

import (
	"context"
	"testing"

	"mailferry/syncer"
	"mailferry/syncer/mailbox"
	"mailferry/syncer/plan"
	"mailferry/syncer/synctest"
)

// undated is a server that tells no date of a message.
type undated struct {
	*synctest.Model
	uid mailbox.UID
}

func (m undated) Observe(ctx context.Context, name mailbox.Name, since mailbox.Since, each func(mailbox.RemoteMessage) error) (mailbox.Observation, error) {
	return m.Model.Observe(ctx, name, since, func(row mailbox.RemoteMessage) error {
		if row.UID == m.uid {
			row.Date = mailbox.Date{}
		}
		return each(row)
	})
}

// A message whose INTERNALDATE could not be read when it came is not young for
// ever: the server is asked again, and while it does not tell, the archive says
// that it keeps the message.
func TestArchiveAsksAgainForADateThatCouldNotBeRead(t *testing.T) {
	for name, model := range map[string]synctest.ModelOptions{"with CONDSTORE": synctest.FullModel(), "without": {UIDPlus: true}} {
		t.Run(name, func(t *testing.T) {
			w := calmWorld(t, model)
			w.put("INBOX", 3)
			limits := plan.Retention{Before: mailbox.Date{Unix: someDate.Unix + 1, Known: true}, Now: mailbox.Date{Unix: someDate.Unix + 2, Known: true}}
			silent := func(o *syncer.Options) { o.Remote = undated{w.model, 2} }
			w.bend(both(backingUp, silent))
			for range 2 {
				summary := w.bend(both(archiving(limits), silent))
				if left := w.server.Messages("INBOX"); len(left) != 1 || left[0].UID != 2 || summary.Failed != 1 {
					t.Fatalf("left %v, %+v", left, summary)
				}
			}
			// Another limit keeps it: nothing is to be said.
			seen := limits
			seen.SeenOnly = true
			if summary := w.bend(both(archiving(seen), silent)); summary.Failed != 0 {
				t.Errorf("%+v", summary)
			}
			young := limits
			young.Before.Unix = someDate.Unix - 1
			if summary := w.bend(archiving(young)); summary.Failed+summary.ExpungedRemote != 0 {
				t.Errorf("%+v", summary)
			}
			if summary := w.bend(archiving(limits)); summary.Failed != 0 || summary.ExpungedRemote != 1 || summary.Downloaded != 0 {
				t.Errorf("%+v", summary)
			}
		})
	}
}
