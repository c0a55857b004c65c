package plan

import (
	"slices"
	"testing"

	"mailferry/syncer/mailbox"
)

// A message that has header fields on disk which the server does not have is
// known again after the server renumbered, also where the folder did not change
// and was not listed.
func TestAlikeMessagesAreMatchedAfterRenumbering(t *testing.T) {
	for _, unchanged := range []bool{true, false} {
		date := mailbox.Date{Unix: 1, Known: true}
		base := Base{
			Known: mailbox.Known{ID: 1, Name: "INBOX", HasRemote: true, HasLocal: true, Remote: mailbox.Status{UIDValidity: 1, UIDNext: 8}},
			Links: []mailbox.Link{{ID: 1, UID: 7, Key: "k", Date: date, Content: mailbox.Content{Size: 122, Hash: mailbox.Hash{1}, Header: mailbox.Hash{2}}}},
		}
		local := Local{Unchanged: unchanged}
		if !unchanged {
			local.Messages = []mailbox.LocalMessage{{Key: "k"}}
		}
		remote := Remote{
			Observation: mailbox.Observation{Status: mailbox.Status{UIDValidity: 2, UIDNext: 8}, Complete: true, Holds: mailbox.Holds{AnyKeyword: true}},
			Messages:    []mailbox.RemoteMessage{{UID: 7, Size: 100, HasSize: true, HasFlags: true, Date: date, Header: mailbox.Hash{3}}},
		}
		uids, keys := AskAlike(base, local, remote, Sync(), false)
		if uids.String() != "7" || !slices.Equal(keys, []mailbox.Key{"k"}) {
			t.Fatalf("unchanged %v: asks for %s and %s", unchanged, uids, keys)
		}
		if uids, keys := AskAlike(base, local, remote, Sync(), true); !uids.IsEmpty() || len(keys) != 0 {
			t.Errorf("unchanged %v: asks for %s and %s, whose line ends are in order", unchanged, uids, keys)
		}
		remote.Messages[0].Alike = mailbox.Hash{4}
		local.Alike = map[mailbox.Key]mailbox.Hash{"k": {4}}
		plan := Make(base, local, remote, Sync())
		if len(plan.Actions) != 0 || plan.Matched != 1 || len(plan.Put) != 1 || plan.Put[0].UID != 7 {
			t.Errorf("unchanged %v: %+v", unchanged, plan)
		}
		local.Alike["k"] = mailbox.Hash{5}
		if plan := Make(base, local, remote, Sync()); plan.Matched != 0 || len(plan.Actions) != 2 {
			t.Errorf("unchanged %v, and not alike: %+v", unchanged, plan)
		}
	}
}
