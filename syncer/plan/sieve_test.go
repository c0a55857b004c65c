package plan

import (
	"testing"

	"golang.org/x/tools/txtar"

	"mailferry/syncer/mailbox"
)

// sifted is what the engine makes of complete snapshots.
func sifted(base Base, local Local, remote Remote, policy Policy) (Base, Local, Remote, Policy) {
	known := base.Known
	known.Links = len(base.Links)
	bare := local
	bare.Messages = nil
	var files []mailbox.LocalFile
	content := map[mailbox.Key]mailbox.LocalMessage{}
	for _, m := range local.Messages {
		files = append(files, mailbox.LocalFile{Key: m.Key, Flags: m.Flags})
		content[m.Key] = m
	}
	var onServer, claimed []mailbox.UID
	for _, link := range base.Links {
		if link.UID != 0 && link.Kind == mailbox.PendingUpload {
			claimed = append(claimed, link.UID)
		}
		if link.UID != 0 && link.Kind != mailbox.PendingUpload {
			onServer = append(onServer, link.UID)
		}
	}
	for _, all := range []bool{false, true} {
		s := NewSieve(known, bare, files, remote, policy)
		s.Claimed(mailbox.UIDs(claimed...))
		if all {
			s.KeepAll()
		}
		some := s.Wants(mailbox.UIDs(onServer...))
		for i := range base.Links {
			// The state hands them over in no order.
			if link := &base.Links[len(base.Links)-1-i]; some.Fits(link) {
				s.Take(link)
			}
		}
		base, local, remote = s.Base(), s.Local(), s.Remote()
		if !s.HasStrangers() && !IsRenumbered(base, remote) {
			break
		}
	}
	for i := range local.Messages {
		local.Messages[i] = content[local.Messages[i].Key]
	}
	return base, local, remote, policy
}

func TestSieveChangesNoGoldenPlan(t *testing.T) {
	for _, path := range caseFiles(t) {
		archive, err := txtar.ParseFile(path)
		if err != nil {
			t.Fatal(err)
		}
		sections := map[string]string{}
		for _, file := range archive.Files {
			sections[file.Name] = string(file.Data)
		}
		c := parseCase(t, sections)
		c.plan("sync")
		for _, name := range []string{"sync", "backup", "mirror"} {
			policy := c.policy(name)
			want := textOf(MakeMailbox(c.base, c.local, c.remote, policy))
			if got := textOf(MakeMailbox(sifted(c.base, c.local, c.remote, policy))); got != want {
				t.Errorf("%s: %s:\n%s\nsifted:\n%s", path, name, want, got)
			}
		}
	}
}

func TestSieveLeavesOutWhatIsInStep(t *testing.T) {
	const n = 1000
	known := mailbox.Known{Name: "INBOX", HasRemote: true, HasLocal: true, Links: n, Remote: mailbox.Status{UIDValidity: 1, UIDNext: n + 1}}
	seen := mailbox.NewFlags(mailbox.FlagSeen)
	link := func(uid mailbox.UID) *mailbox.Link {
		return &mailbox.Link{ID: mailbox.LinkID(uid), UID: uid, Key: mailbox.Key(rune('a' + uid)), Content: mailbox.Content{Hash: mailbox.Hash{1}}}
	}
	remote := Remote{Observation: mailbox.Observation{Status: known.Remote, Delta: true, Complete: true}, Messages: []mailbox.RemoteMessage{
		{UID: 7, HasFlags: true}, {UID: 8, HasFlags: true, Flags: seen}, {UID: n + 1, HasFlags: true},
	}}
	s := NewSieve(known, Local{Unchanged: true}, nil, remote, Sync())
	some := s.Wants(nil)
	if some.IsAll() || some.UIDs.String() != "7:8,1001" || some.From != n+1 || !some.Odd {
		t.Errorf("it wants %+v", some)
	}
	for uid := mailbox.UID(1); uid <= n; uid++ {
		if l := link(uid); some.Fits(l) {
			s.Take(l)
		}
	}
	base, rows := s.Base(), s.Remote().Messages
	if len(base.Links) != 1 || base.Links[0].UID != 8 || base.Rest != n-1 || len(rows) != 2 || s.HasStrangers() {
		t.Errorf("%d links, %d left out, %d rows", len(base.Links), base.Rest, len(rows))
	}
	if p := Make(base, s.Local(), s.Remote(), Sync()); p.Known != n || len(p.Actions) != 2 {
		t.Errorf("%+v", p)
	}
}
