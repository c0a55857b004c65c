package main

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"mailferry/syncer/synctest"
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

// TestSuitesNoticeWhatIsTakenOut takes the list's things out, one at a time,
// and runs the suite that has to fail then. MAILFERRY_MUTATIONS chooses some by
// what they are, and is needed unless MAILFERRY_LONG is set.
func TestSuitesNoticeWhatIsTakenOut(t *testing.T) {
	wanted := os.Getenv("MAILFERRY_MUTATIONS")
	if wanted == "" && os.Getenv("MAILFERRY_LONG") == "" {
		t.Skip("part of the long run")
	}
	chosen := regexp.MustCompile(wanted)
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	caught, tried := 0, 0
	for _, m := range readMutations(t) {
		if !chosen.MatchString(m.what) {
			continue
		}
		tried++
		t.Run(strings.ReplaceAll(m.what, " ", "_"), func(t *testing.T) {
			failed, output := m.run(t, root)
			if !failed {
				synctest.Report(t, "NOT NOTICED by %s %s", m.pkg, m.tests)
				t.Errorf("%s %s does not notice that this is taken out of %s:\n%s", m.pkg, m.tests, m.file, output)
				return
			}
			caught++
			synctest.Report(t, "caught by %s: %s", m.pkg, firstFailure(output))
		})
	}
	synctest.Report(t, "%d of %d were caught", caught, tried)
}

// run reports whether the suite fails without the mutation's text, and what it
// said.
func (m mutation) run(t *testing.T, root string) (failed bool, output string) {
	t.Helper()
	path := filepath.Join(root, m.file)
	source, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	altered := filepath.Join(dir, filepath.Base(m.file))
	if err := os.WriteFile(altered, []byte(strings.Replace(string(source), m.old, m.new, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	overlay, err := json.Marshal(map[string]map[string]string{"Replace": {path: altered}})
	if err != nil {
		t.Fatal(err)
	}
	overlayFile := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(overlayFile, overlay, 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "go", "test", "-vet=off", "-count=1", "-failfast", "-timeout=5m", "-run", m.tests, m.pkg)
	cmd.Dir = root
	// A flag would not reach the program that a suite builds for itself.
	flags := strings.TrimSpace(os.Getenv("GOFLAGS") + " -overlay=" + overlayFile)
	cmd.Env = append(os.Environ(), "MAILFERRY_LONG=", "MAILFERRY_REPORT=", "GOFLAGS="+flags)
	text, err := cmd.CombinedOutput()
	if strings.Contains(string(text), "[build failed]") || strings.Contains(string(text), "no tests to run") && !strings.Contains(string(text), "--- FAIL") && m.pkg[len(m.pkg)-3:] != "..." {
		t.Fatalf("the suite did not run:\n%s", text)
	}
	return err != nil, string(text)
}

func firstFailure(output string) string {
	for line := range strings.Lines(output) {
		if rest, found := strings.CutPrefix(strings.TrimSpace(line), "--- FAIL: "); found {
			name, _, _ := strings.Cut(rest, " ")
			return name
		}
	}
	return "a suite that does not end"
}
