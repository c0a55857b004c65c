//go:build long

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

// TestSuitesNoticeWhatIsTakenOut takes the list's things out, one at a time,
// and runs the suite that has to fail then. MAILFERRY_MUTATIONS chooses some by
// what they are.
func TestSuitesNoticeWhatIsTakenOut(t *testing.T) {
	chosen := regexp.MustCompile(os.Getenv("MAILFERRY_MUTATIONS"))
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
