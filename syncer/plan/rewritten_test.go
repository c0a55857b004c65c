package plan

import (
	"testing"

	"mailferry/syncer/mailbox"
)

// rewritten is an upload of a message of mixed line ends, which the server
// shows two octets longer.
func rewritten() (Base, Local, Remote) {
	content := mailbox.Content{Size: 22, Hash: mailbox.Hash{1}, Header: mailbox.Hash{2}, Verbatim: true}
	base := Base{
		Known: mailbox.Known{Name: "INBOX", HasRemote: true, HasLocal: true, Remote: mailbox.Status{UIDValidity: 7, UIDNext: 6}},
		Links: []mailbox.Link{{ID: 1, Kind: mailbox.PendingUpload, UID: 6, Key: "k", Content: content, Since: 6}},
	}
	local := Local{Messages: []mailbox.LocalMessage{{Key: "k"}}}
	remote := Remote{Messages: []mailbox.RemoteMessage{{UID: 6, HasFlags: true, HasSize: true, Size: 24}}}
	remote.Status = mailbox.Status{UIDValidity: 7, UIDNext: 7, Messages: 1}
	remote.Complete = true
	return base, local, remote
}

func TestUploadThatDiffersByLineEndsOnlyIsLinked(t *testing.T) {
	base, local, remote := rewritten()
	if asked := AskRewritten(base, remote); len(asked) != 1 || asked[0].UID != 6 {
		t.Fatalf("asked about %v", asked)
	}
	remote.Rewritten = mailbox.UIDs(6)
	p := Make(base, local, remote, Sync())
	if len(p.Actions) != 0 || len(p.Put) != 1 || p.Put[0].Kind != mailbox.Linked || p.Put[0].UID != 6 || p.Put[0].Key != "k" {
		t.Errorf("actions %v, put %v", p.Actions, p.Put)
	}
}

func TestNothingIsAskedAboutUploadsThatAreNotRewritten(t *testing.T) {
	for what, change := range map[string]func(link *mailbox.Link, row *mailbox.RemoteMessage){
		"as sent":        func(_ *mailbox.Link, row *mailbox.RemoteMessage) { row.Size = 22 },
		"of LF on disk":  func(link *mailbox.Link, _ *mailbox.RemoteMessage) { link.Content.Verbatim = false },
		"without a UID":  func(link *mailbox.Link, _ *mailbox.RemoteMessage) { link.UID = 0 },
		"an older UID":   func(link *mailbox.Link, _ *mailbox.RemoteMessage) { link.Since = 7 },
		"another kind":   func(link *mailbox.Link, _ *mailbox.RemoteMessage) { link.Kind = mailbox.Linked },
		"not listed now": func(_ *mailbox.Link, row *mailbox.RemoteMessage) { row.UID = 9 },
	} {
		base, _, remote := rewritten()
		change(&base.Links[0], &remote.Messages[0])
		if asked := AskRewritten(base, remote); len(asked) != 0 {
			t.Errorf("%s: asked about %v", what, asked)
		}
	}
}
