package plan

import (
	"cmp"
	"fmt"
	"slices"
	"testing"

	"mailferry/syncer/mailbox"
)

// boxOf makes a mailbox with one linked message a name, UIDs from 1.
func boxOf(name mailbox.Name, names ...string) Base {
	base := Base{Known: mailbox.Known{Name: name, HasRemote: true, HasLocal: true, Remote: mailbox.Status{UIDValidity: 7}}}
	for i, text := range names {
		base.Links = append(base.Links, mailbox.Link{
			ID: mailbox.LinkID(i + 1), UID: mailbox.UID(i + 1), Key: mailbox.Key(text),
			Content: contentOf(text, sizeOf(text)), Date: mailbox.Date{Unix: 1, Known: true},
		})
	}
	return base
}

// freshOf makes a mailbox as a listing of the server and of the disk shows it.
// Its messages say as much of their content as AskRenamed asked for.
func freshOf(name mailbox.Name, names ...string) Fresh {
	fresh := Fresh{Name: name}
	fresh.Remote.Status.UIDValidity = 7
	for i, text := range names {
		content := contentOf(text, sizeOf(text))
		fresh.Remote.Messages = append(fresh.Remote.Messages, mailbox.RemoteMessage{
			UID: mailbox.UID(i + 1), HasSize: true, Size: content.Size, Date: mailbox.Date{Unix: 1, Known: true},
			Header: content.Header, HasMessageID: true,
		})
		fresh.Local.Messages = append(fresh.Local.Messages, mailbox.LocalMessage{Key: mailbox.Key(text)})
	}
	slices.SortFunc(fresh.Local.Messages, func(a, b mailbox.LocalMessage) int { return cmp.Compare(a.Key, b.Key) })
	return fresh
}

func (f Fresh) renumbered(validity mailbox.UIDValidity) Fresh {
	f.Remote.Status.UIDValidity = validity
	return f
}

func (f Fresh) next(uid mailbox.UID) Fresh {
	f.Remote.Status.UIDNext = uid
	return f
}

// unproven has no header that could tell it from another mailbox.
func (f Fresh) unproven() Fresh {
	for i := range f.Remote.Messages {
		f.Remote.Messages[i].Header, f.Remote.Messages[i].HasMessageID = mailbox.Hash{}, false
	}
	return f
}

func TestRenamesAreRecognisedByWhatIsInTheMailbox(t *testing.T) {
	type bases = []Base
	type freshes = []Fresh
	for _, test := range []struct {
		name           string
		gone           bases
		fresh          freshes
		server, onDisk string
	}{
		{"renamed", bases{boxOf("A", "m1", "m2")}, freshes{freshOf("B", "m1", "m2")}, "A>B", "A>B"},
		{"with a new message", bases{boxOf("A", "m1", "m2")}, freshes{freshOf("B", "m1", "m2", "m3")}, "A>B", "A>B"},
		{"with children", bases{boxOf("A", "m1"), boxOf("A/C", "m2"), boxOf("A/C/D", "m3")},
			freshes{freshOf("B", "m1"), freshOf("B/C", "m2"), freshOf("B/C/D", "m3")}, "A>B A/C>B/C A/C/D>B/C/D", "A>B A/C>B/C A/C/D>B/C/D"},
		{"two with one UIDVALIDITY", bases{boxOf("A", "m1", "m2"), boxOf("B", "m3", "m4")},
			freshes{freshOf("C", "m3", "m4"), freshOf("D", "m1", "m2")}, "A>D B>C", "A>D B>C"},
		{"swapped sizes", bases{boxOf("A", "message 1", "message 2")}, freshes{freshOf("B", "message 2", "message 1")}, "", "A>B"},
		{"another content", bases{boxOf("A", "m1", "m2")}, freshes{freshOf("B", "x1", "x2")}, "", ""},
		{"two copies of it", bases{boxOf("A", "m1")}, freshes{freshOf("C", "m1"), freshOf("B", "m1")}, "A>B", "A>B"},
		{"the most alike", bases{boxOf("A", "m1", "m2")}, freshes{freshOf("B", "m1"), freshOf("C", "m1", "m2")}, "A>C", "A>C"},
		{"less than half", bases{boxOf("A", "m1", "m2", "m3")}, freshes{freshOf("B", "m1")}, "", ""},
		{"half", bases{boxOf("A", "m1", "m2")}, freshes{freshOf("B", "m1")}, "A>B", "A>B"},
		{"half, and the other UID is yet to be given", bases{boxOf("A", "m1", "m2")}, freshes{freshOf("B", "m1").next(2)}, "", "A>B"},
		{"half, and the other is expunged", bases{boxOf("A", "m1", "m2")}, freshes{freshOf("B", "m1").next(3)}, "A>B", "A>B"},
		{"empty", bases{boxOf("A")}, freshes{freshOf("B")}, "", ""},
		{"INBOX", bases{boxOf("INBOX", "m1")}, freshes{freshOf("B", "m1")}, "", ""},
		{"another UIDVALIDITY", bases{boxOf("A", "m1")}, freshes{freshOf("B", "m1").renumbered(8)}, "", "A>B"},
		{"no UIDVALIDITY", bases{boxOf("A", "m1")}, freshes{freshOf("B", "m1").renumbered(0)}, "", "A>B"},
		{"nothing but UIDs, sizes and dates", bases{boxOf("A", "m1")}, freshes{freshOf("B", "m1").unproven()}, "", "A>B"},
		{"nothing gone", nil, freshes{freshOf("B", "m1")}, "", ""},
		{"nothing fresh", bases{boxOf("A", "m1")}, nil, "", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := textOfRenames(RenamedOnServer(test.gone, test.fresh)); got != test.server {
				t.Errorf("on the server %q, want %q", got, test.server)
			}
			if got := textOfRenames(RenamedOnDisk(test.gone, test.fresh)); got != test.onDisk {
				t.Errorf("on disk %q, want %q", got, test.onDisk)
			}
		})
	}
}

func textOfRenames(renames []Rename) string {
	text := ""
	for i, r := range renames {
		if i > 0 {
			text += " "
		}
		text += fmt.Sprintf("%s>%s", r.From, r.To)
	}
	return text
}

func TestAskRenamedAsksForASample(t *testing.T) {
	var names []string
	for i := range 1000 {
		names = append(names, fmt.Sprint("message ", i))
	}
	asked := AskRenamed(boxOf("A", names...), freshOf("B", names...).Remote)
	if n := asked.Len(); n < sampleSize || n > 2*sampleSize {
		t.Errorf("asks for %d messages of 1000", n)
	}
	if asked := AskRenamed(boxOf("A", names...), freshOf("B", names[1:]...).Remote); !asked.IsEmpty() {
		t.Errorf("asks for %s of a mailbox that it cannot be", asked)
	}
}

// TestMovesReplaceTransfers: what one mailbox loses and another gains is moved,
// each message once, and a move is no deletion.
func TestMovesReplaceTransfers(t *testing.T) {
	link := func(id mailbox.LinkID, uid mailbox.UID, key mailbox.Key, name string) *mailbox.Link {
		return &mailbox.Link{ID: id, UID: uid, Key: key, Content: contentOf(name, 10), Date: mailbox.Date{Unix: 1, Known: true}}
	}
	plans := func() []*Plan {
		a := (&Plan{Mailbox: "A", Known: 4}).with(
			Action{Kind: RemoveLocal, Rule: "deleted-on-server", UID: 1, Key: "a", Link: link(1, 1, "a", "m1")},
			Action{Kind: RemoveLocal, Rule: "deleted-on-server", UID: 2, Key: "b", Link: link(2, 2, "b", "m2")},
			Action{Kind: ExpungeRemote, Rule: "deleted-on-disk", UID: 3, Key: "c", Link: link(3, 3, "c", "m3")},
		)
		b := (&Plan{Mailbox: "B"}).with(
			Action{Kind: Download, Rule: "new-on-server", UID: 9, Link: link(0, 9, "", "m1")},
			Action{Kind: Download, Rule: "new-on-server", UID: 10, Link: link(0, 10, "", "m9")},
			Action{Kind: Upload, Rule: "new-on-disk", Key: "x", Link: link(0, 0, "x", "m3")},
			Action{Kind: Upload, Rule: "new-on-disk", Key: "y", Link: link(0, 0, "y", "m3")},
		)
		return []*Plan{a, b}
	}
	if asked := AskMoved(plans())["B"].String(); asked != "9:10" {
		t.Errorf("asks for %q", asked)
	}
	headers := Moved{"B": {9: {contentOf("m1", 10).Header, true}, 10: {contentOf("m9", 10).Header, true}}}
	for _, test := range []struct {
		name    string
		headers Moved
		a, b    string
	}{
		{"known headers", headers, "[move-local 9 a move-remote 3 x remove-local 2 b]", "[download 10  upload 0 y]"},
		{"no headers", nil, "[move-remote 3 x remove-local 1 a remove-local 2 b]", "[download 9  download 10  upload 0 y]"},
	} {
		p := plans()
		RecogniseMoves(p, test.headers)
		for i, want := range []string{test.a, test.b} {
			var got []string
			for _, action := range p[i].Actions {
				got = append(got, fmt.Sprint(action.Kind, " ", action.UID, " ", action.Key))
			}
			if fmt.Sprint(got) != want {
				t.Errorf("%s: %s has %v, want %s", test.name, p[i].Mailbox, got, want)
			}
		}
	}
}

// TestMoveTakesAlongFlagsThatChanged: of identical messages the one with the same
// flags was moved; where none has them, the flags changed, too.
func TestMoveTakesAlongFlagsThatChanged(t *testing.T) {
	link := func(uid mailbox.UID, key mailbox.Key, flags ...string) *mailbox.Link {
		held := mailbox.NewFlags(flags...)
		return &mailbox.Link{UID: uid, Key: key, Content: contentOf("m", 10), Agreed: held, Remote: held, Local: held}
	}
	a := (&Plan{Mailbox: "A"}).with(
		Action{Kind: ExpungeRemote, Rule: "deleted-on-disk", UID: 1, Key: "a", Link: link(1, "a", mailbox.FlagSeen)},
		Action{Kind: ExpungeRemote, Rule: "deleted-on-disk", UID: 2, Key: "b", Link: link(2, "b", mailbox.FlagFlagged)},
	)
	b := (&Plan{Mailbox: "B"}).with(
		Action{Kind: Upload, Rule: "new-on-disk", Key: "x", Link: link(0, "x", mailbox.FlagAnswered)},
		Action{Kind: Upload, Rule: "new-on-disk", Key: "y", Link: link(0, "y", mailbox.FlagSeen)},
	)
	RecogniseMoves([]*Plan{a, b}, nil)
	var got []string
	for _, action := range a.Actions {
		got = append(got, fmt.Sprintf("%s %d %s %s +%s -%s", action.Kind, action.UID, action.Key, action.Flags, action.Change.Add, action.Change.Remove))
	}
	want := []string{`move-remote 1 y \Seen + -`, `move-remote 2 x \Answered +\Answered -\Flagged`}
	if !slices.Equal(got, want) || len(b.Actions) != 0 {
		t.Errorf("%q, want %q; B: %v", got, want, b.Actions)
	}
}

// TestFileDoesNotReturnToWhereItIsMissed: a reader moved A's only file to B, and
// on the server a copy in B was moved back to A. The file keeps its key, so in A
// it would be taken for the one whose absence is about to delete message 1.
func TestFileDoesNotReturnToWhereItIsMissed(t *testing.T) {
	link := func(uid mailbox.UID, key mailbox.Key) *mailbox.Link {
		return &mailbox.Link{UID: uid, Key: key, Content: contentOf("m", 10), Date: mailbox.Date{Unix: 1, Known: true}}
	}
	a := (&Plan{Mailbox: "A"}).with(
		Action{Kind: ExpungeRemote, Rule: "deleted-on-disk", UID: 1, Key: "k", Link: link(1, "k")},
		Action{Kind: Download, Rule: "new-on-server", UID: 4, Link: link(4, "")},
	)
	b := (&Plan{Mailbox: "B"}).with(Action{Kind: RemoveLocal, Rule: "deleted-on-server", UID: 2, Key: "k", Link: link(2, "k")})
	RecogniseMoves([]*Plan{a, b}, Moved{"A": {4: {contentOf("m", 10).Header, true}}})
	var got []string
	for _, action := range slices.Concat(a.Actions, b.Actions) {
		got = append(got, fmt.Sprint(action.Kind, " ", action.UID, " ", action.Key))
	}
	slices.Sort(got)
	if want := []string{"download 4 ", "expunge-remote 1 k", "remove-local 2 k"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}
