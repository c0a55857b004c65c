package main

import (
	"os"
	"strings"
	"testing"
)

// mutation is one thing that is taken out of the program.
type mutation struct {
	what, file, old, new string
	// suite is the package and the tests that have to fail without it.
	pkg, tests string
}

const mutationList = "../../testdata/mutations/list.txt"

func readMutations(t *testing.T) []mutation {
	t.Helper()
	text, err := os.ReadFile(mutationList)
	if err != nil {
		t.Fatal(err)
	}
	var list []mutation
	for _, block := range strings.Split(string(text), "\n== ")[1:] {
		lines := strings.Split(strings.TrimRight(block, "\n"), "\n")
		m := mutation{what: lines[0]}
		place, suite, found := strings.Cut(strings.TrimPrefix(lines[1], "file: "), "; suite: ")
		if !found {
			t.Fatalf("%s: no suite", m.what)
		}
		m.file = place
		m.pkg, m.tests, _ = strings.Cut(suite, " ")
		var old, with []string
		for _, line := range lines[2:] {
			switch {
			case strings.HasPrefix(line, "- "):
				old = append(old, line[2:])
			case strings.HasPrefix(line, "+ "):
				with = append(with, line[2:])
			}
		}
		m.old, m.new = strings.Join(old, "\n"), strings.Join(with, "\n")
		list = append(list, m)
	}
	return list
}

// TestMutationsFitTheProgram: what is to be taken out is there, once.
func TestMutationsFitTheProgram(t *testing.T) {
	for _, m := range readMutations(t) {
		source, err := os.ReadFile("../../" + m.file)
		if err != nil {
			t.Errorf("%s: %v", m.what, err)
		} else if n := strings.Count(string(source), m.old); n != 1 {
			t.Errorf("%s: %s has %q %d times", m.what, m.file, m.old, n)
		}
	}
}
