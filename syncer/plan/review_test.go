package plan

import (
	"crypto/sha256"
	"testing"

	"mailferry/syncer/mailbox"
)

// Another mailbox was given the name of one that was deleted, and the same
// UIDVALIDITY: its messages are not those that the base knows by their UIDs.
func TestMakeBelievesNoUIDOfAnotherMailbox(t *testing.T) {
	content := func(text string) mailbox.Content {
		return mailbox.Content{Size: int64(len(text)), Hash: sha256.Sum256([]byte(text)), Header: sha256.Sum256([]byte(text))}
	}
	on := func(day int64) mailbox.Date { return mailbox.Date{Unix: day, Known: true} }
	base := Base{
		Known: mailbox.Known{ID: 1, Name: "A", HasRemote: true, HasLocal: true, Remote: mailbox.Status{UIDValidity: 7, UIDNext: 3, Messages: 2}},
		Links: []mailbox.Link{
			{ID: 1, UID: 1, Key: "a", Content: content("old one"), Date: on(1)},
			{ID: 2, UID: 2, Key: "b", Content: content("old number two"), Date: on(2)},
		},
	}
	local := Local{Messages: []mailbox.LocalMessage{{Key: "a"}, {Key: "b"}}}
	remote := Remote{
		Observation: mailbox.Observation{Status: mailbox.Status{UIDValidity: 7, UIDNext: 2, Messages: 1}, Complete: true},
		Messages:    []mailbox.RemoteMessage{{UID: 1, HasFlags: true, HasSize: true, Size: 400, Date: on(300), Header: sha256.Sum256([]byte("new"))}},
	}
	kinds := map[Kind]int{}
	for _, action := range Make(base, local, remote, Sync()).Actions {
		kinds[action.Kind]++
	}
	if kinds[Download] != 1 || kinds[Upload] != 2 || len(kinds) != 2 {
		t.Errorf("%v", kinds)
	}
	remote.Delta = true
	if p := Make(base, local, remote, Sync()); len(p.Actions) > 0 || p.Settled {
		t.Errorf("decided by a part of the mailbox: %+v", p)
	}
}

// Only a listing tells whether a download got its name: believed without, it
// would look deleted in the next run, and be expunged.
func TestMakeSettlesNoDownloadWithoutAListing(t *testing.T) {
	base := Base{
		Known: mailbox.Known{ID: 1, Name: "A", HasRemote: true, HasLocal: true, Remote: mailbox.Status{UIDValidity: 7, UIDNext: 2, Messages: 1}},
		Links: []mailbox.Link{{ID: 1, UID: 1, Key: "a", Kind: mailbox.PendingDownload}},
	}
	remote := Remote{Observation: mailbox.Observation{Status: base.Known.Remote, Complete: true, Delta: true}}
	if p := Make(base, Local{Unchanged: true}, remote, Sync()); len(p.Put)+len(p.Actions) > 0 || p.Settled {
		t.Errorf("%+v", p)
	}
}
