package plan

import (
	"fmt"
	"testing"

	"mailferry/syncer/mailbox"
)

// deleting makes a plan of a mailbox with known messages that deletes some.
func deleting(name mailbox.Name, known, local, remote int) *Plan {
	p := &Plan{Mailbox: name, Known: known, Settled: true}
	for range local {
		p.act(Action{Kind: RemoveLocal, Rule: "deleted-on-server", UID: mailbox.UID(len(p.Actions) + 1)})
	}
	for range remote {
		p.act(Action{Kind: ExpungeRemote, Rule: "deleted-on-disk", UID: mailbox.UID(len(p.Actions) + 1)})
	}
	return p
}

func (p *Plan) with(actions ...Action) *Plan {
	for _, action := range actions {
		p.act(action)
	}
	return p
}

func TestGuardRefusesWhatLooksLikeADisaster(t *testing.T) {
	rescue := Action{Kind: Upload, Rule: "changed-beats-deleted-on-server"}
	refetch := Action{Kind: Download, Rule: "changed-beats-deleted-on-disk"}
	trash := Action{Kind: MoveRemote, Rule: "deleted-on-disk", To: "Trash"}
	moved := Action{Kind: MoveRemote, Rule: "moved-on-disk", To: "Work"}
	var elevenMoves, elevenTrashed []Action
	for range 11 {
		elevenMoves, elevenTrashed = append(elevenMoves, moved), append(elevenTrashed, trash)
	}
	for _, test := range []struct {
		name             string
		plans            []*Plan
		untouched, allow int
		want             []string
	}{
		{"ten of many", []*Plan{deleting("A", 1000, 10, 0)}, 0, 0, nil},
		{"ten of eleven", []*Plan{deleting("A", 11, 10, 0)}, 0, 0, nil},
		{"eleven of twelve", []*Plan{deleting("A", 12, 11, 0)}, 0, 0, []string{"A too-many-deletions server 11 of 12"}},
		{"eleven of fifty-four", []*Plan{deleting("A", 54, 11, 0)}, 0, 0, []string{"A too-many-deletions server 11 of 54"}},
		{"eleven of fifty-five", []*Plan{deleting("A", 55, 11, 0)}, 0, 0, nil},
		{"a fifth", []*Plan{deleting("A", 1000, 200, 0)}, 0, 0, nil},
		{"over a fifth", []*Plan{deleting("A", 1000, 201, 0)}, 0, 0, []string{"A too-many-deletions server 201 of 1000"}},
		{"over a fifth on disk", []*Plan{deleting("A", 1000, 0, 201)}, 0, 0, []string{"A too-many-deletions disk 201 of 1000"}},
		{"a fifth on each side", []*Plan{deleting("A", 1000, 200, 200)}, 0, 0, nil},
		{"both sides over", []*Plan{deleting("A", 100, 30, 40)}, 0, 0, []string{"A too-many-deletions server 30 of 100", "A too-many-deletions disk 40 of 100"}},
		{"emptied", []*Plan{deleting("A", 11, 11, 0)}, 100, 0, []string{"A emptied server 11 of 11"}},
		{"a small one emptied", []*Plan{deleting("A", 10, 10, 0)}, 100, 0, nil},
		{"all of a tiny account", []*Plan{deleting("A", 10, 10, 0)}, 0, 0, nil},
		{"small ones all emptied", []*Plan{deleting("A", 6, 6, 0), deleting("B", 5, 5, 0)}, 0, 0, []string{"A emptied server 6 of 6", "B emptied server 5 of 5"}},
		{"small ones all emptied on disk", []*Plan{deleting("A", 6, 0, 6), deleting("B", 5, 0, 5)}, 0, 0, []string{"A emptied disk 6 of 6", "B emptied disk 5 of 5"}},
		{"small ones emptied, another untouched", []*Plan{deleting("A", 6, 6, 0), deleting("B", 5, 5, 0)}, 1, 0, nil},
		{"small ones emptied but for one message", []*Plan{deleting("A", 6, 6, 0), deleting("B", 5, 4, 0)}, 0, 0, nil},
		{"small ones emptied but for one that was rescued", []*Plan{deleting("A", 6, 6, 0), deleting("B", 5, 4, 0).with(rescue)}, 0, 0, []string{"A emptied server 6 of 6", "B emptied server 4 of 5"}},
		{"the same on disk", []*Plan{deleting("A", 6, 0, 6), deleting("B", 5, 0, 4).with(refetch)}, 0, 0, []string{"A emptied disk 6 of 6", "B emptied disk 4 of 5"}},
		{"one mailbox of two", []*Plan{deleting("A", 100, 21, 0), deleting("B", 100, 20, 0)}, 0, 0, []string{"A too-many-deletions server 21 of 100"}},
		{"allowed to the message", []*Plan{deleting("A", 100, 30, 0)}, 0, 30, nil},
		{"allowed one too few", []*Plan{deleting("A", 100, 30, 0)}, 0, 29, []string{"A too-many-deletions server 30 of 100"}},
		{"allowed for all mailboxes together", []*Plan{deleting("A", 100, 30, 0), deleting("B", 100, 0, 40)}, 0, 70, nil},
		{"allowed for one of two", []*Plan{deleting("A", 100, 30, 0), deleting("B", 100, 0, 40)}, 0, 69,
			[]string{"A too-many-deletions server 30 of 100", "B too-many-deletions disk 40 of 100"}},
		{"below the bound does not count against what is allowed", []*Plan{deleting("A", 100, 30, 0), deleting("B", 100, 20, 0)}, 0, 30, nil},
		{"moves to the trash are deletions", []*Plan{deleting("A", 20, 0, 0).with(elevenTrashed...)}, 0, 0, []string{"A too-many-deletions disk 11 of 20"}},
		{"moves that the user made are none", []*Plan{deleting("A", 20, 0, 0).with(elevenMoves...)}, 0, 0, nil},
		{"nothing", []*Plan{deleting("A", 100, 0, 0)}, 0, 0, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			var got []string
			for _, r := range Guard(test.plans, test.untouched, test.allow) {
				got = append(got, fmt.Sprintf("%s %s %s %d of %d", r.Mailbox, r.Reason, r.Side, r.Deletions, r.Known))
			}
			if fmt.Sprint(got) != fmt.Sprint(test.want) {
				t.Errorf("refused %q, want %q", got, test.want)
			}
		})
	}
}

// TestRefusalLeavesTheRestOfThePlan: only the refused mailbox's deletions on
// that side go, and its checkpoint stays.
func TestRefusalLeavesTheRestOfThePlan(t *testing.T) {
	a := deleting("A", 100, 30, 5).with(Action{Kind: Download}, Action{Kind: FlagRemote}, Action{Kind: DeleteMailboxLocal})
	b := deleting("B", 100, 3, 0)
	c := deleting("C", 0, 0, 0).with(Action{Kind: DeleteMailboxLocal})
	d := deleting("D", 0, 0, 0).with(Action{Kind: DeleteMailboxRemote})
	if n := len(Guard([]*Plan{a, b, c, d}, 0, 0)); n != 1 {
		t.Fatalf("%d refusals, want 1", n)
	}
	for _, test := range []struct {
		plan    *Plan
		actions int
		settled bool
	}{{a, 7, false}, {b, 3, true}, {c, 0, false}, {d, 1, true}} {
		if len(test.plan.Actions) != test.actions || test.plan.Settled != test.settled {
			t.Errorf("%s: settled %v with %d actions, want %v with %d", test.plan.Mailbox, test.plan.Settled, len(test.plan.Actions), test.settled, test.actions)
		}
	}
	for _, action := range a.Actions {
		if action.Kind == RemoveLocal || action.Kind == DeleteMailboxLocal {
			t.Errorf("A still has %s", action.Kind)
		}
	}
}
