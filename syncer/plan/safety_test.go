package plan

import (
	"fmt"
	"math/rand/v2"
	"os"
	"regexp"
	"slices"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

// diceSource makes histories that are the same in every run.
type diceSource struct{ *rand.Rand }

func (d diceSource) intn(n int) int { return d.IntN(n) }

// Live is a history of its own for each seed, for tests outside the package.
func Live(seed uint64) error { return live(diceSource{rand.New(rand.NewPCG(2, seed))}) }

// withRules runs f under another table.
func withRules(table []Row, f func()) {
	kept := rules
	rules = table
	defer func() { rules = kept }()
	f()
}

// mutated returns the table with another effect in one row.
func mutated(i int, effect Effect) []Row {
	table := Rules()
	table[i].Effect = effect
	return table
}

// breaksCase reports whether some case of testdata comes out differently.
func breaksCase(t *testing.T, archives []*txtar.Archive) (broken bool) {
	defer func() {
		if recover() != nil {
			broken = true // an action that nobody can do is noticed, too
		}
	}()
	for _, archive := range archives {
		if string(txtar.Format(planned(t, archive))) != string(txtar.Format(archive)) {
			return true
		}
	}
	return false
}

// breaksHistory reports whether some of n histories ends badly.
func breaksHistory(n int) (broken bool) {
	defer func() {
		if recover() != nil {
			broken = true
		}
	}()
	for seed := range uint64(n) {
		if live(diceSource{rand.New(rand.NewPCG(1, seed))}) != nil {
			return true
		}
	}
	return false
}

// TestEverySafetyRowMatters breaks one row of the table of rules at a time:
// the cases of testdata must show it. Where the broken row deletes something,
// the histories must show it, too.
func TestEverySafetyRowMatters(t *testing.T) {
	const histories = 3000
	archives := parsedCases(t)
	if breaksCase(t, archives) || breaksHistory(histories) {
		t.Fatal("the table itself does not pass")
	}
	for i, row := range rules {
		if row.Effect > Unlink {
			continue // not of messages that the base knows
		}
		for effect := Nothing; effect <= Unlink; effect++ {
			if effect == row.Effect || effect == MergeFlags && isNothingToMerge(row) {
				continue
			}
			name := fmt.Sprintf("%s,%s to %d", row.Server, row.Disk, effect)
			deletes := slices.Contains([]Effect{FollowServer, FollowDisk, Unlink}, effect)
			withRules(mutated(i, effect), func() {
				if !breaksCase(t, archives) {
					t.Errorf("%s: no case notices", name)
				}
				if deletes && !isHarmless(row, effect) && !breaksHistory(histories) {
					t.Errorf("%s: no history notices", name)
				}
			})
		}
	}
}

// isNothingToMerge reports whether merging flags does nothing in this case
// either.
func isNothingToMerge(row Row) bool {
	return row.Effect == Nothing && row.Server != Changed && row.Disk != Changed
}

// isHarmless reports whether the wrong effect takes away nothing that is there:
// both copies have gone already, or a link is dropped whose file comes back as
// a new one.
func isHarmless(row Row, wrong Effect) bool {
	return row.Server == Gone && (row.Disk == Gone || row.Disk == Unknown && wrong == Unlink)
}

func parsedCases(t testing.TB) []*txtar.Archive {
	t.Helper()
	var archives []*txtar.Archive
	for _, path := range caseFiles(t) {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		archives = append(archives, txtar.Parse(data))
	}
	return archives
}

// TestMissingRowDoesNothing: a case that nobody thought of is left alone.
func TestMissingRowDoesNothing(t *testing.T) {
	for i := range rules {
		table := slices.Delete(Rules(), i, i+1)
		withRules(table, func() {
			if row := rule(rules[0].Server, rules[0].Disk); row.Effect != rules[0].Effect {
				t.Errorf("row 0 became %v", row)
			}
			if row := rule(None, None); row.Effect != Nothing || row.Rule != "no-rule" {
				t.Errorf("a missing row gave %v", row)
			}
		})
	}
}

// TestRulesCoverEveryPairOfSides: each state of a message that the base knows
// has exactly one row.
func TestRulesCoverEveryPairOfSides(t *testing.T) {
	rows := map[[2]Side]int{}
	for _, row := range Rules() {
		if row.Effect <= Unlink {
			rows[[2]Side{row.Server, row.Disk}]++
		}
	}
	for server := Same; server <= Unknown; server++ {
		for disk := Same; disk <= Unknown; disk++ {
			if n := rows[[2]Side{server, disk}]; n != 1 {
				t.Errorf("%s on the server, %s on disk: %d rows", server, disk, n)
			}
		}
	}
}

// TestRuleNamesInTheCodeAreRows: what a plan gives as its reason can be looked
// up in the table.
func TestRuleNamesInTheCodeAreRows(t *testing.T) {
	rows := map[Rule]bool{"no-rule": true}
	for _, row := range Rules() {
		rows[row.Rule] = true
	}
	names := regexp.MustCompile(`(?:Rule: |, |Rule == )"([a-z]+(?:-[a-z]+)+)"`)
	found := 0
	for _, file := range []string{"decide.go", "make.go", "renamedfiles.go", "moves.go", "copies.go", "guard.go", "flags.go"} {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names.FindAllSubmatch(source, -1) {
			found++
			if !rows[Rule(name[1])] {
				t.Errorf("%s names the rule %q, which is not in the table", file, name[1])
			}
		}
	}
	if found < 8 {
		t.Errorf("found only %d names of rules", found)
	}
}

// TestUnknownDeletesNothing: no row with an unknown side does anything.
func TestUnknownDeletesNothing(t *testing.T) {
	for _, row := range Rules() {
		if (row.Server == Unknown || row.Disk == Unknown) && row.Effect != Nothing {
			t.Errorf("%s: %v follows from what is unknown", row.Rule, row.Effect)
		}
	}
}
