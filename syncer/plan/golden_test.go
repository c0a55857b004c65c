package plan

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"mailferry/syncer/mailbox"
)

var update = flag.Bool("update", false, "rewrite the expected plans in testdata/plan")

const casesDir = "../../testdata/plan"

// TestMakeDecidesAsWrittenInTestdata plans every case of testdata/plan and
// compares the text of the plan byte for byte.
func TestMakeDecidesAsWrittenInTestdata(t *testing.T) {
	for _, path := range caseFiles(t) {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatal(err)
			}
			got := planned(t, archive)
			if *update {
				if err := os.WriteFile(path, txtar.Format(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if want := string(txtar.Format(archive)); string(txtar.Format(got)) != want {
				t.Errorf("the plan changed; see git diff after go test -update:\n%s\nwant:\n%s", txtar.Format(got), want)
			}
		})
	}
}

func caseFiles(t testing.TB) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(casesDir, "*.txtar"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no cases in %s: %v", casesDir, err)
	}
	return paths
}

// planned returns the archive with its plans made anew.
func planned(t testing.TB, archive *txtar.Archive) *txtar.Archive {
	t.Helper()
	got := &txtar.Archive{Comment: archive.Comment}
	sections := map[string]string{}
	for _, file := range archive.Files {
		if !strings.HasPrefix(file.Name, "plan ") {
			sections[file.Name] = string(file.Data)
			got.Files = append(got.Files, file)
		}
	}
	for _, name := range parseCase(t, sections).policies() {
		c := parseCase(t, sections)
		got.Files = append(got.Files, txtar.File{Name: "plan " + name, Data: []byte(c.plan(name))})
	}
	return got
}

// plan asks, answers and plans, and writes down all of it.
func (c *planCase) plan(policyName string) string {
	var b strings.Builder
	policy := c.policy(policyName)
	for range 3 {
		q := Ask(c.base, c.local, c.remote, policy)
		if q.IsEmpty() {
			break
		}
		fmt.Fprintf(&b, "ask headers [%s] bodies [%s]\n", q.Headers, q.Bodies)
		c.answer(q)
	}
	p := MakeMailbox(c.base, c.local, c.remote, policy)
	if limits := policy.Retention; limits != nil {
		if ahead, isDoubtful := DoubtClock([]*Plan{&p}, *limits); isDoubtful {
			fmt.Fprintf(&b, "clock behind %d\n", ahead.Unix)
		}
	}
	RecogniseArchived([]*Plan{&p}, c.marks)
	if limits := policy.Retention; limits != nil && limits.HasFree {
		UntilFreed([]*Plan{&p}, limits.Free)
	}
	b.WriteString(textOf(p))
	for _, loss := range Losses([]*Plan{&p}) {
		fmt.Fprintf(&b, "goes %d, %d octets; remains %d, %d octets\n", loss.Goes.Messages, loss.Goes.Octets, loss.Remains.Messages, loss.Remains.Octets)
	}
	return b.String()
}

// textOf writes a plan for people, completely.
func textOf(p Plan) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s:", p.Mailbox)
	for _, word := range []struct {
		isSo bool
		text string
	}{{p.Settled, "settled"}, {!p.Settled, "unsettled"}, {p.LocalSettled, "local-settled"}, {p.Renumbered, "renumbered"}} {
		if word.isSo {
			b.WriteString(" " + word.text)
		}
	}
	fmt.Fprintf(&b, " matched=%d conflicts=%d known=%d", p.Matched, p.Conflicts, p.Known)
	if p.TrashMissing > 0 {
		fmt.Fprintf(&b, " trash-missing=%d", p.TrashMissing)
	}
	if p.Postponed > 0 {
		fmt.Fprintf(&b, " postponed=%d", p.Postponed)
	}
	if !p.Undated.IsEmpty() {
		fmt.Fprintf(&b, " undated=%s", p.Undated)
	}
	if p.Unnumbered {
		b.WriteString(" unnumbered")
	}
	if p.MachinesUnsupported {
		b.WriteString(" machines-unsupported")
	}
	if !p.Unanswered.IsEmpty() {
		fmt.Fprintf(&b, " unanswered=%s", p.Unanswered)
	}
	b.WriteString("\n")
	for _, link := range p.Put {
		fmt.Fprintf(&b, "put %s\n", textOfLink(link))
	}
	if len(p.Forget) > 0 {
		fmt.Fprintf(&b, "forget %v\n", p.Forget)
	}
	for _, a := range p.Actions {
		fmt.Fprintln(&b, textOfAction(a))
	}
	return b.String()
}

func textOfAction(a Action) string {
	words := []string{string(a.Kind)}
	add := func(isThere bool, format string, args ...any) {
		if isThere {
			words = append(words, fmt.Sprintf(format, args...))
		}
	}
	add(a.To != "", "to=%s", a.To)
	add(a.UID != 0, "uid=%d", a.UID)
	add(a.Key != "", "key=%s", a.Key)
	add(a.Size != 0 && a.Size != defaultSize, "size=%d", a.Size)
	add(!a.Flags.IsEmpty(), "flags=%s", commas(a.Flags))
	add(!a.Change.Add.IsEmpty(), "add=%s", commas(a.Change.Add))
	add(!a.Change.Remove.IsEmpty(), "remove=%s", commas(a.Change.Remove))
	add(a.Date.Known && a.Date.Unix != 1, "date=%d", a.Date.Unix)
	add(a.Rule != "", "(%s)", a.Rule)
	if a.Link != nil {
		words = append(words, "->", textOfLink(a.Link))
	}
	return strings.Join(words, " ")
}

func textOfLink(l *mailbox.Link) string {
	text := fmt.Sprintf("%d %s", l.ID, l.Kind)
	if l.UID != 0 {
		text += fmt.Sprintf(" uid=%d", l.UID)
	}
	if l.Key != "" {
		text += fmt.Sprintf(" key=%s", l.Key)
	}
	for _, set := range []struct {
		name  string
		flags mailbox.Flags
	}{{"flags", l.Agreed}, {"remote", l.Remote}, {"local", l.Local}} {
		if !set.flags.IsEmpty() || !l.Agreed.IsEmpty() {
			text += fmt.Sprintf(" %s=%s", set.name, commas(set.flags))
		}
	}
	if l.Since != 0 {
		text += fmt.Sprintf(" since=%d", l.Since)
	}
	if l.Date.Known && l.Date.Unix != 1 {
		text += fmt.Sprintf(" date=%d", l.Date.Unix)
	}
	return text
}

func commas(flags mailbox.Flags) string { return strings.Join(flags.Names(), ",") }

// TestEveryRuleHasACase keeps the table and the cases together: each row is
// met by a message of some case, and each rule that a plan names is a row.
func TestEveryRuleHasACase(t *testing.T) {
	rows := map[Rule]bool{}
	sides := map[[2]Side]bool{}
	for _, row := range Rules() {
		rows[row.Rule] = true
		if row.Effect <= Unlink {
			sides[[2]Side{row.Server, row.Disk}] = true
		}
	}
	named := map[Rule]bool{}
	paired := 0
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
		for i := range c.base.Links {
			if link := &c.base.Links[i]; link.Kind == mailbox.Linked && !IsRenumbered(c.base, c.remote) {
				delete(sides, [2]Side{c.remote.side(link, c.base.Known.Remote.UIDNext), c.local.side(link)})
			}
		}
		c.plan("sync")
		p := MakeMailbox(c.base, c.local, c.remote, c.policy("sync"))
		for _, name := range append(c.policies(), "sync") {
			for _, action := range MakeMailbox(c.base, c.local, c.remote, c.policy(name)).Actions {
				if action.Rule != "" {
					named[action.Rule] = true
				}
			}
		}
		if slices.ContainsFunc(p.Put, func(l *mailbox.Link) bool { return l.ID == 0 && l.Kind == mailbox.Linked }) {
			paired++
		}
	}
	for side := range sides {
		t.Errorf("no case has a message that is %s on the server and %s on disk", side[0], side[1])
	}
	for rule := range named {
		if !rows[rule] {
			t.Errorf("a plan names the rule %q, which is not in the table", rule)
		}
	}
	for _, rule := range []Rule{"new-on-server", "new-on-disk", archived, archiveReport, BroughtBack} {
		if !named[rule] {
			t.Errorf("no case follows the rule %q", rule)
		}
	}
	if paired == 0 {
		t.Error("no case follows the rule same-content")
	}
}
